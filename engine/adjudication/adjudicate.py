"""(terms, coverage, history, settlement) -> decision. Pure and total: what the inputs parse to, it decides.

The way of a settlement: the policy (is this its stay, its turn?), the benefits in the order of the
terms (whose lines, behind which gates, how much), the totals (caps of the year, cost left), the outcome.
What the terms cannot decide leaves a reason for review and never an amount.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from engine.adjudication.calculation import Basis, RefundUnmatched, calculate, grouped, reduced_to
from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import BenefitResult, Decision, Outcome, Reason, Step, used_document
from engine.adjudication.eligibility import Answer, base_fen, concerned, obstacles, select
from engine.adjudication.history import History, SettlementRef, Standing
from engine.money import ZERO, Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms.model import Benefit, Terms

DEATH = "5"
"""dscg_way of the national list."""


@dataclass(slots=True)
class _Case:
    """One adjudication under way."""

    terms: Terms
    coverage: Coverage
    settlement: Settlement
    standing: Standing
    reviews: list[Reason] = field(default_factory=list)
    refusals: list[Reason] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    results: list[BenefitResult] = field(default_factory=list)
    covered_to: date | None = None
    """Last day whose costs count, where the stay runs past it."""

    def review(self, code: str, benefit: Benefit | None = None, **facts: Any) -> None:
        self.reviews.append(Reason(code, benefit, facts))
        if benefit is not None:
            self.steps.append(Step("benefit.undecided", benefit, facts, {"code": code}))

    def refuse(self, code: str, benefit: Benefit | None = None, **facts: Any) -> None:
        self.refusals.append(Reason(code, benefit, facts))
        if benefit is not None:
            self.steps.append(Step("benefit.not_met", benefit, facts, {"code": code}))


def adjudicate(terms: Terms, coverage: Coverage, history: History, settlement: Settlement) -> Decision:
    """Decide one settlement. The same inputs give the same decision, byte for byte; nothing is raised."""
    case = _Case(terms, coverage, settlement, history.standing(terms, settlement))
    if not _is_of_these_terms(case):
        return _conclude(case, Outcome.REVIEW)
    if settlement.total_fen == 0:
        return _conclude(case, Outcome.NOTHING, Reason("settlement.zero", None, {}))
    if settlement.total_fen < 0:
        case.review("settlement.negative")
        return _conclude(case, Outcome.REVIEW)
    _place_in_policy(case)
    _place_in_order(case)
    if case.refusals:
        return _conclude(case, Outcome.REFUSE)
    any_concerned = _evaluate_benefits(case)
    _apply_totals(case)
    return _outcome(case, any_concerned)


def _is_of_these_terms(case: _Case) -> bool:
    terms, coverage = case.terms, case.coverage
    if coverage.edition != terms.edition or coverage.product not in (terms.product, terms.full_name):
        case.review("coverage.other_terms", product=coverage.product, edition=coverage.edition)
    period = terms.period
    if period and not (period.first_day <= coverage.effective and coverage.expires <= period.last_day):
        case.review(
            "coverage.outside_period",
            effective=coverage.effective.isoformat(),
            expires=coverage.expires.isoformat(),
            first_day=period.first_day.isoformat(),
            last_day=period.last_day.isoformat(),
        )
    return not case.reviews


def _place_in_policy(case: _Case) -> None:
    """To which policy year the stay belongs, and up to which day its costs count."""
    terms, policy, bill = case.terms, case.coverage, case.settlement
    first, last = bill.admitted_on, bill.discharged_on
    if terms.stay_belongs_to == "admission":
        last = first
    elif terms.stay_belongs_to == "discharge":
        first = last
    if last < policy.effective:
        case.refuse("stay.before_effective", day=last.isoformat(), effective=policy.effective.isoformat())
    elif first > policy.expires:
        case.refuse("stay.after_expiry", day=first.isoformat(), expires=policy.expires.isoformat())
    elif first < policy.effective or last > policy.expires:
        case.review("stay.across_years")
    else:
        days = {"effective": policy.effective.isoformat(), "expires": policy.expires.isoformat()}
        stay = {
            "admitted_on": bill.admitted_on.isoformat(),
            "discharged_on": bill.discharged_on.isoformat(),
        }
        case.steps.append(Step("policy.period", None, {**days, **stay}, {}))
        if bill.discharged_on > policy.expires:
            _tail(case)


def _tail(case: _Case) -> None:
    tail = case.terms.tail
    if tail is None:
        case.review("stay.past_expiry")
    elif not (tail.unlimited_if_renewed and case.coverage.renewed):
        covered_to = case.coverage.expires + timedelta(days=tail.days)
        if case.settlement.discharged_on > covered_to:
            case.covered_to = covered_to


def _place_in_order(case: _Case) -> None:
    standing = case.standing
    if standing.already_decided:
        case.refuse("history.already_decided")
    if standing.later_counts:
        case.review("history.later_decision")
    if standing.earlier_undecided:
        case.review("history.earlier_undecided")
    if standing.earlier:
        given = {"earlier": standing.earlier}
        case.steps.append(Step("history.year", None, given, {"paid_fen": standing.paid_fen}))


def _evaluate_benefits(case: _Case) -> bool:
    """Each benefit takes its lines from what those before it have left. True when any was concerned."""
    bill = case.settlement
    free = _lines_in_time(case)
    any_concerned = False
    for benefit in case.terms.benefits:
        answer = concerned(benefit, bill)
        if answer is Answer.NO:
            continue
        any_concerned = True
        selection = select(benefit, bill, free)
        unclear = [*selection.not_listed, *selection.not_indicated]
        missing = benefit.lines is not None and not bill.lines and base_fen(bill, benefit.base) > 0
        whole = benefit.lines is None and base_fen(bill, benefit.base) > 0
        if not (selection.taken or unclear or missing or whole):
            continue
        if answer is Answer.UNCLEAR:
            case.review("gate.visit_type_unclear", benefit, visit_type=bill.visit_type)
            continue
        if not _passes_gates(case, benefit):
            continue
        if missing:
            case.review("settlement.lines_missing", benefit)
        if selection.not_listed:
            case.review("benefit.list_not_public", benefit, lines=len(selection.not_listed))
        if selection.not_indicated:
            facts = {"main_diagnosis": bill.main_diagnosis or "", "lines": len(selection.not_indicated)}
            case.review("benefit.indication_unclear", benefit, **facts)
        if selection.taken or whole:
            _calculate(case, benefit, selection.taken)
        if claimed := {id(line) for line in (*selection.taken, *unclear)}:
            free = [line for line in free if id(line) not in claimed]
    return any_concerned


def _lines_in_time(case: _Case) -> list[DetailLine]:
    lines, covered_to = case.settlement.lines, case.covered_to
    if covered_to is None:
        return list(lines)
    kept = [line for line in lines if line.occurred_on <= covered_to]
    late = [line for line in lines if line.occurred_on > covered_to]
    if any(line.amount_fen < 0 for line in late) or any(
        benefit.lines is None for benefit in case.terms.benefits
    ):
        case.review("stay.tail_undecided", covered_to=covered_to.isoformat())
    given = {"expires": case.coverage.expires.isoformat()}
    found = {"covered_to": covered_to.isoformat(), "lines_left_out": len(late)}
    case.steps.append(Step("policy.tail", None, given, found))
    return kept


def _passes_gates(case: _Case, benefit: Benefit) -> bool:
    found = list(obstacles(benefit, case.settlement))
    for obstacle in found:
        if obstacle.answer is Answer.NO:
            case.refuse(obstacle.code, benefit, **obstacle.facts)
    if not any(obstacle.answer is Answer.NO for obstacle in found):
        for obstacle in found:
            case.review(obstacle.code, benefit, **obstacle.facts)
    return all(obstacle.answer is Answer.UNCLEAR for obstacle in found)


def _calculate(case: _Case, benefit: Benefit, lines: list[DetailLine]) -> None:
    steps, coverage = case.steps, case.coverage
    if benefit.lines is None:
        groups = {(-1, ""): base_fen(case.settlement, benefit.base)}
        found = {"eligible_fen": groups[-1, ""]}
        steps.append(Step("benefit.eligible_total", benefit, {"base": list(benefit.base)}, found))
    else:
        try:
            groups = grouped(benefit, lines)
        except RefundUnmatched:
            case.review("settlement.refund_unmatched", benefit)
            return
        found = {"lines": len(lines), "eligible_fen": sum(groups.values())}
        given = {"base": list(benefit.base), "categories": sorted({line.category for line in lines})}
        steps.append(Step("benefit.eligible", benefit, given, found))
    deductible, reduced = benefit.deductible, bool(coverage.pre_existing)
    year = ZERO
    if deductible is not None:
        by_claims = deductible.ladder_by == "claim_free_years"
        year = deductible.for_years(coverage.claim_free_years if by_claims else coverage.continuous_years)
    basis = Basis(
        benefit=benefit,
        deductible_year_fen=year,
        ratio_bp=benefit.ratio.pre_existing_bp if reduced else benefit.ratio.standard_bp,
        reduced=reduced,
        before=case.standing.of(benefit.code),
    )
    result = calculate(basis, groups, steps)
    if benefit.cap_fen is not None:
        left = max(benefit.cap_fen - basis.before.paid_fen, 0)
        if result.payable_fen > left:
            result = reduced_to(result, left)
            given_cap = {"cap_fen": benefit.cap_fen, "used_before_fen": basis.before.paid_fen}
            steps.append(Step("benefit.cap", benefit, given_cap, {"payable_fen": left}))
    case.results.append(result)


def cost_left_fen(bill: Settlement) -> Fen:
    """The cost left with the person after the basic insurance and every other compensation (补偿原则).

    Two ways to it, the lower counts: the bill less what the funds paid (a share borne by the hospital
    is still in it), and what was paid from accounts and cash (a shared account may count beyond it).
    """
    borne: int = min(bill.total_fen - bill.fund_fen, bill.account_fen + bill.cash_fen)
    return Fen(max(borne - bill.other_compensation_fen, 0))


def _apply_totals(case: _Case) -> None:
    """The aggregate cap of the year, then the cost left: later benefits give way first."""
    cap, left = case.terms.aggregate_cap_fen, cost_left_fen(case.settlement)
    before = case.standing.paid_fen
    payable: int = sum(result.payable_fen for result in case.results)
    if cap is not None and payable > max(cap - before, 0):
        payable = max(cap - before, 0)
        given = {"cap_fen": cap, "used_before_fen": before}
        case.steps.append(Step("total.aggregate_cap", None, given, {"payable_fen": payable}))
    if payable > left:
        payable = left
        given = {"cost_left_fen": left}
        case.steps.append(Step("total.indemnity", None, given, {"payable_fen": payable}))
    for index, result in enumerate(case.results):
        if result.payable_fen > payable:
            case.results[index] = reduced_to(result, payable)
        payable -= case.results[index].payable_fen


def _outcome(case: _Case, any_concerned: bool) -> Decision:
    payable = sum(result.payable_fen for result in case.results)
    if payable and case.settlement.discharge_way == DEATH:
        case.review("payee.estate")
    if case.reviews:
        return _conclude(case, Outcome.REVIEW)
    if payable:
        return _conclude(case, Outcome.PAY)
    if case.results:
        return _conclude(case, Outcome.NOTHING, Reason(_why_nothing(case), None, {}))
    if case.refusals:
        return _conclude(case, Outcome.REFUSE)
    if any_concerned:
        return _conclude(case, Outcome.NOTHING, Reason("nothing.no_eligible_cost", None, {}))
    case.refuse("benefit.none_applies", visit_type=case.settlement.visit_type)
    return _conclude(case, Outcome.REFUSE)


def _why_nothing(case: _Case) -> str:
    if not any(result.eligible_fen for result in case.results):
        return "nothing.no_eligible_cost"
    if all(result.deductible_fen == result.eligible_fen for result in case.results):
        return "nothing.below_deductible"
    return "nothing.cap_exhausted" if cost_left_fen(case.settlement) else "nothing.no_cost_left"


def _conclude(case: _Case, outcome: Outcome, *reasons: Reason) -> Decision:
    results = tuple(case.results) if outcome in (Outcome.PAY, Outcome.NOTHING) else ()
    payable = Fen(sum(result.payable_fen for result in results))
    if outcome is Outcome.REVIEW:
        proposed = tuple(case.results)
        found = {
            "proposed_fen": sum(result.payable_fen for result in proposed),
            "benefits": [result.document() for result in proposed],
            "used": used_document(proposed),
        }
        case.steps.append(Step("review.proposed", None, {}, found))
        reasons = tuple(case.reviews)
    elif outcome is Outcome.REFUSE:
        reasons = tuple(case.refusals)
    case.steps.append(Step("decision", None, {}, {"decision": outcome.value, "payable_fen": payable}))
    return Decision(
        outcome=outcome,
        payable_fen=payable,
        results=results,
        reasons=reasons,
        steps=tuple(case.steps),
        terms=case.terms,
        settlement=SettlementRef.of(case.settlement),
    )
