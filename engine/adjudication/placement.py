"""Where a settlement stands: of these terms, in which policy year, up to which day, and at which turn."""

from datetime import date, timedelta

from engine.adjudication.case import Case
from engine.adjudication.decision import Step
from engine.settlement.model import DetailLine


def is_of_these_terms(case: Case) -> bool:
    terms, coverage = case.terms, case.coverage
    if coverage.edition != terms.edition or coverage.product not in (terms.product, terms.full_name):
        case.review("coverage.other_terms", product=coverage.product, edition=coverage.edition)
    period = terms.period
    if period and not (period.first_day <= coverage.effective and coverage.expires <= period.last_day):
        case.review(
            "coverage.outside_period",
            effective=coverage.effective,
            expires=coverage.expires,
            first_day=period.first_day,
            last_day=period.last_day,
        )
    version = terms.version
    if version and case.settlement.admitted_on < version.holds_from:
        case.review("terms.not_yet_held", holds_from=version.holds_from)
    return not case.reviews


def place_in_policy(case: Case) -> None:
    """To which policy year the stay belongs, and from which to which day its costs count."""
    terms, policy, bill = case.terms, case.coverage, case.settlement
    first, last = bill.admitted_on, bill.discharged_on
    if terms.stay_belongs_to == "admission":
        last = first
    elif terms.stay_belongs_to == "discharge":
        first = last
    if last < policy.effective:
        case.refuse("stay.before_effective", day=last, effective=policy.effective)
    elif first > policy.expires:
        case.refuse("stay.after_expiry", day=first, expires=policy.expires)
    elif terms.stay_belongs_to != "each_day" and (first < policy.effective or last > policy.expires):
        case.review("stay.across_years")
    else:
        if case.steps.wanted:
            days = {"effective": policy.effective, "expires": policy.expires}
            stay = {"admitted_on": bill.admitted_on, "discharged_on": bill.discharged_on}
            case.steps.append(Step("policy.period", None, {**days, **stay}, {}))
        if terms.stay_belongs_to == "each_day":
            _own_days(case)
        elif bill.discharged_on > policy.expires:
            _tail(case)


def _own_days(case: Case) -> None:
    """Each year's terms on the costs of its own days: those after the last are a following policy's, or the
    tail's where there is none."""
    policy, bill, tail = case.coverage, case.settlement, case.terms.tail
    if bill.admitted_on < policy.effective:
        case.covered_from = policy.effective
    days = tail.days if tail and not policy.renewed else 0
    _cover_to(case, policy.expires + timedelta(days=days))


def _tail(case: Case) -> None:
    tail, policy = case.terms.tail, case.coverage
    if tail is None:
        case.review("stay.past_expiry")
    elif not (tail.unlimited_if_renewed and policy.renewed):
        _cover_to(case, policy.expires + timedelta(days=tail.days))


def _cover_to(case: Case, day: date) -> None:
    if case.settlement.discharged_on > day:
        case.covered_to = day


def lines_in_time(case: Case) -> list[DetailLine]:
    """The lines whose costs count, by their day."""
    lines, first, last = case.settlement.lines, case.covered_from, case.covered_to
    if first is None and last is None:
        return list(lines)
    begin, end = first or date.min, last or date.max
    kept = [line for line in lines if begin <= line.occurred_on <= end]
    if any(line.amount_fen < 0 for line in lines if not begin <= line.occurred_on <= end) or any(
        benefit.lines is None and benefit.fixed is None for benefit in case.terms.benefits
    ):
        case.review("stay.days_undecided", covered_from=first or "", covered_to=last or "")
    left_out = {"lines_left_out": len(lines) - len(kept)}
    if first is not None:
        given = {"effective": case.coverage.effective}
        case.steps.append(Step("policy.own_days", None, given, {"covered_from": first, **left_out}))
    if last is not None:
        given = {"expires": case.coverage.expires}
        case.steps.append(Step("policy.tail", None, given, {"covered_to": last, **left_out}))
    return kept


def days_in_hospital(case: Case) -> int:
    """Nights of the stay within the days that are covered; a stay of one day is a day."""
    bill = case.settlement
    first = max(bill.admitted_on, case.covered_from or date.min)
    last = bill.discharged_on
    if case.covered_to is not None:
        last = min(last, case.covered_to + timedelta(days=1))  # that day's night counts
    return max((last - first).days, 1)


def place_in_order(case: Case) -> None:
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
