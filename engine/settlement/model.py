"""One standard settlement: what adjudication reads, whichever hospital system it came from.

Amounts are integer fen. Dates are Shanghai calendar dates. Nothing here names the patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.money import Fen
from engine.settlement.dictionaries import dictionary
from engine.settlement.errors import SettlementInvalid
from engine.settlement.hospitals import PHARMACY, HospitalRegister
from engine.settlement.validation import Checked, check

MINIMISED_SCHEMA = "settlement.minimised/1"
"""Value of "schema" in the document `minimise` makes of a settlement."""
ORDINARY_STAY = "21"
_LEVELS = dictionary("hospital_level").entries
_INPATIENT_TYPES = dictionary("inpatient_type").entries


@dataclass(frozen=True, slots=True)
class DetailLine:
    """One row of feedetail. A refund inside the bill is a line with negative quantity and amounts."""

    sn: str
    code: str
    """med_list_codg: national code of the drug, material or service."""
    name: str
    category: str
    """med_chrgitm_type, "01".."14"."""
    quantity: Decimal
    unit_price: Decimal
    """Yuan, precision 16,6: below a fen, so not Fen."""
    amount_fen: Fen
    own_pay_fen: Fen
    """自费: outside the catalogue."""
    over_limit_fen: Fen
    """超限价: above the payment standard."""
    pre_self_pay_fen: Fen
    """先行自付: the co-pay part."""
    in_scope_fen: Fen
    """符合政策范围: what the basic insurance computes from."""
    occurred_on: date


@dataclass(frozen=True, slots=True)
class Settlement:
    """One stay (or visit) as settled by the basic insurance, without the person."""

    setl_id: str
    hospital_code: str
    """fixmedins_code: H and 11 digits; P and 11 digits is a designated pharmacy."""
    hospital_grade: int
    """1..3; 0 is unknown."""
    insured_area: str
    """insuplc: six digits, Shanghai 310000."""
    visit_type: str
    """National med_type code; "21" is an ordinary inpatient stay (seeds/dictionaries/visit_type.json)."""
    ward_type: str
    """"ordinary", "special", "international", "icu", ... (seeds/dictionaries/ward_type.json)."""
    admitted_on: date
    discharged_on: date
    settled_at: datetime
    """Aware, Asia/Shanghai."""
    discharge_way: str
    """dscg_way; "5" is death."""
    age_years: int | None
    """At admission."""
    main_diagnosis: str | None
    """ICD-10 code of the main diagnosis."""
    other_diagnoses: tuple[str, ...]
    """ICD-10 codes of the stay's other diagnoses, sorted."""
    total_fen: Fen
    own_pay_fen: Fen
    over_limit_fen: Fen
    pre_self_pay_fen: Fen
    in_scope_fen: Fen
    fund_fen: Fen
    """Paid by all funds of the basic insurance."""
    account_fen: Fen
    """Paid from personal accounts: the patient's own and, where shared (共济), the family's."""
    cash_fen: Fen
    other_compensation_fen: Fen
    """Already received for this stay from elsewhere (employer, commercial cover, charity)."""
    lines: tuple[DetailLine, ...]

    @property
    def of_pharmacy(self) -> bool:
        """Whether a designated pharmacy sold it, which has no grade: only designated ones have a code."""
        return self.hospital_code.startswith(PHARMACY)

    @property
    def self_pay_fen(self) -> Fen:
        """自付: what the funds, 自费 and 超限价 leave of the total, never below 0."""
        return Fen(max(self.total_fen - self.fund_fen - self.own_pay_fen - self.over_limit_fen, 0))

    @classmethod
    def parse(cls, native: Mapping[str, Any], register: HospitalRegister | None = None) -> "Settlement":
        """Read a native settlement, or the document `minimise` made of one.

        With a register, grade and wards come from it and not from what a hospital says of itself, and a
        native settlement is expected. Raises SettlementInvalid with every violation.
        """
        minimised = register is None and native.get("schema") == MINIMISED_SCHEMA
        return cls.of(check(native, personal=not minimised), register)

    @classmethod
    def of(cls, checked: Checked, register: HospitalRegister | None = None) -> "Settlement":
        """`parse` for what `check` has read already."""
        if checked.errors or checked.totals is None:
            raise SettlementInvalid(checked.errors)
        info, totals = checked.setlinfo, checked.totals
        discharged_on = info["dscg_time"].date()
        return cls(
            setl_id=info["setl_id"],
            hospital_code=info["fixmedins_code"],
            hospital_grade=_grade(info, register),
            insured_area=info["insuplc"],
            visit_type=_visit_type(info),
            ward_type=_ward_type(info, register),
            admitted_on=info["adm_time"].date(),
            discharged_on=discharged_on,
            settled_at=info.get("setl_time") or info["setl_end_date"],
            discharge_way=info["dscg_way"],
            age_years=_age_years(info),
            main_diagnosis=next(
                (row["diag_code"] for row in checked.rows["diseinfo"] if row.get("maindiag_flag") == "1"),
                None,
            ),
            other_diagnoses=tuple(
                sorted(
                    {row["diag_code"] for row in checked.rows["diseinfo"] if row.get("maindiag_flag") != "1"}
                )
            ),
            total_fen=totals.medfee,
            own_pay_fen=totals.parts["fulamt_ownpay_amt"],
            over_limit_fen=totals.parts["overlmt_selfpay"],
            pre_self_pay_fen=totals.parts["preselfpay_amt"],
            in_scope_fen=totals.parts["inscp_scp_amt"],
            fund_fen=totals.fund,
            account_fen=Fen(totals.account + totals.shared_account),
            cash_fen=totals.cash,
            other_compensation_fen=totals.other_compensation,
            lines=tuple(_line(row, discharged_on) for row in checked.rows["feedetail"]),
        )


