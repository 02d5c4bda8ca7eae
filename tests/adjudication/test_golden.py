"""Amounts worked out by hand from the published terms, edition by edition. All sums are in yuan."""

from datetime import date
from typing import Any

import pytest

from engine.adjudication import Outcome
from engine.money import parse_yuan
from engine.settlement.model import Settlement
from tests.adjudication.builder import MATERIAL, OTHER_DRUG, SERVICE, decide, line, stay


def typical(year: int) -> Settlement:
    """Self-paid and above-standard: drugs 60,000 + 5,000, tests 3,000, examination 2,000, material 10,000:
    80,000 count in every edition; treatment 4,000 counts from 2024; bed 1,000 and co-pay 7,000 never do."""
    return stay(
        [
            line("60000.00", over_limit="5000.00"),
            line("3000.00", category="04", code=SERVICE, name="基因检测"),
            line("2000.00", category="03", code=SERVICE, name="增强CT"),
            line("10000.00", category="08", code=MATERIAL, name="吻合器"),
            line("4000.00", category="05", code=SERVICE, name="热疗"),
            line("1000.00", category="01", code=SERVICE, name="床位费"),
            line(pre_self_pay="7000.00", code=OTHER_DRUG),
        ],
        year=year,
    )


@pytest.mark.parametrize(
    ("edition", "status", "expected"),
    [
        # (80,000 - 20,000) x 70 % and x 50 %
        ("2021", {}, "42000.00"),
        ("2021", {"pre_existing": ["tumour"]}, "30000.00"),
        ("2022", {}, "42000.00"),
        ("2022", {"pre_existing": ["tumour"]}, "30000.00"),
        # (80,000 - 16,000) x 70 %; one earlier year 15,000, two or more 14,000
        ("2023", {}, "44800.00"),
        ("2023", {"continuous_years": 1}, "45500.00"),
        ("2023", {"continuous_years": 2}, "46200.00"),
        ("2023", {"continuous_years": 5, "pre_existing": ["lung"]}, "33000.00"),
        ("2023", {"claim_free_years": 5}, "44800.00"),
        # (84,000 - 12,000) x 70 %; claim-free two years 11,000, three 10,000; treatment counts
        ("2024", {}, "50400.00"),
        ("2024", {"continuous_years": 3, "claim_free_years": 1}, "50400.00"),
        ("2024", {"claim_free_years": 2}, "51100.00"),
        ("2024", {"claim_free_years": 3}, "51800.00"),
        ("2024", {"claim_free_years": 3, "pre_existing": ["liver"]}, "37000.00"),
        ("2025", {}, "50400.00"),
        ("2025", {"claim_free_years": 3}, "51800.00"),
    ],
)
def test_a_typical_stay_pays_what_the_edition_promises(
    edition: str, status: dict[str, Any], expected: str
) -> None:
    decision = decide(typical(int(edition)), edition=edition, **status)
    assert decision.outcome is Outcome.PAY
    assert decision.payable_fen == parse_yuan(expected)
    (benefit,) = decision.document()["benefits"]
    assert benefit["code"] == "B1"
    assert benefit["eligible_fen"] == (84_000_00 if edition in ("2024", "2025") else 80_000_00)
    assert benefit["ratio"] == ("0.50" if status.get("pre_existing") else "0.70")


def test_the_co_pay_part_never_counts() -> None:
    # drug: self-paid 21,000, co-pay 500,000 -> (21,000 - 20,000) x 70 % = 700
    assert decide(stay([line("21000", pre_self_pay="500000")])).payable_fen == 700_00


def test_half_a_fen_is_rounded_up_once() -> None:
    # (20,000.25 - 20,000) x 50 % = 0.125 -> 0.13; over two lines of 10,000.125 each nothing more is gained
    one = decide(stay([line("20000.25")]), pre_existing=["x"])
    assert one.payable_fen == 13
    two = decide(stay([line("10000.12"), line("10000.13", code=OTHER_DRUG)]), pre_existing=["x"])
    assert two.payable_fen == 13


def test_one_drug_is_limited_and_the_deductible_falls_on_all_in_proportion() -> None:
    # drug 600,000, tests 100,000: 700,000 - 20,000 = 680,000; share of each cost that remains 680/700.
    # drug 600,000 x 680/700 x 70 % = 408,000 -> limit 300,000; tests 100,000 x 680/700 x 70 % = 68,000
    bill = stay([line("600000"), line("100000", category="04", code=SERVICE)])
    decision = decide(bill)
    assert decision.payable_fen == 368_000_00
    assert decision.document()["used"]["B1"] == {
        "deductible_fen": 20_000_00,
        "paid_fen": 368_000_00,
        "limits": {"single-drug": {"XL01XCQ072": 300_000_00}},
    }


def test_two_packs_of_one_generic_name_share_the_limit_and_two_drugs_do_not() -> None:
    same = stay([line("400000"), line("400000", code="XL01XCQ072B002020200999")])
    apart = stay([line("400000"), line("400000", code=OTHER_DRUG)])
    # each 400,000 x 780/800 x 70 % = 273,000
    assert decide(same).payable_fen == 300_000_00
    assert decide(apart).payable_fen == 546_000_00


def test_surgical_material_is_limited_for_each_stay() -> None:
    # (520,000 - 20,000) x 70 % = 350,000 -> 200,000; the next stay, no deductible left: 280,000 -> 200,000
    first = decide(stay([line("520000", category="08", code=MATERIAL)]))
    assert first.payable_fen == 200_000_00
    again = stay([line("400000", category="08", code=MATERIAL)], setl_id="S-2", admitted_on=date(2021, 11, 1))
    assert decide(again, earlier=[first]).payable_fen == 200_000_00
    # a second bill of the same stay: nothing is left of its limit
    same_stay = stay([line("400000", category="08", code=MATERIAL)], setl_id="S-2")
    second = decide(same_stay, earlier=[first])
    assert (second.outcome, second.payable_fen) == (Outcome.NOTHING, 0)


