"""The rows of an Excel workbook: bombs are refused, the rest is read in a bounded process."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.settlement.sources.refusing import refuse
from engine.settlement.sources.table_layout import MAX_COLUMNS, Row

MAX_BYTES: Final = 64 << 20
MAX_UNPACKED: Final = 512 << 20
MAX_RATIO: Final = 200
"""A sheet of figures packs 5 to 30 times; a bomb a thousand times."""
_SMALL: Final = 16 << 20
"""What is no larger unpacked may be packed as it likes."""
MAX_MEMBERS: Final = 2000

_BOUNDS: Final = {"memory": 1 << 30, "cpu_seconds": 60, "cells": 2_000_000, "columns": MAX_COLUMNS}

ZIP: Final = b"PK\x03\x04"
OLE2: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_REASONS: Final = {
    "unreadable": ("source.workbook.unreadable", "is no workbook that can be read; save it as .xlsx again"),
    "password": ("source.workbook.password", "is locked by a password"),
    "no_sheet": ("source.workbook.sheet", "has no sheet of a name that the mapping states"),
    "too_large": (
        "source.workbook.too_large",
        "has more than 2,000,000 cells, or a sheet more than 500 columns",
    ),
}


def sheets(data: bytes, names: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """(sheet, row) over the named sheets in that order, or over the first one. Raises SourceRefused."""
    if data.startswith(ZIP):
        _check_directory(data)
    child = Path(__file__).with_name("workbook_child.py")
    with subprocess.Popen(  # noqa: S603 - our own program; its argument is no option
        [sys.executable, "-I", str(child), json.dumps({"sheets": list(names), **_BOUNDS})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield from _rows(process, data)
        finally:
            process.kill()  # when nobody reads on; does nothing to one that has ended


def _rows(process: subprocess.Popen[bytes], data: bytes) -> Iterator[tuple[str, Row]]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise AssertionError("both are pipes")
    try:
        # It reads all before it says anything, so neither waits for the other.
        stdin.write(data)
        stdin.close()
    except BrokenPipeError:
        pass
    sheet, number = "", 0
    for line in stdout:
        said = json.loads(line)
        if isinstance(said, list):
            number += 1
            yield sheet, (number, said)
        elif "sheet" in said:
            sheet, number = said["sheet"], 0
        elif "error" in said:
            refuse(*_REASONS[said["error"]])
        else:
            return
    refuse("source.workbook.bomb", "cannot be read within 1 GiB of memory and 60 seconds")


def _check_directory(data: bytes) -> None:
    """What the directory claims; a directory that lies meets the bounds of the process."""
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError):
        refuse(*_REASONS["unreadable"])
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    too_many = len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED
    if too_many or (unpacked > _SMALL and unpacked > MAX_RATIO * max(packed, 1)):
        refuse("source.workbook.bomb", f"unpacks to {unpacked} bytes in {len(members)} files: not a workbook")