def _line(row: Mapping[str, Any], discharged_on: date) -> DetailLine:
    moment: datetime | None = row.get("fee_ocur_time")
    return DetailLine(
        sn=row["feedetl_sn"],
        code=row["med_list_codg"],
        name=row.get("hilist_name") or row.get("medins_list_name") or "",
        category=row["med_chrgitm_type"],
        quantity=row["cnt"],
        unit_price=row["pric"],
        amount_fen=row["det_item_fee_sumamt"],
        own_pay_fen=row["fulamt_ownpay_amt"],
        over_limit_fen=row["overlmt_amt"],
        pre_self_pay_fen=row["preselfpay_amt"],
        in_scope_fen=row["inscp_scp_amt"],
        occurred_on=moment.date() if moment else discharged_on,
    )


def _grade(info: Mapping[str, Any], register: HospitalRegister | None) -> int:
    if register is not None:
        hospital = register.get(info["fixmedins_code"])
        return hospital.grade if hospital else 0
    level = info.get("hosp_lv") or info.get("hi_setl_lv")
    return int(_LEVELS[level]["grade"]) if level else 0


def _visit_type(info: Mapping[str, Any]) -> str:
    """The national list of an inpatient may leave med_type to ipt_med_type; without either it is a stay."""
    stated: str | None = info.get("med_type")
    kind = info.get("ipt_med_type")
    return stated or (str(_INPATIENT_TYPES[kind]["visit_type"]) if kind else ORDINARY_STAY)


def _ward_type(info: Mapping[str, Any], register: HospitalRegister | None) -> str:
    """As stated, if the register gives the hospital such a ward; the list itself has no ward.

    Nothing stated is an ordinary ward: the basic insurance does not settle the others as a stay.
    """
    stated: str | None = info.get("ward_type")
    hospital = register.get(info["fixmedins_code"]) if register is not None else None
    if hospital is None:
        return stated or "ordinary"
    if stated is None:
        return "ordinary" if "ordinary" in hospital.wards else next(iter(hospital.wards), "unknown")
    return stated if stated in hospital.wards else "unknown"


def _age_years(info: Mapping[str, Any]) -> int | None:
    """Whole years at admission; someone born on 29 February has a birthday on 1 March otherwise."""
    born: date | None = info.get("brdy")
    if born is not None:
        admitted = info["adm_time"].date()
        before_birthday = (admitted.month, admitted.day) < (born.month, born.day)
        return int(admitted.year - born.year - before_birthday)
    if "nwb_age" in info:
        return 0
    stated: int | None = info.get("age")
    return stated