def test_pet_ct_is_paid_once_a_year_and_the_dearest_of_a_stay_counts() -> None:
    pet: dict[str, Any] = {"category": "03", "code": SERVICE, "name": "PET-CT全身显像"}
    bill = stay(
        [
            line("7000", on=date(2021, 9, 2), **pet),
            line("9000", on=date(2021, 9, 8), **pet),
            line("30000"),
        ]
    )
    # 9,000 + 30,000 - 20,000 = 19,000 x 70 % = 13,300
    first = decide(bill)
    assert first.payable_fen == 13_300_00
    assert first.document()["used"]["B1"]["limits"]["pet-ct"] == {"all": 1}
    # the year's one is used up: only the drug counts, 10,000 x 70 %
    later = stay([line("9000", **pet), line("10000")], setl_id="S-2", admitted_on=date(2021, 12, 1))
    assert decide(later, earlier=[first]).payable_fen == 7_000_00


def test_the_years_deductible_is_borne_once() -> None:
    # 12,000 in the first stay, 8,000 in the second: (15,000 - 8,000) x 70 % = 4,900; the third bears none
    first = decide(stay([line("12000")]))
    assert (first.outcome, first.document()["used"]["B1"]["deductible_fen"]) == (Outcome.NOTHING, 12_000_00)
    second = decide(stay([line("15000")], setl_id="S-2", admitted_on=date(2021, 10, 1)), earlier=[first])
    assert second.payable_fen == 4_900_00
    third = stay([line("100")], setl_id="S-3", admitted_on=date(2021, 11, 1))
    assert decide(third, earlier=[second, first]).payable_fen == 70_00


def test_the_benefit_pays_up_to_its_cap_over_the_year() -> None:
    drugs = [line("420000", code=f"XL01XCQ{n:03}B002010100843") for n in range(1, 6)]
    # five drugs of 420,000, each below its limit: 2,080,000 x 70 % = 1,456,000 -> 1,000,000
    first = decide(stay(drugs))
    assert first.payable_fen == 1_000_000_00
    limits = first.document()["used"]["B1"]["limits"]["single-drug"]
    assert sum(limits.values()) == 1_000_000_00
    assert set(limits.values()) == {200_000_00}
    later = decide(stay([line("5000")], setl_id="S-2", admitted_on=date(2022, 1, 1)), earlier=[first])
    assert (later.outcome, [r.code for r in later.reasons]) == (Outcome.NOTHING, ["nothing.cap_exhausted"])


@pytest.mark.parametrize(
    ("status", "expected"), [([], "140000.00"), (["tumour"], "60000.00")], ids=["70 %", "30 %"]
)
def test_proton_therapy_has_no_deductible(status: list[str], expected: str) -> None:
    therapy = line("200000", category="05", code=SERVICE, name="质子放射治疗")
    bill = stay([therapy], year=2024, hospital_code="H31011500010")
    decision = decide(bill, edition="2024", pre_existing=status)
    assert decision.payable_fen == parse_yuan(expected)
    assert [b["code"] for b in decision.document()["benefits"]] == ["B3"]


def test_a_listed_car_t_drug_is_paid_in_full_up_to_its_cap_and_belongs_to_one_benefit() -> None:
    # CAR-T 1,200,000 x 100 % -> 500,000; the other drug (30,000 - 20,000) x 70 % = 7,000
    bill = stay([line("1200000", name="阿基仑赛注射液"), line("30000", code=OTHER_DRUG)], year=2022)
    bill = stay(bill.lines, year=2022, main_diagnosis="C83.300")
    decision = decide(bill, edition="2022", pre_existing=[])
    paid = {b["code"]: b["payable_fen"] for b in decision.document()["benefits"]}
    assert paid == {"B5": 500_000_00, "B1": 7_000_00}
    assert decision.payable_fen == 507_000_00


def test_all_benefits_together_pay_up_to_the_aggregate_cap() -> None:
    # 2022: B5 500,000, then B1 1,000,000; a record of 1,700,000 paid elsewhere in the year leaves 1,400,000
    earlier = decide(stay([line("100")], year=2022), edition="2022").document()
    earlier["used"] = {"B2": {"deductible_fen": 0, "paid_fen": 1_700_000_00, "limits": {}}}
    drugs = [line("420000", code=f"XL01XCQ{n:03}B002010100843") for n in range(1, 6)]
    bill = stay(
        [line("1200000", name="瑞基奥仑赛注射液"), *drugs],
        year=2022,
        setl_id="S-2",
        admitted_on=date(2022, 10, 1),
        main_diagnosis="C85.100",
    )
    decision = decide(bill, edition="2022", earlier=[earlier])
    paid = {b["code"]: b["payable_fen"] for b in decision.document()["benefits"]}
    assert paid == {"B5": 500_000_00, "B1": 900_000_00}
    used = decision.document()["used"]["B1"]
    assert sum(used["limits"]["single-drug"].values()) == used["paid_fen"] == 900_000_00


def test_at_most_the_cost_left_after_all_other_compensation_is_paid() -> None:
    # (120,000 - 20,000) x 70 % = 70,000, but 60,000 of 120,000 came from the employer and 15,000 from a fund
    bill = stay([line("120000")], fund_fen=15_000_00, cash_fen=105_000_00, other_compensation_fen=60_000_00)
    decision = decide(bill)
    assert decision.payable_fen == 45_000_00
    full = stay([line("120000")], other_compensation_fen=120_000_00)
    assert [r.code for r in decide(full).reasons] == ["nothing.no_cost_left"]
