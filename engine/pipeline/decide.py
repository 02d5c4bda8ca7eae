"""Decide: adjudicate a batch's matched claims, each person's in the order of their settlements and policies.

A settlement is decided on those before it, whatever arrived first, and on what policies before its own pay
for it (engine.pipeline.histories). Those after it that are decided already are looked at again
(engine.pipeline.reopen).

Of a settlement that its provider withholds, the provider's decision takes the adjudication's place, if it was
made of the case as it stands (engine.pipeline.provided).

What the adjudication sees is the evidence form of its inputs, so that a verifier's re-run sees the same.
"""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from engine.adjudication import Coverage, History, adjudicate
from engine.adjudication.ruling import payable_of
from engine.errors import Conflict
from engine.evidence.documents import (
    Scope,
    consent_document,
    coverage_document,
    coverage_for_adjudication,
)
from engine.evidence.manifest import Documents, hex32, manifest_of, result_digest
from engine.pipeline import consent, provided
from engine.pipeline.context import Context
from engine.pipeline.histories import Before, before, reference
from engine.pipeline.sealed import (
    claim_salts,
    coverage,
    decision,
    history,
    policy_salts,
    seal_claim_salts,
    seal_decision,
    seal_history,
    settlement_document,
)
from engine.pipeline.states import ClaimState, move_claim
from engine.pipeline.touched import touch, touch_others
from engine.pipeline.values import stored
from engine.pipeline.wordings import decided_by
from engine.settlement import Settlement
from engine.store import claims, policies, provider_decisions, tables

ACTOR = "engine: adjudicate"
_STATE_OF = {
    "pay": ClaimState.DECIDED,
    "nothing": ClaimState.NOTHING,
    "refuse": ClaimState.REFUSED,
    "review": ClaimState.REVIEW,
}


EARLIER_UNDECIDED = {
    "code": "history.earlier_undecided",
    "message_en": "An earlier stay of this policy is undecided; the deductible depends on it.",
    "message_zh": "同一保单更早的住院尚未理算完毕，免赔额取决于其结果。",
}
OTHER_UNDECIDED = {
    "code": "history.other_undecided",
    "message_en": "Another policy is undecided that pays first, or is of the family: this depends on it.",
    "message_zh": "影响本次赔付的其他保单（先行赔付的保单或同一家庭的保单）尚未理算完毕。",
}


def decide_batch(ctx: Context, batch_id: str) -> int:
    """Adjudicate every claim of the batch that is still matched; returns how many are payable."""
    with ctx.database.transaction() as session:
        waiting = claims.batch(session, batch_id, ClaimState.MATCHED, lock=True)
        policies.hold_people(session, (claim_policy_id(claim) for claim, _ in waiting))
        _held = policies.held_by_claims(session, (claim for claim, _ in waiting))
        beside = claims.beside(session, (claim.settlement_id for claim, _ in waiting))
        return sum(
            decide(ctx, session, claim, settlement, beside[claim.settlement_id])
            for claim, settlement in waiting
        )


def decide(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    beside: claims.Beside,
) -> bool:
    """Adjudicate one matched claim and move it on; whether something is payable.

    beside: the settlement's matched claims, this one among them.
    """
    policy = session.get_one(tables.Policy, claim_policy_id(claim))
    known = before(ctx, session, policy, reference(settlement), beside, claim)
    if settlement.withheld is not None:
        found = provided.decision_on(ctx, session, claim, settlement, known)
        if found is None:
            await_provider(ctx, session, claim)
            return False
    elif known.earlier_undecided or known.others_undecided:
        reason = OTHER_UNDECIDED if known.others_undecided else EARLIER_UNDECIDED
        claim.reasons = [dict(reason)]
        move_claim(session, claim, ClaimState.REVIEW, actor=ACTOR, reason=reason["code"], clock=ctx.clock)
        return False
    else:
        found = _adjudicated(ctx, session, claim, settlement, known)
    decided, past = found
    claim.history_sealed = seal_history(ctx.vault, claim, past)
    settle_decision(ctx, session, claim, settlement, decided)
    if known.is_newest:
        touch_others(ctx, session, claim, beside)
    else:
        touch(ctx, session, claim, beside)
    return conclude(ctx, session, claim, decided)


def _adjudicated(
    ctx: Context, session: Session, claim: tables.Claim, settlement: tables.Settlement, known: Before
) -> provided.OnHistory:
    documents = inputs(ctx, session, claim, settlement)
    decided = adjudicate(
        known.terms,
        Coverage.parse(coverage_for_adjudication(documents["coverage"])),
        History.parse(known.history),
        Settlement.parse(documents["settlement"]),
    )
    return provided.OnHistory(decided.document(), known.history)


