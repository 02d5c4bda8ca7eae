"""Pay: send what is due, ask about what is open, confirm on chain what is settled. Exactly once.

The payout id is stored before the order is sent and is the bank's idempotency key for ever. An order
whose fate is unknown is asked about; it is sent again only under the same id.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice

import structlog
from sqlmodel import Session

from engine.chain.batching import in_parts
from engine.chain.contracts import Confirmation, Liveness
from engine.chain.contracts import PayoutState as OnChainPayout
from engine.chain.errors import ContractRefused
from engine.evidence.documents import Payment, coverage_document, payment_document
from engine.evidence.manifest import hex32, payout_digest
from engine.payout.errors import BankError, BankRefusedRequest
from engine.payout.port import TransferOrder, TransferResult, TransferStatus
from engine.pipeline.context import Context
from engine.pipeline.reversal import take_back
from engine.pipeline.sealed import claim_salts, coverage, policy_salts
from engine.pipeline.set_off import recover_all
from engine.pipeline.states import (
    CLAIM_MOVES,
    PAYOUT_MOVES,
    ClaimState,
    PayoutState,
    move_claim,
    move_payout,
)
from engine.pipeline.touched import touch, touch_others
from engine.pipeline.values import raw, stored
from engine.store import claims, set_offs, settlements, tables

ACTOR = "engine: pay"
_LOOK_PAST = 10
"""Of so many batches of payouts whose confirmation waits for its depth, the next is still sent."""
_NOT_AT_THE_BANK = (PayoutState.DUE, PayoutState.SUBMITTED, PayoutState.UNKNOWN)
"""…if the bank says so."""
OPEN = (PayoutState.SUBMITTED, PayoutState.ACCEPTED, PayoutState.UNKNOWN)
_STATE_OF = {
    TransferStatus.ACCEPTED: PayoutState.ACCEPTED,
    TransferStatus.SETTLED: PayoutState.SETTLED,
    TransferStatus.REFUSED: PayoutState.REFUSED,
    TransferStatus.RETURNED: PayoutState.RETURNED,
    TransferStatus.UNKNOWN: PayoutState.UNKNOWN,
}
log = structlog.get_logger()


def submit_batch(ctx: Context, batch_id: str) -> int:
    """Send every due order of the batch; returns how many were sent. Safe to repeat at any point.

    What an interrupted call may have sent is asked about, never sent blindly.
    """
    with ctx.database.reading() as session:
        held = claims.payout_batch(session, batch_id, (PayoutState.DUE, PayoutState.SUBMITTED))
    ask_about_open(ctx, [payout.payout_id for payout in held if payout.state == PayoutState.SUBMITTED])
    orders = _cleared(ctx, [payout.payout_id for payout in held if payout.state == PayoutState.DUE])
    _send(ctx, orders)
    return len(orders)


def _cleared(ctx: Context, payout_ids: Sequence[str]) -> list[TransferOrder]:
    """Of orders that the bank does not have: those that may still go, marked as submitted before they do.

    Consent is checked here, each time anew: whatever made an order wait, it may have been withdrawn since.
    """
    consent = _consent_now(ctx, payout_ids)
    orders = []
    with ctx.database.transaction() as session:
        for payout, claim in claims.payouts_with_claims(session, payout_ids, lock=True):
            if payout.state == PayoutState.ACCEPTED:
                log.error("bank.lost_an_order", payout_id=payout.payout_id)
            elif payout.state not in _NOT_AT_THE_BANK:
                continue  # its result came meanwhile
            elif not _may_be_paid(ctx, session, claim, payout, consent[payout.payout_id]):
                continue
            elif payout.state != PayoutState.SUBMITTED:
                payout.submitted_at = payout.submitted_at or ctx.clock()
                move_payout(session, payout, PayoutState.SUBMITTED)
            orders.append(_order(ctx, payout))
    return orders


def _consent_now(ctx: Context, payout_ids: Sequence[str]) -> dict[str, Liveness]:
    """What the chain says of each payout's authorization; asked outside any transaction that writes."""
    if not payout_ids:
        return {}
    at_s = ctx.chain.chain_time()
    with ctx.database.reading() as session:
        asked = [
            (payout.payout_id, session.get_one(tables.Authorization, claim.authorization_id))
            for payout, claim in claims.payouts_with_claims(session, payout_ids)
        ]
    registry = ctx.chain.registry
    return {
        payout_id: registry.liveness(row.authorization_id, row.scope, row.subject, at_s)
        for payout_id, row in asked
    }


