"""The kernel's working memory: groups of one settlement's costs, and what a policy has used of its limits."""

from typing import Final, NamedTuple

import numpy as np

from engine.adjudication.replay.columns import Small, Whole
from engine.adjudication.replay.compiled import compiled, inlined
from engine.adjudication.replay.plan import NONE

MOST_GROUPS: Final = 1 << 11
"""Groups of one settlement that find room."""
MOST_USES: Final = 1 << 15
"""Items of limits that one policy may use up here."""
ITEM_BITS, LIMIT_BITS = 40, 10
DEDUCTIBLE, PAID, AFTER, DAYS = 0, 1, 2, 3
"""What is summed up of a benefit besides its limits, by stay or by year."""
_SUMS_FROM = 1 << 9
"""Limits stay below it; above it, four numbers a benefit stand for its sums."""
_GROUP_SLOTS, _USE_SLOTS = 2 * MOST_GROUPS, 2 * MOST_USES
_SPREAD, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


class Scratch(NamedTuple):
    """Working memory of one run; nothing of it outlives a policy."""

    seen: Small
    """B: bits of what lines the settlement has for a benefit: 1 taken, 2 not listed, 4 not indicated."""
    group_key: Whole
    """Benefit, limit and item of each group, one number that sorts like them."""
    group_sum: Whole
    share: Whole
    group_slot: Small
    group_place: Small
    counts: Whole
    """0 groups, 1 uses, 2 whether the policy is left over."""
    part_share: Whole
    part_rest: Whole
    deductible: Whole
    """B: used up this year."""
    paid: Whole
    carried: Whole
    """B: what rounding kept back, in 1/10000 fen."""
    after: Whole
    """B: costs beyond the deductible, where the ratio has tiers."""
    days: Whole
    """B: of this settlement, those that a fixed amount is paid for."""
    occasions: Whole
    """L: paid for this year."""
    use_key: Whole
    """Limit and item."""
    use_stay: Whole
    use_fen: Whole
    use_slot: Small
    use_place: Small
    group_from: Small
    """B + 1: groups of benefit b, once they are in order."""


def scratch(benefits: int, limits: int) -> Scratch:
    def whole(size: int) -> Whole:
        return np.zeros(size, dtype=np.int64)

    return Scratch(
        seen=np.zeros(benefits, dtype=np.int32),
        group_key=whole(MOST_GROUPS),
        group_sum=whole(MOST_GROUPS),
        share=whole(MOST_GROUPS),
        group_slot=np.full(_GROUP_SLOTS, NONE, dtype=np.int32),
        group_place=np.zeros(MOST_GROUPS, dtype=np.int32),
        counts=whole(3),
        part_share=whole(MOST_GROUPS + 1),
        part_rest=whole(MOST_GROUPS + 1),
        deductible=whole(benefits),
        paid=whole(benefits),
        carried=whole(benefits),
        after=whole(benefits),
        days=whole(benefits),
        occasions=whole(limits),
        use_key=whole(MOST_USES),
        use_stay=whole(MOST_USES),
        use_fen=whole(MOST_USES),
        use_slot=np.full(_USE_SLOTS, NONE, dtype=np.int32),
        use_place=np.zeros(MOST_USES, dtype=np.int32),
        group_from=np.zeros(benefits + 1, dtype=np.int32),
    )


@compiled
def add_to_group(
    key: int, amount: int, keys: Whole, sums: Whole, slots: Small, places: Small, counts: Whole
) -> None:
    """Arrays of `Scratch` one by one: to hand over all of them costs more than the work, once a line."""
    slot = np.int64((np.uint64(key) * _SPREAD) >> _HALF) & (_GROUP_SLOTS - 1)
    while slots[slot] != NONE:
        group = slots[slot]
        if keys[group] == key:
            sums[group] += amount
            return
        slot = (slot + 1) & (_GROUP_SLOTS - 1)
    count = counts[0]
    if count == MOST_GROUPS:
        counts[2] = 1
        return
    slots[slot], places[count] = count, slot
    keys[count], sums[count] = key, amount
    counts[0] = count + 1


@compiled
def use_of(s: Scratch, limit: int, item: int, stay: int) -> int:
    """Place in `use_fen` of what the policy has used of an item's limit in the year, or in one stay."""
    key = (limit << ITEM_BITS) | item
    slot = np.int64(((np.uint64(key) + np.uint64(stay + 1)) * _SPREAD) >> _HALF) & (_USE_SLOTS - 1)
    while s.use_slot[slot] != NONE:
        use = s.use_slot[slot]
        if s.use_key[use] == key and s.use_stay[use] == stay:
            return use
        slot = (slot + 1) & (_USE_SLOTS - 1)
    count = s.counts[1]
    if count == MOST_USES:
        s.counts[2] = 1
        return 0
    s.use_slot[slot], s.use_place[count] = count, slot
    s.use_key[count], s.use_stay[count], s.use_fen[count] = key, stay, 0
    s.counts[1] = count + 1
    return count


@inlined
def forget_groups(s: Scratch) -> None:
    for group in range(s.counts[0]):
        s.group_slot[s.group_place[group]] = NONE
    s.counts[0] = 0


@inlined
def begin_policy(s: Scratch) -> None:
    for use in range(s.counts[1]):
        s.use_slot[s.use_place[use]] = NONE
    s.counts[1], s.counts[2] = 0, 0
    for benefit in range(len(s.paid)):
        s.deductible[benefit], s.paid[benefit], s.carried[benefit], s.after[benefit] = 0, 0, 0, 0
    for limit in range(len(s.occasions)):
        s.occasions[limit] = 0


@inlined
def sum_of(s: Scratch, benefit: int, what: int, stay: int) -> int:
    """Place in `use_fen` of a sum of the benefit, in one stay or (NONE) in the year."""
    return use_of(s, _SUMS_FROM + 4 * benefit + what, 0, stay)


@compiled
def sort_groups(keys: Whole, sums: Whole, begins: Small, count: int) -> None:
    """By benefit, limit and item; and where each benefit's begin."""
    benefits = len(begins) - 1
    for end in range(1, count):
        key, amount, at = keys[end], sums[end], end
        while at and keys[at - 1] > key:
            keys[at], sums[at] = keys[at - 1], sums[at - 1]
            at -= 1
        keys[at], sums[at] = key, amount
    group = 0
    for benefit in range(benefits):
        begins[benefit] = group
        while group < count and keys[group] >> (ITEM_BITS + LIMIT_BITS) == benefit:
            group += 1
    begins[benefits] = count


@inlined
def limit_of(s: Scratch, group: int) -> int:
    return ((s.group_key[group] >> ITEM_BITS) & ((1 << LIMIT_BITS) - 1)) - 1
