"""The settlement's totals: as stated, or where the list leaves one out, from its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.money import ZERO, Fen
from engine.settlement.dictionaries import dictionary

Row = Mapping[str, Any]

LINE_PARTS = {
    "fulamt_ownpay_amt": "fulamt_ownpay_amt",
    "overlmt_selfpay": "overlmt_amt",
    "preselfpay_amt": "preselfpay_amt",
    "inscp_scp_amt": "inscp_scp_amt",
}
"""The parts of identity (1): name in setlinfo -> name in feedetail."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Fen. Named as in setlinfo; parts is keyed by LINE_PARTS."""

    medfee: Fen
    parts: Mapping[str, Fen]
    fund: Fen
    hospital: Fen
    personal: Fen
    account: Fen
    shared_account: Fen
    """0 where the area's acct_pay includes it."""
    cash: Fen
    other_compensation: Fen


def total(setlinfo: Row, rows: Mapping[str, Sequence[Row]]) -> Totals:
    """Derive what is not stated; what is stated is checked against the rows by the identities.

    What no one is stated to have paid, the patient paid in cash. Needs every row readable.
    """
    lines = rows["feedetail"]
    medfee = setlinfo.get("medfee_sumamt")
    if medfee is None:
        medfee = sum(line["det_item_fee_sumamt"] for line in lines)
    parts = {}
    for name, column in LINE_PARTS.items():
        stated = setlinfo.get(name)
        parts[name] = Fen(sum(line[column] for line in lines) if stated is None else stated)
    paid = paid_by_side(rows["payinfo"])
    hospital = setlinfo.get("hosp_part_amt", paid.get("hospital", 0))
    account = setlinfo.get("acct_pay", paid.get("account", 0))
    shared = setlinfo.get("acct_mulaid_pay", paid.get("shared_account", 0))
    if setlinfo.get("insuplc") in _SHARED_WITHIN_ACCOUNT:
        shared = 0
    fund = setlinfo.get("fund_pay_sumamt", paid.get("fund"))
    personal = setlinfo.get("psn_part_amt")
    cash = setlinfo.get("psn_cash_pay", paid.get("cash"))
    if personal is None and cash is not None:
        personal = account + shared + cash
    if fund is None:
        fund = 0 if personal is None else medfee - hospital - personal
    if personal is None:
        personal = medfee - hospital - fund
    if cash is None:
        cash = personal - account - shared
    return Totals(
        medfee=Fen(medfee),
        parts=parts,
        fund=Fen(fund),
        hospital=Fen(hospital),
        personal=Fen(personal),
        account=Fen(account),
        shared_account=Fen(shared),
        cash=Fen(cash),
        other_compensation=setlinfo.get("oth_comp_amt", ZERO),
    )


_SIDES = {code: str(entry["counts_as"]) for code, entry in dictionary("fund_type").entries.items()}
_SHARED_WITHIN_ACCOUNT = dictionary("insured_area").codes_where("acct_pay_includes_shared", True)


def paid_by_side(payinfo: Sequence[Row]) -> dict[str, Fen]:
    """Fen by who paid: fund, account, shared_account, cash, hospital, as far as there are rows of it.

    An unlisted code is a fund.
    """
    paid: dict[str, Fen] = {}
    for row in payinfo:
        side = _SIDES.get(row["fund_pay_type"], "fund")
        paid[side] = Fen(paid.get(side, 0) + row["fund_payamt"])
    return paid
