"""The scalar engine's rules over columns, compiled: policy by policy, settlement by settlement, in order.

Each function mirrors one of engine.adjudication.adjudicate, .placement or .totals; property tests hold them
equal. A policy whose amounts or lines find no room here is left over for the scalar engine.
"""

import numpy as np

from engine.adjudication.replay.amounts import borne_before, calculate, calculate_fixed, reduce_shares
from engine.adjudication.replay.columns import Small, Whole
from engine.adjudication.replay.compiled import compiled, inlined
from engine.adjudication.replay.gates import (
    CLASS_UNKNOWN,
    DIAGNOSIS_UNKNOWN,
    NOT_CONCERNED,
    UNCLEAR,
    BillTerms,
)
from engine.adjudication.replay.gathering import gather
from engine.adjudication.replay.plan import ADMISSION, DISCHARGE, EACH_DAY, NONE, PlanColumns
from engine.adjudication.replay.reasons import BIT, GATE_NO
from engine.adjudication.replay.scratch import (
    AFTER,
    DAYS,
    DEDUCTIBLE,
    ITEM_BITS,
    PAID,
    Scratch,
    begin_policy,
    forget_groups,
    limit_of,
    sort_groups,
    sum_of,
    use_of,
)
from engine.adjudication.replay.work import Decided, Work

PAY, NOTHING, REVIEW, REFUSE = 0, 1, 2, 3
"""Outcomes, in the order of engine.adjudication.Outcome."""
_ALWAYS, _NEVER = np.iinfo(np.int32).min, np.iinfo(np.int32).max

R_NEGATIVE, R_ZERO = BIT["settlement.negative"], BIT["settlement.zero"]
R_BEFORE, R_AFTER = BIT["stay.before_effective"], BIT["stay.after_expiry"]
R_ACROSS, R_PAST, R_DAYS = BIT["stay.across_years"], BIT["stay.past_expiry"], BIT["stay.days_undecided"]
R_EARLIER, R_VISIT = BIT["history.earlier_undecided"], BIT["gate.visit_type_unclear"]
R_NO_LINES, R_REFUND = BIT["settlement.lines_missing"], BIT["settlement.refund_unmatched"]
R_NOT_LISTED, R_INDICATION = BIT["benefit.list_not_public"], BIT["benefit.indication_unclear"]
R_ESTATE, R_NONE = BIT["payee.estate"], BIT["benefit.none_applies"]
R_NO_COST, R_BELOW = BIT["nothing.no_eligible_cost"], BIT["nothing.below_deductible"]
R_NOT_HELD = BIT["terms.not_yet_held"]
R_CAP, R_NO_LEFT = BIT["nothing.cap_exhausted"], BIT["nothing.no_cost_left"]
R_CLASS, R_DIAGNOSIS = BIT["reduction.class_unknown"], BIT["reduction.diagnosis_unknown"]
R_RATIO = BIT["benefit.ratio_not_public"]


@inlined
def place(w: Work, policy: int, bill: int) -> tuple[int, int, int]:
    """Bits of why the stay is not plainly of the policy year; first and last day whose costs count."""
    plan = w.plan
    effective, expires = w.policies.effective[policy], w.policies.expires[policy]
    admitted, discharged = w.bills.admitted_on[bill], w.bills.discharged_on[bill]
    first, last = admitted, discharged
    if plan.belongs_to == ADMISSION:
        last = first
    elif plan.belongs_to == DISCHARGE:
        first = last
    covered_from, covered_to, reasons = _ALWAYS, _NEVER, 0
    if last < effective:
        reasons = R_BEFORE
    elif first > expires:
        reasons = R_AFTER
    elif plan.belongs_to == EACH_DAY:
        if admitted < effective:
            covered_from = effective
        covered_to = expires + (0 if w.policies.renewed[policy] else max(plan.tail_days, 0))
    elif first < effective or last > expires:
        reasons = R_ACROSS
    elif discharged > expires:
        if plan.tail_days == NONE:
            reasons = R_PAST
        elif not (plan.tail_unlimited_if_renewed and w.policies.renewed[policy]):
            covered_to = expires + plan.tail_days
    return reasons, covered_from, covered_to if discharged > covered_to else _NEVER


