"""What was paid of a hospital's claims, as X12 835 (005010X221A1)."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from pyx12.segment import Segment
from pyx12.x12file import X12Writer

from engine.money import Fen, format_yuan

GUIDE: Final = "005010X221A1"
_PLAIN = re.compile(r"[A-Z0-9 !\"&'()+,\-./;?=a-z%@\[\]_{}|<>#$]*")
"""The extended character set of X12, less the separators that are written here."""
_DENIED, _SECONDARY, _REVERSAL = "4", "2", "22"
_INDEMNITY: Final = "15"


@dataclass(frozen=True, slots=True)
class Party:
    """Names and address in the character set of X12; tax_id and postcode have nine digits."""

    name: str
    tax_id: str
    street: str
    city: str
    postcode: str
    country: str = "CN"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Why a part of the charge is not paid: group (PR the patient's, CO by contract, OA other), and code of
    the list of claim adjustment reasons: 1 deductible, 2 co-insurance, 23 paid by a payer before, 96 not
    covered, 119 limit reached."""

    group: str
    reason: str
    fen: Fen


@dataclass(frozen=True, slots=True)
class ClaimPayment:
    """charge = paid + the sum of the adjustments. A recovery has all three negative."""

    visit: str
    """CLM01 of the claim: the hospital's mdtrt_id."""
    claim_id: str
    """The payer's own, ICN of 835."""
    charge_fen: Fen
    paid_fen: Fen
    adjustments: tuple[Adjustment, ...]
    first_day: date
    last_day: date

    @property
    def status(self) -> str:
        """CLP02: reversal, denied, or processed after the basic insurance."""
        if self.charge_fen < 0:
            return _REVERSAL
        return _SECONDARY if self.paid_fen else _DENIED


@dataclass(frozen=True, slots=True)
class Remittance:
    """One payment to one hospital."""

    payer: Party
    payee: Party
    sender: str
    receiver: str
    """Of the interchange, at most 15 characters: the pool, and the fixmedins_code."""
    trace: str
    """The payout's id, under which the bank moved the money."""
    paid_on: date
    claims: tuple[ClaimPayment, ...]


def remittance(payment: Remittance, control: int, at: datetime) -> bytes:
    """The interchange, ASCII. `control` numbers it, `at` is its time. No patient is named in it: the hospital
    knows its visit. Raises ValueError where the sums do not balance or a text cannot stand in X12.
    """
    for claim in payment.claims:
        if claim.charge_fen != claim.paid_fen + sum(one.fen for one in claim.adjustments):
            raise ValueError(f"claim {claim.claim_id}: charge is not paid + adjustments")
    if not payment.claims:
        raise ValueError("a remittance has at least one claim")
    out = io.StringIO()
    writer = X12Writer(out, subele_term=":")
    for elements in _segments(payment, control, at):
        for text in elements:
            if _PLAIN.fullmatch(text) is None and elements[0] != "ISA":
                raise ValueError(f"{elements[0]} holds a character that X12 has not, or uses as a separator")
        writer.Write(Segment("*".join(elements).rstrip("*"), "~", "*", ":", "^"))
    writer.Close()
    return out.getvalue().encode("ascii")


def _segments(payment: Remittance, control: int, at: datetime) -> Iterator[Sequence[str]]:
    total = sum(claim.paid_fen for claim in payment.claims)
    number, day = f"{control:09d}", f"{at:%Y%m%d}"
    yield (
        *("ISA", "00", " " * 10, "00", " " * 10, "ZZ", f"{payment.sender:15}", "ZZ"),
        *(f"{payment.receiver:15}", f"{at:%y%m%d}", f"{at:%H%M}", "^", "00501", number, "0", "P", ":"),
    )
    yield "GS", "HP", payment.sender, payment.receiver, day, f"{at:%H%M}", str(control), "X", GUIDE
    yield "ST", "835", "0001"
    # What is recovered moves by itself; a remittance of it states that nothing is paid.
    amount, method = (format_yuan(Fen(total)), "BOP") if total > 0 else ("0.00", "NON")
    yield _bank(payment, amount, method)
    yield "TRN", "1", payment.trace, f"1{payment.payer.tax_id}"
    yield "DTM", "405", f"{payment.paid_on:%Y%m%d}"
    yield "N1", "PR", payment.payer.name
    yield from _address(payment.payer)
    yield "PER", "BL", payment.payer.name
    yield "N1", "PE", payment.payee.name, "FI", payment.payee.tax_id
    yield from _address(payment.payee)
    yield "LX", "1"
    for claim in payment.claims:
        yield from _claim(claim)
    if total < 0:
        fiscal = f"{payment.paid_on.year}1231"
        yield "PLB", payment.payee.tax_id, fiscal, "FB", format_yuan(Fen(total))


def _bank(payment: Remittance, amount: str, method: str) -> Sequence[str]:
    blank = [""] * 11
    return "BPR", "I" if method == "BOP" else "H", amount, "C", method, *blank, f"{payment.paid_on:%Y%m%d}"


def _address(party: Party) -> Iterator[Sequence[str]]:
    yield "N3", party.street
    yield "N4", party.city, "", party.postcode, party.country


def _claim(claim: ClaimPayment) -> Iterator[Sequence[str]]:
    patient = sum(one.fen for one in claim.adjustments if one.group == "PR")
    owed = format_yuan(Fen(patient)) if patient and claim.status != _REVERSAL else ""
    amounts = format_yuan(claim.charge_fen), format_yuan(claim.paid_fen), owed
    yield "CLP", claim.visit, claim.status, *amounts, _INDEMNITY, claim.claim_id
    by_group: dict[str, list[Adjustment]] = {}
    for one in claim.adjustments:
        by_group.setdefault(one.group, []).append(one)
    for group, ones in by_group.items():
        for at in range(0, len(ones), 6):
            triplets = [(one.reason, format_yuan(one.fen), "") for one in ones[at : at + 6]]
            yield "CAS", group, *(text for triplet in triplets for text in triplet)
    yield "NM1", "QC", "1"
    yield "DTM", "232", f"{claim.first_day:%Y%m%d}"
    yield "DTM", "233", f"{claim.last_day:%Y%m%d}"
