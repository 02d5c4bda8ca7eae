"""What is counted of each record, for the scorecard and the patrol: nothing in it names anybody."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from engine.pipeline.context import Context
from engine.settlement import Submission, Violation
from engine.settlement.chapters import chapter
from engine.settlement.checks import BadValue, day, text, whole
from engine.settlement.quality import QUALITY_RULES
from engine.settlement.timeliness import check_timely, lag_days, received_on
from engine.store.deliveries import Delivery
from engine.store.quality import Counts, DayStatement, Of

NATIVE = "native"
"""The source of what comes in the engine's own format."""
CORRECTION = "correction"
"""The source of what an operator put right."""
RELEASED = "released"
"""The source of what a provider released of a match."""
_MOST_DAYS = 999
_COUNT, _TYPE = whole(0, 999_999_999), text(10)


def of(ctx: Context, hospital_code: str, source: str, received_at: datetime) -> Of:
    """Whose tallies a record belongs to."""
    return Of(received_on(received_at), hospital_code, source, ctx.engine_id)


def outcome(name: str, number: int = 1) -> Counts:
    """accepted, repeated (had come before), quarantined, refused, waiting, noted or reversed."""
    return {("records", name): number}


def corrected() -> Counts:
    """A record in quarantine, by what was accepted in its place."""
    return {("corrected", ""): 1}


def refused(code: str) -> Counts:
    """Neither kept nor quarantined, and why."""
    return {("records", "refused"): 1, ("refused", code): 1}


def of_accepted(settlement: Submission, received_at: datetime) -> Counts:
    """Of a settlement that is new: lag, warnings, and what the mix of codes is watched by."""
    lag = max(-_MOST_DAYS, min(lag_days(settlement, received_at), _MOST_DAYS))
    settled_on = received_on(settlement.settled_at)
    counts = {
        ("records", "accepted"): 1,
        ("lag", str(lag)): 1,
        ("visit_type", settlement.visit_type): 1,
        ("diagnosis", chapter(settlement.main_diagnosis)): 1,
        ("settled", f"{settled_on}/{settlement.visit_type}"): 1,
    }
    # Settlements in which a category occurs, not lines: the lines of one bill are not independent.
    for category in settlement.categories:
        counts["fee_category", category] = 1
    return counts | broken("warning", (*settlement.warnings, *check_timely(settlement, received_at)))


def broken(severity: str, violations: Iterable[Violation]) -> dict[tuple[str, str], int]:
    """Each rule that a record breaks, and each dimension, once a record."""
    rules = {violation.rule for violation in violations}
    dimensions = {QUALITY_RULES[rule].dimension for rule in rules}
    return {
        **{("rule", rule): 1 for rule in rules},
        **{(severity, dimension): 1 for dimension in dimensions},
    }


def merged(counted: Iterable[tuple[Of, Counts]]) -> Mapping[Of, Counts]:
    sums: dict[Of, Counter[tuple[str, str]]] = {}
    for whose, counts in counted:
        sums.setdefault(whose, Counter()).update(counts)
    return sums


def day_statement(delivery: Delivery, body: Mapping[str, Any], received_at: datetime) -> DayStatement | None:
    """How many settlements a hospital counts for its days; None where 3201 or 3202 does not say."""
    try:
        begins, ends = day(body["stmt_begndate"]), day(body["stmt_enddate"])
        settlements = _COUNT(body["fixmedins_setl_cnt"])
        types = [_TYPE(body[name]) if name in body else "" for name in ("clr_type", "insutype")]
    except (BadValue, KeyError):
        return None
    return DayStatement(
        hospital_code=delivery.hospital_code,
        begins=begins,
        ends=ends,
        clearing_type=types[0],
        insurance_type=types[1],
        settlements=settlements,
        source=delivery.source,
        delivery_id=delivery.delivery_id,
        received_at=received_at,
    )
