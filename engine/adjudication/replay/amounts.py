"""What one benefit comes to: engine.adjudication.calculation over groups, exact to the fen."""

from typing import Final

import numpy as np

from engine.adjudication.replay.arithmetic import times_over
from engine.adjudication.replay.columns import Whole
from engine.adjudication.replay.compiled import compiled, inlined
from engine.adjudication.replay.plan import NONE, PlanColumns
from engine.adjudication.replay.scratch import ITEM_BITS, Scratch, limit_of, use_of
from engine.terms.model import BASIS

MOST_FEN: Final = 1 << 44
"""What a benefit's costs may come to in one settlement: times 10000 it stays within a machine word."""


@compiled
def hand_out(share: Whole, rest: Whole, first: int, end: int, missing: int) -> None:
    """One fen more for the largest remainders of parts first..end; of equal ones the first in order."""
    for _ in range(missing):
        best = first
        for part in range(first + 1, end):
            if rest[part] > rest[best]:
                best = part
        share[best] += 1
        rest[best] = -1


@compiled
def keep_occasions(plan: PlanColumns, first: int, end: int, s: Scratch) -> None:
    """Leave out the days beyond a limit's count: the dearest stay, of equals the earliest."""
    group = first
    while group < end:
        limit, same = limit_of(s, group), group
        while same < end and limit_of(s, same) == limit:
            same += 1
        if limit >= 0 and plan.limit_occasions[limit]:
            allowed = max(plan.limit_occasions[limit] - s.occasions[limit], 0)
            for day in range(group, same):
                s.share[day] = 0
            for _ in range(min(allowed, same - group)):
                best = NONE
                for day in range(group, same):
                    if not s.share[day] and (best == NONE or s.group_sum[day] > s.group_sum[best]):
                        best = day
                s.share[best] = 1
            for day in range(group, same):
                s.group_sum[day] *= s.share[day]
        group = same


@inlined
def left_of_limit(plan: PlanColumns, s: Scratch, group: int, stay: int) -> int:
    """Fen that the group's limit leaves, or NONE where it has none."""
    limit = limit_of(s, group)
    if limit < 0 or plan.limit_paid[limit] == NONE:
        return NONE
    item = s.group_key[group] & ((1 << ITEM_BITS) - 1)
    used = s.use_fen[use_of(s, limit, item, stay if plan.limit_by_stay[limit] else NONE)]
    return max(plan.limit_paid[limit] - used, 0)


@inlined
def calculate(
    plan: PlanColumns, benefit: int, reduced: int, year: int, stay: int, base: int, s: Scratch
) -> tuple[int, int, int, int]:
    """Eligible, deductible and payable fen before the caps, and what is carried; each group's share goes to
    `share`.

    `base`: the settlement's own total, or NONE where the costs are those of its groups.
    """
    first, end = s.group_from[benefit], s.group_from[benefit + 1]
    for group in range(first, end):
        limit = limit_of(s, group)
        if limit >= 0 and plan.limit_occasions[limit]:
            keep_occasions(plan, first, end, s)
            break
    eligible = np.int64(max(base, 0))
    for group in range(first, end):
        eligible += s.group_sum[group]
        s.share[group] = 0
    borne = min(eligible, max(year - s.deductible[benefit], 0))
    after = eligible - borne
    if eligible > MOST_FEN:
        s.counts[2] = 1
        return np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    if after == 0:
        return eligible, borne, np.int64(0), np.int64(0)
    factor = after * plan.ratio[benefit, reduced, 0]
    divisor = eligible * plan.ratio[benefit, reduced, 1]
    if base != NONE:
        whole, rest = times_over(eligible, factor, divisor)
        payable, carried = rounded(plan, benefit, whole, rest, divisor, s)
        return eligible, borne, payable, carried
    whole, rest, floors = np.int64(0), np.int64(0), np.int64(0)
    for group in range(first, end):
        fen, part = times_over(s.group_sum[group], factor, divisor)
        left = left_of_limit(plan, s, group, stay)
        if left != NONE and (fen > left or (fen == left and part > 0)):
            fen, part = left, np.int64(0)
        s.part_share[group], s.part_rest[group] = fen, part
        floors += fen
        whole += fen
        rest += part
        if rest >= divisor:
            rest -= divisor
            whole += 1
    payable, carried = rounded(plan, benefit, whole, rest, divisor, s)
    hand_out(s.part_share, s.part_rest, first, end, payable - floors)
    for group in range(first, end):
        s.share[group] = s.part_share[group]
    return eligible, borne, payable, carried


@inlined
def rounded(
    plan: PlanColumns, benefit: int, whole: int, rest: int, divisor: int, s: Scratch
) -> tuple[int, int]:
    """whole + rest / divisor fen, with what is carried, half-up; and in 1/10000 fen what this one carries on."""
    exact = whole * BASIS + times_over(rest, BASIS, divisor)[0]
    before = s.carried[benefit] if plan.carries else 0
    payable = max((exact + before + BASIS // 2) // BASIS, 0)
    return payable, exact - payable * BASIS if plan.carries else 0


@compiled
def reduce_shares(plan: PlanColumns, benefit: int, before: int, now: int, s: Scratch) -> None:
    """The benefit is cut from `before` to `now`: what its limits have used shrinks in proportion.

    Parts stand in the order of the limits' ids; the first is what no amount limits.
    """
    first, end = s.group_from[benefit], s.group_from[benefit + 1]
    limits = plan.limit_from[benefit + 1] - plan.limit_from[benefit]
    parts, floors, free = 1, np.int64(0), np.int64(before)
    for rank in range(limits):
        for group in range(first, end):
            limit = limit_of(s, group)
            if limit >= 0 and plan.limit_rank[limit] == rank and not plan.limit_occasions[limit]:
                free -= s.share[group]
                s.part_share[parts], s.part_rest[parts] = times_over(s.share[group], now, before)
                floors += s.part_share[parts]
                parts += 1
    s.part_share[0], s.part_rest[0] = times_over(free, now, before)
    hand_out(s.part_share, s.part_rest, 0, parts, now - floors - s.part_share[0])
    parts = 1
    for rank in range(limits):
        for group in range(first, end):
            limit = limit_of(s, group)
            if limit >= 0 and plan.limit_rank[limit] == rank and not plan.limit_occasions[limit]:
                s.share[group] = s.part_share[parts]
                parts += 1
