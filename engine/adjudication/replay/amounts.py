"""What one benefit comes to: engine.adjudication.calculation over groups, exact to the fen."""

from typing import Final

from engine.adjudication.replay.arithmetic import times_over
from engine.adjudication.replay.columns import Whole
from engine.adjudication.replay.compiled import compiled, inlined
from engine.adjudication.replay.plan import NONE, PlanColumns
from engine.adjudication.replay.scratch import (
    AFTER,
    DAYS,
    DEDUCTIBLE,
    ITEM_BITS,
    Scratch,
    limit_of,
    sum_of,
    use_of,
)
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
    if plan.limit_by_line[limit]:
        return plan.limit_paid[limit]
    item = s.group_key[group] & ((1 << ITEM_BITS) - 1)
    used = s.use_fen[use_of(s, limit, item, stay if plan.limit_by_stay[limit] else NONE)]
    return max(plan.limit_paid[limit] - used, 0)


@inlined
def borne_before(plan: PlanColumns, benefit: int, bill: int, stay: int, deductible: Whole, s: Scratch) -> int:
    """Of the deductible, what was borne before: by this benefit, or by all that share it."""
    borne = 0
    for other in range(len(plan.by_lines)):
        if (plan.sharing[benefit] >> other) & 1:
            if plan.deductible_by_stay[benefit]:
                borne += s.use_fen[sum_of(s, other, DEDUCTIBLE, stay)]
            else:
                borne += s.deductible[other]
            if other != benefit:
                borne += deductible[bill, other]
    return borne


@inlined
def weighed(plan: PlanColumns, benefit: int, reduced: int, begin: int, after: int) -> int:
    """What costs from `begin` on the tiers come to, in 1/10000 fen."""
    end, sum_ = begin + after, 0
    for tier in range(plan.tier_from[benefit], plan.tier_from[benefit + 1]):
        last = tier + 1 == plan.tier_from[benefit + 1]
        top = end if last else min(end, plan.tier_above[tier + 1])
        sum_ += max(top - max(begin, plan.tier_above[tier]), 0) * plan.tier_rate[tier, reduced]
    return sum_


@inlined
def begin_on_tiers(plan: PlanColumns, benefit: int, stay: int, s: Scratch) -> int:
    if plan.tiers_by_stay[benefit]:
        return s.use_fen[sum_of(s, benefit, AFTER, stay)]
    return s.after[benefit]


@inlined
def calculate(
    plan: PlanColumns, benefit: int, rate: int, reduced: int, left: int, stay: int, base: int, s: Scratch
) -> tuple[int, int, int, int]:
    """Eligible, deductible and payable fen before the caps, and what is carried.

    left: of the deductible. base: the settlement's own total, or NONE where the costs are those of its
    groups; each group's share goes to `share`.
    """
    first, end = s.group_from[benefit], s.group_from[benefit + 1]
    for group in range(first, end):
        limit = limit_of(s, group)
        if limit >= 0 and plan.limit_occasions[limit]:
            keep_occasions(plan, first, end, s)
            break
    eligible = max(base, 0)
    for group in range(first, end):
        eligible += s.group_sum[group]
        s.share[group] = 0
    borne = min(eligible, left)
    after = eligible - borne
    if eligible > MOST_FEN:
        s.counts[2] = 1
        return 0, 0, 0, 0
    if after == 0:
        return eligible, borne, 0, 0
    factor, divisor = (
        after * plan.ratio[benefit, rate, reduced, 0],
        eligible * plan.ratio[benefit, rate, reduced, 1],
    )
    if plan.tier_from[benefit] < plan.tier_from[benefit + 1]:
        begin = begin_on_tiers(plan, benefit, stay, s)
        factor, divisor = weighed(plan, benefit, reduced, begin, after), eligible * BASIS
    if base != NONE:
        whole, rest = times_over(eligible, factor, divisor)
        payable, carried = rounded(plan, benefit, whole, rest, divisor, s)
    else:
        payable, carried = share_out(plan, benefit, factor, divisor, stay, s)
    return eligible, borne, payable, carried