def _may_be_paid(
    ctx: Context, session: Session, claim: tables.Claim, payout: tables.Payout, liveness: Liveness
) -> bool:
    if claim.state != ClaimState.RECORDED:
        move_payout(session, payout, PayoutState.CANCELLED)
        return False
    if settlements.reversal_of(session, claim.settlement_id) is not None:
        move_payout(session, payout, PayoutState.CANCELLED)
        take_back(ctx, session, claim, ACTOR, "never paid")
        return False
    if claim.record_tx is None:
        return False  # a reorganisation undid the recording: the order waits for the next
    if liveness is Liveness.LIVE:
        return True
    move_payout(session, payout, PayoutState.CANCELLED)
    code = f"consent.{liveness.name.lower()}"
    claim.reasons = [
        {
            "code": code,
            "message_en": "Consent was withdrawn or ran out before the payment.",
            "message_zh": "付款前授权已撤回或到期。",
        }
    ]
    paid = set_offs.settled_fen(session, stored(claim.id)) > 0
    state = ClaimState.REVIEW if paid else ClaimState.NO_CONSENT
    move_claim(session, claim, state, actor=ACTOR, reason=code, clock=ctx.clock)
    touch_others(ctx, session, claim)
    return False


def ask_about_open(ctx: Context, payout_ids: Sequence[str]) -> None:
    """Ask the bank about orders without a result; send again, under the same id, what it never got.

    An order that the bank never got and that must not be paid any more is cancelled instead.
    """
    missing, results = [], []
    for payout_id, outcome in zip(payout_ids, ctx.bank.query_many(payout_ids), strict=True):
        if isinstance(outcome, BankError):
            log.warning("bank.query_failed", payout_id=payout_id, error=str(outcome))
        elif outcome.status is TransferStatus.NOT_FOUND:
            missing.append(payout_id)
        else:
            results.append(outcome)
    _keep_results(ctx, results)
    if missing:
        _send(ctx, _cleared(ctx, missing))


def _send(ctx: Context, orders: Sequence[TransferOrder]) -> None:
    results = []
    for order, outcome in zip(orders, ctx.bank.submit_many(orders), strict=True):
        if isinstance(outcome, BankRefusedRequest) and _will_never_be_taken(outcome):
            said = f"{outcome.bank_code} {outcome.field or ''}".strip()
            results.append(TransferResult(order.payout_id, TransferStatus.REFUSED, reason=said))
        elif isinstance(outcome, BankError):
            # It stays submitted: the next round asks the bank what it has.
            log.warning("bank.submit_failed", payout_id=order.payout_id, error=str(outcome))
        elif outcome.status is not TransferStatus.NOT_FOUND:
            results.append(outcome)
    _keep_results(ctx, results)


def _keep_results(ctx: Context, results: Iterable[TransferResult]) -> None:
    """Each for itself, all in as few commits as may be. What cannot be kept now is asked about again."""
    kept = [(result.payout_id, ctx.writer.submit(partial(_apply, ctx, result))) for result in results]
    for payout_id, future in kept:
        error = future.exception()
        if error is not None:
            log.error("bank.result_not_kept", payout_id=payout_id, exc_info=error)


def _will_never_be_taken(refusal: BankRefusedRequest) -> bool:
    """The bank's own word that this order is malformed, not a stranger's answer and not one about our key."""
    return refusal.http_status in (400, 422) and refusal.bank_code != "unspecified"


def bank_result(ctx: Context, result: TransferResult) -> None:
    """Apply the bank's word on one transfer; returns after the commit. Repeats change nothing."""
    ctx.writer.run(partial(_apply, ctx, result))


def _apply(ctx: Context, result: TransferResult, session: Session) -> None:
    found = claims.payouts_with_claims(session, [result.payout_id], lock=True)
    if not found:
        log.error("bank.unknown_payout", payout_id=result.payout_id)
        return
    payout, claim = found[0]
    state = _STATE_OF[result.status]
    if state not in PAYOUT_MOVES[PayoutState(payout.state)]:
        return  # known already, or overtaken by a later word
    payout.bank_ref = result.bank_ref or payout.bank_ref
    payout.bank_reason = result.reason
    if result.status in (TransferStatus.SETTLED, TransferStatus.RETURNED) and payout.settled_at is None:
        payout.settled_at = result.settled_at or ctx.clock()
        _keep_payment(ctx, session, claim, payout)
        _claim_paid(ctx, session, claim, payout)
    move_payout(session, payout, state)
    if state is PayoutState.REFUSED:
        _claim_refused_by_bank(ctx, session, claim, result.reason)
    elif state is PayoutState.RETURNED:
        _claim_returned(ctx, session, claim, payout.version, result.reason or "returned")


