"""One native settlement of one invented stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any
from zlib import crc32

from engine.money import format_yuan
from engine.sandbox.bills import Bill, make_bill
from engine.sandbox.people import Person
from engine.sandbox.price_list import DIAGNOSES, OPERATIONS, Item

_LARGE_FUND_FROM_FEN = 30_000_000


@dataclass(frozen=True, slots=True)
class Stay:
    """What a scenario decides; everything else is drawn."""

    number: int
    """Of the settlement, unique in a population."""
    who: Person
    hospital: str
    admitted: date
    days: int
    self_paid_fen: int
    extra: tuple[tuple[Item, int], ...] = ()
    diagnosis: tuple[str, str] | None = None
    discharge_way: str = "1"
    newborn: bool = False


def settlement(stay: Stay, rng: Random) -> dict[str, Any]:
    """The native settlement: all identities hold, all codes have their form."""
    bill = make_bill(rng, stay.admitted, stay.days, stay.self_paid_fen, stay.extra)
    discharged = stay.admitted + timedelta(days=stay.days)
    diagnosis = stay.diagnosis or rng.choice(DIAGNOSES)
    payments, payinfo = _payments(bill, rng)
    native: dict[str, Any] = {
        "setlinfo": {
            "setl_id": f"310000S{stay.number:010d}",
            "mdtrt_id": f"310000V{stay.number:010d}",
            "fixmedins_code": stay.hospital,
            **_patient(stay, rng),
            "hi_type": "310",
            "insuplc": "310000",
            "med_type": "21",
            "ipt_med_type": "1",
            "ward_type": "ordinary",
            "adm_time": f"{stay.admitted} {rng.randint(7, 17):02d}:{rng.randrange(60):02d}:00",
            "dscg_time": f"{discharged} 10:{rng.randrange(60):02d}:00",
            "act_ipt_days": str(stay.days),
            "dscg_way": stay.discharge_way,
            "bill_code": f"3106{discharged:%y}01",
            "bill_no": f"{rng.randrange(10**10):010d}",
            "biz_sn": f"{discharged:%Y%m%d}{stay.number:08d}",
            "setl_begn_date": stay.admitted.isoformat(),
            "setl_end_date": discharged.isoformat(),
            "setl_time": f"{discharged} 11:{rng.randrange(60):02d}:{rng.randrange(60):02d}",
            "hi_paymtd": "3",
            "medfee_sumamt": format_yuan(bill.total),
            "fulamt_ownpay_amt": format_yuan(bill.own),
            "overlmt_selfpay": format_yuan(bill.over),
            "preselfpay_amt": format_yuan(bill.pre),
            "inscp_scp_amt": format_yuan(bill.inside),
            **payments,
        },
        "diseinfo": [
            {
                "diag_type": "1",
                "diag_code": diagnosis[0],
                "diag_name": diagnosis[1],
                "adm_cond_type": "1",
                "maindiag_flag": "1",
            }
        ],
        "iteminfo": bill.iteminfo(),
        "oprninfo": _operations(rng, stay.admitted),
        "payinfo": payinfo,
        "feedetail": bill.lines,
    }
    info = native["setlinfo"]
    # Not drawn, so that everything else stays as it was.
    info["bill_chk_code"] = f"{crc32((info['bill_code'] + info['bill_no']).encode()):08x}"[:6]
    return native


def _patient(stay: Stay, rng: Random) -> dict[str, str]:
    who = stay.who
    shared = {
        "hi_no": f"31{who.index:010d}",
        "medcasno": f"ZY{stay.number:08d}",
        "ntly": "CHN",
        "curr_addr": f"上海市示例路{rng.randint(1, 999)}号",
        "coner_tel": f"000{rng.randrange(10**8):08d}",
    }
    if stay.newborn:
        return {
            **shared,
            "psn_name": f"{who.name}之婴",
            "gend": who.gender,
            "brdy": stay.admitted.isoformat(),
            "nwb_age": str(stay.days),
        }
    return {
        **shared,
        "psn_name": who.name,
        "gend": who.gender,
        "brdy": who.born.isoformat(),
        "age": str(_age(who.born, stay.admitted)),
        "patn_cert_type": "01",
        "certno": who.cert_no,
    }


def _age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _payments(bill: Bill, rng: Random) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What the basic insurance paid of the part in scope, and what was left to the patient."""
    covered = max(0, bill.inside - 150_000)
    pooled = covered * rng.choice((85, 90, 92)) // 100
    large = max(0, pooled - _LARGE_FUND_FROM_FEN)
    fund = pooled
    personal = bill.total - fund
    account = min(personal - bill.own, rng.choice((0, 45_000, 128_060)))
    amounts = {
        "fund_pay_sumamt": fund,
        "hosp_part_amt": 0,
        "psn_part_amt": personal,
        "acct_pay": account,
        "acct_mulaid_pay": 0,
        "psn_cash_pay": personal - account,
        "psn_selfpay": personal - bill.own,
        "psn_ownpay": bill.own,
    }
    funds: Sequence[tuple[str, int]] = (("310100", pooled - large), ("330100", large))
    payinfo = [{"fund_pay_type": kind, "fund_payamt": format_yuan(fen)} for kind, fen in funds if fen]
    return {name: format_yuan(fen) for name, fen in amounts.items()}, payinfo


def _operations(rng: Random, admitted: date) -> list[dict[str, str]]:
    if rng.random() < 0.4:
        return []
    code, name = rng.choice(OPERATIONS)
    on = admitted + timedelta(days=1)
    return [
        {
            "oprn_oprt_type": "1",
            "oprn_oprt_code": code,
            "oprn_oprt_name": name,
            "oprn_oprt_date": f"{on} 09:00:00",
        }
    ]