@inlined
def share_out(
    plan: PlanColumns, benefit: int, factor: int, divisor: int, stay: int, s: Scratch
) -> tuple[int, int]:
    """Payable fen and what is carried: each group's part within its limit, their sum rounded once."""
    first, end = s.group_from[benefit], s.group_from[benefit + 1]
    whole, rest, floors = 0, 0, 0
    for group in range(first, end):
        fen, part = times_over(s.group_sum[group], factor, divisor)
        left = left_of_limit(plan, s, group, stay)
        if left != NONE and (fen > left or (fen == left and part > 0)):
            fen, part = left, 0
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
    return payable, carried


@inlined
def rounded(
    plan: PlanColumns, benefit: int, whole: int, rest: int, divisor: int, s: Scratch
) -> tuple[int, int]:
    """whole + rest / divisor fen and what was carried, half-up; and what is carried on (1/10000 fen)."""
    exact = whole * BASIS + times_over(rest, BASIS, divisor)[0]
    before = s.carried[benefit] if plan.carries else 0
    payable = max((exact + before + BASIS // 2) // BASIS, 0)
    return payable, exact - payable * BASIS if plan.carries else 0


@inlined
def calculate_fixed(
    plan: PlanColumns, benefit: int, rate: int, reduced: int, nights: int, stay: int, s: Scratch
) -> tuple[int, int, int]:
    """Eligible and payable fen, and the days (or the stay) that are paid for."""
    of_stay = max(nights - plan.fixed_after[benefit], 0) if plan.fixed_by_day[benefit] else 1
    most = plan.fixed_max_stay[benefit]
    counted = (min(of_stay, most) if most > 0 else of_stay) - s.use_fen[sum_of(s, benefit, DAYS, stay)]
    if plan.fixed_max_year[benefit] != NONE:
        counted = min(counted, plan.fixed_max_year[benefit] - s.use_fen[sum_of(s, benefit, DAYS, NONE)])
    amount = plan.fixed_amount[benefit]
    if amount and counted > MOST_FEN // amount:  # the product itself could overflow
        s.counts[2] = 1
        return 0, 0, 0
    eligible = max(counted, 0) * amount
    if plan.tier_from[benefit] < plan.tier_from[benefit + 1]:
        weight = weighed(plan, benefit, reduced, begin_on_tiers(plan, benefit, stay, s), eligible)
        divisor = BASIS
    else:
        weight = eligible * plan.ratio[benefit, rate, reduced, 0]
        divisor = plan.ratio[benefit, rate, reduced, 1]
    payable = (2 * weight + divisor) // (2 * divisor)
    return eligible, payable, max(counted, 0) if payable else 0


@inlined
def is_shared_out(plan: PlanColumns, limit: int) -> bool:
    """Whether what is paid under the limit is remembered in fen."""
    return limit >= 0 and not plan.limit_occasions[limit] and not plan.limit_by_line[limit]


@compiled
def reduce_shares(plan: PlanColumns, benefit: int, before: int, now: int, s: Scratch) -> None:
    """The benefit is cut from `before` to `now`: what its limits have used shrinks in proportion.

    Parts stand in the order of the limits' ids; the first is what no amount limits.
    """
    first, end = s.group_from[benefit], s.group_from[benefit + 1]
    limits = plan.limit_from[benefit + 1] - plan.limit_from[benefit]
    parts, floors, free = 1, 0, before
    for rank in range(limits):
        for group in range(first, end):
            limit = limit_of(s, group)
            if is_shared_out(plan, limit) and plan.limit_rank[limit] == rank:
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
            if is_shared_out(plan, limit) and plan.limit_rank[limit] == rank:
                s.share[group] = s.part_share[parts]
                parts += 1
