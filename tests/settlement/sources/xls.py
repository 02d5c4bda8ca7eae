"""Writes the old Excel format (BIFF8 in an OLE2 file): just enough of [MS-XLS] and [MS-CFB] for tables."""

import struct
from collections.abc import Iterable, Sequence

Cell = str | float
Merge = tuple[int, int, int, int]
"""First and last row, first and last column, from 0."""

_SECTOR = 512
_END, _FREE, _IS_FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def xls(name: str, cells: Iterable[tuple[int, int, Cell]], merged: Sequence[Merge] = ()) -> bytes:
    """A workbook with one sheet of these (row, column, value)."""
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
    for row, column, value in cells:
        at = struct.pack("<HHH", row, column, 0)
        if isinstance(value, float):
            sheet += _record(0x0203, at + struct.pack("<d", value))
        else:
            sheet += _record(0x0204, at + struct.pack("<HB", len(value), 1) + value.encode("utf-16-le"))
    if merged:
        sheet += _record(
            0x00E5, struct.pack("<H", len(merged)) + b"".join(struct.pack("<4H", *m) for m in merged)
        )
    sheet += _record(0x000A, b"")
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    title = struct.pack("<BB", len(name), 1) + name.encode("utf-16-le")
    offset = len(start) + 4 + 6 + len(title) + 4
    globals_ = start + _record(0x0085, struct.pack("<IH", offset, 0) + title) + _record(0x000A, b"")
    return _ole2((globals_ + sheet).ljust(4096, b"\0"))


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _ole2(stream: bytes) -> bytes:
    """One stream called Workbook: sectors of the allocation table, one of the directory, then the stream."""
    used = -(-len(stream) // _SECTOR)
    tables = 1
    while tables * 128 < tables + 1 + used:
        tables += 1
    chain = [_IS_FAT] * tables + [_END] + [tables + 2 + at for at in range(used - 1)] + [_END]
    chain += [_FREE] * (tables * 128 - len(chain))
    header = (
        bytes.fromhex("d0cf11e0a1b11ae1")
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
    )
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, _END, 0, _END, 0)
    header += struct.pack("<109I", *range(tables), *[_FREE] * (109 - tables))
    directory = _entry("Root Entry", 5, 1, _END, 0) + _entry("Workbook", 2, _FREE, tables + 1, len(stream))
    return (
        header
        + struct.pack(f"<{len(chain)}I", *chain)
        + directory.ljust(_SECTOR, b"\0")
        + stream.ljust(used * _SECTOR, b"\0")
    )


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    places = struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
    return text.ljust(64, b"\0") + places + bytes(36) + struct.pack("<IQ", start, size)