def await_provider(ctx: Context, session: Session, claim: tables.Claim) -> None:
    """Whatever its provider has decided stands on something else by now: it has to decide again. From matched
    to review, where it stays until then; one that is there stays there."""
    provider_decisions.want(session, stored(claim.id), provider_decisions.DECIDE_AGAIN, "engine", ctx.clock())
    claim.reasons = [dict(provided.DECIDE_AGAIN)]
    session.add(claim)
    if claim.state != ClaimState.REVIEW:
        code = provided.DECIDE_AGAIN["code"]
        move_claim(session, claim, ClaimState.REVIEW, actor=ACTOR, reason=code, clock=ctx.clock)


def conclude(ctx: Context, session: Session, claim: tables.Claim, decided: Mapping[str, Any]) -> bool:
    """Move a matched claim to where its decision leads; whether something is payable.

    Where the chain has an earlier version, whatever is decided now has to supersede it there.
    """
    state = _STATE_OF[decided["decision"]]
    if claim.version > 1 and state is not ClaimState.REVIEW:
        state = ClaimState.DECIDED
    codes = ", ".join(reason["code"] for reason in decided["reasons"])
    move_claim(session, claim, state, actor=ACTOR, reason=codes or decided["decision"], clock=ctx.clock)
    return state is ClaimState.DECIDED


def begin_version(ctx: Context, session: Session, claim: tables.Claim) -> None:
    """Ready to be decided and batched again; what was recorded stays on chain, and is superseded."""
    payouts = claims.payouts_of(session, stored(claim.id))
    if claim.record_tx is not None or any(payout.version == claim.version for payout in payouts):
        claim.version += 1
        claim.record_tx = None
        salts = claim_salts(ctx.vault, claim).for_next_version(ctx.rng)
        claim.salts_sealed = seal_claim_salts(ctx.vault, claim.claim_id, salts)
    claim.batch_id = None


def matched_again(ctx: Context, session: Session, claim: tables.Claim, reason: str) -> None:
    """What waited for its provider is matched again, and the next batch takes it up."""
    begin_version(ctx, session, claim)
    claim.reasons = []
    actor = f"hospital {claim.hospital_code}"
    move_claim(session, claim, ClaimState.MATCHED, actor=actor, reason=reason, clock=ctx.clock)


def settle_decision(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    decided: dict[str, Any],
) -> None:
    """Keep a decision with the digest that will stand for it on chain. The state is the caller's to move."""
    claim.decision_sealed = seal_decision(ctx.vault, claim, decided)
    claim.payable_fen = payable_of(decided)
    claim.reasons = decided["reasons"]
    salts = claim_salts(ctx.vault, claim)
    documents = documents_of(ctx, session, claim, settlement)
    claim.result_digest = hex32(result_digest(manifest_of(documents, salts), salts))
    session.add(claim)


def inputs(
    ctx: Context, session: Session, claim: tables.Claim, settlement: tables.Settlement
) -> dict[str, dict[str, Any]]:
    """Coverage and settlement in their evidence form."""
    policy = session.get_one(tables.Policy, claim.policy_id)
    authorization = session.get_one(tables.Authorization, claim.authorization_id)
    subject = bytes.fromhex(authorization.subject.removeprefix("0x"))
    return {
        "coverage": coverage_document(coverage(ctx.vault, policy), policy_salts(ctx.vault, policy), subject),
        "settlement": settlement_document(ctx.vault, settlement, claim),
    }


def documents_of(
    ctx: Context, session: Session, claim: tables.Claim, settlement: tables.Settlement
) -> Documents:
    """All six documents of a decided claim, in their evidence form."""
    policy = session.get_one(tables.Policy, claim.policy_id)
    authorization = session.get_one(tables.Authorization, claim.authorization_id)
    text = session.get_one(tables.ConsentText, authorization.text_digest).text
    scope: Scope = consent.scope(ctx, policy.product)
    decided = decision(ctx.vault, claim)
    if decided is None:
        raise Conflict(f"claim {claim.claim_id} is not decided", code="claim.undecided")
    return Documents(
        terms=decided_by(ctx, session, claim, decided["terms_digest"]).document,
        history=history(ctx.vault, claim),
        decision=decided,
        consent=consent_document(text, scope, consent.signed_grant(authorization)),
        **inputs(ctx, session, claim, settlement),
    )


def claim_policy_id(claim: tables.Claim) -> int:
    if claim.policy_id is None:
        raise Conflict(f"claim {claim.claim_id} is not matched", code="claim.unmatched")
    return claim.policy_id
