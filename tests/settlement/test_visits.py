"""An outpatient visit and a purchase at a designated pharmacy are settlements too."""

from datetime import date
from typing import Any

import pytest

from engine.adjudication import Outcome
from engine.settlement import (
    HospitalRegister,
    Settlement,
    SettlementInvalid,
    check,
    load_register,
    minimise,
    validate,
)
from tests.adjudication.builder import codes, decide

Native = dict[str, Any]
PHARMACY = "P31010600014"


@pytest.fixture
def purchase(native: Native) -> Native:
    """One listed drug of 2021, self-paid, as a pharmacy settles it: of times, only the settlement's."""
    info = native["setlinfo"]
    for name in ("adm_time", "dscg_time", "dscg_way", "ward_type", "ipt_med_type", "act_ipt_days"):
        del info[name]
    for name in ("preselfpay_amt", "inscp_scp_amt", "overlmt_selfpay", "fund_pay_sumamt", "acct_pay"):
        info[name] = "0.00"
    info.update(fixmedins_code=PHARMACY, med_type="41", medfee_sumamt="100000.00", psn_selfpay="0.00")
    info.update(
        dict.fromkeys(("fulamt_ownpay_amt", "psn_part_amt", "psn_cash_pay", "psn_ownpay"), "100000.00")
    )
    info.update(setl_begn_date="2021-10-08", setl_end_date="2021-10-08", setl_time="2021-10-08 15:02:11")
    native["diseinfo"] = [{"diag_type": "1", "diag_code": "E75.203", "maindiag_flag": "1"}]
    native["feedetail"] = [
        {
            "feedetl_sn": "1",
            "med_list_codg": "XA16ABA051B002010100001",
            "med_chrgitm_type": "09",
            "hilist_name": "注射用阿加糖酶β",
            "cnt": "10",
            "pric": "10000",
            "det_item_fee_sumamt": "100000.00",
            "fulamt_ownpay_amt": "100000.00",
            "overlmt_amt": "0",
            "preselfpay_amt": "0",
            "inscp_scp_amt": "0",
            "fee_ocur_time": "2021-10-08",
        }
    ]
    return {"setlinfo": info, "diseinfo": native["diseinfo"], "feedetail": native["feedetail"]}


def test_b2_pays_a_listed_drug_bought_at_a_designated_pharmacy(
    purchase: Native, register: HospitalRegister
) -> None:
    decision = decide(Settlement.parse(minimise(purchase, register)), edition="2021")
    # 100,000 x 70 %, no deductible; a pharmacy is not asked for a grade, which none has
    assert (decision.outcome, decision.payable_fen) == (Outcome.PAY, 70_000_00)
    assert [result.benefit.code for result in decision.results if result.payable_fen] == ["B2"]


def test_a_hospital_of_unknown_grade_is_still_asked(purchase: Native, register: HospitalRegister) -> None:
    purchase["setlinfo"].update(fixmedins_code="H31011800013", med_type="11")
    decision = decide(Settlement.parse(purchase, register), edition="2021")
    assert decision.outcome is Outcome.REVIEW
    assert "gate.hospital_grade_unknown" in codes(decision)


@pytest.mark.parametrize("visit", ["11", "14", "41"])
def test_a_visit_lasts_the_day_it_is_settled(purchase: Native, visit: str) -> None:
    purchase["setlinfo"].update(med_type=visit, fixmedins_code=PHARMACY if visit == "41" else "H31010100001")
    bill = Settlement.parse(purchase)
    assert (bill.visit_type, bill.admitted_on, bill.discharged_on) == (
        visit,
        date(2021, 10, 8),
        date(2021, 10, 8),
    )
    del purchase["setlinfo"]["setl_end_date"]
    assert Settlement.parse(purchase).settled_at == bill.settled_at


def test_a_visit_states_when_it_was_settled(purchase: Native) -> None:
    del purchase["setlinfo"]["setl_end_date"], purchase["setlinfo"]["setl_time"]
    assert [(v.field, v.rule) for v in validate(purchase)] == [
        ("/setlinfo/setl_end_date", "settlement.field.required")
    ]


def test_a_stay_still_states_its_days(purchase: Native) -> None:
    purchase["setlinfo"].update(med_type="21", fixmedins_code="H31010100001")
    missing = {v.field for v in validate(purchase) if v.rule == "settlement.field.required"}
    assert missing == {"/setlinfo/adm_time", "/setlinfo/dscg_time", "/setlinfo/dscg_way"}


@pytest.mark.parametrize("visit", ["21", "11", None])
def test_a_pharmacy_settles_purchases_only(native: Native, visit: str | None) -> None:
    native["setlinfo"].update(fixmedins_code=PHARMACY, med_type=visit)
    assert ("/setlinfo/med_type", "settlement.code.purchase") in [
        (v.field, v.rule) for v in check(native).errors
    ]


def test_a_pharmacy_of_the_register_has_no_ward_and_its_code_says_what_it_is(tmp_path: Any) -> None:
    path = tmp_path / "hospitals.csv"
    for row in (
        f"{PHARMACY},a,0,310106,pharmacy,ordinary",
        "H31010600014,a,0,310106,pharmacy,",
        f"{PHARMACY},a,3,310106,ordinary,ordinary",
    ):
        path.write_text(f"fixmedins_code,name,grade,area,kind,wards\n{row}\n", "utf-8")
        with pytest.raises(ValueError, match="pharmacy's code begins with P"):
            load_register(path)


def test_a_settlement_that_breaks_a_rule_is_still_refused(purchase: Native) -> None:
    purchase["setlinfo"]["psn_cash_pay"] = "1.00"
    with pytest.raises(SettlementInvalid):
        Settlement.parse(purchase)
