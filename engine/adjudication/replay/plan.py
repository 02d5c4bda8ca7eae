"""Terms as columns: what a kind of line is to each benefit, and the numbers of benefits and limits.

Everything that needs a text is decided here once for each kind of line, so that the kernel only counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.adjudication.history import ALL_ITEMS
from engine.adjudication.replay.columns import Flags, Kind, Small, Whole, day_number
from engine.adjudication.selection import item_of_code
from engine.terms.model import BASIS, Benefit, Limit, Rate, Terms

NEVER_BEFORE = int(np.iinfo(np.int32).min)
NONE = -1
"""Where a cap, a tail or a limit is not stated."""
TAKEN, NOT_LISTED, BY_DIAGNOSIS = 1, 2, 3
"""What a list says of a kind: it counts; nobody can tell; it counts for some main diagnoses."""
ADMISSION, DISCHARGE, EACH_DAY = 1, 2, 3
"""To which policy year a stay belongs; 0 is not stated."""
COLUMN_BITS = {"own_pay": 1, "over_limit": 2, "pre_self_pay": 4, "in_scope": 8}


class PlanColumns(NamedTuple):
    """B benefits in the order of the terms, L limits in the order of their benefits, K kinds of lines."""

    by_lines: Flags
    """B. False: the settlement's totals are the base."""
    any_by_totals: bool
    carries: bool
    """What rounding gave or took is carried through the year."""
    holds_from: int
    """Day from which stays begin that the wording holds for."""
    public: Flags
    """B: whether it is known what is paid."""
    ratio: Whole
    """B x rates x 2 x 2: numerator and denominator of the standard and of the reduced ratio, in lowest terms;
    a benefit's rows in their order, then the rate where none fits."""
    differs: Flags
    """B: whether a pre-existing condition changes anything."""
    tier_from: Small
    """B + 1: tiers tier_from[b] to tier_from[b + 1] are of benefit b."""
    tier_above: Whole
    tier_rate: Whole
    """Tiers x 2, basis points."""
    tiers_by_stay: Flags
    deductible_by_stay: Flags
    sharing: Whole
    """B: bits of the benefits that bear one deductible together, its own among them."""
    stay_cap: Whole
    cap: Whole
    """B fen, or NONE."""
    limit_from: Small
    """B + 1: limits limit_from[b] to limit_from[b + 1] are of benefit b."""
    limit_paid: Whole
    """L fen, or NONE."""
    limit_occasions: Whole
    """L, 0 where occasions are not counted."""
    limit_by_stay: Flags
    limit_by_line: Flags
    limit_rank: Small
    """L: place of its id among those of its benefit."""
    wanted: int
    """Bits of the columns of lines that count for any benefit."""
    takers: Whole
    """K: bit b is set where benefit b may take lines of the kind."""
    base: NDArray[np.int8]
    """K x B: bits of the columns of such a line that count."""
    eras: Small
    """First days of the times, after the first, in which drug lists hold the same entries."""
    listed: NDArray[np.int8]
    """Eras x K x B."""
    indication: NDArray[np.int16]
    """Eras x K x B: which set of diagnoses, where `listed` depends on it."""
    limit: NDArray[np.int16]
    """K x B: the limit under which such a line falls, or NONE."""
    item: Small
    """K x B: place of the item's code among all items' in order, where the limit counts items apart."""
    fixed_amount: Whole
    """B fen, or NONE; then the same for a day's amount, days left out, and the most of a stay and a year."""
    fixed_by_day: Flags
    fixed_after: Whole
    fixed_max_stay: Whole
    fixed_max_year: Whole
    shared_cap: Whole
    """C: caps that benefits share, with the bits of those benefits."""
    shared_members: Whole
    shared_by_stay: Flags
    by_stay: bool
    """Whether anything but a limit counts by stay."""
    indemnities: int
    """Bits of the benefits that are bound by the cost left."""
    aggregate_cap: int
    belongs_to: int
    tail_days: int
    tail_unlimited_if_renewed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    terms: Terms
    columns: PlanColumns
    indications: tuple[tuple[str, ...], ...]
    """Sets of ICD-10 prefixes that `columns.indication` counts."""


