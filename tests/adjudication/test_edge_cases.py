"""What happens at hospitals and over the years, and what the terms make of it. Sums are in yuan."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from engine.adjudication import Decision
from engine.money import Fen, parse_yuan
from engine.settlement.model import Settlement
from engine.terms import Terms
from tests.adjudication.builder import MATERIAL, SERVICE, codes, decide, line, stay, terms_with

TEST = {"category": "04", "code": SERVICE, "name": "基因检测"}
"""A cost under no sub-limit."""


def bill(cost: object, *, admitted_on: date = date(2024, 9, 1), days: int = 10, **changes: Any) -> Settlement:
    rows = [line(cost, **TEST, on=admitted_on)]
    discharged_on = admitted_on + timedelta(days=days)
    return stay(rows, admitted_on=admitted_on, discharged_on=discharged_on, **changes)


def paid(cost: object, **changes: Any) -> int:
    return decide(bill(cost), edition="2024", **changes).payable_fen


def yuan(amount: object) -> int:
    return int(parse_yuan(amount))


# ---------------------------------------------------------------- settlement


def test_a_settlement_settled_again_is_decided_on_the_year_without_the_one_taken_back() -> None:
    """The reversed one is no part of the history; the new number is a settlement of its own."""
    first = decide(bill(30000, setl_id="A"), edition="2024")
    again = decide(bill(30000, setl_id="A-2"), edition="2024")
    assert again.payable_fen == first.payable_fen == yuan("12600")  # (30,000 - 12,000) x 70 %
    on_top = decide(bill(30000, setl_id="A-2"), edition="2024", earlier=[first])
    assert on_top.payable_fen == yuan("21000")


def test_a_partial_refund_is_worth_what_it_takes_off_the_whole() -> None:
    """A refund line beside its charge, or the bill settled again without it: the same fen."""
    refunded = stay([line(30000, **TEST), line(-5000, **TEST, sn="back")], year=2024)
    assert decide(refunded, edition="2024").payable_fen == paid(25000) == yuan("9100")


def test_a_settlement_in_mid_stay_shares_the_limits_of_its_stay() -> None:
    """Surgical material, 200,000 a stay: two settlements of one admission together, another stay anew."""
    material = [line(250000, category="08", code=MATERIAL, name="吻合器")]
    first = decide(stay(material, year=2024, setl_id="A"), edition="2024")
    second = stay(material, admitted_on=date(2024, 9, 1), discharged_on=date(2024, 10, 1), setl_id="B")
    rest = decide(second, edition="2024", earlier=[first])
    assert first.payable_fen == yuan("166600")  # (250,000 - 12,000) x 70 %
    assert rest.payable_fen == yuan("33400")
    other = stay(material, admitted_on=date(2024, 10, 2), setl_id="C")
    assert decide(other, edition="2024", earlier=[first, rest]).payable_fen == yuan("175000")


PER_STAY = {"deductible": {"amount_fen": 1_000_00, "per_stay": True}}


def test_a_deductible_of_a_stay_is_borne_once_by_all_its_settlements() -> None:
    by = terms_with("huhuibao-2024", of_benefit=PER_STAY)
    first = decide(bill(600, setl_id="A"), edition="2024", by=by)
    second = decide(bill(1400, setl_id="B", days=20), edition="2024", by=by, earlier=[first])
    assert (first.payable_fen, second.payable_fen) == (0, yuan("700"))  # (1,400 - 400) x 70 %
    next_stay = bill(2000, setl_id="C", admitted_on=date(2024, 10, 1))
    decision = decide(next_stay, edition="2024", by=by, earlier=[first, second])
    assert decision.payable_fen == yuan("700")


def test_a_fixed_amount_of_a_day_is_paid_once_for_each_day() -> None:
    """100 a day from the fourth on, at most 10 days a stay and 15 a year; two settlements of one stay."""
    fixed = {"amount_fen": 100_00, "per": "day", "days_after": 3, "days_max_stay": 10, "days_max_year": 15}
    by = _allowance(fixed)
    first = decide(bill(10, setl_id="A", days=8), edition="2024", by=by)
    second = decide(bill(10, setl_id="B", days=30), edition="2024", by=by, earlier=[first])
    third_stay = bill(10, setl_id="C", admitted_on=date(2024, 11, 1), days=30)
    third = decide(third_stay, edition="2024", by=by, earlier=[first, second])
    assert [one.payable_fen for one in (first, second, third)] == [50000, 50000, 50000]
    fourth = bill(10, setl_id="D", admitted_on=date(2025, 1, 1), days=30)
    assert decide(fourth, edition="2024", by=by, earlier=[first, second, third]).payable_fen == 0


def test_a_fixed_amount_of_a_stay_is_paid_once_and_beyond_the_cost() -> None:
    by = _allowance({"amount_fen": 3000_00, "per": "stay"})
    first = decide(bill(10, setl_id="A"), edition="2024", by=by)
    assert first.payable_fen == yuan("3000")
    again = decide(bill(10, setl_id="B", days=20), edition="2024", by=by, earlier=[first])
    assert again.payable_fen == 0


def _allowance(fixed: dict[str, Any]) -> Terms:
    """A rider in the place of B1: an amount in hospital, whatever the cost."""
    cost_keys = ("base", "lines", "limits", "deductible", "cap_fen")
    rate = {"standard_bp": 10_000, "pre_existing_bp": 10_000}
    changes: dict[str, Any] = dict.fromkeys(cost_keys) | {"fixed": fixed, "ratio": rate}
    return terms_with("huhuibao-2024", of_benefit=changes)


def test_a_stay_paid_by_the_patient_first_counts_from_when_the_insurance_settled_it() -> None:
    """Its turn is its settlement's; its policy year is still its admission's."""
    late = bill(30000, setl_id="LATE", settled_at=datetime(2025, 8, 1, tzinfo=UTC))
    between = decide(bill(20000, setl_id="M", admitted_on=date(2024, 12, 1)), edition="2024")
    decision = decide(late, edition="2024", earlier=[between])
    assert decision.payable_fen == yuan("21000")
    assert decision.document()["trace"][0]["step"] == "policy.period"


# ---------------------------------------------------------------- time


EACH_DAY = {"stay_belongs_to": "each_day"}


def _across() -> Settlement:
    """20 June to 10 July 2025: 40,000 on 25 June, 20,000 on 3 July."""
    rows = [line(40000, **TEST, on=date(2025, 6, 25)), line(20000, **TEST, on=date(2025, 7, 3))]
    return stay(rows, admitted_on=date(2025, 6, 20), discharged_on=date(2025, 7, 10), setl_id="X")


def test_a_stay_across_two_years_pays_each_years_terms_on_its_own_days() -> None:
    old, new = terms_with("huhuibao-2024", **EACH_DAY), terms_with("huhuibao-2025", **EACH_DAY)
    first = decide(_across(), edition="2024", by=old, renewed=True)
    second = decide(_across(), edition="2025", by=new, earlier=[first], continuous_years=1)
    assert first.payable_fen == yuan("19600")  # (40,000 - 12,000) x 70 %
    assert second.payable_fen == yuan("5600")  # (20,000 - 12,000) x 70 %
    steps = [step["step"] for step in second.document()["trace"]]
    assert "policy.own_days" in steps


def test_without_a_following_policy_the_tail_takes_the_days_after_the_year() -> None:
    by = terms_with("huhuibao-2024", **EACH_DAY)
    assert decide(_across(), edition="2024", by=by).payable_fen == yuan("33600")  # 60,000 - 12,000, x 70 %


def test_thirty_days_after_expiry_count_29_february() -> None:
    """Expired on 31 January 2024: 1 March is day 30, 2 March is not."""
    by = terms_with("huhuibao-2024", period={"from": "2023-02-01", "to": "2024-01-31"})
    rows = [line(20000, **TEST, on=date(2024, 3, 1)), line(50000, **TEST, on=date(2024, 3, 2))]
    late = stay(rows, admitted_on=date(2024, 1, 20), discharged_on=date(2024, 3, 5))
    year = {"effective": "2023-02-01", "expires": "2024-01-31"}
    assert decide(late, edition="2024", by=by, **year).payable_fen == yuan("5600")


def test_two_zones_name_the_same_instant() -> None:
    """08:00 in Shanghai is midnight UTC: neither is earlier, and the number orders."""
    utc = datetime(2024, 9, 11, tzinfo=UTC)
    first = bill(30000, setl_id="A", settled_at=utc.astimezone(tz=None))
    second = bill(30000, setl_id="B", settled_at=utc)
    earlier = decide(first, edition="2024")
    assert decide(second, edition="2024", earlier=[earlier]).payable_fen == yuan("21000")
    assert codes(decide(first, edition="2024", earlier=[decide(second, edition="2024")])) == [
        "history.later_decision"
    ]


WAITING = {"requires": {"insured_areas": ["31"], "hospital_grade_min": 2, "waiting_days": 30}}


@pytest.mark.parametrize(
    ("admitted_on", "years", "reasons"),
    [
        (date(2024, 7, 30), 0, ["gate.waiting"]),
        (date(2024, 7, 31), 0, []),
        (date(2024, 7, 1), 1, []),  # came from a policy before without a gap
    ],
)
def test_a_stay_within_the_waiting_period_is_not_covered(
    admitted_on: date, years: int, reasons: list[str]
) -> None:
    by = terms_with("huhuibao-2024", of_benefit=WAITING)
    decision = decide(bill(30000, admitted_on=admitted_on), edition="2024", by=by, continuous_years=years)
    assert codes(decision) == reasons


def test_a_wording_that_does_not_hold_yet_decides_nothing() -> None:
    version = {"number": 2, "holds_from": "2024-09-02", "known_from": "2024-08-01"}
    by = terms_with("huhuibao-2024", version=version)
    assert codes(decide(bill(30000), edition="2024", by=by)) == ["terms.not_yet_held"]
    assert decide(bill(30000, admitted_on=date(2024, 9, 2)), edition="2024", by=by).payable_fen


# ---------------------------------------------------------------- person and policy


CONDITIONS = [
    {"code": "tumour", "name": {"zh": "恶性肿瘤", "en": "malignant tumour"}, "diagnoses": ["C"]},
    {"code": "heart", "name": {"zh": "心血管", "en": "heart"}, "diagnoses": ["I2"]},
]
FULL, REDUCED = yuan("12600"), yuan("9000")  # 18,000 at 70 % and at 50 %


@pytest.mark.parametrize(
    ("reduced_by", "main", "others", "amount"),
    [
        (None, "J18.900", (), REDUCED),  # by person: all that the person has
        ("cause", "C34.900", (), REDUCED),
        ("cause", "J18.900", ("C34.900",), FULL),  # treated too, but not the cause
        ("stay", "J18.900", ("C34.900",), REDUCED),
        ("stay", "J18.900", ("I20.000",), FULL),  # a condition that the person does not have
        ("stay", "J18.900", (), FULL),
    ],
)
def test_a_pre_existing_condition_reduces_by_person_by_cause_or_by_stay(
    reduced_by: str | None, main: str, others: tuple[str, ...], amount: int
) -> None:
    top = {"conditions": CONDITIONS} | ({"reduced_by": reduced_by} if reduced_by else {})
    by = terms_with("huhuibao-2024", **top)
    one = bill(30000, main_diagnosis=main, other_diagnoses=others)
    assert decide(one, edition="2024", by=by, pre_existing=["tumour"]).payable_fen == amount


@pytest.mark.parametrize(
    ("classes", "main", "reason"),
    [(["kidney"], "C34.900", "reduction.class_unknown"), (["tumour"], None, "reduction.diagnosis_unknown")],
)
def test_a_reduction_that_cannot_be_told_goes_to_review(
    classes: list[str], main: str | None, reason: str
) -> None:
    by = terms_with("huhuibao-2024", conditions=CONDITIONS, reduced_by="cause")
    decision = decide(bill(30000, main_diagnosis=main), edition="2024", by=by, pre_existing=classes)
    assert codes(decision) == [reason]


def test_two_policies_never_pay_more_than_the_cost() -> None:
    """17,000 of 20,000 paid by another policy leave 3,000, whatever these terms come to."""
    here = bill(30000, fund_fen=Fen(yuan(10000)), cash_fen=Fen(yuan(20000)))
    assert decide(here, edition="2024").payable_fen == yuan("12600")
    elsewhere = _of_another_policy(decide(here, edition="2024"), yuan(17000))
    decision = decide(here, edition="2024", earlier=[elsewhere])
    assert decision.payable_fen == yuan("3000")
    assert "total.elsewhere" in [step["step"] for step in decision.document()["trace"]]
    all_of_it = decide(here, edition="2024", earlier=[_of_another_policy(decision, yuan(20000))])
    assert codes(all_of_it) == ["nothing.no_cost_left"]


def _of_another_policy(decision: Decision, paid_fen: int) -> dict[str, Any]:
    used = {"B1": {"deductible_fen": 0, "paid_fen": paid_fen, "limits": {}}}
    other = {"product": "employer-cover", "edition": "1"}
    return decision.document() | {"terms": other, "used": used, "payable_fen": paid_fen}


def test_employer_cover_leaves_less_of_the_cost() -> None:
    covered = bill(30000, other_compensation_fen=Fen(yuan(20000)))
    assert decide(covered, edition="2024").payable_fen == yuan("10000")


def test_a_paid_claim_begins_the_ladder_anew_and_a_gap_both() -> None:
    """The next policy says so: no year free of claims, though cover goes on; after a gap, neither."""
    assert paid(30000, claim_free_years=3, continuous_years=3) == yuan("14000")  # 20,000 x 70 %
    assert paid(30000, claim_free_years=0, continuous_years=4) == yuan("12600")
    assert paid(30000) == yuan("12600")


def test_concurrent_claims_share_what_the_cap_leaves_in_the_order_of_the_terms() -> None:
    day = datetime(2024, 9, 11, 8, tzinfo=UTC)
    first = decide(bill(1400000, setl_id="A", settled_at=day), edition="2024")
    second = decide(bill(1400000, setl_id="B", settled_at=day), edition="2024", earlier=[first])
    assert (first.payable_fen, second.payable_fen) == (yuan("971600"), yuan("28400"))
    third = decide(bill(50000, setl_id="C", settled_at=day), edition="2024", earlier=[first, second])
    assert codes(third) == ["nothing.cap_exhausted"]


def test_a_family_bears_its_deductible_once() -> None:
    shared = [{"id": "household", "amount_fen": 12_000_00, "family": True}]
    by = terms_with("huhuibao-2024", deductibles=shared, of_benefit={"deductible": {"shared": "household"}})
    father = decide(bill(10000, setl_id="F"), edition="2024", by=by)
    child = bill(10000, setl_id="K", admitted_on=date(2024, 10, 1))
    assert father.payable_fen == 0
    document = decide(child, edition="2024", by=by, family=[father]).document()
    assert document["payable_fen"] == yuan("5600")  # (10,000 - 2,000) x 70 %
    assert decide(bill(10000, setl_id="A"), edition="2024", by=by, family=[father]).payable_fen == 0


# ---------------------------------------------------------------- money


def test_the_last_of_nine_co_insurers_takes_what_the_others_leave() -> None:
    shares = [2800, *[900] * 8]
    pool = [{"name": f"insurer {n}", "share_bp": share} for n, share in enumerate(shares, 1)]
    by = terms_with("huhuibao-2024", co_insurers=pool)
    decision = decide(bill("12000.15"), edition="2024", by=by)  # 0.15 beyond the deductible
    assert decision.payable_fen == 11  # 0.105, half-up
    parts = [one["payable_fen"] for one in decision.document()["co_insurers"]]
    assert parts == [3, *[0] * 7, 8]
    large = decide(bill(30000), edition="2024", by=by)
    parts = [one["payable_fen"] for one in large.document()["co_insurers"]]
    assert sum(parts) == large.payable_fen == yuan("12600")
    assert parts == [yuan("3528"), *[yuan("1134")] * 8]


def test_what_rounding_keeps_back_is_paid_with_the_next_settlement() -> None:
    """0.15 x 70 % = 0.105, twice: 0.11 and 0.10, together the 0.21 that both come to."""
    first = decide(bill("12000.15", setl_id="A"), edition="2024")
    second = decide(bill("0.15", setl_id="B"), edition="2024", earlier=[first])
    assert (first.payable_fen, second.payable_fen) == (11, 10)
    once = replace(terms_with("huhuibao-2024"), rounding="half_up_fen_once")
    first = decide(bill("12000.15", setl_id="A"), edition="2024", by=once)
    assert decide(bill("0.15", setl_id="B"), edition="2024", earlier=[first], by=once).payable_fen == 11


def test_a_death_is_paid_to_the_estate_by_a_person() -> None:
    assert codes(decide(bill(30000, discharge_way="5"), edition="2024")) == ["payee.estate"]
