"""One standard settlement: what adjudication reads, whichever hospital system it came from.

Amounts are integer fen. Dates are Shanghai calendar dates. Nothing here names the patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.money import Fen

if TYPE_CHECKING:
    from engine.settlement.hospitals import HospitalRegister


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
    """fixmedins_code: H and 11 digits."""
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

    @classmethod
    def parse(cls, native: Mapping[str, Any], register: "HospitalRegister | None" = None) -> "Settlement":
        """Validate a native settlement or a minimised document and read it.

        With a register, grade and ward come from it and not from what the hospital says of itself;
        a minimised document already carries them. Raises SettlementInvalid with every violation.
        """
        from engine.settlement.reading import read

        return read(native, register)
