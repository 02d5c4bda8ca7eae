"""What came of a hospital's settlement, as X12 835: from what is kept, whichever way the settlement came.

The money goes to the insured, so each transaction pays the hospital nothing, says what the patient was given
(CAS PR 100), and is traced by the payout under which the bank gave it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from sqlmodel import Session

from engine.errors import Conflict
from engine.money import Fen
from engine.pipeline.context import SHANGHAI, Context
from engine.pipeline.reversal import held
from engine.pipeline.sealed import decision, settlement_body, settlement_document
from engine.pipeline.states import ClaimState, PayoutState
from engine.pipeline.values import not_erased, stored
from engine.settlement import Settlement
from engine.settlement.sources import x12_remittance as x12
from engine.settlement.sources.x12_remittance import Adjustment, ClaimPayment, Party, Remittance
from engine.store import claims, set_offs, tables

_SENDER: Final = "AUTOCLAIM"
_NUMBERS: Final = 10**9 - 1
"""Interchange control numbers have nine digits."""
_PAID: Final = (ClaimState.PAID, ClaimState.CONFIRMED, ClaimState.COVERED)
_NOTHING: Final = (ClaimState.NOTHING, ClaimState.REFUSED)
_MISSING: Final[Mapping[ClaimState, str]] = {
    ClaimState.ACCEPTED: "it has not been matched with a policy yet",
    ClaimState.MATCHED: "it has not been decided yet",
    ClaimState.UNINSURED: "no policy answers for the patient",
    ClaimState.NO_CONSENT: "the patient's consent is missing",
    ClaimState.REVIEW: "a person has to decide it",
    ClaimState.DECIDED: "its result is not on chain yet",
    ClaimState.RECORDED: "the bank has not paid it yet",
    ClaimState.RETURNED: "the bank sent the payment back, and it is due again",
}
_AT_THE_RATIO: Final = ("benefit.ratio", "benefit.tier")
_CUT: Final = (
    *("benefit.limit", "benefit.stay_cap", "benefit.cap"),
    *("total.shared_cap", "total.aggregate_cap", "total.indemnity"),
)
"""Steps of a decision that leave less than its ratio came to."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What the insured has, or had, of one claim."""

    claim: tables.Claim
    fen: int
    taken_back: bool
    payout: tables.Payout | None


def remittance(ctx: Context, hospital_code: str, setl_id: str) -> tuple[str, bytes]:
    """The claim's id, and the interchange of the settlement: a transaction a policy that answers for it, and
    the same bytes until something changes.

    Raises NotFound; Conflict `remittance.not_paid`, `remittance.taken_back`, `remittance.not_writable`,
    `remittance.withheld`, `claim.erased`.
    """
    with ctx.database.reading() as session:
        row, first = held(session, hospital_code, setl_id)
        not_erased(first)
        if row.withheld is not None:
            raise Conflict(
                "its provider withholds the settlement: what was charged, only the provider can tell",
                code="remittance.withheld",
            )
        given = _given(session, claims.of_settlement(session, stored(row.id)))
        bill = Settlement.parse(settlement_document(ctx.vault, row, first))
        visit = _visit(settlement_body(ctx.vault, row, first)["setlinfo"], setl_id)
        hospital = session.get_one(tables.Hospital, hospital_code)
        payments = [_payment(ctx, one, bill, visit, hospital) for one in given]
    number = int.from_bytes(hashlib.sha256(repr(payments).encode()).digest()) % _NUMBERS + 1
    at = _local(max(one.claim.updated_at for one in given))
    return first.claim_id, x12.remittance(payments, number, at)