@inlined
def evaluate(
    w: Work, policy: int, bill: int, covered_from: int, covered_to: int, stay: int
) -> tuple[int, int, bool]:
    """Reasons for review, reasons to refuse, and whether any benefit looks at the settlement."""
    plan, bills, lines, s = w.plan, w.bills, w.lines, w.s
    reviews, refusals, concerned = 0, 0, False
    for benefit in range(len(plan.by_lines)):
        s.seen[benefit] = 0
    refund_left_out = gather(w, bill, covered_from, covered_to)
    sort_groups(s.group_key, s.group_sum, s.group_from, s.counts[0])
    if (covered_from != _ALWAYS or covered_to != _NEVER) and (refund_left_out or plan.any_by_totals):
        reviews |= R_DAYS
    no_lines = lines.first[bill] == lines.first[bill + 1]
    nights = nights_of(bills.admitted_on[bill], bills.discharged_on[bill], covered_from, covered_to)
    for benefit in range(len(plan.by_lines)):
        if bills.concern[bill, benefit] == NOT_CONCERNED:
            continue
        concerned = True
        seen, base = s.seen[benefit], bills.base[bill, benefit]
        missing = plan.by_lines[benefit] and no_lines and base > 0
        whole = not plan.by_lines[benefit] and (base > 0 or plan.fixed_amount[benefit] != NONE)
        if not (seen or missing or whole):
            continue
        gates = bills.gates[bill, benefit]
        if bills.concern[bill, benefit] == UNCLEAR:
            reviews |= R_VISIT
        elif gates & GATE_NO:
            refusals |= gates & GATE_NO
        else:
            reviews |= gates | (R_NO_LINES if missing else 0)
            reviews |= (R_NOT_LISTED if seen & 2 else 0) | (R_INDICATION if seen & 4 else 0)
            if whole or seen & 1:
                reviews |= settle(w, policy, bill, benefit, stay, base if whole else NONE, nights)
    return reviews, refusals, concerned


@inlined
def nights_of(admitted: int, discharged: int, covered_from: int, covered_to: int) -> int:
    """Nights within the covered days; a stay of one day is a day."""
    last = discharged if covered_to == _NEVER else min(discharged, covered_to + 1)
    return max(last - max(admitted, covered_from), 1)


@inlined
def settle(w: Work, policy: int, bill: int, benefit: int, stay: int, base: int, nights: int) -> int:
    """One benefit's result, up to its own caps; or the reasons why there is none.

    base: the settlement's own total, or NONE for its lines.
    """
    plan, out, s = w.plan, w.out, w.s
    if not plan.public[benefit]:
        return R_RATIO
    reduced = w.bills.reduced[bill] if plan.differs[benefit] else 0
    if reduced == CLASS_UNKNOWN:
        return R_CLASS
    if reduced == DIAGNOSIS_UNKNOWN:
        return R_DIAGNOSIS
    for group in range(s.group_from[benefit], s.group_from[benefit + 1]):
        if s.group_sum[group] < 0:
            return R_REFUND
    rate = w.bills.rate[bill, benefit]
    borne, carried, s.days[benefit] = 0, 0, 0
    if plan.fixed_amount[benefit] != NONE:
        eligible, payable, s.days[benefit] = calculate_fixed(plan, benefit, rate, reduced, nights, stay, s)
    else:
        before = borne_before(plan, benefit, bill, stay, out.deductible, s)
        left = max(w.policies.deductible[policy, benefit] - before, 0)
        eligible, borne, payable, carried = calculate(plan, benefit, rate, reduced, left, stay, base, s)
    most = payable
    if plan.stay_cap[benefit] != NONE:
        most = min(most, max(plan.stay_cap[benefit] - s.use_fen[sum_of(s, benefit, PAID, stay)], 0))
        payable, carried = reduced_to(plan, benefit, payable, most, carried, s)
    if plan.cap[benefit] != NONE:
        most = min(most, max(plan.cap[benefit] - s.paid[benefit], 0))
        payable, carried = reduced_to(plan, benefit, payable, most, carried, s)
    out.has[bill, benefit] = True
    out.eligible[bill, benefit], out.deductible[bill, benefit] = eligible, borne
    out.paid[bill, benefit], out.carried[bill, benefit] = payable, carried
    return 0


