"""Decide: adjudicate a batch's matched claims, each person's in the order of their settlements.

A settlement is decided on those before it, whatever arrived first. Those after it that are decided already
are looked at again (engine.pipeline.reopen).

What the adjudication sees is the evidence form of its inputs, so that a verifier's re-run sees the same.
"""

from collections.abc import Mapping
from datetime import date
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
from engine.pipeline import consent
from engine.pipeline.context import Context
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
from engine.pipeline.states import COUNTED, UNDECIDED, ClaimState, move_claim
from engine.pipeline.touched import touch
from engine.pipeline.values import stored
from engine.settlement import Settlement
from engine.store import claims, policies, tables
from engine.terms import Terms, TermsBook

ACTOR = "engine: adjudicate"
_STATE_OF = {
    "pay": ClaimState.DECIDED,
    "nothing": ClaimState.NOTHING,
    "refuse": ClaimState.REFUSED,
    "review": ClaimState.REVIEW,
}


def decide_batch(ctx: Context, batch_id: str) -> int:
    """Adjudicate every claim of the batch that is still matched; returns how many are payable."""
    with ctx.database.transaction() as session:
        waiting = claims.batch(session, batch_id, ClaimState.MATCHED, lock=True)
        _held = policies.held_by_claims(session, (claim for claim, _ in waiting))
        return sum(decide(ctx, session, claim, settlement) for claim, settlement in waiting)


def decide(ctx: Context, session: Session, claim: tables.Claim, settlement: tables.Settlement) -> bool:
    """Adjudicate one matched claim and move it on; whether something is payable."""
    terms = terms_for(ctx, book_of(ctx, session, claim), settlement.admitted_on)
    others = [row for row in claims.of_policy(session, claim_policy_id(claim)) if row[0].id != claim.id]
    at = _order(terms, settlement)
    earlier = [c for c, s in others if _order(terms, s) < at]
    if any(c.state in UNDECIDED for c in earlier):
        claim.reasons = [
            {
                "code": "history.earlier_undecided",
                "message_en": "An earlier stay of this policy is undecided; the deductible depends on it.",
                "message_zh": "同一保单更早的住院尚未理算完毕，免赔额取决于其结果。",
            }
        ]
        move_claim(
            session,
            claim,
            ClaimState.REVIEW,
            actor=ACTOR,
            reason="history.earlier_undecided",
            clock=ctx.clock,
        )
        return False
    past = {"decisions": [_past_decision(ctx, c) for c in earlier if c.state in COUNTED]}
    documents = inputs(ctx, session, claim, settlement)
    decided = adjudicate(
        terms,
        Coverage.parse(coverage_for_adjudication(documents["coverage"])),
        History.parse(past),
        Settlement.parse(documents["settlement"]),
    ).document()
    claim.history_sealed = seal_history(ctx.vault, claim, past)
    settle_decision(ctx, session, claim, settlement, decided)
    if len(earlier) < len(others):
        touch(ctx, session, claim)
    return conclude(ctx, session, claim, decided)


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
    book = book_of(ctx, session, claim)
    return Documents(
        terms=next(one.document for one in book.wordings if one.digest_hex == decided["terms_digest"]),
        history=history(ctx.vault, claim),
        decision=decided,
        consent=consent_document(text, scope, consent.signed_grant(authorization)),
        **inputs(ctx, session, claim, settlement),
    )


def book_of(ctx: Context, session: Session, claim: tables.Claim) -> TermsBook:
    """All wordings of the terms of the claim's policy, read once a session."""
    policy = session.get_one(tables.Policy, claim.policy_id)
    edition = policy.product, policy.edition
    books: dict[tuple[str, str], TermsBook] = session.info.setdefault("books", {})
    if edition not in books:
        wordings = policies.wordings(session, *edition)
        if not wordings:
            raise Conflict(f"{policy.product}-{policy.edition} is not loaded", code="policy.product_unknown")
        books[edition] = ctx.book(wordings)
    return books[edition]


def terms_for(ctx: Context, book: TermsBook, admitted_on: date) -> Terms:
    """What is known today of a stay. Of one before all wordings, the first says that it does not hold yet."""
    return book.wording(admitted_on, ctx.today()) or book.wordings[0]


def claim_policy_id(claim: tables.Claim) -> int:
    if claim.policy_id is None:
        raise Conflict(f"claim {claim.claim_id} is not matched", code="claim.unmatched")
    return claim.policy_id


def _past_decision(ctx: Context, claim: tables.Claim) -> dict[str, Any]:
    decided = decision(ctx.vault, claim)
    if decided is None:
        raise Conflict(f"claim {claim.claim_id} counts and has no decision", code="claim.undecided")
    return decided


def _order(terms: Terms, settlement: tables.Settlement) -> tuple[Any, ...]:
    """Where a settlement stands in the order that the terms name; its reference stands for its number."""
    named = (settlement.reference if key == "setl_id" else getattr(settlement, key) for key in terms.order_by)
    return *named, settlement.hospital_code, settlement.reference
