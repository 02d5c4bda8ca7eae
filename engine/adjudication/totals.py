"""What all benefits of a settlement may come to: caps that they share, the cost left, and the year's."""

from engine.adjudication.calculation import reduced_to
from engine.adjudication.case import Case
from engine.adjudication.decision import Step
from engine.money import Fen
from engine.settlement.model import Settlement
from engine.terms.model import SharedCap, Text


def cost_left_fen(bill: Settlement) -> Fen:
    """The cost left with the person after the basic insurance and every other compensation (补偿原则).

    Two ways to it, the lower counts: the bill less what the funds paid (a share borne by the hospital
    is still in it), and what was paid from accounts and cash (a shared account may count beyond it).
    """
    borne: int = min(bill.total_fen - bill.fund_fen, bill.account_fen + bill.cash_fen)
    return Fen(max(borne - bill.other_compensation_fen, 0))


def apply_totals(case: Case) -> None:
    """Shared caps, the cost left and the aggregate cap of the year: later benefits give way first."""
    cap, used, left = case.terms.aggregate_cap_fen, case.standing.paid_fen, cost_left_fen(case.settlement)
    payable = sum([result.payable_fen for result in case.results])
    within = cap is None or payable <= cap - used
    if within and payable <= left and not case.terms.caps and not case.standing.paid_elsewhere_fen:
        return  # nothing binds, as mostly
    _apply(case, left)


def _apply(case: Case, left: Fen) -> None:
    """What is over fewer benefits comes first: shared caps of indemnity, the cost left, which bounds all of
    indemnity and nothing fixed, shared caps with a fixed benefit, and the aggregate cap."""
    every = frozenset(result.benefit.code for result in case.results)
    indemnity = frozenset(benefit.code for benefit in case.terms.benefits if benefit.fixed is None)
    for cap in case.terms.caps:
        if cap.benefits <= indemnity:
            _share(case, cap)
    elsewhere = case.standing.paid_elsewhere_fen
    if elsewhere:
        given = {"cost_left_fen": left, "elsewhere_fen": elsewhere}
        case.steps.append(Step("total.elsewhere", None, given, {}))
        left = Fen(max(left - elsewhere, 0))
    _keep_within(case, left, indemnity, "total.indemnity", {"cost_left_fen": left})
    for cap in case.terms.caps:
        if not cap.benefits <= indemnity:
            _share(case, cap)
    aggregate, used = case.terms.aggregate_cap_fen, case.standing.paid_fen
    if aggregate is not None:
        given = {"cap_fen": aggregate, "used_before_fen": used}
        _keep_within(case, aggregate - used, every, "total.aggregate_cap", given)


def _share(case: Case, cap: SharedCap) -> None:
    sums = [case.standing.of(code) for code in cap.benefits]
    used = sum(one.stay_paid_fen if cap.within == "stay" else one.paid_fen for one in sums)
    given = {"cap_fen": cap.paid_max_fen, "used_before_fen": used}
    _keep_within(case, cap.paid_max_fen - used, cap.benefits, "total.shared_cap", given, cap.name)


def _keep_within(
    case: Case, most: int, codes: frozenset[str], step: str, given: dict[str, int], name: Text | None = None
) -> None:
    """Cut the results of these benefits to `most` together, the last ones first, with a step that says so."""
    payable = max(most, 0)
    if sum([result.payable_fen for result in case.results if result.benefit.code in codes]) <= payable:
        return
    case.steps.append(Step(step, None, given, {"payable_fen": payable}, name))
    for index, result in enumerate(case.results):
        if result.benefit.code not in codes:
            continue
        if result.payable_fen > payable:
            case.results[index] = reduced_to(result, payable)
        payable -= case.results[index].payable_fen