def _given(session: Session, rows: Sequence[tables.Claim]) -> list[_Given]:
    """Of every claim that has come to its end; one that is still on its way holds all up."""
    given = []
    for claim in rows:
        claim_id, state = stored(claim.id), ClaimState(claim.state)
        if state in _MISSING:
            raise Conflict(
                f"claim {claim.claim_id} is {state}: {_MISSING[state]}", code="remittance.not_paid"
            )
        settled = (PayoutState.SETTLED, PayoutState.CONFIRMED)
        paid = [payout for payout in claims.payouts_of(session, claim_id) if payout.state in settled]
        payout = paid[-1] if paid else None
        if state in _PAID:
            fen = set_offs.settled_fen(session, claim_id) - claim.recovery_fen
            given.append(_Given(claim, fen, False, payout))
        elif state in _NOTHING:
            given.append(_Given(claim, 0, False, payout))
        elif state is ClaimState.RECOVERY_DUE:
            given.append(_Given(claim, set_offs.given_fen(session, claim_id), True, payout))
    if not given:
        raise Conflict("taken back, and nobody has its money: nothing is paid", code="remittance.taken_back")
    return given


def _visit(info: Mapping[str, Any], setl_id: str) -> str:
    """CLM01 of the hospital's own 837I; of a settlement that names no visit, its number."""
    named = (str(info.get("mdtrt_id") or setl_id), setl_id)
    for name in named:
        if x12.is_writable(name):
            return name
    raise Conflict(
        "neither mdtrt_id nor setl_id can stand in X12: at most 38 of its characters, none of them * ~ : ^",
        code="remittance.not_writable",
    )


def _payment(
    ctx: Context, one: _Given, bill: Settlement, visit: str, hospital: tables.Hospital
) -> Remittance:
    claim, payout = one.claim, one.payout
    adjustments = _adjustments(one.fen, bill, decision(ctx.vault, claim) or {})
    sign = -1 if one.taken_back else 1
    paid = ClaimPayment(
        visit=visit,
        claim_id=claim.claim_id,
        version=claim.version,
        charge_fen=Fen(sign * bill.total_fen),
        paid_fen=Fen(0),
        adjustments=tuple(Adjustment(*why, Fen(sign * fen)) for why, fen in adjustments.items() if fen),
        first_day=bill.admitted_on,
        last_day=bill.discharged_on,
    )
    name = hospital.name if x12.is_writable(hospital.name) else hospital.code
    at = payout.settled_at if payout is not None and not one.taken_back else None
    return Remittance(
        payer=Party(*ctx.settings.payer),
        payee=Party(name, hospital.code, "", "", ""),
        sender=_SENDER,
        receiver=hospital.code,
        trace=payout.payout_id if payout is not None else f"{claim.claim_id}-{claim.version}",
        paid_on=_local(at or claim.updated_at).date(),
        claims=(paid,),
    )


def _adjustments(given: int, bill: Settlement, decided: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """(group, reason) -> fen: all of the charge, since none of it is paid to the hospital. What the terms say
    of the rest is told where it is their amount that was given, and not a person's ruling."""
    charged = bill.total_fen
    told = {
        ("OA", "23"): bill.fund_fen,
        ("CO", "45"): charged - bill.fund_fen - bill.account_fen - bill.cash_fen,
        ("PR", "100"): given,
    }
    if decided and decided["payable_fen"] == given:
        told |= _of_the_terms(given, decided)
    rest = charged - sum(told.values())
    return {**told, (("PR", "96") if rest > 0 else ("OA", "94")): rest}


def _of_the_terms(given: int, decided: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Deductible, co-insurance and what limits cut off: eligible - given."""
    results = decided["benefits"]
    deductible = sum(one["deductible_fen"] for one in results)
    after = sum(one["eligible_fen"] for one in results) - deductible
    cut = 0
    if any(step["step"] in _CUT for step in decided["trace"]):
        came_to = [
            Decimal(step["out"]["calculated_yuan"].replace(",", ""))
            for step in decided["trace"]
            if step["step"] in _AT_THE_RATIO
        ]
        cut = int((sum(came_to, Decimal(0)) * 100).quantize(Decimal(1), ROUND_HALF_UP)) - given
    return {("PR", "1"): deductible, ("PR", "2"): after - given - cut, ("PR", "119"): cut}


def _local(at: datetime) -> datetime:
    return at.astimezone(SHANGHAI)
