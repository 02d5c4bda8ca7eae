"""The scalar engine's rules over columns, compiled: policy by policy, settlement by settlement, in order.

Each function mirrors one of engine.adjudication.adjudicate; property tests hold them equal. A policy whose
amounts or lines find no room here is left over for the scalar engine.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.adjudication.replay.amounts import calculate, reduce_shares
from engine.adjudication.replay.columns import Flags, LineColumns, Small, Whole
from engine.adjudication.replay.compiled import compiled, inlined
from engine.adjudication.replay.gates import CONCERNED, NOT_CONCERNED, UNCLEAR, BillTerms, PolicyTerms
from engine.adjudication.replay.plan import BY_DIAGNOSIS, NONE, TAKEN, PlanColumns
from engine.adjudication.replay.reasons import BIT, GATE_NO
from engine.adjudication.replay.scratch import (
    ITEM_BITS,
    LIMIT_BITS,
    Scratch,
    add_to_group,
    begin_policy,
    forget_groups,
    limit_of,
    sort_groups,
    use_of,
)

PAY, NOTHING, REVIEW, REFUSE = 0, 1, 2, 3
"""Outcomes, in the order of engine.adjudication.Outcome."""
_DAY_ZERO = 1 << 32
_NEVER = np.iinfo(np.int32).max

R_NEGATIVE, R_ZERO = BIT["settlement.negative"], BIT["settlement.zero"]
R_BEFORE, R_AFTER = BIT["stay.before_effective"], BIT["stay.after_expiry"]
R_ACROSS, R_PAST, R_TAIL = BIT["stay.across_years"], BIT["stay.past_expiry"], BIT["stay.days_undecided"]
R_EARLIER, R_VISIT = BIT["history.earlier_undecided"], BIT["gate.visit_type_unclear"]
R_NO_LINES, R_REFUND = BIT["settlement.lines_missing"], BIT["settlement.refund_unmatched"]
R_NOT_LISTED, R_INDICATION = BIT["benefit.list_not_public"], BIT["benefit.indication_unclear"]
R_ESTATE, R_NONE = BIT["payee.estate"], BIT["benefit.none_applies"]
R_NO_COST, R_BELOW = BIT["nothing.no_eligible_cost"], BIT["nothing.below_deductible"]
R_NOT_HELD = BIT["terms.not_yet_held"]
R_CAP, R_NO_LEFT = BIT["nothing.cap_exhausted"], BIT["nothing.no_cost_left"]


class Decided(NamedTuple):
    """Decisions, one row a settlement; N rows and N x B."""

    outcome: NDArray[np.int8]
    reasons: Whole
    payable: Whole
    has: Flags
    """Whether the benefit has a result."""
    eligible: Whole
    deductible: Whole
    paid: Whole
    carried: Whole
    """1/10000 fen."""
    left_over: Flags
    """Settlements of policies that the columns could not hold."""


@inlined
def gather(
    plan: PlanColumns, bills: BillTerms, lines: LineColumns, bill: int, covered_to: int, s: Scratch
) -> bool:
    """Each line in time to the first benefit that takes it, its cost to its group. True: a late refund."""
    own, over, pre, in_scope = (
        lines.own_pay_fen,
        lines.over_limit_fen,
        lines.pre_self_pay_fen,
        lines.in_scope_fen,
    )
    wanted, late_refund = plan.wanted, False
    for line in range(lines.first[bill], lines.first[bill + 1]):
        if covered_to != _NEVER and lines.occurred_on[line] > covered_to:
            late_refund |= lines.amount_fen[line] < 0
            continue
        cost = (own[line] if wanted & 1 else 0) | (over[line] if wanted & 2 else 0)
        if cost | (pre[line] if wanted & 4 else 0) | (in_scope[line] if wanted & 8 else 0) == 0:
            continue
        kind = lines.kind[line]
        takers = plan.takers[kind]
        benefit = -1
        while takers:
            benefit += 1
            if not takers & 1:
                takers >>= 1
                continue
            takers >>= 1
            concern = bills.concern[bill, benefit]
            base = plan.base[kind, benefit]
            cost = (own[line] if base & 1 else 0) + (over[line] if base & 2 else 0)
            cost += (pre[line] if base & 4 else 0) + (in_scope[line] if base & 8 else 0)
            if concern == NOT_CONCERNED or cost == 0:
                continue
            listed = plan.listed[kind, benefit]
            if listed == BY_DIAGNOSIS:
                indicated = bills.indicated[plan.indication[kind, benefit], bills.diagnosis[bill]]
                listed = TAKEN if indicated else BY_DIAGNOSIS
            s.seen[benefit] |= 1 << (listed - 1)
            if concern == CONCERNED and not bills.gates[bill, benefit] & GATE_NO:
                if listed == TAKEN:
                    limit, item = plan.limit[kind, benefit], plan.item[kind, benefit]
                    if limit >= 0 and plan.limit_occasions[limit]:
                        item = lines.occurred_on[line] + _DAY_ZERO
                    key = (((benefit << LIMIT_BITS) | (limit + 1)) << ITEM_BITS) | item
                    add_to_group(key, cost, s.group_key, s.group_sum, s.group_slot, s.group_place, s.counts)
                break
    return late_refund


@inlined
def place(
    plan: PlanColumns, policies: PolicyTerms, policy: int, admitted: int, discharged: int
) -> tuple[int, int]:
    """Bits of why the stay is not plainly of the policy year, and the last day whose costs count."""
    effective, expires = policies.effective[policy], policies.expires[policy]
    first, last = admitted, discharged
    if plan.belongs_to == 1:
        last = first
    elif plan.belongs_to == 2:
        first = last
    if last < effective:
        return R_BEFORE, _NEVER
    if first > expires:
        return R_AFTER, _NEVER
    if first < effective or last > expires:
        return R_ACROSS, _NEVER
    if discharged > expires:
        if plan.tail_days == NONE:
            return R_PAST, _NEVER
        covered_to = expires + plan.tail_days
        unlimited = plan.tail_unlimited_if_renewed and policies.renewed[policy]
        if not unlimited and discharged > covered_to:
            return np.int64(0), covered_to
    return np.int64(0), _NEVER


@inlined
def evaluate(
    plan: PlanColumns,
    policies: PolicyTerms,
    bills: BillTerms,
    lines: LineColumns,
    policy: int,
    bill: int,
    covered_to: int,
    stay: int,
    out: Decided,
    s: Scratch,
) -> tuple[int, int, bool]:
    """Reasons for review, reasons to refuse, and whether any benefit looks at the settlement."""
    reviews, refusals, concerned = np.int64(0), np.int64(0), False
    benefits = len(plan.by_lines)
    for benefit in range(benefits):
        s.seen[benefit] = 0
    late_refund = gather(plan, bills, lines, bill, covered_to, s)
    sort_groups(s.group_key, s.group_sum, s.group_from, s.counts[0])
    if covered_to != _NEVER and (late_refund or plan.any_by_totals):
        reviews |= R_TAIL
    no_lines = lines.first[bill] == lines.first[bill + 1]
    for benefit in range(benefits):
        concern = bills.concern[bill, benefit]
        if concern == NOT_CONCERNED:
            continue
        concerned = True
        seen, base = s.seen[benefit], bills.base[bill, benefit]
        missing = plan.by_lines[benefit] and no_lines and base > 0
        whole = not plan.by_lines[benefit] and base > 0
        if not (seen or missing or whole):
            continue
        if concern == UNCLEAR:
            reviews |= R_VISIT
            continue
        gates = np.int64(bills.gates[bill, benefit])
        if gates & GATE_NO:
            refusals |= gates & GATE_NO
            continue
        reviews |= gates
        if missing:
            reviews |= R_NO_LINES
        if seen & 2:
            reviews |= R_NOT_LISTED
        if seen & 4:
            reviews |= R_INDICATION
        if whole or seen & 1:
            first, end = s.group_from[benefit], s.group_from[benefit + 1]
            for group in range(first, end):
                if s.group_sum[group] < 0:
                    reviews |= R_REFUND
                    break
            else:
                settle(plan, policies, policy, bill, benefit, stay, base if whole else NONE, out, s)
    return reviews, refusals, concerned


@inlined
def settle(
    plan: PlanColumns,
    policies: PolicyTerms,
    policy: int,
    bill: int,
    benefit: int,
    stay: int,
    base: int,
    out: Decided,
    s: Scratch,
) -> None:
    """One benefit's result, up to its own cap. `base`: the settlement's own total, or NONE for its lines."""
    reduced, year = policies.reduced[policy], policies.deductible[policy, benefit]
    eligible, borne, payable, carried = calculate(plan, benefit, reduced, year, stay, base, s)
    cap = plan.cap[benefit]
    if cap != NONE:
        left = max(cap - s.paid[benefit], 0)
        if payable > left:
            reduce_shares(plan, benefit, payable, left, s)
            payable, carried = left, np.int64(0)
    out.has[bill, benefit] = True
    out.eligible[bill, benefit], out.deductible[bill, benefit] = eligible, borne
    out.paid[bill, benefit], out.carried[bill, benefit] = payable, carried


@inlined
def apply_totals(plan: PlanColumns, bills: BillTerms, bill: int, out: Decided, s: Scratch) -> int:
    """The aggregate cap of the year, then the cost left: later benefits give way first. What is payable."""
    benefits = len(plan.by_lines)
    payable, before = np.int64(0), np.int64(0)
    for benefit in range(benefits):
        payable += out.paid[bill, benefit]
        before += s.paid[benefit]
    if plan.aggregate_cap != NONE:
        payable = min(payable, max(plan.aggregate_cap - before, 0))
    payable = min(payable, bills.cost_left[bill])
    rest = payable
    for benefit in range(benefits):
        paid = out.paid[bill, benefit]
        if paid > rest:
            reduce_shares(plan, benefit, paid, rest, s)
            out.paid[bill, benefit], out.carried[bill, benefit] = rest, 0
        rest -= out.paid[bill, benefit]
    return payable


@inlined
def has_result(bill: int, out: Decided) -> bool:
    found = False
    for benefit in range(out.has.shape[1]):
        found |= out.has[bill, benefit]
    return found


@inlined
def why_nothing(bills: BillTerms, bill: int, out: Decided) -> int:
    eligible, after = np.int64(0), np.int64(0)
    for benefit in range(out.has.shape[1]):
        eligible += out.eligible[bill, benefit]
        after += out.eligible[bill, benefit] - out.deductible[bill, benefit]
    if eligible == 0:
        return R_NO_COST
    if after == 0:
        return R_BELOW
    return R_CAP if bills.cost_left[bill] else R_NO_LEFT


@inlined
def decide(
    plan: PlanColumns,
    policies: PolicyTerms,
    bills: BillTerms,
    lines: LineColumns,
    policy: int,
    bill: int,
    stay: int,
    undecided: bool,
    out: Decided,
    s: Scratch,
) -> tuple[int, int]:
    """Outcome and reasons of one settlement; the amounts go to `out`."""
    foreign = policies.foreign[policy]
    if bills.admitted_on[bill] < plan.holds_from:
        foreign |= R_NOT_HELD
    if foreign:
        return REVIEW, foreign
    if bills.total[bill] == 0:
        return NOTHING, R_ZERO
    if bills.total[bill] < 0:
        return REVIEW, R_NEGATIVE
    reviews, covered_to = place(plan, policies, policy, bills.admitted_on[bill], bills.discharged_on[bill])
    if reviews & (R_BEFORE | R_AFTER):
        return REFUSE, reviews
    if undecided:
        reviews |= R_EARLIER
    forget_groups(s)
    found, refusals, concerned = evaluate(
        plan, policies, bills, lines, policy, bill, covered_to, stay, out, s
    )
    reviews |= found
    payable = apply_totals(plan, bills, bill, out, s)
    if payable and bills.death[bill]:
        reviews |= R_ESTATE
    if reviews:
        return REVIEW, reviews
    if payable:
        out.payable[bill] = payable
        return PAY, np.int64(0)
    if has_result(bill, out):
        return NOTHING, why_nothing(bills, bill, out)
    if refusals:
        return REFUSE, refusals
    return (NOTHING, R_NO_COST) if concerned else (REFUSE, R_NONE)


@inlined
def use_up(plan: PlanColumns, bill: int, stay: int, out: Decided, s: Scratch) -> None:
    """What later settlements of the policy find used."""
    for benefit in range(len(plan.by_lines)):
        if not out.has[bill, benefit]:
            continue
        s.deductible[benefit] += out.deductible[bill, benefit]
        s.paid[benefit] += out.paid[bill, benefit]
        s.carried[benefit] += out.carried[bill, benefit]
        if not out.paid[bill, benefit]:
            continue
        for group in range(s.group_from[benefit], s.group_from[benefit + 1]):
            limit = limit_of(s, group)
            if limit < 0 or not s.share[group]:
                continue
            if plan.limit_occasions[limit]:
                s.occasions[limit] += 1
            else:
                item = s.group_key[group] & ((1 << ITEM_BITS) - 1)
                within = stay if plan.limit_by_stay[limit] else NONE
                s.use_fen[use_of(s, limit, item, within)] += s.share[group]


@compiled
def run(
    plan: PlanColumns,
    policies: PolicyTerms,
    bills: BillTerms,
    lines: LineColumns,
    order: Whole,
    first: Whole,
    policy_of: Small,
    out: Decided,
    s: Scratch,
) -> None:
    """Settlements order[first[i]] to order[first[i + 1]] are those of one policy, in the order of the terms."""
    for one in range(len(first) - 1):
        begin_policy(s)
        undecided = False
        policy = policy_of[order[first[one]]]
        for at in range(first[one], first[one + 1]):
            bill, stay = order[at], order[at]
            for before in range(first[one], at):
                earlier = order[before]
                if (
                    bills.hospital[earlier] == bills.hospital[bill]
                    and bills.admitted_on[earlier] == bills.admitted_on[bill]
                ):
                    stay = earlier
                    break
            out.outcome[bill], out.reasons[bill] = decide(
                plan, policies, bills, lines, policy, bill, stay, undecided, out, s
            )
            if out.outcome[bill] == REVIEW:
                undecided = True
            elif out.outcome[bill] != REFUSE:
                use_up(plan, bill, stay, out, s)
            if s.counts[2]:
                for every in range(first[one], first[one + 1]):
                    out.left_over[order[every]] = True
                break