def compile_plan(terms: Terms, kinds: Sequence[Kind]) -> Plan:
    """For terms without unknown features, over all kinds of lines of a book."""
    benefits = terms.benefits
    limits = [limit for benefit in benefits for limit in benefit.limits]
    first = np.cumsum([0, *(len(benefit.limits) for benefit in benefits)]).astype(np.int32)
    ranks = [
        sorted(one.id for one in benefit.limits).index(limit.id)
        for benefit in benefits
        for limit in benefit.limits
    ]
    kind_columns, indications = _kinds(benefits, first, kinds)
    tail = terms.tail
    columns = PlanColumns(
        by_lines=np.array([benefit.lines is not None for benefit in benefits], dtype=np.bool_),
        any_by_totals=any(benefit.lines is None and benefit.fixed is None for benefit in benefits),
        carries=terms.rounding == "half_up_fen_year",
        holds_from=NEVER_BEFORE if terms.version is None else day_number(terms.version.holds_from),
        **_rates(benefits),
        **_borne(benefits),
        stay_cap=_optional([benefit.stay_cap_fen for benefit in benefits]),
        cap=_optional([benefit.cap_fen for benefit in benefits]),
        limit_from=first,
        limit_paid=_optional([limit.paid_max_fen for limit in limits]),
        limit_occasions=np.array([limit.occasions_max or 0 for limit in limits], dtype=np.int64),
        limit_by_stay=np.array([limit.within == "stay" for limit in limits], dtype=np.bool_),
        limit_by_line=np.array([limit.within == "line" for limit in limits], dtype=np.bool_),
        limit_rank=np.array(ranks, dtype=np.int32),
        wanted=int(np.bitwise_or.reduce(kind_columns["base"], axis=None, initial=0)),
        **kind_columns,
        **_fixed(benefits),
        **_shared(terms),
        aggregate_cap=NONE if terms.aggregate_cap_fen is None else terms.aggregate_cap_fen,
        belongs_to=("", "admission", "discharge", "each_day").index(terms.stay_belongs_to or ""),
        tail_days=NONE if tail is None else tail.days,
        tail_unlimited_if_renewed=tail is not None and tail.unlimited_if_renewed,
    )
    return Plan(terms, columns, indications)


def _rates(benefits: Sequence[Benefit]) -> dict[str, Any]:
    """In lowest terms, so that products stay within one machine word for longer."""
    rates = [[*(row.rate for row in one.ratio.rows), one.ratio.rate] for one in benefits]
    most = max(map(len, rates))
    filled = [[*of_benefit, *[of_benefit[-1]] * (most - len(of_benefit))] for of_benefit in rates]
    tiers = [tier for benefit in benefits for tier in benefit.ratio.tiers]
    every = [
        [*of_benefit, *(tier.rate for tier in one.ratio.tiers)]
        for of_benefit, one in zip(rates, benefits, strict=True)
    ]
    return {
        "public": np.array([one.ratio.public for one in benefits], dtype=np.bool_),
        "ratio": np.array([[_lowest(rate) for rate in of_benefit] for of_benefit in filled], dtype=np.int64),
        "differs": np.array(
            [any(rate.standard_bp != rate.pre_existing_bp for rate in of_benefit) for of_benefit in every],
            dtype=np.bool_,
        ),
        "tier_from": np.cumsum([0, *(len(one.ratio.tiers) for one in benefits)]).astype(np.int32),
        "tier_above": np.array([tier.above_fen for tier in tiers], dtype=np.int64),
        "tier_rate": np.array(
            [(tier.rate.standard_bp, tier.rate.pre_existing_bp) for tier in tiers], dtype=np.int64
        ).reshape(-1, 2),
        "tiers_by_stay": np.array([one.ratio.tiers_within == "stay" for one in benefits], dtype=np.bool_),
    }


