"""What a reorganisation took off the chain: first it counts as not there, then it is put there again.

A claim's `record_tx` and `reverse_tx` and a payout's `confirm_tx` are empty while the chain does not hold
them. No state moves back: money that the bank may have cannot be called back, it can only be shown again
why it was sent. An order that the bank does not have yet waits until its result stands again.
"""

import structlog
from sqlmodel import Session

from engine.chain.contracts import RECORDINGS, recorded_version
from engine.pipeline import record
from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState
from engine.pipeline.values import stored
from engine.store import claims, tables

log = structlog.get_logger()


def withdraw(session: Session, event: tables.GivenEvent) -> None:
    """Undo that this event stands on chain. What the next step gives again finds its row as it is."""
    log.warning("chain.withdrawn", name=event.name, tx=event.tx_hash, block=event.block_number)
    claim = claims.by_name(session, event.args["claimKey"], lock=True)
    if claim is None:
        return
    if event.name == "PayoutConfirmed":
        payout = claims.payout_of(session, stored(claim.id), event.args["version"])
        if payout is not None and payout.confirm_tx == event.tx_hash:
            payout.confirm_tx = None
            session.add(payout)
    elif recorded_version(event.args) != claim.version:
        return
    elif event.name in RECORDINGS and claim.record_tx == event.tx_hash:
        claim.record_tx = None
    elif event.name == "ResultReversed" and claim.reverse_tx == event.tx_hash:
        claim.reverse_tx = None
    session.add(claim)


def put_back(ctx: Context, limit: int) -> int:
    """Record again what the chain has lost, at most `limit` results; returns how many went.

    Confirmations and reversals that are gone are sent by those who send them anyway.
    """
    return _let_go(ctx, limit) + record.record_again(ctx, limit)


def _let_go(ctx: Context, limit: int) -> int:
    """Decided claims whose recording was undone before it was confirmed: the next batch takes them."""
    with ctx.database.reading() as session:
        waiting = {claim.record_tx for claim in claims.in_record(session, ClaimState.DECIDED, limit)}
    undone = {tx for tx in waiting if ctx.chain.request("eth_getTransactionReceipt", [tx]) is None}
    if not undone:
        return 0
    gone = 0
    with ctx.database.transaction() as session:
        for claim in claims.in_record(session, ClaimState.DECIDED, limit, lock=True):
            if claim.record_tx in undone:
                claim.record_tx = claim.batch_id = None
                session.add(claim)
                gone += 1
    log.warning("chain.recording_undone", claims=gone)
    return gone
