"""Claims for the insurer: listed, explained line by line, and decided by a person where the terms cannot."""

from typing import Any

from sqlmodel import Session

from engine.adjudication.ruling import RulingInvalid, with_ruling
from engine.errors import Conflict, NotFound, Refused
from engine.pipeline import invoices
from engine.pipeline.context import Context
from engine.pipeline.decide import begin_version, claim_policy_id, decide, settle_decision
from engine.pipeline.lineage import reports_of
from engine.pipeline.page import Page
from engine.pipeline.sealed import decision, settlement_document
from engine.pipeline.states import ClaimState, PayoutState, move_claim
from engine.pipeline.touched import touch
from engine.pipeline.values import not_erased, stored
from engine.settlement import Settlement
from engine.store import claims, policies, provider_decisions, set_offs, tables

ACTIONS = ("pay", "refuse", "readjudicate")
_PAID = (PayoutState.SETTLED, PayoutState.CONFIRMED)


def list_claims(
    ctx: Context, state: str | None, hospital_code: str | None, product: str | None, after: int, limit: int
) -> Page:
    """In order of acceptance. Raises Refused for a state that does not exist."""
    if state is not None and state not in list(ClaimState):
        raise Refused(
            "claim.filter",
            "there is no such state",
            [{"field": "state", "rule": "claim.state", "message": f"one of {', '.join(ClaimState)}"}],
        )
    with ctx.database.reading() as session:
        rows = claims.page(
            session, state=state, hospital_code=hospital_code, product=product, after=after, limit=limit
        )
    return Page([_summary(*row) for row in rows], rows[-1][0].id if len(rows) == limit else None)


def _summary(claim: tables.Claim, policy: tables.Policy | None) -> dict[str, Any]:
    return {
        "claim_id": claim.claim_id,
        "claim_key": claim.claim_key,
        "beside": claim.beside,
        "state": claim.state,
        "hospital_code": claim.hospital_code,
        "product": policy.product if policy else None,
        "edition": policy.edition if policy else None,
        "policy_no": policy.policy_no if policy else None,
        "version": claim.version,
        "payable_fen": claim.payable_fen,
        "recovery_fen": claim.recovery_fen,
        "created_at": claim.created_at,
        "updated_at": claim.updated_at,
    }


def get_claim(ctx: Context, claim_id: str) -> dict[str, Any]:
    """State, every transition, the decision with its trace, and the payouts. Raises NotFound."""
    with ctx.database.reading() as session:
        claim = known(session, claim_id)
        policy = session.get(tables.Policy, claim.policy_id) if claim.policy_id else None
        moves = claims.transitions(session, stored(claim.id))
        payouts = claims.payouts_of(session, stored(claim.id))
        invoice = invoices.view(session, claim.settlement_id)
        settlement = session.get_one(tables.Settlement, claim.settlement_id)
        reports = reports_of(ctx, session, settlement, claim)
        demanded = provider_decisions.demanded(session, stored(claim.id))
    return {
        **_summary(claim, policy),
        "invoice": invoice,
        "reports": len({(delivery.delivery_id, record.ordinal) for record, _, delivery in reports}),
        "reasons": claim.reasons,
        "withheld": settlement.withheld,
        "disclosure": demanded,
        "authorization_id": claim.authorization_id,
        "task_id": claim.task_id,
        "record_tx": claim.record_tx,
        "decision": decision(ctx.vault, claim),
        "transitions": [
            {"from": m.from_state, "to": m.to_state, "actor": m.actor, "reason": m.reason, "at": m.at}
            for m in moves
        ],
        "payouts": [payout_view(payout, claim.claim_key) for payout in payouts],
    }


def payout_view(payout: tables.Payout, claim_key: str | None) -> dict[str, Any]:
    return {
        "payout_id": payout.payout_id,
        "claim_key": claim_key,
        "version": payout.version,
        "amount_fen": payout.amount_fen,
        "state": payout.state,
        "bank_ref": payout.bank_ref,
        "bank_reason": payout.bank_reason,
        "trigger_tx": payout.trigger_tx,
        "confirm_tx": payout.confirm_tx,
        "submitted_at": payout.submitted_at,
        "settled_at": payout.settled_at,
    }


