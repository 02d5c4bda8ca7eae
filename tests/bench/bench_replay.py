"""Settlements and lines replayed a second, from a book on disk to decisions on disk.

Rates are of processor time, one core's times two: what others run on the machine does not count, and
start-up, compiling included, is left out (`ONLY=city_year` has the wall time of a whole command). The plain
Python engine decides settlements of the same books in the same run, from objects that are parsed already.
"""

import shutil
import tempfile
import time
from pathlib import Path

from engine.adjudication.replay.scalar import coverage_at, decide_in_order, settlements_at
from engine.books.book import Book
from engine.books.replay import Job, decide_part, replay
from engine.terms import Terms, load_product
from tests.bench import Row
from tests.bench.city import write_city
from tests.bench.sampling import interleaved
from tests.support.process import REPOSITORY

_PRODUCTS = REPOSITORY / "seeds" / "products"
_CORES, _PARTS, _ROUNDS = 2, 8, 5
_LINES_EACH = 25
_BY_TOTALS, _BY_LINES = 400_000, 320_000
_SCALAR = 2_000


def run() -> list[Row]:
    by_totals = load_product(_PRODUCTS / "zhaohuibao-liaocheng.yaml")
    by_lines = load_product(_PRODUCTS / "huhuibao-2025.yaml")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        totals, lines = folder / "totals", folder / "lines"
        write_city(totals, by_totals, _BY_TOTALS, _PARTS, seed=41, lines_each=0)
        write_city(lines, by_lines, _BY_LINES, _PARTS, seed=42, lines_each=_LINES_EACH)
        rate = interleaved(
            {
                "totals": lambda: _rate(totals, by_totals, folder / "out"),
                "lines": lambda: _rate(lines, by_lines, folder / "out"),
                "scalar totals": lambda: _scalar_rate(totals, by_totals),
                "scalar lines": lambda: _scalar_rate(lines, by_lines),
            },
            _ROUNDS,
        )
        seconds = interleaved(
            {
                "processes": lambda: _seconds(lines, by_lines, folder / "out", None),
                "ray": lambda: _seconds(lines, by_lines, folder / "out", "local"),
            },
            rounds=1,
        )
    unit, scalar = "settlements/s", "the scalar engine, this run"
    return [
        Row("from summed bases", unit, rate["totals"], rate["scalar totals"], scalar, "≥ 1000000"),
        Row(f"from {_LINES_EACH} raw lines each", unit, rate["lines"], rate["scalar lines"], scalar),
        Row(
            "from raw lines",
            "lines/s",
            rate["lines"] * _LINES_EACH,
            rate["scalar lines"] * _LINES_EACH,
            scalar,
            "≥ 10000000",
        ),
        Row(
            f"{_BY_LINES:,} settlements, the whole command, by Ray started for it",
            "s",
            seconds["ray"],
            seconds["processes"],
            f"{_CORES} processes, this run",
        ),
    ]


def _rate(book: Path, terms: Terms, out: Path) -> float:
    """Settlements a second of one core, from files to files, times the cores."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    job = Job(str(book), str(out), (terms.canonical,))
    first, *rest = Book(book).parts
    decide_part(job, first)
    started = time.process_time()
    settlements = sum(decide_part(job, part).settlements for part in rest)
    return _CORES * settlements / (time.process_time() - started)


def _scalar_rate(folder: Path, terms: Terms) -> float:
    """The same for the scalar engine, from what is parsed already."""
    book = Book(folder)
    kinds = book.kinds()
    part = book.part(book.parts[0], len(kinds)).part
    settlements = settlements_at(part, kinds, range(_SCALAR))
    by_policy: dict[int, list[int]] = {}
    for row in range(_SCALAR):
        by_policy.setdefault(int(part.bills.policy[row]), []).append(row)
    policies = [(coverage_at(part, policy), rows) for policy, rows in by_policy.items()]
    started = time.process_time()
    for coverage, rows in policies:
        decide_in_order(terms, coverage, [settlements[row] for row in rows])
    return _CORES * _SCALAR / (time.process_time() - started)


def _seconds(book: Path, terms: Terms, out: Path, ray: str | None) -> float:
    """Wall time of a whole replay, its workers' start included."""
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    replay(book, [terms], out, workers=_CORES, announce=lambda *_: None, ray=ray)
    return time.perf_counter() - started
