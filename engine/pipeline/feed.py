"""The chain triggers: a payout is due because its result stands on chain, confirmed, and for no other reason.

Events are read in order from a cursor that moves in the same transaction as their effects, so that a
restart loses none and repeats none.
"""

from dataclasses import asdict

import structlog
from sqlmodel import Session

from engine.chain.events import ChainEvent
from engine.money import Fen
from engine.payout.port import TransferOrder
from engine.pipeline.context import Context
from engine.pipeline.decide import claim_policy_id
from engine.pipeline.sealed import coverage
from engine.pipeline.states import ClaimState, PayoutState, move_claim, move_payout
from engine.pipeline.values import stored
from engine.store import claims, tables

ACTOR = "chain event"
RECORDED = ("ResultRecorded", "ResultSuperseded")
"""The two events that trigger a payout: of a claim's first version, and of every later one."""
_CURSOR = "payouts"
_BLOCKS_AT_ONCE = 500
_REWIND_BLOCKS = 64
log = structlog.get_logger()


def read_events(ctx: Context) -> int:
    """Handle the confirmed events that are new; returns how many there were."""
    confirmed = ctx.chain.confirmed_block()
    with ctx.database.reading() as session:
        cursor = claims.cursor(session, _CURSOR) or tables.ChainCursor(
            name=_CURSOR, next_block=ctx.chain.deployment.block
        )
    if cursor.last_block_hash is not None and not _still_canonical(ctx, cursor):
        # What was read has been replaced. Effects are idempotent by version, so reading again is safe.
        cursor.next_block = max(ctx.chain.deployment.block, cursor.next_block - _REWIND_BLOCKS)
        log.warning("chain.reorganised", read_again_from=cursor.next_block)
    if cursor.next_block > confirmed:
        return 0
    last = min(confirmed, cursor.next_block + _BLOCKS_AT_ONCE - 1)
    events = ctx.chain.events(cursor.next_block, last)
    cursor.next_block, cursor.last_block_hash = last + 1, ctx.chain.block_hash(last)
    with ctx.database.transaction() as session:
        for event in events:
            handle_event(ctx, session, event)
        session.merge(cursor)
    return len(events)


def _still_canonical(ctx: Context, cursor: tables.ChainCursor) -> bool:
    return ctx.chain.block_hash(cursor.next_block - 1) == cursor.last_block_hash


def handle_event(ctx: Context, session: Session, event: ChainEvent) -> None:
    """Idempotent: an event handled before changes nothing."""
    if event.name in RECORDED:
        _recorded(ctx, session, event)
    elif event.name == "PayoutConfirmed":
        _confirmed(ctx, session, event)


def _recorded(ctx: Context, session: Session, event: ChainEvent) -> None:
    claim = claims.by_name(session, event.args["claimKey"], lock=True)
    if claim is None:
        log.error("chain.foreign_result", claim_key=event.args["claimKey"], tx=event.tx_hash)
        return
    version = event.args.get("version", 1)  # a first recording names none
    if version != claim.version:
        return  # superseded since: what this version was is not what the claim is now
    claim.record_tx, claim.task_id = event.tx_hash, event.args["taskId"]
    session.add(claim)
    if claim.state != ClaimState.DECIDED:
        return  # handled before, or taken back: nothing is to be paid for it
    if event.args["resultDigest"] != claim.result_digest:
        _to_review(ctx, session, claim, "record.other_digest")
        return
    amount = claim.payable_fen - _paid_before(session, claim)
    if amount <= 0:
        _to_review(ctx, session, claim, "payout.nothing_left")
        return
    order = _order(ctx, session, claim, amount)
    if isinstance(order, str):
        _to_review(ctx, session, claim, order)
        return
    payout_id = order.payout_id
    move_claim(
        session,
        claim,
        ClaimState.RECORDED,
        actor=ACTOR,
        reason=f"{event.name} in {event.tx_hash}",
        clock=ctx.clock,
    )
    session.add(
        tables.Payout(
            payout_id=payout_id,
            claim_id=stored(claim.id),
            policy_id=claim_policy_id(claim),
            settlement_id=claim.settlement_id,
            version=version,
            amount_fen=amount,
            state=PayoutState.DUE,
            trigger_tx=event.tx_hash,
            trigger_block=event.block_number,
            trigger_log_index=event.log_index,
            order_sealed=ctx.vault.seal_json(asdict(order), f"payout.order/{payout_id}"),
            order_digest=order.body_digest().hex(),
            created_at=ctx.clock(),
        )
    )


def _order(ctx: Context, session: Session, claim: tables.Claim, amount: int) -> TransferOrder | str:
    """The order for a new payout, or the code of what keeps it from being written."""
    policy = session.get_one(tables.Policy, claim_policy_id(claim))
    payee = coverage(ctx.vault, policy).get("payee")
    if payee is None:
        return "payout.no_payee"
    try:
        return TransferOrder(
            payout_id="po_" + ctx.rng(16).hex(),
            amount_fen=Fen(amount),
            payee_name=payee["name"],
            payee_account=payee["account"],
            payee_bank=payee["bank"],
            purpose=f"医疗保险理赔 {claim.claim_id}",
        )
    except ValueError:
        # A roll may name a payee as no order takes it; one such policy must not hold up the chain's feed.
        return "payout.payee_invalid"


def _paid_before(session: Session, claim: tables.Claim) -> int:
    kept = (PayoutState.SETTLED, PayoutState.CONFIRMED)
    return sum(p.amount_fen for p in claims.payouts_of(session, stored(claim.id)) if p.state in kept)


def _confirmed(ctx: Context, session: Session, event: ChainEvent) -> None:
    claim = claims.by_name(session, event.args["claimKey"], lock=True)
    if claim is None:
        return
    payout = claims.payout_of(session, stored(claim.id), event.args["version"])
    if payout is None or payout.state != PayoutState.SETTLED:
        return
    payout.confirm_tx = event.tx_hash
    move_payout(session, payout, PayoutState.CONFIRMED)
    if claim.state == ClaimState.PAID:
        move_claim(
            session,
            claim,
            ClaimState.CONFIRMED,
            actor=ACTOR,
            reason=f"PayoutConfirmed in {event.tx_hash}",
            clock=ctx.clock,
        )


def _to_review(ctx: Context, session: Session, claim: tables.Claim, code: str) -> None:
    claim.reasons = [
        {
            "code": code,
            "message_en": "The recorded result cannot be paid as it stands.",
            "message_zh": "已记录的结果无法直接付款，需人工处理。",
        }
    ]
    move_claim(session, claim, ClaimState.REVIEW, actor=ACTOR, reason=code, clock=ctx.clock)
