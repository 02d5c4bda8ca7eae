"""A hospital's file of many settlements through `autoclaim deliver`: how fast, and in how much memory.

ROWS=1000000 makes it a million: some 4 GB on the disk, twice. Nobody in them is insured.
"""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from tests.bench import Row
from tests.bench.bench_intake import HOSPITAL, native_bodies
from tests.bench.hospital import Hospital
from tests.bench.sampling import Memory, processor_s
from tests.bench.stage import folder, staged

_ROWS = int(os.environ.get("ROWS", "20000"))
_DISTINCT = 1_000
"""Settlements that differ in more than their number."""
_NUMBER = re.compile(rb'"setl_id":"[^"]*"')
_MIB = 2**20


def run() -> list[Row]:
    with folder("upload") as home, staged("upload") as stage, Hospital(stage, HOSPITAL) as hospital:
        file = home / "settlements.ndjson"
        size = _write(file)
        engine = stage.engine.pid
        if engine is None:
            raise RuntimeError("the engine does not run")
        began, spent_s = datetime.now(UTC), processor_s(engine)
        with Memory(engine) as of_engine:
            client = _deliver(file, hospital, stage.url)
            with Memory(client.pid) as of_client:
                said = json.loads(client.communicate()[0])
        elapsed_s = (datetime.now(UTC) - began).total_seconds()
        spent_s = processor_s(engine) - spent_s
        hospital.wait_for_the_line()
    if said["records"] != {"accepted": _ROWS}:
        raise RuntimeError(f"of {_ROWS} settlements there became {said['records']}")
    what = f"{_ROWS:,} settlements of {size / _ROWS / 1000:.1f} KB by `autoclaim deliver`"
    return [
        Row(what, "settlements/s", _ROWS / elapsed_s),
        Row(f"{what}: the engine's processor time, its readers' not", "ms each", spent_s * 1000 / _ROWS),
        Row(f"{what}: the engine and its readers at most", "MiB", of_engine.most / _MIB),
        Row(f"{what}: the command at most", "MiB", of_client.most / _MIB),
    ]


def _write(file: Path) -> int:
    """The file's size; each line has a number of its own."""
    some = list(islice(native_bodies(), _DISTINCT))
    with file.open("wb") as lines:
        for number in range(_ROWS):
            own = b'"setl_id":"U%09d"' % number
            lines.write(_NUMBER.sub(own, some[number % _DISTINCT], count=1) + b"\n")
    return file.stat().st_size


def _deliver(file: Path, hospital: Hospital, url: str) -> "subprocess.Popen[bytes]":
    options = {"--hospital": HOSPITAL, "--url": url, **hospital.key_files(file.parent)}
    command = [sys.executable, "-m", "api.cli.main", "deliver", str(file), "--json"]
    return subprocess.Popen(
        [*command, *(part for option in options.items() for part in option)], stdout=subprocess.PIPE
    )
