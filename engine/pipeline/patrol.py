"""The daily patrol: what a day's data is unlike, and what is missing of it, from the tallies alone; and the
invoices on which money was paid that were found to be no longer good.

It looks at whole days of receipt, hospital by hospital. Every finding carries the numbers it rests on and
what to do next; none says that anybody did wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from statistics import median
from typing import Any, Final

from sqlmodel import Session

from engine.pipeline.drift import counting_spread, deviation, shift
from engine.pipeline.invoice_outcomes import GOES_ON
from engine.pipeline.scorecard import percentile
from engine.settlement.checks import SHANGHAI
from engine.store import invoices, quality
from engine.store.quality import DayStatement, Seen

_CAME: Final = ("accepted", "quarantined", "refused")
_MIXES: Final = {
    "fee_category": "fee categories",
    "diagnosis": "chapters of the main diagnosis",
    "visit_type": "visit types",
}
_COMPARED: Final = ("", "1", "2", "4")
"""First digits that a clr_type and the visit types cleared under it share: outpatient, inpatient, pharmacy;
"" is all. Others (maternity, residence elsewhere) have no such group."""
_A_DAY: Final = timedelta(days=1)
_MOST_NAMED: Final = 20
_MATERNITY: Final = "5"
"""Visit types that one city clears by themselves and another with outpatients and inpatients."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When something is a finding. A deployment passes its own (`--thresholds`)."""

    weeks: int = 8
    """How many of the same weekday before are looked at."""
    least_weeks: int = 4
    """Fewer say nothing."""
    volume_score: float = 4.0
    silent_from: float = 5.0
    """A hospital of whose weekday the median is at least so many records is missed when none comes."""
    lag_days: int = 28
    lag_least_records: int = 20
    lag_score: float = 4.0
    lag_least_spread_days: float = 1.0
    mix_days: int = 28
    mix_least_now: int = 50
    mix_least_before: int = 200
    mix_psi: float = 0.25
    """The usual bound of a marked shift; one that chance explains is none, however large."""
    statement_days: int = 7
    """For how long after a day its statement is held against what was accepted."""
    statement_least: int = 1
    invoice_days: int = 28
    """For how long after it was found an invoice is told of, while its settlement stands."""


@dataclass(frozen=True, slots=True)
class Finding:
    """numbers: what it rests on, by name."""

    code: str
    hospital_code: str
    numbers: Mapping[str, Any]
    next_step: str


def patrol(
    session: Session, day: date, thresholds: Thresholds = Thresholds(), hospital_code: str | None = None
) -> list[Finding]:
    """What there is to look into of a day that is over, hospital by hospital."""
    first = day - timedelta(days=max(7 * thresholds.weeks, thresholds.lag_days, thresholds.mix_days))
    findings: list[Finding] = []
    seen = quality.seen(session, first, day, hospital_code, ("records", "lag", *_MIXES))
    for code, rows in groupby(seen, key=lambda one: one.hospital_code):
        its = _Days(rows)
        findings += _volume(code, its, day, thresholds)
        findings += _lag(code, its, day, thresholds)
        for mix in _MIXES:
            findings += _mix(code, its, day, mix, thresholds)
    since = day - timedelta(days=thresholds.statement_days - 1)
    stated = quality.statements_ended(session, since, day, hospital_code)
    for (code, begins, ends, kind), counted in groupby(stated, key=_counted):
        if kind[:1] in _COMPARED:
            findings += _stated(session, _Stated(code, begins, ends, kind, list(counted)), thresholds)
    return findings + list(_invoices(session, day, thresholds, hospital_code))


class _Days:
    """The tallies of one hospital, by day and kind."""

    def __init__(self, rows: Iterable[Seen]) -> None:
        self._by: defaultdict[tuple[date, str], Counter[str]] = defaultdict(Counter)
        for one in rows:
            self._by[one.day, one.what][one.name] += one.seen
        self.first = min(day for day, _ in self._by)

    def of(self, day: date, what: str) -> Counter[str]:
        return self._by.get((day, what), Counter())

    def came(self, day: date) -> int:
        return sum(self.of(day, "records")[name] for name in _CAME)

    def lag(self, day: date) -> tuple[int, int | None]:
        """How many were accepted, and their median lag."""
        lags = {int(name): number for name, number in self.of(day, "lag").items()}
        return sum(lags.values()), percentile(lags, 50)

    def between(self, first: date, last: date, what: str) -> Counter[str]:
        sums: Counter[str] = Counter()
        for offset in range((last - first).days + 1):
            sums.update(self.of(first + timedelta(days=offset), what))
        return sums


def _volume(code: str, its: _Days, day: date, thresholds: Thresholds) -> Iterator[Finding]:
    weekdays = [day - timedelta(weeks=week) for week in range(1, thresholds.weeks + 1)]
    before = [its.came(one) for one in weekdays if one >= its.first]
    if len(before) < thresholds.least_weeks:
        return
    came, middle = its.came(day), median(before)
    found = deviation(came, before, counting_spread(middle))
    numbers = {"received": came, "median_before": middle, "weekdays": len(before), "spread": found.spread}
    numbers["score"] = found.score
    if came == 0 and middle >= thresholds.silent_from:
        step = "ask the hospital whether its interface stood still, and for what the day holds (3201, 3202)"
        yield Finding("patrol.silent", code, numbers, step)
    elif found.score <= -thresholds.volume_score:
        step = "compare with the hospital's own count of the day (3201); ask for what is missing"
        yield Finding("patrol.volume.low", code, numbers, step)
    elif found.score >= thresholds.volume_score:
        step = "see in the scorecard whether it is a backlog (lag) or records sent twice under new numbers"
        yield Finding("patrol.volume.high", code, numbers, step)


