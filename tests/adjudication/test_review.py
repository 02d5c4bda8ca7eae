"""What the terms do not cover is refused with its reason; what they cannot decide a person decides."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from engine.adjudication import Outcome
from engine.terms import terms_from_document
from tests.adjudication.builder import (
    SERVICE,
    codes,
    decide,
    line,
    policy,
    proposed_fen,
    stay,
    terms,
)

DRUG_BILL = [line("30000")]
"""(30,000 - 20,000) x 70 % = 7,000 where everything else is in order."""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ward_type": "special"}, "gate.ward_type"),
        ({"ward_type": "international"}, "gate.ward_type"),
        ({"hospital_grade": 1}, "gate.hospital_grade"),
        ({"insured_area": "320500"}, "gate.insured_area"),
        ({"admitted_on": date(2021, 6, 30)}, "stay.before_effective"),
        ({"admitted_on": date(2022, 7, 1)}, "stay.after_expiry"),
    ],
)
def test_a_settlement_outside_the_terms_is_refused_with_its_reason(
    changes: dict[str, Any], reason: str
) -> None:
    decision = decide(stay(DRUG_BILL, **changes))
    assert decision.outcome is Outcome.REFUSE
    assert reason in codes(decision)
    assert decision.payable_fen == 0
    assert decision.document()["used"] == {}


def test_a_hospital_of_grade_two_is_enough() -> None:
    assert decide(stay(DRUG_BILL, hospital_grade=2)).payable_fen == 7_000_00


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hospital_grade": 0}, "gate.hospital_grade_unknown"),
        ({"insured_area": ""}, "gate.insured_area_unknown"),
        ({"ward_type": "icu"}, "gate.ward_type_unclear"),
        ({"ward_type": "unknown"}, "gate.ward_type_unclear"),
        ({"visit_type": "28"}, "gate.visit_type_unclear"),
        ({"visit_type": ""}, "gate.visit_type_unclear"),
        ({"visit_type": "41"}, "benefit.list_not_public"),
        ({"discharge_way": "5"}, "payee.estate"),
        ({"total_fen": -1}, "settlement.negative"),
    ],
)
def test_what_cannot_be_told_goes_to_review_and_pays_nothing(changes: dict[str, Any], reason: str) -> None:
    decision = decide(stay(DRUG_BILL, **changes))
    assert decision.outcome is Outcome.REVIEW
    assert reason in codes(decision)
    document = decision.document()
    assert (document["payable_fen"], document["benefits"], document["used"]) == (0, [], {})


def test_a_review_keeps_the_amount_it_would_come_to_in_its_trace() -> None:
    death = decide(stay(DRUG_BILL, discharge_way="5"))
    assert proposed_fen(death) == 7_000_00
    assert proposed_fen(decide(stay(DRUG_BILL, hospital_grade=0))) == 7_000_00


def test_a_death_below_the_deductible_needs_nobody() -> None:
    assert decide(stay([line("100")], discharge_way="5")).outcome is Outcome.NOTHING


def test_a_bill_without_detail_lines_goes_to_review() -> None:
    bare = replace(stay(DRUG_BILL), lines=())
    assert codes(decide(bare)) == ["settlement.lines_missing"]


def test_refunds_beyond_their_charges_go_to_review_and_others_are_netted() -> None:
    # 30,000 charged, 4,000 taken back: (26,000 - 20,000) x 70 % = 4,200
    assert decide(stay([line("30000"), line("-4000")])).payable_fen == 4_200_00
    over = stay([line("30000", category="04", code=SERVICE), line("-4000")])
    assert codes(decide(over)) == ["settlement.refund_unmatched"]


def test_what_no_public_source_says_is_never_computed() -> None:
    document = terms("huhuibao-2021").document
    document["benefits"][-1]["ratio"] = {"not_public": True}
    decision = decide(stay(DRUG_BILL), by=terms_from_document(document))
    assert (decision.outcome, codes(decision)) == (Outcome.REVIEW, ["benefit.ratio_not_public"])
    assert proposed_fen(decision) == 0


def test_a_bill_of_zero_is_nothing() -> None:
    assert codes(decide(stay([line("0")]))) == ["settlement.zero"]


def test_costs_that_no_benefit_counts_are_nothing() -> None:
    decision = decide(stay([line("50000", category="01", code=SERVICE)]))
    assert (decision.outcome, codes(decision)) == (Outcome.NOTHING, ["nothing.no_eligible_cost"])


def test_a_visit_that_no_benefit_concerns_is_refused() -> None:
    bill = stay(DRUG_BILL, visit_type="11")
    liaocheng = terms("zhaohuibao-liaocheng")
    decision = decide(bill, by=liaocheng, product=liaocheng.product, edition="2021")
    assert codes(decision) == ["coverage.other_terms"]
    policy_of = {"product": liaocheng.product, "effective": "2021-01-01", "expires": "2021-12-31"}
    refused = _liaocheng(bill, policy_of)
    assert (refused.outcome, codes(refused)) == (Outcome.REFUSE, ["benefit.none_applies"])


def _liaocheng(bill: Any, policy_of: dict[str, str]) -> Any:
    from engine.adjudication import History, adjudicate

    by = terms("zhaohuibao-liaocheng")
    coverage = replace(policy(**policy_of), edition=by.edition)
    return adjudicate(by, coverage, History(()), bill)


def test_terms_silent_about_a_stay_across_two_years_leave_it_to_a_person() -> None:
    days = {"product": "zhaohuibao-liaocheng", "effective": "2021-01-01", "expires": "2021-12-31"}
    across = stay(DRUG_BILL, admitted_on=date(2021, 12, 28))
    assert "stay.across_years" in codes(_liaocheng(across, days))


def test_a_drug_outside_its_known_indication_goes_to_review() -> None:
    bill = stay([line("1200000", name="阿基仑赛注射液")], year=2022, main_diagnosis="C34.900")
    assert codes(decide(bill, edition="2022")) == ["benefit.indication_unclear"]


def test_a_car_t_drug_not_known_by_name_goes_to_review_only_while_the_list_is_not_complete() -> None:
    lines = [line("1200000", name="某某仑赛注射液")]
    open_list = decide(stay(lines, year=2024, main_diagnosis="C90.000"), edition="2024")
    assert codes(open_list) == ["benefit.list_not_public"]
    # 2022 lists two drugs and both are known: this one is an ordinary drug, limited to 300,000
    closed = decide(stay(lines, year=2022, main_diagnosis="C90.000"), edition="2022")
    assert (closed.outcome, closed.payable_fen) == (Outcome.PAY, 300_000_00)


def test_a_policy_of_other_terms_or_beyond_the_period_goes_to_review() -> None:
    assert codes(decide(stay(DRUG_BILL), by=terms("huhuibao-2022"))) == [
        "coverage.other_terms",
        "coverage.outside_period",
    ]
    assert codes(decide(stay(DRUG_BILL), expires="2023-06-30")) == ["coverage.outside_period"]


def test_a_policy_may_be_named_by_its_editions_full_name() -> None:
    assert decide(stay(DRUG_BILL), product="huhuibao-2021").payable_fen == 7_000_00


def test_late_enrolment_counts_from_the_policys_own_day() -> None:
    assert codes(decide(stay(DRUG_BILL), effective="2021-09-02")) == ["stay.before_effective"]
    assert decide(stay(DRUG_BILL), effective="2021-09-01").payable_fen == 7_000_00


# --- a stay past the policy's last day


def over_year_end() -> Any:
    """Admitted on 20 June; 30,000 by day 30 after expiry (30 July), 10,000 on the day after."""
    lines = [
        line("20000", on=date(2022, 6, 25)),
        line("10000", on=date(2022, 7, 30)),
        line("10000", on=date(2022, 7, 31)),
    ]
    return stay(lines, admitted_on=date(2022, 6, 20), discharged_on=date(2022, 8, 5))


def test_a_stay_past_expiry_is_covered_to_day_30() -> None:
    assert decide(over_year_end()).payable_fen == 7_000_00


def test_a_renewed_policy_covers_the_whole_stay() -> None:
    assert decide(over_year_end(), renewed=True).payable_fen == 14_000_00


def test_a_refund_after_the_tail_leaves_it_to_a_person() -> None:
    bill = over_year_end()
    back = replace(line("-100", on=date(2022, 8, 1)), sn="back")
    assert codes(decide(replace(bill, lines=(*bill.lines, back)))) == ["stay.days_undecided"]


# --- order and history


def test_the_same_settlement_is_not_decided_twice() -> None:
    first = decide(stay(DRUG_BILL))
    again = decide(stay(DRUG_BILL), earlier=[first])
    assert (again.outcome, codes(again)) == (Outcome.REFUSE, ["history.already_decided"])


def test_the_same_number_at_another_hospital_is_another_settlement() -> None:
    first = decide(stay(DRUG_BILL))
    other = stay(DRUG_BILL, hospital_code="H31010400002", admitted_on=date(2021, 10, 1))
    assert decide(other, earlier=[first]).payable_fen == 21_000_00


def test_a_settlement_arriving_late_goes_to_review_with_what_it_would_come_to() -> None:
    later = decide(stay([line("50000")], setl_id="S-2", admitted_on=date(2021, 10, 1)))
    late = decide(stay(DRUG_BILL), earlier=[later])
    assert codes(late) == ["history.later_decision"]
    assert proposed_fen(late) == 7_000_00


def test_of_two_settled_at_once_the_number_orders() -> None:
    second = decide(stay(DRUG_BILL, setl_id="S-2"))
    assert codes(decide(stay(DRUG_BILL, setl_id="S-1"), earlier=[second])) == ["history.later_decision"]
    assert decide(stay(DRUG_BILL, setl_id="S-3"), earlier=[second]).payable_fen == 21_000_00


def test_a_later_decision_that_used_nothing_is_no_obstacle() -> None:
    refused = decide(stay(DRUG_BILL, setl_id="S-2", admitted_on=date(2021, 10, 1), hospital_grade=1))
    assert decide(stay(DRUG_BILL), earlier=[refused]).payable_fen == 7_000_00


def test_an_earlier_settlement_in_review_holds_back_the_later_one_until_a_person_decides() -> None:
    waiting = decide(stay([line("25000")], hospital_grade=0))
    later = stay(DRUG_BILL, setl_id="S-2", admitted_on=date(2021, 10, 1))
    assert codes(decide(later, earlier=[waiting])) == ["history.earlier_undecided"]
    # decided: 20,000 of the deductible are borne, (25,000 - 20,000) x 70 % = 3,500 paid, 30,000 x 70 % follow
    known = decide(stay([line("25000")]), earlier=[waiting])
    assert known.payable_fen == 3_500_00
    assert decide(later, earlier=[waiting, known]).payable_fen == 21_000_00


def test_a_settlement_in_review_may_be_adjudicated_again() -> None:
    waiting = decide(stay(DRUG_BILL, hospital_grade=0))
    assert decide(stay(DRUG_BILL), earlier=[waiting]).payable_fen == 7_000_00


def test_another_edition_says_nothing_of_this_year() -> None:
    last_year = decide(stay([line("50000")]))
    bill = stay(DRUG_BILL, year=2022, setl_id="S-2")
    assert decide(bill, edition="2022", earlier=[last_year]).payable_fen == 7_000_00


def test_proton_therapy_without_a_tumour_as_main_diagnosis_goes_to_review() -> None:
    therapy = line("200000", category="05", code=SERVICE, name="质子放射治疗")
    bill = stay([therapy], hospital_code="H31011500010", main_diagnosis="Z51.000")
    assert codes(decide(bill)) == ["gate.diagnosis_unclear"]


def test_terms_silent_about_costs_past_expiry_leave_them_to_a_person() -> None:
    silent = terms_from_document({k: v for k, v in terms("huhuibao-2021").document.items() if k != "tail"})
    assert codes(decide(over_year_end(), by=silent)) == ["stay.past_expiry"]


def test_the_year_of_a_stay_can_go_by_its_discharge() -> None:
    by_discharge = terms_from_document(terms("huhuibao-2021").document | {"stay_belongs_to": "discharge"})
    assert codes(decide(over_year_end(), by=by_discharge)) == ["stay.after_expiry"]
    into = stay(DRUG_BILL, admitted_on=date(2021, 6, 25))
    assert decide(into, by=by_discharge).payable_fen == 7_000_00


def test_a_proton_bill_of_another_hospital_is_refused_for_that_benefit_only() -> None:
    therapy = line("200000", category="05", code=SERVICE, name="质子放射治疗")
    decision = decide(stay([therapy]))
    assert (decision.outcome, codes(decision)) == (Outcome.REFUSE, ["gate.hospital"])