def _claim_paid(ctx: Context, session: Session, claim: tables.Claim, payout: tables.Payout) -> None:
    reason = f"transfer {payout.bank_ref} settled"
    move_claim(session, claim, ClaimState.PAID, actor="bank", reason=reason, clock=ctx.clock)
    if settlements.reversal_of(session, claim.settlement_id) is not None:
        # The hospital took the settlement back while the money was on its way.
        claim.recovery_fen = set_offs.settled_fen(session, stored(claim.id)) + payout.amount_fen
        move_claim(
            session,
            claim,
            ClaimState.RECOVERY_DUE,
            actor=ACTOR,
            reason="reversed while being paid",
            clock=ctx.clock,
        )
        touch(ctx, session, claim)


def _claim_returned(ctx: Context, session: Session, claim: tables.Claim, version: int, reason: str) -> None:
    """The payment of some version came back: there is less to recover, or again something to pay.

    While a later version is on its way nothing moves. One that the chain does not have yet will pay what is
    due by then; the amount of one that it has stands, and the rest is due again once that is confirmed.
    """
    if claim.state == ClaimState.RECOVERY_DUE:
        recover_all(ctx, session, claim)
        if not claim.recovery_fen and not claims.paid_fen(session, stored(claim.id)):
            move_claim(session, claim, ClaimState.REVERSED, actor="bank", reason=reason, clock=ctx.clock)
    elif claim.state == ClaimState.PAID and version < claim.version:
        pass  # a superseded version cannot be confirmed any more, so this one is confirmed first
    elif ClaimState.RETURNED in CLAIM_MOVES[ClaimState(claim.state)]:
        settled = set_offs.settled_fen(session, stored(claim.id))
        claim.recovery_fen = max(settled - claim.payable_fen, 0)
        move_claim(session, claim, ClaimState.RETURNED, actor="bank", reason=reason, clock=ctx.clock)
    session.add(claim)


def _claim_refused_by_bank(ctx: Context, session: Session, claim: tables.Claim, reason: str | None) -> None:
    if settlements.reversal_of(session, claim.settlement_id) is not None:
        take_back(ctx, session, claim, ACTOR, "never paid")
        return
    claim.reasons = [
        {
            "code": "payout.refused",
            "message_en": f"The bank refused the transfer: {reason}. Correct the payee, then decide again.",
            "message_zh": f"银行拒绝付款：{reason}。请更正收款信息后重新处理。",
        }
    ]
    move_claim(session, claim, ClaimState.REVIEW, actor="bank", reason=f"refused: {reason}", clock=ctx.clock)


def _keep_payment(ctx: Context, session: Session, claim: tables.Claim, payout: tables.Payout) -> None:
    policy = session.get_one(tables.Policy, payout.policy_id)
    authorization = session.get_one(tables.Authorization, claim.authorization_id)
    covered = coverage_document(
        coverage(ctx.vault, policy), policy_salts(ctx.vault, policy), raw(authorization.subject)
    )
    if payout.settled_at is None or payout.bank_ref is None:
        raise LookupError(f"payout {payout.payout_id} is settled without a time or the bank's reference")
    set_off_fen = set_offs.net_fen(session, stored(claim.id))
    payment = Payment(
        payout_id=payout.payout_id,
        version=payout.version,
        amount_fen=payout.amount_fen,
        previously_paid_fen=claim.payable_fen - payout.amount_fen - set_off_fen,
        set_off_fen=set_off_fen,
        bank_ref=payout.bank_ref,
        settled_at=payout.settled_at,
    )
    payout.payment_document = payment_document(payment, covered["payee_commitment"])
    payout.payout_digest = hex32(payout_digest(payout.payment_document, claim_salts(ctx.vault, claim)))


def confirm_settled(ctx: Context, limit: int) -> int:
    """Put the confirmation of settled payouts on chain, at most `limit`; returns how many were sent."""
    with ctx.database.reading() as session:
        settled = [
            Confirmation(
                raw(session.get_one(tables.Claim, p.claim_id).claim_key), p.version, raw(p.payout_digest)
            )
            for p in claims.payouts_to_confirm(session, _LOOK_PAST * limit)
        ]
    # Some were sent before and wait for their depth: the chain knows which.
    standing = ctx.chain.results.payout_state_of
    to_send = (item for item in settled if standing(item.claim_key, item.version) is OnChainPayout.RECORDED)
    waiting = list(islice(to_send, limit))
    for part in in_parts(waiting, ctx.chain.results.confirm_payouts):
        if isinstance(part.outcome, ContractRefused):
            raise part.outcome
    return len(waiting)


def _order(ctx: Context, payout: tables.Payout) -> TransferOrder:
    order = TransferOrder(**ctx.vault.unseal_json(payout.order_sealed, f"payout.order/{payout.payout_id}"))
    if order.body_digest().hex() != payout.order_digest:
        raise LookupError(f"the order of payout {payout.payout_id} is not the one that was first sent")
    return order
