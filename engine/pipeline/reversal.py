"""A hospital takes a settlement back: before it is decided, before it is paid, or after."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlmodel import Session

from engine.chain.contracts import PayoutState as OnChainPayout
from engine.errors import NotFound, Refused
from engine.evidence.canonical import commitment
from engine.evidence.manifest import hex32
from engine.pipeline import counting
from engine.pipeline.context import Context
from engine.pipeline.sealed import settlement_document
from engine.pipeline.set_off import recover_all
from engine.pipeline.states import ClaimState, PayoutState, move_claim, move_payout
from engine.pipeline.touched import touch
from engine.pipeline.values import not_erased, stored
from engine.settlement import (
    BodyRefused,
    Reversal,
    Settlement,
    SettlementInvalid,
    Violation,
    parse_body,
)
from engine.store import claims, quality, settlements, tables

_IN_FLIGHT = (PayoutState.SUBMITTED, PayoutState.ACCEPTED, PayoutState.UNKNOWN)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reversed:
    """`state` is the claim's: reversed, recovery_due, or still recorded while the bank holds the order."""

    setl_id: str
    claim_id: str
    state: str
    received_at: datetime
    created: bool


def reverse_settlement(
    ctx: Context, hospital_code: str, setl_id: str, raw: bytes, source: str = counting.NATIVE
) -> Reversed:
    """Keep the reversal and stop, or begin to recover, the payment. The same again answers the same.

    Counted for `source` in the commit that keeps it. Raises Refused, NotFound.
    """
    try:
        reversal = Reversal.parse(parse_body(raw), _original(ctx, hospital_code, setl_id))
    except (BodyRefused, SettlementInvalid) as error:
        raise _refused(error.violations) from error

    def keep(session: Session) -> Reversed:
        taken_back = _reverse(ctx, session, hospital_code, setl_id, raw, reversal.reason)
        # A record of a delivery that says it again is counted where it is marked, once whoever reads it.
        if taken_back.created or source == counting.NATIVE:
            whose = counting.of(ctx, hospital_code, source, ctx.clock())
            quality.add(session, {whose: counting.outcome("reversed" if taken_back.created else "repeated")})
        return taken_back

    return ctx.writer.run(keep)


def _original(ctx: Context, hospital_code: str, setl_id: str) -> Settlement | None:
    """What is taken back, with its own number again instead of the evidence's; None where only its provider
    has it."""
    with ctx.database.reading() as session:
        row, claim = held(session, hospital_code, setl_id)
    not_erased(claim)
    if row.withheld is not None:
        return None
    parsed = Settlement.parse(settlement_document(ctx.vault, row, claim))
    return replace(parsed, setl_id=setl_id)


def held(
    session: Session, hospital_code: str, setl_id: str, *, lock: bool = False
) -> tuple[tables.Settlement, tables.Claim]:
    """A hospital's settlement with the claim that it was accepted as. Raises NotFound."""
    found = settlements.by_setl_id(session, hospital_code, setl_id, lock=lock)
    if found is None:
        raise NotFound(f"this hospital has sent no settlement {setl_id}", code="settlement.unknown")
    return found


def _refused(violations: Sequence[Violation]) -> Refused:
    listed = [{"field": v.field, "rule": v.rule, "message": v.message} for v in violations]
    return Refused("reversal.invalid", f"{len(listed)} rule(s) broken", listed)


def _reverse(
    ctx: Context, session: Session, hospital_code: str, setl_id: str, raw: bytes, reason: str
) -> Reversed:
    _, claim = held(session, hospital_code, setl_id, lock=True)
    reversal = settlements.reversal_of(session, claim.settlement_id)
    if reversal is not None:
        return Reversed(setl_id, claim.claim_id, claim.state, reversal.received_at, created=False)
    now = ctx.clock()
    session.add(
        tables.Reversal(
            settlement_id=claim.settlement_id,
            body_sealed=ctx.vault.seal(raw, f"reversal.body/{claim.claim_id}"),
            reason_digest=hex32(commitment(ctx.rng(32), {"reversal": reason})),
            received_at=now,
        )
    )
    for one in claims.of_settlement(session, claim.settlement_id, lock=True):
        _stop(ctx, session, one, f"hospital {hospital_code}")
    return Reversed(setl_id, claim.claim_id, claim.state, now, created=True)


def _stop(ctx: Context, session: Session, claim: tables.Claim, actor: str) -> None:
    payouts = claims.payouts_of(session, stored(claim.id))
    if any(payout.state in _IN_FLIGHT for payout in payouts):
        return  # the bank holds the order: its result decides between reversed and recovery_due
    for payout in payouts:
        if payout.state == PayoutState.DUE:
            move_payout(session, payout, PayoutState.CANCELLED)
    take_back(ctx, session, claim, actor, "the hospital reversed the settlement")


def take_back(ctx: Context, session: Session, claim: tables.Claim, actor: str, reason: str) -> None:
    """Whatever was paid on any version is to be recovered, if it was not set off; others count without it."""
    recover_all(ctx, session, claim)
    paid = claim.recovery_fen or claims.paid_fen(session, stored(claim.id))
    to = ClaimState.RECOVERY_DUE if paid else ClaimState.REVERSED
    move_claim(session, claim, to, actor=actor, reason=reason, clock=ctx.clock)
    touch(ctx, session, claim)


def reverse_on_chain(ctx: Context, limit: int) -> int:
    """Say on chain what was taken back after it was recorded there; returns how many."""
    with ctx.database.reading() as session:
        waiting = [
            (claim.claim_id, claim.claim_key or "", reversal.reason_digest)
            for claim, reversal in settlements.reversed_on_record(session, limit)
        ]
    for claim_id, claim_key, reason_digest in waiting:
        tx_hash = "before"
        results = ctx.chain.results
        version = results.version_of(claim_key)
        if results.payout_state_of(claim_key, version) is not OnChainPayout.REVERSED:
            tx_hash = results.reverse(claim_key, version, reason_digest).tx_hash
        with ctx.database.transaction() as session:
            claim = claims.by_name(session, claim_id)
            if claim is not None:
                claim.reverse_tx = tx_hash
                session.add(claim)
    return len(waiting)
