"""What was paid too much on one claim is taken off what another claim of the policy is to be paid.

Booked in the transaction of the chain's event that would pay, so once whatever is killed. It moves no money
and changes no decision: over the policy, what was paid less what is to be recovered stays what is due.
"""

from sqlmodel import Session

from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState, move_claim
from engine.pipeline.values import stored
from engine.store import set_offs, tables
from engine.store.set_offs import SetOff

_AT_REST = (ClaimState.COVERED, ClaimState.RECOVERY_DUE)
"""Of a debtor on its way, what is to be recovered may be about to change."""


def most_to_set_off(session: Session, claim: tables.Claim, amount: int) -> int:
    """How much of a payment the policy's other claims have been paid already, fen."""
    owed = sum(debtor.recovery_fen for debtor in set_offs.debtors(session, claim, _AT_REST))
    return min(amount, owed)


def book(ctx: Context, session: Session, claim: tables.Claim, amount: int) -> None:
    """Take this much off what is to be recovered, from the oldest claim on."""
    for debtor in set_offs.debtors(session, claim, _AT_REST):
        part = min(amount, debtor.recovery_fen)
        if not part:
            return
        _add(ctx, session, debtor, stored(claim.id), claim.version, part)
        debtor.recovery_fen -= part
        session.add(debtor)
        amount -= part


def recover_all(ctx: Context, session: Session, claim: tables.Claim) -> None:
    """Of a claim that is taken back: whatever was paid is to be recovered, or was set off.

    What was set off and has come back from the bank itself is due again where it had been set off.
    """
    settled = set_offs.settled_fen(session, stored(claim.id))
    if settled < 0:
        _undo(ctx, session, claim, -settled)
    claim.recovery_fen = max(settled, 0)
    session.add(claim)


def _undo(ctx: Context, session: Session, debtor: tables.Claim, amount: int) -> None:
    reason = "what had been set off against it came back"
    for claim_id, version, fen in set_offs.against(session, stored(debtor.id)):
        part = min(amount, fen)
        if not part:
            return
        _add(ctx, session, debtor, claim_id, version, -part)
        amount -= part
        claim = session.get_one(tables.Claim, claim_id, with_for_update=True)
        if claim.state in (ClaimState.CONFIRMED, ClaimState.COVERED):
            move_claim(session, claim, ClaimState.RETURNED, actor="bank", reason=reason, clock=ctx.clock)
        elif claim.state == ClaimState.RECOVERY_DUE:
            claim.recovery_fen = max(set_offs.settled_fen(session, claim_id), 0)
            session.add(claim)


def _add(ctx: Context, session: Session, debtor: tables.Claim, claim_id: int, version: int, fen: int) -> None:
    session.add(
        SetOff(
            debtor_id=stored(debtor.id), claim_id=claim_id, version=version, amount_fen=fen, at=ctx.clock()
        )
    )
    session.flush()
