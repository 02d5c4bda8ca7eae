"""Detail lines to groups of costs: engine.adjudication.eligibility for one settlement, compiled."""

from engine.adjudication.replay.compiled import inlined
from engine.adjudication.replay.gates import CONCERNED, NOT_CONCERNED
from engine.adjudication.replay.plan import BY_DIAGNOSIS, TAKEN, PlanColumns
from engine.adjudication.replay.reasons import GATE_NO
from engine.adjudication.replay.scratch import ITEM_BITS, LIMIT_BITS, add_to_group
from engine.adjudication.replay.work import Work

_DAY_ZERO = 1 << 32
"""Makes a day's number positive."""


@inlined
def gather(w: Work, bill: int, covered_from: int, covered_to: int) -> bool:
    """Each line in time to the first benefit that takes it, its cost to its group. True: a late refund."""
    plan, bills, lines, s = w.plan, w.bills, w.lines, w.s
    own, over, pre, in_scope = (
        lines.own_pay_fen,
        lines.over_limit_fen,
        lines.pre_self_pay_fen,
        lines.in_scope_fen,
    )
    wanted, refund_left_out, begin = plan.wanted, False, lines.first[bill]
    for line in range(begin, lines.first[bill + 1]):
        day = lines.occurred_on[line]
        if day < covered_from or day > covered_to:
            refund_left_out |= lines.amount_fen[line] < 0
            continue
        cost = (own[line] if wanted & 1 else 0) | (over[line] if wanted & 2 else 0)
        if cost | (pre[line] if wanted & 4 else 0) | (in_scope[line] if wanted & 8 else 0) == 0:
            continue
        kind = lines.kind[line]
        takers = plan.takers[kind]
        benefit = -1
        while takers:
            benefit += 1
            takes = takers & 1
            takers >>= 1
            concern = bills.concern[bill, benefit]
            if not takes or concern == NOT_CONCERNED:
                continue
            base = plan.base[kind, benefit]
            cost = (own[line] if base & 1 else 0) + (over[line] if base & 2 else 0)
            cost += (pre[line] if base & 4 else 0) + (in_scope[line] if base & 8 else 0)
            if cost == 0:
                continue
            era = 0
            while era < len(plan.eras) and plan.eras[era] <= day:
                era += 1
            listed = plan.listed[era, kind, benefit]
            if listed == 0:
                continue
            if listed == BY_DIAGNOSIS:
                indicated = bills.indicated[plan.indication[era, kind, benefit], bills.diagnosis[bill]]
                listed = TAKEN if indicated else BY_DIAGNOSIS
            s.seen[benefit] |= 1 << (listed - 1)
            if concern == CONCERNED and not bills.gates[bill, benefit] & GATE_NO:
                if listed == TAKEN:
                    limit = plan.limit[kind, benefit]
                    item = item_of(plan, limit, plan.item[kind, benefit], day, line - begin)
                    key = (((benefit << LIMIT_BITS) | (limit + 1)) << ITEM_BITS) | item
                    add_to_group(key, cost, s.group_key, s.group_sum, s.group_slot, s.group_place, s.counts)
                break
    return refund_left_out


@inlined
def item_of(plan: PlanColumns, limit: int, item: int, day: int, line: int) -> int:
    """What a limit counts apart: days, lines, or items."""
    if limit < 0:
        return 0
    if plan.limit_occasions[limit]:
        return day + _DAY_ZERO
    return line if plan.limit_by_line[limit] else item
