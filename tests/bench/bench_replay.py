"""Settlements and lines that two cores replay a second, from a book on disk to decisions on disk.

Wall time of whole commands but for their start: two workers that have decided a part already. The plain
Python engine decides the same settlements in the same run, one core of it times the workers.
"""

import shutil
import tempfile
import time
from pathlib import Path

from engine.adjudication.replay.scalar import coverage_at, decide_in_order, settlements_at
from engine.books.book import Book
from engine.books.replay import replay
from engine.books.results import Summary
from engine.terms import Terms, load_product
from tests.bench import Row
from tests.bench.city import write_city
from tests.bench.sampling import interleaved
from tests.support.process import REPOSITORY

_PRODUCTS = REPOSITORY / "seeds" / "products"
_WORKERS, _PARTS, _ROUNDS = 2, 32, 3
_LINES_EACH = 25
_BY_TOTALS, _BY_LINES = 1_600_000, 320_000
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
                "ray": lambda: _rate(lines, by_lines, folder / "out", ray="local"),
                "scalar totals": lambda: _scalar_rate(totals, by_totals),
                "scalar lines": lambda: _scalar_rate(lines, by_lines),
            },
            _ROUNDS,
        )
    scalar, processes = f"the scalar engine, {_WORKERS} cores", f"{_WORKERS} processes, this run"
    return [
        Row(
            "settlements from summed bases",
            "settlements/s",
            rate["totals"],
            rate["scalar totals"],
            scalar,
            "≥ 1000000",
        ),
        Row(
            f"settlements of {_LINES_EACH} lines",
            "settlements/s",
            rate["lines"],
            rate["scalar lines"],
            scalar,
        ),
        Row(
            "detail lines from raw lines",
            "lines/s",
            rate["lines"] * _LINES_EACH,
            rate["scalar lines"] * _LINES_EACH,
            scalar,
            "≥ 10000000",
        ),
        Row("the same by Ray, started with it", "settlements/s", rate["ray"], rate["lines"], processes),
    ]


class _Clock:
    """Counts from the moment when every worker has decided its first part: start-up is left out."""

    def __init__(self) -> None:
        self.settlements = 0
        self.started = 0.0
        self.ended = 0.0
        self._heard = 0

    def __call__(self, part: str, summary: Summary) -> None:
        self._heard += 1
        self.ended = time.perf_counter()
        if self._heard > 1 + _WORKERS:
            self.settlements += summary.settlements
        elif self._heard == 1 + _WORKERS:
            self.started = self.ended


def _rate(book: Path, terms: Terms, out: Path, ray: str | None = None) -> float:
    shutil.rmtree(out, ignore_errors=True)
    clock = _Clock()
    replay(book, [terms], out, workers=_WORKERS, announce=clock, ray=ray)
    return clock.settlements / (clock.ended - clock.started)


def _scalar_rate(folder: Path, terms: Terms) -> float:
    """Of one core, from what is parsed already, times the workers."""
    book = Book(folder)
    kinds = book.kinds()
    part = book.part(book.parts[0], len(kinds)).part
    settlements = settlements_at(part, kinds, range(_SCALAR))
    by_policy: dict[int, list[int]] = {}
    for row in range(_SCALAR):
        by_policy.setdefault(int(part.bills.policy[row]), []).append(row)
    policies = [(coverage_at(part, policy), rows) for policy, rows in by_policy.items()]
    started = time.thread_time()
    for coverage, rows in policies:
        decide_in_order(terms, coverage, [settlements[row] for row in rows])
    return _WORKERS * _SCALAR / (time.thread_time() - started)
