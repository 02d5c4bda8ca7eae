"""(terms, coverage, history, settlement) -> decision. Pure and total: what the inputs parse to, it decides.

The way of a settlement: the policy (is this its stay, its turn?), the benefits in the order of the
terms (whose lines, behind which gates, how much), the totals (shared caps, cost left, the year's), the
outcome. What the terms cannot decide leaves a reason for review and never an amount.
"""

from engine.adjudication.calculation import (
    Basis,
    calculate,
    calculate_fixed,
    reduced_to,
)
from engine.adjudication.case import Case
from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import BenefitResult, Decision, Outcome, Reason, Step, Trace, used_document
from engine.adjudication.deductibles import borne_before_fen, deductible_fen
from engine.adjudication.eligibility import (
    Answer,
    concerned,
    obstacles,
)
from engine.adjudication.history import Accumulated, History, SettlementRef
from engine.adjudication.placement import (
    days_in_hospital,
    is_of_these_terms,
    lines_in_time,
    place_in_order,
    place_in_policy,
)
from engine.adjudication.rates import scale_of
from engine.adjudication.selection import FREE, Group, Selection, base_fen, select
from engine.adjudication.totals import apply_totals, cost_left_fen
from engine.money import ZERO, Fen
from engine.settlement.model import Settlement
from engine.terms.model import Benefit, Terms

DEATH = "5"
"""dscg_way of the national list."""


def adjudicate(
    terms: Terms, coverage: Coverage, history: History, settlement: Settlement, *, trace: bool = True
) -> Decision:
    """Decide one settlement. The same inputs give the same decision, byte for byte; nothing is raised.

    trace: keep what each step found. Without it everything else of the decision is the same, for less.
    """
    case = Case(terms, coverage, settlement, history.standing(terms, settlement), Trace(trace))
    if not is_of_these_terms(case):
        return _conclude(case, Outcome.REVIEW)
    if settlement.total_fen == 0:
        return _conclude(case, Outcome.NOTHING, Reason("settlement.zero", None, {}))
    if settlement.total_fen < 0:
        case.review("settlement.negative")
        return _conclude(case, Outcome.REVIEW)
    place_in_policy(case)
    place_in_order(case)
    if case.refusals:
        return _conclude(case, Outcome.REFUSE)
    any_concerned = _evaluate_benefits(case)
    apply_totals(case)
    return _outcome(case, any_concerned)


def _evaluate_benefits(case: Case) -> bool:
    """Each benefit takes its lines from what those before it have left. True when any was concerned."""
    bill = case.settlement
    free = lines_in_time(case)
    any_concerned = False
    last = case.terms.benefits[-1]
    for benefit in case.terms.benefits:
        answer = concerned(benefit, bill)
        if answer is Answer.NO:
            continue
        any_concerned = True
        selection = select(benefit, bill, free)
        unclear = [*selection.not_listed, *selection.not_indicated]
        missing = benefit.lines is not None and not bill.lines and base_fen(bill, benefit) > 0
        whole = benefit.lines is None and (benefit.fixed is not None or base_fen(bill, benefit) > 0)
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
            _calculate(case, benefit, selection)
        if benefit is not last and (claimed := {id(line) for line in (*selection.taken, *unclear)}):
            free = [line for line in free if id(line) not in claimed]
    return any_concerned


def _passes_gates(case: Case, benefit: Benefit) -> bool:
    found = list(obstacles(benefit, case.coverage, case.settlement))
    if not found:
        return True
    for obstacle in found:
        if obstacle.answer is Answer.NO:
            case.refuse(obstacle.code, benefit, **obstacle.facts)
    if not any(obstacle.answer is Answer.NO for obstacle in found):
        for obstacle in found:
            case.review(obstacle.code, benefit, **obstacle.facts)
    return all(obstacle.answer is Answer.UNCLEAR for obstacle in found)


def _calculate(case: Case, benefit: Benefit, selection: Selection) -> None:
    before = case.standing.of(benefit.code)
    scale = scale_of(case, benefit, before)
    if scale is None:
        return
    deductible = benefit.deductible
    basis = Basis(
        benefit,
        deductible_fen(deductible, case.coverage) if deductible else ZERO,
        borne_before_fen(case.terms, case.standing, case.results, benefit) if deductible else ZERO,
        scale,
        case.terms.rounding == "half_up_fen_year",
        before,
    )
    if benefit.fixed is not None:
        result = calculate_fixed(basis, benefit.fixed, days_in_hospital(case), case.steps)
    else:
        groups = _groups(case, benefit, selection)
        if groups is None:
            case.review("settlement.refund_unmatched", benefit)
            return
        result = calculate(basis, groups, case.steps)
    case.results.append(_within_caps(case, result, before))


def _groups(case: Case, benefit: Benefit, selection: Selection) -> dict[Group, int] | None:
    """Eligible fen by what limits tell apart, with their step. None: refunds of a group exceed its charges,
    and no amount can be told."""
    if benefit.lines is None:
        groups = {FREE: base_fen(case.settlement, benefit)}
        found = {"eligible_fen": groups[FREE]}
        case.steps.append(Step("benefit.eligible_total", benefit, {"base": benefit.columns}, found))
        return groups
    groups, lines = selection.eligible_fen, selection.taken
    if groups and min(groups.values()) < 0:
        return None
    if case.steps.wanted:
        found = {"lines": len(lines), "eligible_fen": sum(groups.values())}
        given = {"base": benefit.columns, "categories": frozenset([line.category for line in lines])}
        case.steps.append(Step("benefit.eligible", benefit, given, found))
    return groups


def _within_caps(case: Case, result: BenefitResult, before: Accumulated) -> BenefitResult:
    """The benefit's own caps, of the stay and of the year."""
    benefit = result.benefit
    if benefit.stay_cap_fen is not None:
        result = _capped(case, result, "benefit.stay_cap", benefit.stay_cap_fen, before.stay_paid_fen)
    if benefit.cap_fen is not None:
        result = _capped(case, result, "benefit.cap", benefit.cap_fen, before.paid_fen)
    return result


def _capped(case: Case, result: BenefitResult, step: str, cap: int, used: int) -> BenefitResult:
    if result.payable_fen <= cap - used:
        return result
    left = max(cap - used, 0)
    given = {"cap_fen": cap, "used_before_fen": used}
    case.steps.append(Step(step, result.benefit, given, {"payable_fen": left}))
    return reduced_to(result, left)


def _outcome(case: Case, any_concerned: bool) -> Decision:
    payable = sum([result.payable_fen for result in case.results])
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


def _why_nothing(case: Case) -> str:
    if not any(result.eligible_fen for result in case.results):
        return "nothing.no_eligible_cost"
    if all(result.deductible_fen == result.eligible_fen for result in case.results):
        return "nothing.below_deductible"
    left = cost_left_fen(case.settlement) - case.standing.paid_elsewhere_fen
    return "nothing.cap_exhausted" if left > 0 else "nothing.no_cost_left"


def _conclude(case: Case, outcome: Outcome, *reasons: Reason) -> Decision:
    results = tuple(case.results) if outcome in (Outcome.PAY, Outcome.NOTHING) else ()
    payable = Fen(sum([result.payable_fen for result in results]))
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
    steps: tuple[Step, ...] = ()
    if case.steps.wanted:
        case.steps.append(Step("decision", None, {}, {"decision": outcome.value, "payable_fen": payable}))
        steps = tuple(case.steps)
    return Decision(outcome, payable, results, reasons, steps, case.terms, SettlementRef.of(case.settlement))
