"""What other terms would have paid over a book: both decided in full, and held against each other."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from heapq import nlargest
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from engine.adjudication.replay.columns import Flags, Whole
from engine.adjudication.replay.gates import policies_of
from engine.adjudication.replay.whole_book import OUTCOMES, Adjudicator
from engine.books.book import Book, adjudicator_of
from engine.books.reading import ReadPart
from engine.books.replay import terms_of
from engine.books.results import Summary, UnderTerms, add_counts, summary_of
from engine.books.workers import in_processes
from engine.terms import Terms

STEPS_FEN: Final = (1, 10_000, 100_000, 1_000_000, 10_000_000)
"""Differences are counted from each step to the next: a fen, then 100, 1,000, 10,000 and 100,000 yuan."""
LARGEST: Final = 10
Announce = Callable[[str, "Comparison"], object]


class Difference(NamedTuple):
    """One settlement; the change is then - now, in fen."""

    change_fen: int
    policy_no: str
    hospital_code: str
    setl_id: str
    now: str
    then: str
    now_fen: int
    then_fen: int


@dataclass(slots=True)
class Band:
    """Settlements whose payment changes by at least `from_fen`, up to the next band."""

    from_fen: int
    count: int = 0
    sum_fen: int = 0


def _bands() -> list[Band]:
    return [Band(step) for step in STEPS_FEN]


@dataclass(slots=True)
class Comparison:
    now: Summary = field(default_factory=Summary)
    then: Summary = field(default_factory=Summary)
    left_out: int = 0
    """Settlements under policies of another product or edition."""
    gain: list[Band] = field(default_factory=_bands)
    lose: list[Band] = field(default_factory=_bands)
    moves: dict[str, int] = field(default_factory=dict)
    """'pay -> review' and the like: how many settlements change their decision."""
    largest: list[Difference] = field(default_factory=list)

    def add(self, other: "Comparison") -> None:
        self.now.add(other.now)
        self.then.add(other.then)
        self.left_out += other.left_out
        for mine, theirs in ((self.gain, other.gain), (self.lose, other.lose)):
            for band, more in zip(mine, theirs, strict=True):
                band.count += more.count
                band.sum_fen += more.sum_fen
        add_counts(self.moves, other.moves.items())
        self.largest = _largest([*self.largest, *other.largest])

    def document(self) -> dict[str, Any]:
        def side(bands: list[Band]) -> dict[str, Any]:
            return {
                "settlements": sum(band.count for band in bands),
                "sum_fen": sum(band.sum_fen for band in bands),
                "bands": [
                    {"from_fen": b.from_fen, "settlements": b.count, "sum_fen": b.sum_fen} for b in bands
                ],
            }

        return {
            "now": self.now.document(),
            "then": self.then.document(),
            "difference_fen": self.then.payable_fen - self.now.payable_fen,
            "gain": side(self.gain),
            "lose": side(self.lose),
            "moves": dict(sorted(self.moves.items())),
            "left_out": self.left_out,
            "largest": [one._asdict() for one in self.largest],
        }


def _largest(differences: list[Difference]) -> list[Difference]:
    return nlargest(LARGEST, differences, key=lambda one: (abs(one.change_fen), one.policy_no, one.setl_id))


@dataclass(frozen=True, slots=True)
class _Job:
    book: str
    now: str
    then: str


def simulate(book: Path, now: Terms, then: Terms, *, workers: int, announce: Announce) -> Comparison:
    """Every settlement under `now`'s policies by both. Raises BookInvalid."""
    total = Comparison()
    job = _Job(str(book), now.canonical, then.canonical)
    for part, comparison in in_processes(_compare_part, job, Book(book).parts, workers):
        total.add(comparison)
        announce(part, comparison)
    return total


def as_if(then: Terms, now: Terms) -> Terms:
    """`then`, read as if it had been `now`'s edition of the product: the same policies, the same period."""
    return replace(then, product=now.product, edition=now.edition, period=now.period)


def _compare_part(job: _Job, part: str) -> Comparison:
    return _simulator(job).compare(part)


@cache
def _simulator(job: _Job) -> "_Simulator":
    now = terms_of(job.now)
    return _Simulator(Book(Path(job.book)), now, as_if(terms_of(job.then), now))


class _Simulator:
    def __init__(self, book: Book, now: Terms, then: Terms) -> None:
        self._book = book
        self._kinds = book.kinds()
        self._now, self._then = (adjudicator_of(one, self._kinds) for one in (now, then))

    def _decide(self, adjudicator: Adjudicator, read: ReadPart, under: Flags) -> UnderTerms:
        rows, decided = adjudicator.by_columns(read.part, under)
        adjudicator.by_scalar(read.part, decided)
        return UnderTerms(adjudicator.terms, rows, decided)

    def compare(self, part: str) -> Comparison:
        read = self._book.part(part, len(self._kinds))
        under = policies_of(self._now.terms, read.part.policies)
        now, then = (self._decide(one, read, under) for one in (self._now, self._then))
        change = then.decided.payable - now.decided.payable
        comparison = Comparison(
            now=summary_of(read, [now]),
            then=summary_of(read, [then]),
            left_out=len(read.part.bills) - len(now.rows),
            gain=_banded(change),
            lose=_banded(-change),
            moves=_moves(now, then),
        )
        changed = np.argsort(-np.abs(change), kind="stable")[:LARGEST]
        rows = (int(row) for row in changed if change[row])
        comparison.largest = [_difference(read, row, now, then) for row in rows]
        return comparison


def _banded(change: Whole) -> list[Band]:
    band = np.searchsorted(np.array(STEPS_FEN), change, side="right") - 1
    return [
        Band(step, int((band == place).sum()), int(change[band == place].sum()))
        for place, step in enumerate(STEPS_FEN)
    ]


def _moves(now: UnderTerms, then: UnderTerms) -> dict[str, int]:
    pairs = now.decided.outcome[now.rows].astype(np.int64) * len(OUTCOMES) + then.decided.outcome[now.rows]
    counts = np.bincount(pairs, minlength=len(OUTCOMES) ** 2).reshape(len(OUTCOMES), -1)
    return {
        f"{OUTCOMES[a].value} -> {OUTCOMES[b].value}": int(counts[a, b])
        for a, b in zip(*np.nonzero(counts), strict=True)
        if a != b
    }


def _difference(read: ReadPart, row: int, now: UnderTerms, then: UnderTerms) -> Difference:
    before, after = int(now.decided.payable[row]), int(then.decided.payable[row])
    return Difference(
        change_fen=after - before,
        policy_no=read.policy_no[int(read.part.bills.policy[row])].as_py(),
        hospital_code=read.hospital_code[row].as_py(),
        setl_id=read.setl_id[row].as_py(),
        now=OUTCOMES[now.decided.outcome[row]].value,
        then=OUTCOMES[then.decided.outcome[row]].value,
        now_fen=before,
        then_fen=after,
    )
