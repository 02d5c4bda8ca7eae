"""Writes native settlements as HL7 v2 messages, with the Z segments of docs/sources-wire.md."""

from collections.abc import Sequence
from typing import Any

from engine.settlement.sources.er7 import Separators, escape

Native = dict[str, Any]
USUAL = Separators("|", "^", "~", "\\", "&")
_SEX = {"1": "M", "2": "F", "9": "U"}
_WARD = {"ordinary": "MED", "icu": "ICU", "special": "VIP"}
_LEFT = {"1": "01", "2": "02", "3": "03", "4": "07", "5": "20"}
ZST = (
    *("setl_id", "insuplc", "ipt_med_type", "act_ipt_days", "hi_type", "setl_begn_date", "setl_end_date"),
    *("setl_time", "medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt"),
    *("inscp_scp_amt", "fund_pay_sumamt", "hosp_part_amt", "psn_part_amt", "acct_pay", "acct_mulaid_pay"),
    *("psn_cash_pay", "psn_selfpay", "psn_ownpay", "oth_comp_amt", "bill_code", "bill_no", "biz_sn"),
    *("hi_paymtd", "bill_chk_code"),
)
_ZST_TIMES = ("setl_begn_date", "setl_end_date", "setl_time")
_ZIT = ("med_chrgitm", "amt", "claa_sumfee", "clab_amt", "fulamt_ownpay_amt", "oth_amt")


def timestamp(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())


class Writer:
    """One hospital's interface engine: its separators and charset."""

    def __init__(self, charset: str = "UNICODE UTF-8", separators: Separators = USUAL) -> None:
        self.charset, self.signs = charset, separators
        self.codec = {"UNICODE UTF-8": "utf-8", "": "gb18030"}.get(charset, "gb18030")

    def segment(self, *fields: Any) -> str:
        """A field is a text, a tuple of components, or a list of repetitions."""

        def component(value: Any) -> str:
            return escape(str(value or ""), self.signs)

        def repetition(value: Any) -> str:
            parts = value if isinstance(value, tuple) else (value,)
            return self.signs.component.join(component(part) for part in parts)

        def field(value: Any) -> str:
            turns = value if isinstance(value, list) else [value]
            return self.signs.repetition.join(repetition(turn) for turn in turns)

        name, *rest = fields
        return self.signs.field.join((name, *map(field, rest)))

    def message(self, kind: tuple[str, str], native: Native, number: int, segments: Sequence[str]) -> bytes:
        info, (code, event) = native["setlinfo"], kind
        blank = [""] * 5
        head = self.segment(
            *("MSH", "HIS", info["fixmedins_code"], "AUTOCLAIM", "POOL", timestamp(info["setl_time"])),
            *("", (code, event, f"{code}_{event}"), f"M{number:08d}", "P", "2.5", *blank, self.charset),
        )
        # MSH-2 is written as it is.
        head = head.replace("MSH", f"MSH{self.signs.field}{''.join(self.signs[1:])}", 1)
        lines = [head, self.segment("EVN", event, timestamp(info["setl_time"])), *segments]
        return "\r".join(lines).encode(self.codec) + b"\r"

    def patient(self, native: Native) -> list[str]:
        info = native["setlinfo"]
        name = info["psn_name"]
        ids = [(info["medcasno"], "", "", "HIS", "MR")]
        if info.get("certno"):
            ids.append((info["certno"], "", "", "GA", "NI"))
        blank = [""] * 19
        visit = {1: "I", 3: "", 9: _WARD[info.get("ward_type", "ordinary")], 18: info["mdtrt_id"]}
        visit |= {
            35: _LEFT[info["dscg_way"]],
            43: timestamp(info["adm_time"]),
            44: timestamp(info["dscg_time"]),
        }
        return [
            self.segment(
                *("PID", "1", "", ids, "", (name[:1], name[1:]), "", timestamp(info["brdy"])),
                *(_SEX[info["gend"]], *blank, info["ntly"]),
            ),
            self.segment("PV1", *(visit.get(at, "") for at in range(45))),
        ]

    def discharge(self, native: Native, number: int = 1) -> bytes:
        info = native["setlinfo"]
        lines = [*self.patient(native), self.segment("NK1", "1", ("示例", "亲属"))]
        lines += [
            self.segment(
                *("DG1", at, "", (row["diag_code"], row["diag_name"], "I10"), "", "", "F", *[""] * 8),
                *("1" if row["maindiag_flag"] == "1" else "2", *[""] * 12, row["adm_cond_type"]),
            )
            for at, row in enumerate(native["diseinfo"], start=1)
        ]
        lines += [
            self.segment(
                *("PR1", at, "", (row["oprn_oprt_code"], row["oprn_oprt_name"], "I9C"), ""),
                *(timestamp(row["oprn_oprt_date"]), row["oprn_oprt_type"]),
            )
            for at, row in enumerate(native["oprninfo"], start=1)
        ]
        lines.append(self.segment("IN1", *[""] * 35, info["hi_no"]))
        values = [timestamp(info.get(name, "")) if name in _ZST_TIMES else info.get(name, "") for name in ZST]
        lines.append(self.segment("ZST", *values))
        lines += [self.segment("ZIT", *(row[name] for name in _ZIT)) for row in native["iteminfo"]]
        lines += [self.segment("ZPY", row["fund_pay_type"], row["fund_payamt"]) for row in native["payinfo"]]
        return self.message(("ADT", "A03"), native, number, lines)

    def charges(self, native: Native, number: int = 1, rows: Sequence[Any] | None = None) -> bytes:
        lines = self.patient(native)
        for at, row in enumerate(native["feedetail"] if rows is None else rows, start=1):
            credit = row["cnt"].startswith("-")
            plain = {name: value.removeprefix("-") if credit else value for name, value in row.items()}
            day = timestamp(row["fee_ocur_time"])
            lines.append(
                self.segment(
                    *("FT1", at, row["feedetl_sn"], "", day, "", "CD" if credit else "CG"),
                    *((row["med_list_codg"], row["hilist_name"], "L"), "", "", plain["cnt"]),
                    *(plain["det_item_fee_sumamt"], plain["pric"]),
                )
            )
            parts = ("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt")
            lines.append(self.segment("ZFT", at, row["med_chrgitm_type"], *(plain[name] for name in parts)))
        return self.message(("DFT", "P03"), native, number, lines)


def batch(messages: Sequence[bytes]) -> bytes:
    """A file of one batch, with its counts."""
    count = b"%d" % len(messages)
    return b"".join((b"FHS|^~\\&|HIS\r", b"BHS|^~\\&|HIS\r", *messages, b"BTS|" + count + b"\r", b"FTS|1\r"))


def mllp(messages: Sequence[bytes]) -> bytes:
    return b"".join(b"\x0b" + message + b"\x1c\r" for message in messages)
