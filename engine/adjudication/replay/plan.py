"""Terms as columns: what a kind of line is to each benefit, and the numbers of benefits and limits.

Everything that needs a text is decided here once for each kind of line, so that the kernel only counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.adjudication.history import ALL_ITEMS
from engine.adjudication.replay.columns import Flags, Kind, Small, Whole, day_number
from engine.terms.model import BASIS, Benefit, Limit, Terms

NEVER_BEFORE = int(np.iinfo(np.int32).min)
NONE = -1
"""Where a cap, a tail or a limit is not stated."""
TAKEN, NOT_LISTED, BY_DIAGNOSIS = 1, 2, 3
"""What a list says of a kind: it counts; nobody can tell; it counts for some main diagnoses."""
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
    ratio: Whole
    """B x 2 x 2: numerator and denominator of the standard and of the reduced ratio, in lowest terms."""
    cap: Whole
    """B fen, or NONE."""
    limit_from: Small
    """B + 1: limits limit_from[b] to limit_from[b + 1] are of benefit b."""
    limit_paid: Whole
    """L fen, or NONE."""
    limit_occasions: Whole
    """L, 0 where occasions are not counted."""
    limit_by_stay: Flags
    limit_rank: Small
    """L: place of its id among those of its benefit."""
    wanted: int
    """Bits of the columns of lines that count for any benefit."""
    takers: Whole
    """K: bit b is set where benefit b may take lines of the kind."""
    base: NDArray[np.int8]
    """K x B: bits of the columns of such a line that count."""
    listed: NDArray[np.int8]
    """K x B."""
    indication: NDArray[np.int16]
    """K x B: which set of diagnoses, where `listed` depends on it."""
    limit: NDArray[np.int16]
    """K x B: the limit under which such a line falls, or NONE."""
    item: Small
    """K x B: place of the item's code among all items' in order, where the limit counts items apart."""
    aggregate_cap: int
    belongs_to: int
    """0 not stated, 1 admission, 2 discharge."""
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
        any_by_totals=any(benefit.lines is None for benefit in benefits),
        carries=terms.rounding == "half_up_fen_year",
        holds_from=NEVER_BEFORE if terms.version is None else day_number(terms.version.holds_from),
        ratio=np.array([_ratios(benefit) for benefit in benefits], dtype=np.int64),
        cap=_optional([benefit.cap_fen for benefit in benefits]),
        limit_from=first,
        limit_paid=_optional([limit.paid_max_fen for limit in limits]),
        limit_occasions=np.array([limit.occasions_max or 0 for limit in limits], dtype=np.int64),
        limit_by_stay=np.array([limit.within == "stay" for limit in limits], dtype=np.bool_),
        limit_rank=np.array(ranks, dtype=np.int32),
        wanted=int(np.bitwise_or.reduce(kind_columns["base"], axis=None, initial=0)),
        **kind_columns,
        aggregate_cap=NONE if terms.aggregate_cap_fen is None else terms.aggregate_cap_fen,
        belongs_to=("", "admission", "discharge").index(terms.stay_belongs_to or ""),
        tail_days=NONE if tail is None else tail.days,
        tail_unlimited_if_renewed=tail is not None and tail.unlimited_if_renewed,
    )
    return Plan(terms, columns, indications)


def _ratios(benefit: Benefit) -> list[tuple[int, int]]:
    """In lowest terms, so that products stay within one machine word for longer."""
    return [
        (points // gcd(points, BASIS), BASIS // gcd(points, BASIS))
        for points in (benefit.ratio.rate.standard_bp, benefit.ratio.rate.pre_existing_bp)
    ]


def _optional(amounts: Sequence[int | None]) -> Whole:
    return np.array([NONE if amount is None else amount for amount in amounts], dtype=np.int64)


def _kinds(
    benefits: Sequence[Benefit], first: Small, kinds: Sequence[Kind]
) -> tuple[dict[str, NDArray[np.generic]], tuple[tuple[str, ...], ...]]:
    shape = len(kinds), len(benefits)
    base = np.zeros(shape, dtype=np.int8)
    listed, indication = np.zeros(shape, dtype=np.int8), np.zeros(shape, dtype=np.int16)
    limit = np.full(shape, NONE, dtype=np.int16)
    items: dict[tuple[int, int], str] = {}
    sets: dict[tuple[str, ...], int] = {}
    for b, benefit in enumerate(benefits):
        for k, kind in enumerate(kinds):
            selector = benefit.lines
            if selector is None or kind.category not in selector.categories or not selector.names(kind.name):
                continue
            base[k, b] = _base(benefit, kind.category)
            listed[k, b], diagnoses = _listed(benefit, kind)
            if diagnoses:
                indication[k, b] = sets.setdefault(diagnoses, len(sets))
            under = _limit_of(benefit, kind)
            if under is not None:
                number, one = under
                limit[k, b] = first[b] + number
                items[k, b] = one.item(kind.code) or ALL_ITEMS
    bits = np.left_shift(np.int64(1), np.arange(len(benefits), dtype=np.int64))
    place = {text: number for number, text in enumerate(sorted(set(items.values())))}
    item = np.zeros(shape, dtype=np.int32)
    for cell, text in items.items():
        item[cell] = place[text]
    takers = ((listed != 0) * bits).sum(axis=1, dtype=np.int64)
    columns = {
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


def _listed(benefit: Benefit, kind: Kind) -> tuple[int, tuple[str, ...]]:
    if benefit.items is None:
        return TAKEN, ()
    item = next(
        (one for one in benefit.items.items if one.name in kind.name or kind.code.startswith(one.codes)), None
    )
    if item is None:
        return (0 if benefit.items.complete else NOT_LISTED), ()
    return (BY_DIAGNOSIS if item.diagnoses else TAKEN), item.diagnoses


def _limit_of(benefit: Benefit, kind: Kind) -> tuple[int, Limit] | None:
    for number, limit in enumerate(benefit.limits):
        if kind.category in limit.lines.categories and limit.lines.names(kind.name):
            return number, limit
    return None
