"""Writes native settlements as X12 837I, with the K3 segments of docs/sources-wire.md."""

from collections.abc import Sequence
from typing import Any

Native = dict[str, Any]
_SEX = {"1": "M", "2": "F", "9": "U"}
_LEFT = {"1": "01", "2": "02", "3": "03", "4": "07", "5": "20"}
REVENUE = {
    "01": "0120",
    "02": "0960",
    "03": "0320",
    "04": "0300",
    "05": "0940",
    "06": "0360",
    "07": "0230",
    "08": "0270",
    "09": "0250",
    "10": "0251",
    "11": "0252",
    "12": "0510",
    "13": "0519",
    "14": "0990",
}
K3 = (
    *("insuplc", "ipt_med_type", "hi_no", "hi_type", "act_ipt_days", "bill_code", "bill_no", "biz_sn"),
    *("setl_end_date", "setl_time", "hosp_part_amt", "acct_pay", "acct_mulaid_pay", "psn_cash_pay"),
    *("psn_selfpay", "psn_ownpay", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"),
    *("fund_pay_sumamt", "psn_part_amt", "hi_paymtd", "ward_type", "ntly", "setl_begn_date"),
)


def digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())


def _k3(info: Native) -> list[str]:
    """At most ten, of 80 characters each."""
    lines: list[str] = []
    for name in K3:
        value = info.get(name, "")
        pair = f"{name.upper()}={digits(value) if name.startswith('setl_') else value}"
        if value and lines and len(lines[-1]) + len(pair) < 80:
            lines[-1] += f";{pair}"
        elif value:
            lines.append(pair)
    assert len(lines) <= 10
    return [f"K3*{line}" for line in lines]


def _line(at: int, row: Native) -> list[str]:
    code, day = f"HC:{row['med_list_codg']}:::::{row['hilist_name']}", digits(row["fee_ocur_time"])
    revenue = REVENUE[row["med_chrgitm_type"]]
    cut = [("96", row["fulamt_ownpay_amt"]), ("45", row["overlmt_amt"]), ("2", row["preselfpay_amt"])]
    return [
        f"LX*{at}",
        f"SV2*{revenue}*{code}*{row['det_item_fee_sumamt']}*UN*{row['cnt']}",
        f"DTP*472*D8*{day}",
        f"REF*6R*{row['feedetl_sn']}",
        f"SVD*BASIC*{row['inscp_scp_amt']}*{code}*{revenue}*{row['cnt']}",
        *(f"CAS*PR*{reason}*{amount}" for reason, amount in cut),
        f"DTP*573*D8*{day}",
    ]


def claim(native: Native, frequency: str = "1") -> list[str]:
    info = native["setlinfo"]
    # The guide has the principal procedure alone in its HI.
    codes = [
        [("ABK" if row["maindiag_flag"] == "1" else "ABF", row["diag_code"])] for row in native["diseinfo"]
    ]
    procedures = [
        f"HI*{'BBR' if at == 0 else 'BBQ'}:{row['oprn_oprt_code']}:D8:{digits(row['oprn_oprt_date'])[:8]}"
        for at, row in enumerate(native["oprninfo"])
    ]
    return [
        f"CLM*{info['mdtrt_id']}*{info['medfee_sumamt']}***11:A:{frequency}**A*Y*Y",
        f"DTP*096*TM*{digits(info['dscg_time'])[8:12]}",
        f"DTP*434*RD8*{digits(info['adm_time'])[:8]}-{digits(info['dscg_time'])[:8]}",
        f"DTP*435*DT*{digits(info['adm_time'])[:12]}",
        f"CL1*1*1*{_LEFT[info['dscg_way']]}",
        f"REF*{'D9' if frequency == '1' else 'F8'}*{info['setl_id']}",
        f"REF*EA*{info['medcasno']}",
        *_k3(info),
        *("HI*" + "*".join(f"{kind}:{code.replace('.', '')}" for kind, code in one) for one in codes),
        *procedures,
        "NM1*71*1*DOCTOR*ANY****XX*1234567893",
        *(
            segment
            for row in native["payinfo"]
            for segment in (
                *("SBR*P*18*******CI", f"AMT*D*{row['fund_payamt']}", "OI***Y***Y"),
                *("NM1*IL*1*INSURED*ANY****MI*00", f"NM1*PR*2*FUND*****PI*{row['fund_pay_type']}"),
            )
        ),
        *(segment for at, row in enumerate(native["feedetail"], start=1) for segment in _line(at, row)),
    ]


def interchange(natives: Sequence[Native], frequency: str = "1") -> str:
    code = natives[0]["setlinfo"]["fixmedins_code"]
    body = [
        *("ST*837*0001*005010X223A2", "BHT*0019*00*1*20260105*0830*CH", f"NM1*41*2*HOSPITAL*****46*{code}"),
        *("PER*IC*DESK*TE*0000000000", "NM1*40*2*POOL*****46*POOL", "HL*1**20*1"),
        *(
            "NM1*85*2*HOSPITAL*****XX*1234567893",
            "N3*ROAD 1",
            "N4*SHANGHAI**200000000*CN",
            "REF*EI*310101000",
        ),
    ]
    for at, native in enumerate(natives):
        info = native["setlinfo"]
        name = info["psn_name"]
        body += [
            *(f"HL*{at + 2}*1*22*0", "SBR*S*18*******CI"),
            f"NM1*IL*1*{name[:1]}*{name[1:]}****MI*{info.get('certno', '')}",
            *("N3*ROAD", "N4*SHANGHAI**200000000*CN"),
            f"DMG*D8*{digits(info['brdy'])}*{_SEX[info['gend']]}",
            *("NM1*PR*2*POOL*****PI*POOL", *claim(native, frequency)),
        ]
    head = f"ISA*00*          *00*          *ZZ*{code:15}*ZZ*{'POOL':15}*260105*0830*^*00501*000000001*0*T*:"
    segments = [
        head,
        f"GS*HC*{code}*POOL*20260105*0830*1*X*005010X223A2",
        *body,
        f"SE*{len(body) + 1}*0001",
        "GE*1*1",
        "IEA*1*000000001",
    ]
    return "".join(f"{segment}~\n" for segment in segments)
