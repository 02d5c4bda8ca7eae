"""Products of other cities and a rider: what is public is applied, and nothing beyond it is."""

from datetime import date
from typing import Any

import pytest

from engine.adjudication import Coverage, Decision, History, Outcome, adjudicate
from engine.settlement.model import Settlement
from tests.adjudication.builder import SERVICE, codes, decide, line, proposed_fen, stay, terms


def decide_by(name: str, bill: Settlement, **policy_changes: Any) -> Decision:
    by, year = terms(name), bill.admitted_on.year
    coverage = {
        "product": by.product,
        "edition": by.edition,
        "effective": f"{year}-01-01",
        "expires": f"{year}-12-31",
        "pre_existing": [],
        **policy_changes,
    }
    return adjudicate(by, Coverage.parse(coverage), History.of([]), bill)


@pytest.mark.parametrize(
    ("product", "area"), [("puhui-beijing", "110000"), ("xihu-hangzhou", "330100"), ("liuzhou", "450200")]
)
def test_a_product_whose_ratio_is_not_public_pays_nothing_without_a_person(product: str, area: str) -> None:
    bill = stay([line("80000"), line("9000", category="04", code=SERVICE)], year=2025, insured_area=area)
    decision = decide_by(product, bill)
    assert decision.outcome is Outcome.REVIEW
    assert "benefit.ratio_not_public" in codes(decision)
    assert proposed_fen(decision) == 0


def test_a_product_of_another_city_refuses_who_is_insured_elsewhere() -> None:
    decision = decide_by("puhui-beijing", stay([line("80000")], year=2025))
    assert (decision.outcome, set(codes(decision))) == (Outcome.REFUSE, {"gate.insured_area"})


def test_the_one_drug_that_is_named_publicly_is_paid_and_its_neighbours_are_not() -> None:
    # outpatient, 2021: 100,000 x 70 % = 70,000; without the indication, or from a pharmacy: a person
    drug = line("100000", name="注射用阿加糖酶β")
    changes: dict[str, Any] = {"visit_type": "11", "main_diagnosis": "E75.203"}
    assert decide(stay([drug], **changes)).payable_fen == 70_000_00
    assert codes(decide(stay([drug], visit_type="11"))) == ["benefit.indication_unclear"]
    pharmacy = stay([drug], **{**changes, "visit_type": "41", "hospital_grade": 0})
    assert codes(decide(pharmacy)) == ["gate.hospital_grade_unknown"]
    assert codes(decide(stay([line("100000")], **changes))) == ["benefit.list_not_public"]


def test_a_rider_pays_by_days_and_stays_whatever_the_cost() -> None:
    # ten nights: 7 x 100 beyond the third, and 500 for the stay = 1,200, of a bill of 100 yuan
    first = decide_by("example-hospital-allowance", stay([line("100")], year=2024))
    assert first.payable_fen == 1_200_00
    # 120 nights: 117 beyond the third, 90 a stay; 9,000 + 500
    long = stay([line("100")], year=2024, discharged_on=date(2024, 12, 30), setl_id="S-2")
    assert decide_by("example-hospital-allowance", long).payable_fen == 9_500_00


def test_a_rider_waits_thirty_days_unless_it_was_renewed() -> None:
    bill = stay([line("100")], year=2024, admitted_on=date(2024, 1, 30))
    assert set(codes(decide_by("example-hospital-allowance", bill))) == {"gate.waiting"}
    on_time = stay([line("100")], year=2024, admitted_on=date(2024, 1, 31))
    assert decide_by("example-hospital-allowance", on_time).payable_fen == 1_200_00
    assert decide_by("example-hospital-allowance", bill, continuous_years=1).payable_fen == 1_200_00