@inlined
def reduced_to(
    plan: PlanColumns, benefit: int, payable: int, most: int, carried: int, s: Scratch
) -> tuple[int, int]:
    """Payable and carried after a cap."""
    if payable <= most:
        return payable, carried
    reduce_shares(plan, benefit, payable, most, s)
    return most, 0


@inlined
def keep_within(w: Work, bill: int, most: int, members: int) -> None:
    """Cut the results of these benefits to `most` together, the last ones first."""
    out, rest, sum_ = w.out, max(most, 0), 0
    for benefit in range(len(w.plan.by_lines)):
        if (members >> benefit) & 1:
            sum_ += out.paid[bill, benefit]
    if sum_ <= rest:
        return
    for benefit in range(len(w.plan.by_lines)):
        if (members >> benefit) & 1:
            paid = out.paid[bill, benefit]
            if paid > rest:
                reduce_shares(w.plan, benefit, paid, rest, w.s)
                out.paid[bill, benefit], out.carried[bill, benefit] = rest, 0
            rest -= out.paid[bill, benefit]


@inlined
def keep_shared(w: Work, bill: int, stay: int, with_fixed: bool) -> None:
    """The shared caps that are over a fixed benefit too, or those that are not."""
    plan, s = w.plan, w.s
    for cap in range(len(plan.shared_cap)):
        if ((plan.shared_members[cap] & ~plan.indemnities) != 0) != with_fixed:
            continue
        used = 0
        for benefit in range(len(plan.by_lines)):
            if (plan.shared_members[cap] >> benefit) & 1:
                by_stay = plan.shared_by_stay[cap]
                used += s.use_fen[sum_of(s, benefit, PAID, stay)] if by_stay else s.paid[benefit]
        keep_within(w, bill, plan.shared_cap[cap] - used, plan.shared_members[cap])


@inlined
def apply_totals(w: Work, bill: int, stay: int) -> int:
    """Shared caps, the cost left, the aggregate cap: over fewer benefits first. What is payable."""
    plan, s = w.plan, w.s
    keep_shared(w, bill, stay, False)
    keep_within(w, bill, w.bills.cost_left[bill], plan.indemnities)
    keep_shared(w, bill, stay, True)
    if plan.aggregate_cap != NONE:
        used = 0
        for benefit in range(len(plan.by_lines)):
            used += s.paid[benefit]
        keep_within(w, bill, plan.aggregate_cap - used, -1)
    payable = 0
    for benefit in range(len(plan.by_lines)):
        payable += w.out.paid[bill, benefit]
    return payable


@inlined
def has_result(bill: int, out: Decided) -> bool:
    found = False
    for benefit in range(out.has.shape[1]):
        found |= out.has[bill, benefit]
    return found


@inlined
def why_nothing(bills: BillTerms, bill: int, out: Decided) -> int:
    eligible, after = 0, 0
    for benefit in range(out.has.shape[1]):
        eligible += out.eligible[bill, benefit]
        after += out.eligible[bill, benefit] - out.deductible[bill, benefit]
    if eligible == 0:
        return R_NO_COST
    if after == 0:
        return R_BELOW
    return R_CAP if bills.cost_left[bill] else R_NO_LEFT


