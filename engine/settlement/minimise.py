"""The settlement document of the evidence: what adjudication reads, and nothing that names anyone.

Built from what was read, not by deleting from what was sent: a field nobody thought of cannot slip through.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.money import format_yuan
from engine.settlement.hospitals import HospitalRegister
from engine.settlement.model import MINIMISED_SCHEMA, DetailLine, Settlement

_LEVEL_OF_GRADE = {3: "3", 2: "2", 1: "1", 0: "9"}
"""Grade -> one-digit code of the dictionary hospital_level."""


def minimise(native: Mapping[str, Any], register: HospitalRegister | None = None) -> dict[str, Any]:
    """Native settlement -> document with the national names, amounts as yuan of two decimals, times reduced
    to dates where adjudication needs no more, age instead of birth date, grade and ward as the register
    has them. `Settlement.parse` of it equals `Settlement.parse(native, register)`.

    Raises SettlementInvalid.
    """
    return document_of(Settlement.parse(native, register))


def document_of(settlement: Settlement) -> dict[str, Any]:
    """The minimised document of a settlement; JSON of strings, lists and objects only."""
    amounts = {
        "medfee_sumamt": settlement.total_fen,
        "fulamt_ownpay_amt": settlement.own_pay_fen,
        "overlmt_selfpay": settlement.over_limit_fen,
        "preselfpay_amt": settlement.pre_self_pay_fen,
        "inscp_scp_amt": settlement.in_scope_fen,
        "fund_pay_sumamt": settlement.fund_fen,
        "acct_pay": settlement.account_fen,
        "psn_cash_pay": settlement.cash_fen,
        "psn_part_amt": settlement.account_fen + settlement.cash_fen,
        "hosp_part_amt": settlement.total_fen
        - settlement.fund_fen
        - settlement.account_fen
        - settlement.cash_fen,
        "oth_comp_amt": settlement.other_compensation_fen,
    }
    setlinfo = {
        "setl_id": settlement.setl_id,
        "fixmedins_code": settlement.hospital_code,
        "hosp_lv": _LEVEL_OF_GRADE[settlement.hospital_grade],
        "insuplc": settlement.insured_area,
        "med_type": settlement.visit_type,
        "ward_type": settlement.ward_type,
        "adm_time": settlement.admitted_on.isoformat(),
        "dscg_time": settlement.discharged_on.isoformat(),
        "setl_end_date": settlement.settled_at.date().isoformat(),
        "setl_time": settlement.settled_at.isoformat(),
        "dscg_way": settlement.discharge_way,
        **{name: format_yuan(fen) for name, fen in amounts.items()},
    }
    if settlement.age_years is not None:
        setlinfo["age"] = str(settlement.age_years)
    main = [settlement.main_diagnosis] if settlement.main_diagnosis else []
    diagnoses = [*((code, "1") for code in main), *((code, "0") for code in settlement.other_diagnoses)]
    return {
        "schema": MINIMISED_SCHEMA,
        "setlinfo": setlinfo,
        "diseinfo": [{"diag_code": code, "maindiag_flag": flag} for code, flag in diagnoses],
        "feedetail": [_row(line) for line in settlement.lines],
    }


def _row(line: DetailLine) -> dict[str, str]:
    return {
        "feedetl_sn": line.sn,
        "med_list_codg": line.code,
        "hilist_name": line.name,
        "med_chrgitm_type": line.category,
        "cnt": _plain(line.quantity),
        "pric": _plain(line.unit_price),
        "det_item_fee_sumamt": format_yuan(line.amount_fen),
        "fulamt_ownpay_amt": format_yuan(line.own_pay_fen),
        "overlmt_amt": format_yuan(line.over_limit_fen),
        "preselfpay_amt": format_yuan(line.pre_self_pay_fen),
        "inscp_scp_amt": format_yuan(line.in_scope_fen),
        "fee_ocur_time": line.occurred_on.isoformat(),
    }


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