def _lowest(rate: Rate) -> list[tuple[int, int]]:
    return [
        (points // gcd(points, BASIS), BASIS // gcd(points, BASIS))
        for points in (rate.standard_bp, rate.pre_existing_bp)
    ]


def _borne(benefits: Sequence[Benefit]) -> dict[str, Any]:
    """Which benefits bear a deductible together, and whether by stay."""

    def sharing(place: int) -> int:
        mine = benefits[place].deductible
        if mine is None or not mine.shared_id:
            return 1 << place
        others = enumerate(one.deductible for one in benefits)
        return sum(1 << other for other, one in others if one is not None and one.shared_id == mine.shared_id)

    by_stay = [one.deductible is not None and one.deductible.within == "stay" for one in benefits]
    return {
        "sharing": np.array([sharing(place) for place in range(len(benefits))], dtype=np.int64),
        "deductible_by_stay": np.array(by_stay, dtype=np.bool_),
    }


def _fixed(benefits: Sequence[Benefit]) -> dict[str, Any]:
    every = [benefit.fixed for benefit in benefits]
    bound = [one is None for one in every]
    return {
        "fixed_amount": _optional([None if one is None else one.amount_fen for one in every]),
        "fixed_by_day": np.array([one is not None and one.per == "day" for one in every], dtype=np.bool_),
        "fixed_after": np.array([0 if one is None else one.days_after for one in every], dtype=np.int64),
        "fixed_max_stay": _optional([None if one is None else one.days_max_stay for one in every]),
        "fixed_max_year": _optional([None if one is None else one.days_max_year for one in every]),
        "indemnities": sum(1 << place for place, one in enumerate(bound) if one),
    }


def _shared(terms: Terms) -> dict[str, Any]:
    codes = {benefit.code: place for place, benefit in enumerate(terms.benefits)}
    deductibles = [one.deductible for one in terms.benefits if one.deductible is not None]
    by_stay = (
        any(cap.within == "stay" for cap in terms.caps)
        or any(one.within == "stay" for one in deductibles)
        or any(one.stay_cap_fen is not None or one.ratio.tiers for one in terms.benefits)
    )
    return {
        "shared_cap": np.array([cap.paid_max_fen for cap in terms.caps], dtype=np.int64),
        "shared_members": np.array(
            [sum(1 << codes[c] for c in cap.benefits) for cap in terms.caps], dtype=np.int64
        ),
        "shared_by_stay": np.array([cap.within == "stay" for cap in terms.caps], dtype=np.bool_),
        "by_stay": by_stay,
    }


def _optional(amounts: Sequence[int | None]) -> Whole:
    return np.array([NONE if amount is None else amount for amount in amounts], dtype=np.int64)


def _kinds(
    benefits: Sequence[Benefit], first: Small, kinds: Sequence[Kind]
) -> tuple[dict[str, Any], tuple[tuple[str, ...], ...]]:
    shape = len(kinds), len(benefits)
    base = np.zeros(shape, dtype=np.int8)
    days = eras_of(benefits)
    listed = np.zeros((len(days), *shape), dtype=np.int8)
    indication = np.zeros((len(days), *shape), dtype=np.int16)
    limit = np.full(shape, NONE, dtype=np.int16)
    items: dict[tuple[int, int], str] = {}
    sets: dict[tuple[str, ...], int] = {}
    for b, benefit in enumerate(benefits):
        for k, kind in enumerate(kinds):
            selector = benefit.lines
            if selector is None or kind.category not in selector.categories or not selector.names(kind.name):
                continue
            base[k, b] = _base(benefit, kind.category)
            for era, day in enumerate(days):
                listed[era, k, b], diagnoses = _listed(benefit, kind, day)
                if diagnoses:
                    indication[era, k, b] = sets.setdefault(diagnoses, len(sets))
            under = _limit_of(benefit, kind)
            if under is not None:
                number, one = under
                limit[k, b] = first[b] + number
                items[k, b] = item_of_code(one, kind.code) if one.per_item else ALL_ITEMS
    bits = np.left_shift(np.int64(1), np.arange(len(benefits), dtype=np.int64))
    place = {text: number for number, text in enumerate(sorted(set(items.values())))}
    item = np.zeros(shape, dtype=np.int32)
    for cell, text in items.items():
        item[cell] = place[text]
    takers = (listed.any(axis=0) * bits).sum(axis=1, dtype=np.int64)
    columns = {
        "eras": np.array([day_number(day) for day in days[1:]], dtype=np.int32),
        "takers": takers,
        "base": base,
        "listed": listed,
        "indication": indication,
        "limit": limit,
        "item": item,
    }
    return columns, tuple(sets)


def _base(benefit: Benefit, category: str) -> int:
    """Of parts that name a category twice the last one counts."""
    of_category = [part for part in benefit.base if not part.categories or category in part.categories]
    return sum(COLUMN_BITS[column] for column in of_category[-1].columns) if of_category else 0


def eras_of(benefits: Sequence[Benefit]) -> list[date]:
    """The first days of the times in which the lists hold the same entries; the first is the first of all."""
    items = [item for benefit in benefits if benefit.items for item in benefit.items.items]
    ends = [item.last_day + timedelta(days=1) for item in items if item.last_day < date.max]
    return sorted({date.min, *(item.first_day for item in items), *ends})


def _listed(benefit: Benefit, kind: Kind, day: date) -> tuple[int, tuple[str, ...]]:
    if benefit.items is None:
        return TAKEN, ()
    of_day = (one for one in benefit.items.items if one.first_day <= day <= one.last_day)
    item = next((one for one in of_day if one.name in kind.name or kind.code.startswith(one.codes)), None)
    if item is None:
        return (0 if benefit.items.complete else NOT_LISTED), ()
    return (BY_DIAGNOSIS if item.diagnoses else TAKEN), item.diagnoses


def _limit_of(benefit: Benefit, kind: Kind) -> tuple[int, Limit] | None:
    for number, limit in enumerate(benefit.limits):
        if kind.category in limit.lines.categories and limit.lines.names(kind.name):
            return number, limit
    return None
