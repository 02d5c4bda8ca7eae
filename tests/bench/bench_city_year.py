"""A city's year, re-adjudicated: the whole command, from a book on disk to its summary.

The book is made first, from a seed, and takes some minutes and two gigabytes of disk; that is not measured.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.terms import load_product
from tests.bench import Row
from tests.bench.city import write_city
from tests.bench.sampling import Memory
from tests.support.process import REPOSITORY

_SETTLEMENTS, _LINES_EACH, _PARTS, _WORKERS = 5_000_000, 25, 125, 2
_PRODUCT = REPOSITORY / "seeds" / "products" / "huhuibao-2025.yaml"


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        book, out = Path(scratch) / "book", Path(scratch) / "out"
        write_city(book, load_product(_PRODUCT), _SETTLEMENTS, _PARTS, seed=2025, lines_each=_LINES_EACH)
        options = ["--product", _PRODUCT, "--book", book, "--out", out, "--workers", _WORKERS, "--json"]
        command = [sys.executable, "-m", "api.cli.main", "replay", *map(str, options)]
        started, spent = time.perf_counter(), _processor_s()
        with (
            subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process,
            Memory(process.pid) as memory,
        ):
            told = json.loads(process.communicate()[0])
        seconds, spent = time.perf_counter() - started, _processor_s() - spent
    what = f"{told['settlements']:,} settlements, {told['lines']:,} lines, {_WORKERS} workers"
    return [
        Row(f"{what}: the whole command", "s", seconds, target="≤ 60"),
        Row(f"the same where nothing else runs: processor time over {_WORKERS} cores", "s", spent / _WORKERS),
        Row("most memory of all its processes at once", "GiB", memory.most / 2**30, target="≤ 4"),
        Row("settlements decided by the scalar engine", "settlements", told["by_scalar"]),
    ]


def _processor_s() -> float:
    """Of all processes that this one has waited for, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
