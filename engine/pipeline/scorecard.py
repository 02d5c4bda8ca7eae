"""The scorecard: what came of the records of each source on a day, from the tallies alone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from math import ceil
from typing import Final

from sqlmodel import Session

from engine.settlement.quality import QUALITY_RULES
from engine.settlement.rules import DIMENSIONS, Dimension, Severity
from engine.store import quality
from engine.store.quality import Seen

_OUTCOMES: Final = ("accepted", "repeated", "quarantined", "refused", "waiting", "noted", "reversed")
_TOP: Final = 10


@dataclass(frozen=True, slots=True)
class DimensionScore:
    """Of the settlements judged. share_without_error: None when none was judged."""

    dimension: Dimension
    with_error: int
    with_warning: int
    share_without_error: float | None


@dataclass(frozen=True, slots=True)
class RuleScore:
    """records: how many broke the rule. severity, dimension: None of a rule that there no longer is."""

    rule: str
    severity: Severity | None
    dimension: Dimension | None
    records: int


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One source on one day of receipt (Shanghai).

    received = accepted + repeated (had come before) + quarantined + refused + waiting (for the rest of their
    stay) + noted (reports, reconciliations) + reversed. corrected: quarantined earlier, accepted now.
    judged = accepted + quarantined: the settlements that were held to every rule. lag: calendar days from
    discharge to receipt of what was accepted, by nearest rank; None when nothing was.
    """

    day: date
    hospital_code: str
    source: str
    received: int
    accepted: int
    repeated: int
    quarantined: int
    refused: int
    waiting: int
    noted: int
    reversed: int
    corrected: int
    judged: int
    lag_p50_days: int | None
    lag_p95_days: int | None
    dimensions: tuple[DimensionScore, ...]
    top_rules: tuple[RuleScore, ...]
    refusals: Mapping[str, int]
    """Code of a refusal -> records."""


def scorecards(session: Session, day: date, hospital_code: str | None = None) -> list[Scorecard]:
    """Of one hospital's sources or of all, in order; a source of which nothing came has none."""
    seen = quality.seen(session, day, day, hospital_code)
    return [
        _scorecard(day, *of, list(rows))
        for of, rows in groupby(seen, key=lambda one: (one.hospital_code, one.source))
    ]


def _scorecard(day: date, hospital_code: str, source: str, rows: Iterable[Seen]) -> Scorecard:
    by: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        by[row.what][row.name] = row.seen
    records = {name: by["records"].get(name, 0) for name in _OUTCOMES}
    judged = records["accepted"] + records["quarantined"]
    lags = {int(name): number for name, number in by["lag"].items()}
    rules = sorted(by["rule"].items(), key=lambda one: (-one[1], one[0]))
    return Scorecard(
        day=day,
        hospital_code=hospital_code,
        source=source,
        received=sum(records.values()),
        **records,
        corrected=sum(by["corrected"].values()),
        judged=judged,
        lag_p50_days=percentile(lags, 50),
        lag_p95_days=percentile(lags, 95),
        dimensions=tuple(_dimension(one, by, judged) for one in DIMENSIONS),
        top_rules=tuple(_rule(name, number) for name, number in rules[:_TOP]),
        refusals=by["refused"],
    )


def _dimension(dimension: Dimension, by: Mapping[str, Mapping[str, int]], judged: int) -> DimensionScore:
    with_error, with_warning = (by.get(what, {}).get(dimension, 0) for what in ("error", "warning"))
    share = round((judged - with_error) / judged, 4) if judged else None
    return DimensionScore(dimension, with_error, with_warning, share)


def _rule(name: str, records: int) -> RuleScore:
    rule = QUALITY_RULES.get(name)
    if rule is None:
        return RuleScore(name, None, None, records)
    return RuleScore(name, rule.severity, rule.dimension, records)


def percentile(histogram: Mapping[int, int], per_cent: int) -> int | None:
    """By nearest rank, of value -> how often; None of nothing."""
    rank, passed = ceil(sum(histogram.values()) * per_cent / 100), 0
    for value, number in sorted(histogram.items()):
        passed += number
        if passed >= max(rank, 1):
            return value
    return None
