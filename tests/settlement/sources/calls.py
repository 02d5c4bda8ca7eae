"""Writes native settlements as the national interface's calls, as a hospital's system sends them."""

import json
from collections.abc import Iterable
from typing import Any

Native = dict[str, Any]

_CATALOGUE = ("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt", "med_chrgitm_type")
"""What the insurance answers of a line, and the hospital does not state."""
_AMOUNTS = ("medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
_PAID = ("fund_pay_sumamt", "psn_part_amt", "acct_pay", "acct_mulaid_pay", "psn_cash_pay", "hosp_part_amt")
_OF_LIST_ONLY = ("dscg_way", "adm_time", "dscg_time", "ipt_med_type", "act_ipt_days", "bill_code", "bill_no")


def call(infno: str, native: Native, given: Any, answer: Any = None, number: int = 1) -> dict[str, Any]:
    info = native["setlinfo"]
    made = {
        "infno": infno,
        "msgid": f"{info['fixmedins_code']}2025121911{number:04d}",
        "fixmedins_code": info["fixmedins_code"],
        "insuplc_admdvs": info["insuplc"],
        "inf_time": info["setl_time"],
        "input": given,
    }
    return made if answer is None else {**made, "output": answer}


def of_settlement(native: Native, batch: int = 8, number: int = 1) -> list[dict[str, Any]]:
    """2301 in batches, 2303, 2304 and 4101."""
    info = native["setlinfo"]
    stay = {"mdtrt_id": info["mdtrt_id"], "psn_no": "00000000"}
    lines = native["feedetail"]
    made = []
    for at in range(0, len(lines), batch):
        rows = lines[at : at + batch]
        given = [
            {**stay, **{name: value for name, value in row.items() if name not in _CATALOGUE}} for row in rows
        ]
        answer = [{name: row[name] for name in ("feedetl_sn", *_CATALOGUE)} for row in rows]
        made.append(call("2301", native, {"feedetail": given}, {"result": answer}))
    amounts = {name: info[name] for name in (*_AMOUNTS, *_PAID)}
    settled = {**stay, **amounts, "setl_id": info["setl_id"], "setl_time": info["setl_time"]}
    before = {"data": {**stay, "medfee_sumamt": "1.00"}}
    made.append(call("2303", native, before, {"setlinfo": {**settled, "medfee_sumamt": "1.00"}}))
    data = {"data": {**stay, **{name: info[name] for name in _AMOUNTS}}}
    made.append(
        call("2304", native, data, {"setlinfo": settled, "setldetail": native["payinfo"]}, number=number)
    )
    made.append(call("4101", native, {name: rows for name, rows in native.items() if name != "feedetail"}))
    return made


def of_visit(native: Native, infno: str, number: int = 1) -> list[dict[str, Any]]:
    """2204 and 2207 of an outpatient visit, or the one 2102 of a purchase."""
    info = {name: value for name, value in native["setlinfo"].items() if name not in _OF_LIST_ONLY}
    lines = [{"mdtrt_id": info["mdtrt_id"], **row} for row in native["feedetail"]]
    answer = {"setlinfo": info, "setldetail": native.get("payinfo", [])}
    data = {"data": {"mdtrt_id": info["mdtrt_id"]}, "diseinfo": native["diseinfo"]}
    if infno == "2102":
        return [call("2102", native, {**data, "drugdetail": lines}, answer, number)]
    return [call("2204", native, {"feedetail": lines}), call("2207", native, data, answer, number)]


def written(calls: Iterable[Any]) -> bytes:
    return "\n".join(json.dumps(one, ensure_ascii=False) for one in calls).encode()