@inlined
def decide(w: Work, policy: int, bill: int, stay: int, undecided: bool) -> tuple[int, int]:
    """Outcome and reasons of one settlement; the amounts go to `out`."""
    foreign = w.policies.foreign[policy] | (
        R_NOT_HELD if w.bills.admitted_on[bill] < w.plan.holds_from else 0
    )
    if foreign:
        return REVIEW, foreign
    if w.bills.total[bill] <= 0:
        return (REVIEW, R_NEGATIVE) if w.bills.total[bill] < 0 else (NOTHING, R_ZERO)
    reviews, covered_from, covered_to = place(w, policy, bill)
    if reviews & (R_BEFORE | R_AFTER):
        return REFUSE, reviews
    forget_groups(w.s)
    found, refusals, concerned = evaluate(w, policy, bill, covered_from, covered_to, stay)
    payable = apply_totals(w, bill, stay)
    reviews |= found | (R_EARLIER if undecided else 0)
    reviews |= R_ESTATE if payable and w.bills.death[bill] else 0
    if reviews:
        return REVIEW, reviews
    if payable:
        w.out.payable[bill] = payable
        return PAY, 0
    if has_result(bill, w.out):
        return NOTHING, why_nothing(w.bills, bill, w.out)
    if refusals:
        return REFUSE, refusals
    return (NOTHING, R_NO_COST) if concerned else (REFUSE, R_NONE)


@inlined
def use_up(w: Work, bill: int, stay: int) -> None:
    """What later settlements of the policy find used."""
    plan, out, s = w.plan, w.out, w.s
    for benefit in range(len(plan.by_lines)):
        if not out.has[bill, benefit]:
            continue
        paid, borne = out.paid[bill, benefit], out.deductible[bill, benefit]
        tiers = plan.tier_from[benefit] < plan.tier_from[benefit + 1] and plan.fixed_amount[benefit] == NONE
        after = out.eligible[bill, benefit] - borne if tiers else 0
        s.deductible[benefit] += borne
        s.paid[benefit] += paid
        s.after[benefit] += after
        s.carried[benefit] += out.carried[bill, benefit]
        if plan.by_stay:
            s.use_fen[sum_of(s, benefit, PAID, stay)] += paid
            s.use_fen[sum_of(s, benefit, DEDUCTIBLE, stay)] += borne
            s.use_fen[sum_of(s, benefit, AFTER, stay)] += after
        if paid:
            use_limits(plan, benefit, stay, s)


@inlined
def use_limits(plan: PlanColumns, benefit: int, stay: int, s: Scratch) -> None:
    if plan.fixed_amount[benefit] != NONE:
        s.use_fen[sum_of(s, benefit, DAYS, stay)] += s.days[benefit]
        s.use_fen[sum_of(s, benefit, DAYS, NONE)] += s.days[benefit]
    for group in range(s.group_from[benefit], s.group_from[benefit + 1]):
        limit = limit_of(s, group)
        if limit < 0 or not s.share[group] or plan.limit_by_line[limit]:
            continue
        if plan.limit_occasions[limit]:
            s.occasions[limit] += 1
        else:
            item = s.group_key[group] & ((1 << ITEM_BITS) - 1)
            within = stay if plan.limit_by_stay[limit] else NONE
            s.use_fen[use_of(s, limit, item, within)] += s.share[group]


@compiled
def run(w: Work, order: Whole, first: Whole, policy_of: Small) -> None:
    """Settlements order[first[i]] to order[first[i + 1]] are one policy's, in the order of the terms."""
    bills, out, s = w.bills, w.out, w.s
    for one in range(len(first) - 1):
        begin_policy(s)
        undecided = False
        policy = policy_of[order[first[one]]]
        for at in range(first[one], first[one + 1]):
            bill, stay = order[at], order[at]
            for before in range(first[one], at):
                earlier = order[before]
                same = bills.hospital[earlier] == bills.hospital[bill]
                if same and bills.admitted_on[earlier] == bills.admitted_on[bill]:
                    stay = earlier
                    break
            out.outcome[bill], out.reasons[bill] = decide(w, policy, bill, stay, undecided)
            if out.outcome[bill] == REVIEW:
                undecided = True
            elif out.outcome[bill] != REFUSE:
                use_up(w, bill, stay)
            if s.counts[2]:
                for every in range(first[one], first[one + 1]):
                    out.left_over[order[every]] = True
                break
