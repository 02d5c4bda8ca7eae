"""The chain triggers: a payout is due because its result stands on chain, confirmed, and for no other reason.

Events are read in order from a cursor that moves in the same transaction as their effects, so that a
restart loses none and repeats none. Those that a reorganisation undoes are withdrawn in the same way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import structlog
from sqlmodel import Session

from engine.chain.client import ChainClient
from engine.chain.contracts import RECORDINGS, recorded_version
from engine.chain.events import ChainEvent
from engine.chain.feed import Block, Position, next_step
from engine.money import Fen
from engine.payout.port import TransferOrder
from engine.pipeline.context import Context
from engine.pipeline.decide import claim_policy_id
from engine.pipeline.sealed import coverage
from engine.pipeline.set_off import book, most_to_set_off
from engine.pipeline.states import ClaimState, PayoutState, move_claim, move_payout
from engine.pipeline.undone import withdraw
from engine.pipeline.values import stored
from engine.store import claims, set_offs, tables

ACTOR = "chain event"
_CURSOR = "payouts"
_OF_CLAIMS = (*RECORDINGS, "PayoutConfirmed", "ResultReversed")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Results:
    """The store's events alone: an enrolment of millions is not read through for its results."""

    chain: ChainClient

    def confirmed_block(self) -> int:
        return self.chain.confirmed_block()

    def hash_at(self, number: int) -> str | None:
        return self.chain.hash_at(number)

    def events(self, from_block: int, to_block: int) -> list[ChainEvent]:
        events = self.chain.events_of(self.chain.results, from_block, to_block)
        return [event for event in events if event.name in _OF_CLAIMS]


def read_events(ctx: Context) -> int:
    """Handle the confirmed events that are new, or withdraw those that are undone; returns how many."""
    start = ctx.chain.deployment.block
    with ctx.database.reading() as session:
        held = claims.cursor(session, _CURSOR)
    position = Position(start) if held is None else _position(held)
    step = next_step(_Results(ctx.chain), start, position, lambda block: _given_below(ctx, block))
    if step is None:
        return 0
    undone_events: Sequence[tables.GivenEvent] = ()
    with ctx.database.transaction() as session:
        if step.withdrawn_from is not None:
            undone_events = claims.given_from(session, step.withdrawn_from)
        for row in undone_events:
            withdraw(session, row)
            session.delete(row)
        for event in step.events:
            handle_event(ctx, session, event)
            session.add(_given(event))
        session.merge(_cursor(step.position))
    return len(undone_events) + len(step.events)


def _position(cursor: tables.ChainCursor) -> Position:
    if cursor.last_block_hash is None:
        return Position(cursor.next_block)
    return Position(cursor.next_block, Block(cursor.next_block - 1, cursor.last_block_hash))


def _cursor(position: Position) -> tables.ChainCursor:
    read_hash = position.read.hash if position.read is not None else None
    return tables.ChainCursor(name=_CURSOR, next_block=position.next_block, last_block_hash=read_hash)


def _given_below(ctx: Context, block_number: int) -> Block | None:
    with ctx.database.reading() as session:
        row = claims.given_below(session, block_number)
    return None if row is None else Block(row.block_number, row.block_hash)


def _given(event: ChainEvent) -> tables.GivenEvent:
    return tables.GivenEvent(
        block_number=event.block_number,
        log_index=event.log_index,
        block_hash=event.block_hash,
        tx_hash=event.tx_hash,
        name=event.name,
        args=event.args,
    )


def handle_event(ctx: Context, session: Session, event: ChainEvent) -> None:
    """Idempotent: an event handled before changes nothing."""
    if event.name in RECORDINGS:
        _recorded(ctx, session, event)
    elif event.name == "PayoutConfirmed":
        _confirmed(ctx, session, event)


def _recorded(ctx: Context, session: Session, event: ChainEvent) -> None:
    claim = claims.by_name(session, event.args["claimKey"], lock=True)
    if claim is None:
        log.error("chain.foreign_result", claim_key=event.args["claimKey"], tx=event.tx_hash)
        return
    version = recorded_version(event.args)
    if version != claim.version:
        return  # superseded since: what this version was is not what the claim is now
    claim.record_tx, claim.task_id = event.tx_hash, event.args["taskId"]
    session.add(claim)
    payout = claims.payout_of(session, stored(claim.id), version)
    if payout is not None:
        # Handled before; after a reorganisation its result stands elsewhere.
        payout.trigger_tx, payout.trigger_block = event.tx_hash, event.block_number
        payout.trigger_log_index = event.log_index
        session.add(payout)
        return
    if claim.state != ClaimState.DECIDED:
        return  # taken back: nothing is to be paid for it
    if event.args["resultDigest"] != claim.result_digest:
        _to_review(ctx, session, claim, "record.other_digest")
        return
    due = claim.payable_fen - set_offs.settled_fen(session, stored(claim.id))
    claim.recovery_fen = max(-due, 0)
    off = most_to_set_off(session, claim, due) if due > 0 else 0
    amount = due - off
    if amount <= 0:
        book(ctx, session, claim, off)
        reason = f"{event.name} in {event.tx_hash}: {claim.recovery_fen} fen to recover, {off} set off"
        move_claim(session, claim, ClaimState.COVERED, actor=ACTOR, reason=reason, clock=ctx.clock)
        return
    order = _order(ctx, session, claim, amount)
    if isinstance(order, str):
        _to_review(ctx, session, claim, order)
        return
    book(ctx, session, claim, off)
    payout_id = order.payout_id
    move_claim(
        session,
        claim,
        ClaimState.RECORDED,
        actor=ACTOR,
        reason=f"{event.name} in {event.tx_hash}" + (f": {off} fen set off" if off else ""),
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


def _confirmed(ctx: Context, session: Session, event: ChainEvent) -> None:
    claim = claims.by_name(session, event.args["claimKey"], lock=True)
    if claim is None:
        return
    payout = claims.payout_of(session, stored(claim.id), event.args["version"])
    if payout is None or payout.state not in (PayoutState.SETTLED, PayoutState.CONFIRMED):
        return
    payout.confirm_tx = event.tx_hash
    if payout.state == PayoutState.CONFIRMED:
        session.add(payout)  # after a reorganisation it is confirmed elsewhere
        return
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
        still_due = claim.payable_fen - set_offs.settled_fen(session, stored(claim.id))
        if still_due > 0:
            # While this version was with the bank, the payment of an earlier one came back.
            reason = f"an earlier version's payment came back: {still_due} fen are due again"
            move_claim(session, claim, ClaimState.RETURNED, actor=ACTOR, reason=reason, clock=ctx.clock)


def _to_review(ctx: Context, session: Session, claim: tables.Claim, code: str) -> None:
    claim.reasons = [
        {
            "code": code,
            "message_en": "The recorded result cannot be paid as it stands.",
            "message_zh": "已记录的结果无法直接付款，需人工处理。",
        }
    ]
    move_claim(session, claim, ClaimState.REVIEW, actor=ACTOR, reason=code, clock=ctx.clock)
