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
_MOST_CHARACTERS = 38
"""Of CLP01, the shortest of what others name."""
_SECONDARY, _REVERSAL = "2", "22"
_INDEMNITY: Final = "15"


@dataclass(frozen=True, slots=True)
class Party:
    """Names and address in the character set of X12. tax_id: nine digits of the payer; of a hospital, which
    has no such number here, its fixmedins_code."""

    name: str
    tax_id: str
    street: str
    city: str
    postcode: str
    country: str = "CN"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Why a part of the charge is not paid to the hospital: group (PR the patient's, CO by contract, OA
    other), and code of the list of claim adjustment reasons: 1 deductible, 2 co-insurance, 23 paid by a payer
    before, 45 beyond what is agreed, 94 more than the charge, 96 not covered, 100 paid to the patient (PR
    alone: X12's interpretation 1812), 119 limit reached."""

    group: str
    reason: str
    fen: Fen


@dataclass(frozen=True, slots=True)
class ClaimPayment:
    """charge = paid + the sum of the adjustments. What takes an earlier one back has all three negative."""

    visit: str
    """CLM01 of the claim: the hospital's mdtrt_id."""
    claim_id: str
    """The payer's own; with the version of its decision it is the ICN of 835."""
    version: int
    charge_fen: Fen
    paid_fen: Fen
    """To the hospital."""
    adjustments: tuple[Adjustment, ...]
    first_day: date
    last_day: date

    @property
    def status(self) -> str:
        """CLP02: reversal, or processed after the basic insurance, whatever it came to. Denied (4) is for a
        patient whom the payer does not know (interpretation 1423)."""
        return _REVERSAL if self.charge_fen < 0 else _SECONDARY


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


def is_writable(text: str) -> bool:
    """Whether it can stand in every element that is written from what others name."""
    return 0 < len(text) <= _MOST_CHARACTERS and _PLAIN.fullmatch(text) is not None


def remittance(payments: Sequence[Remittance], control: int, at: datetime) -> bytes:
    """The interchange, ASCII, with a transaction a payment. `control` numbers it, `at` is its time. No
    patient is named in it: the hospital knows its visit. Raises ValueError where the sums do not balance or a
    text cannot stand in X12.
    """
    for claim in (claim for payment in payments for claim in payment.claims):
        if claim.charge_fen != claim.paid_fen + sum(one.fen for one in claim.adjustments):
            raise ValueError(f"claim {claim.claim_id}: charge is not paid + adjustments")
    if not payments or not all(payment.claims for payment in payments):
        raise ValueError("a remittance has at least one claim")
    out = io.StringIO()
    writer = X12Writer(out, subele_term=":")
    for elements in _segments(payments, control, at):
        for text in elements:
            if _PLAIN.fullmatch(text) is None and elements[0] != "ISA":
                raise ValueError(f"{elements[0]} holds a character that X12 has not, or uses as a separator")
        writer.Write(Segment("*".join(elements).rstrip("*"), "~", "*", ":", "^"))
    writer.Close()
    return out.getvalue().encode("ascii")


def _segments(payments: Sequence[Remittance], control: int, at: datetime) -> Iterator[Sequence[str]]:
    sender, receiver = payments[0].sender, payments[0].receiver
    yield (
        *("ISA", "00", " " * 10, "00", " " * 10, "ZZ", f"{sender:15}", "ZZ"),
        *(f"{receiver:15}", f"{at:%y%m%d}", f"{at:%H%M}", "^", "00501", f"{control:09d}", "0", "P", ":"),
    )
    yield "GS", "HP", sender, receiver, f"{at:%Y%m%d}", f"{at:%H%M}", str(control), "X", GUIDE
    for number, payment in enumerate(payments, start=1):
        yield "ST", "835", f"{number:04d}"
        yield from _transaction(payment)
        yield ("SE",)  # the writer counts


def _transaction(payment: Remittance) -> Iterator[Sequence[str]]:
    total = sum(claim.paid_fen for claim in payment.claims)
    # What is recovered moves by itself; a remittance of it states that nothing is paid.
    amount, method = (format_yuan(Fen(total)), "BOP") if total > 0 else ("0.00", "NON")
    yield _bank(payment, amount, method)
    yield "TRN", "1", payment.trace, f"1{payment.payer.tax_id}"
    yield "CUR", "PR", "CNY"
    yield "DTM", "405", f"{payment.paid_on:%Y%m%d}"
    yield "N1", "PR", payment.payer.name
    yield from _address(payment.payer)
    yield "PER", "BL", payment.payer.name
    yield "N1", "PE", payment.payee.name, "FI", payment.payee.tax_id
    if payment.payee.street:
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
    yield "CLP", claim.visit, claim.status, *amounts, _INDEMNITY, f"{claim.claim_id}-{claim.version}"
    by_group: dict[str, list[Adjustment]] = {}
    for one in claim.adjustments:
        by_group.setdefault(one.group, []).append(one)
    for group, ones in by_group.items():
        for at in range(0, len(ones), 6):
            triplets = [(one.reason, format_yuan(one.fen), "") for one in ones[at : at + 6]]
            yield "CAS", group, *(text for triplet in triplets for text in triplet)
    yield "NM1", "QC", "1"
    yield "REF", "F8", claim.claim_id
    yield "DTM", "232", f"{claim.first_day:%Y%m%d}"
    yield "DTM", "233", f"{claim.last_day:%Y%m%d}"