def _lag(code: str, its: _Days, day: date, thresholds: Thresholds) -> Iterator[Finding]:
    accepted, lag = its.lag(day)
    past = [its.lag(day - timedelta(days=back)) for back in range(1, thresholds.lag_days + 1)]
    before = [one for number, one in past if one is not None and number >= thresholds.lag_least_records]
    if lag is None or accepted < thresholds.lag_least_records or len(before) < thresholds.least_weeks:
        return
    found = deviation(lag, before, thresholds.lag_least_spread_days)
    if found.score >= thresholds.lag_score:
        numbers = {
            "lag_p50_days": lag,
            "median_before": found.median,
            "days_before": len(before),
            "accepted": accepted,
            "score": found.score,
        }
        step = "ask the hospital what held its settlements back; late ones delay what their patients are paid"
        yield Finding("patrol.lag", code, numbers, step)


def _mix(code: str, its: _Days, day: date, mix: str, thresholds: Thresholds) -> Iterator[Finding]:
    """cases are settlements: one has several fee categories."""
    first, last = day - timedelta(days=thresholds.mix_days), day - timedelta(days=1)
    cases = its.of(day, "visit_type").total(), its.between(first, last, "visit_type").total()
    if cases[0] < thresholds.mix_least_now or cases[1] < thresholds.mix_least_before:
        return
    found = shift(its.of(day, mix), its.between(first, last, mix), cases)
    if found.psi >= max(thresholds.mix_psi, found.chance):
        numbers = {
            "psi": found.psi,
            "by_chance": found.chance,
            "settlements": cases[0],
            "settlements_before": cases[1],
            "moved": [
                {"code": name, "share_before": before, "share": now} for name, before, now in found.most
            ],
        }
        step = f"look at the {_MIXES[mix]} that moved: a code list or mapping that changed reads like this"
        yield Finding(f"patrol.mix.{mix}", code, numbers, step)


def _counted(row: DayStatement) -> tuple[str, date, date, str]:
    return row.hospital_code, row.begins, row.ends, row.clearing_type


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


@dataclass(frozen=True, slots=True)
class _Stated:
    """What a hospital counts for its days and one type: over all insurances, or for some of them."""

    hospital_code: str
    begins: date
    ends: date
    clearing_type: str
    rows: Sequence[DayStatement]

    @property
    def whole(self) -> DayStatement | None:
        return next((row for row in self.rows if not row.insurance_type), None)

    @property
    def settlements(self) -> int:
        return self.whole.settlements if self.whole else sum(row.settlements for row in self.rows)

    def moments(self) -> tuple[datetime, datetime]:
        """From midnight in Shanghai, until after the last day."""
        return _midnight(self.begins), _midnight(self.ends + timedelta(days=1))


def _stated(session: Session, stated: _Stated, thresholds: Thresholds) -> Iterator[Finding]:
    """Held against each other with every doubt in the hospital's favour: a settlement that was taken back may
    stand in its statement twice or not at all, and maternity in this type or in one of its own."""
    kind = stated.clearing_type[:1]
    settled = quality.settled_between(session, stated.hospital_code, stated.begins, stated.ends)
    accepted = sum(number for visit, number in settled.items() if visit.startswith(kind))
    beside = _MATERNITY if kind in ("1", "2") else "none"
    maternity = sum(number for visit, number in settled.items() if visit.startswith(beside))
    taken_back = quality.reversed_between(session, stated.hospital_code, *stated.moments())
    numbers = {
        "begins": stated.begins,
        "ends": stated.ends,
        "clearing_type": stated.clearing_type,
        "stated": stated.settlements,
        "accepted": accepted,
        "maternity_beside": maternity,
        "taken_back": taken_back,
    }
    if stated.settlements - accepted - maternity - taken_back >= thresholds.statement_least:
        step = "ask for 3202 of these days, compare by setl_id, and look for the missing ones in quarantine"
        yield Finding("patrol.missing", stated.hospital_code, numbers, step)
    elif stated.whole and accepted - taken_back - stated.settlements >= thresholds.statement_least:
        step = "the hospital counts fewer than it sent: ask which it took back without telling (2305, 2601)"
        yield Finding("patrol.unstated", stated.hospital_code, numbers, step)


def _invoices(
    session: Session, day: date, thresholds: Thresholds, hospital_code: str | None
) -> Iterator[Finding]:
    begins, ends = _midnight(day - timedelta(days=thresholds.invoice_days - 1)), _midnight(day + _A_DAY)
    wrong = invoices.held_and_not(session, GOES_ON, begins, ends, hospital_code)
    for (code, outcome), rows in groupby(wrong, key=lambda row: row[:2]):
        paid = {claim_id: fen for _, _, claim_id, fen in rows}
        numbers = {
            "claims": len(paid),
            "paid_fen": sum(paid.values()),
            "claim_ids": list(islice(paid, _MOST_NAMED)),
        }
        step = "ask the hospital why; if the bill no longer stands, its reversal (2305, 2601) recovers it"
        yield Finding(f"patrol.invoice.{outcome}", code, numbers, step)