def list_payouts(ctx: Context, state: str | None, after: str, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = claims.payouts_page(session, state, after, limit)
    items = [payout_view(*row) for row in rows]
    return Page(items, rows[-1][0].payout_id if len(rows) == limit else None)


def decide_claim(
    ctx: Context, claim_id: str, action: str, reason: str, actor: str, payable_fen: int | None = None
) -> dict[str, Any]:
    """A person's word on a claim at rest, with the reason it will be asked for.

    `pay` rules on a claim that the adjudication sent to review, `refuse` ends one, `readjudicate` runs
    match and adjudication again after what was missing has been put right.

    Raises NotFound, Refused, Conflict.
    """
    if action not in ACTIONS:
        raise _refused("/action", "decision.action", f"one of {', '.join(ACTIONS)}")
    if not reason.strip():
        raise _refused("/reason", "decision.reason", "say why, in a sentence")
    if (action == "pay") is (payable_fen is None):
        raise _refused("/payable_fen", "decision.payable_fen", "goes with the action pay, and with no other")

    def keep(session: Session) -> None:
        claim = not_erased(known(session, claim_id, lock=True))
        if action == "refuse":
            _refuse(ctx, session, claim, reason, actor)
        elif payable_fen is None:
            _readjudicate(ctx, session, claim, reason, actor)
        else:
            _rule(ctx, session, claim, payable_fen, reason, actor)
        touch(ctx, session, claim)

    ctx.writer.run(keep)
    return get_claim(ctx, claim_id)


def _refuse(ctx: Context, session: Session, claim: tables.Claim, reason: str, actor: str) -> None:
    if set_offs.settled_fen(session, stored(claim.id)):
        raise Conflict(
            "an earlier version of this claim has been paid: rule what is due in all", code="claim.paid"
        )
    move_claim(session, claim, ClaimState.REFUSED, actor=actor, reason=reason, clock=ctx.clock)


def _readjudicate(ctx: Context, session: Session, claim: tables.Claim, reason: str, actor: str) -> None:
    _begin_version(ctx, session, claim)
    if not set_offs.settled_fen(session, stored(claim.id)):
        move_claim(session, claim, ClaimState.ACCEPTED, actor=actor, reason=reason, clock=ctx.clock)
        return
    # Whose it is was settled when its earlier version was paid.
    move_claim(session, claim, ClaimState.MATCHED, actor=actor, reason=reason, clock=ctx.clock)
    policies.hold_people(session, [claim_policy_id(claim)])
    settlement = session.get_one(tables.Settlement, claim.settlement_id)
    beside = claims.beside(session, [claim.settlement_id])[claim.settlement_id]
    decide(ctx, session, claim, settlement, beside)


def _rule(
    ctx: Context, session: Session, claim: tables.Claim, payable_fen: int, reason: str, actor: str
) -> None:
    machine = decision(ctx.vault, claim)
    if machine is None:
        raise Conflict(
            "this claim was never adjudicated: put right what its reasons name, then readjudicate",
            code="claim.not_adjudicated",
        )
    settlement = session.get_one(tables.Settlement, claim.settlement_id)
    if settlement.withheld is not None:
        raise Conflict(
            "its provider withholds the settlement: demand its disclosure, then rule", code="claim.withheld"
        )
    cost = Settlement.parse(settlement_document(ctx.vault, settlement, claim)).total_fen
    try:
        ruled = with_ruling(
            machine,
            payable_fen=payable_fen,
            most_fen=cost,
            reason=reason,
            decided_by=actor,
            decided_at=ctx.clock(),
        )
    except RulingInvalid as error:
        raise _refused(error.field, error.rule, str(error)) from error
    _begin_version(ctx, session, claim)
    settle_decision(ctx, session, claim, settlement, ruled)
    move_claim(session, claim, ClaimState.DECIDED, actor=actor, reason=reason, clock=ctx.clock)


def _begin_version(ctx: Context, session: Session, claim: tables.Claim) -> None:
    payout = claims.payout_of(session, stored(claim.id), claim.version)
    if payout is not None and payout.state in _PAID and claim.state != ClaimState.RETURNED:
        raise Conflict("this claim has been paid; reverse it, or supersede its result", code="claim.paid")
    begin_version(ctx, session, claim)


def _refused(field: str, rule: str, message: str) -> Refused:
    return Refused(
        "decision.invalid",
        "the decision cannot be taken as it stands",
        [{"field": field, "rule": rule, "message": message}],
    )


def totals(ctx: Context) -> dict[str, Any]:
    """Counts of claims by state, and of payouts with their sums in fen."""
    with ctx.database.reading() as session:
        by_state = claims.count_by_state(session)
        payouts = claims.payouts_by_state(session)
        quarantined = claims.count_quarantined(session)
        to_reopen = policies.count_to_reopen(session)
    return {
        "claims": {str(state): by_state.get(state, 0) for state in ClaimState},
        "accepted": sum(by_state.values()),
        "quarantined": quarantined,
        "to_reopen": to_reopen,
        "payouts": {state: {"count": count, "fen": fen} for state, (count, fen) in sorted(payouts.items())},
        "payout_fen": sum(fen for state, (_, fen) in payouts.items() if state in _PAID),
    }


def known(session: Session, claim_id: str, *, lock: bool = False) -> tables.Claim:
    claim = claims.by_name(session, claim_id, lock=lock)
    if claim is None:
        raise NotFound(f"there is no claim {claim_id}", code="claim.unknown")
    return claim
