"""Re-open: what touched a policy is carried through its later decisions, each as its claim's next version.

Asked for in the transaction that touches the policy (engine.pipeline.touched), done in one transaction when
none of its claims is on the way any more: what is asked for is not lost, and nothing is done twice. From
there a re-opened claim goes the way of any other: on chain as the version that supersedes, then the chain's
event pays the difference, or says what is to be recovered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlmodel import Session

from engine.adjudication import Coverage
from engine.adjudication.history import SettlementRef
from engine.adjudication.reopening import RULING_BASIS_CHANGED, Bill, Change, Decided, Others, reopen
from engine.adjudication.ruling import ruling_of
from engine.adjudication.withheld import is_partial
from engine.evidence.documents import coverage_for_adjudication
from engine.pipeline.consent import GRANTED, scope_id
from engine.pipeline.context import Context
from engine.pipeline.decide import (
    EARLIER_UNDECIDED,
    OTHER_UNDECIDED,
    await_provider,
    begin_version,
    conclude,
    inputs,
    settle_decision,
)
from engine.pipeline.histories import others_before, reference
from engine.pipeline.sealed import decision, history, seal_history, settlement_document
from engine.pipeline.states import ON_THE_WAY, ClaimState, move_claim
from engine.pipeline.touched import touch_others
from engine.pipeline.wordings import book_of, terms_for
from engine.settlement import Settlement
from engine.store import claims, policies, tables
from engine.terms import TermsBook

ACTOR = "engine: reopen"
_AFTER_FAILURE = timedelta(minutes=5)
_AT_REST = (
    ClaimState.REVIEW,
    ClaimState.NOTHING,
    ClaimState.REFUSED,
    ClaimState.CONFIRMED,
    ClaimState.COVERED,
    ClaimState.RETURNED,
)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Case:
    """A claim that counts in its policy's year, or waits for a person."""

    claim: tables.Claim
    settlement: tables.Settlement
    bill: Bill
    standing: Decided | None
    """None: it waits, and was never adjudicated."""


def reopen_touched(ctx: Context, limit: int) -> int:
    """Look again at what was asked for and is at rest, at most `limit` policies; returns how many.

    One that fails holds up no other: it is asked for again, later.
    """
    with ctx.database.reading() as session:
        found = policies.to_reopen(session, ON_THE_WAY, ctx.clock(), limit)
    for policy_id in found:
        try:
            with ctx.database.transaction() as session:
                _reopen(ctx, session, policy_id)
        except Exception:
            log.exception("reopen.failed", policy_id=policy_id)
            with ctx.database.transaction() as session:
                _answered(ctx, session, policy_id)
                policies.ask_to_reopen(session, [policy_id], ctx.clock() + _AFTER_FAILURE)
    return len(found)


def _answered(ctx: Context, session: Session, policy_id: int) -> None:
    """Exactly what was asked for by now: what is asked for meanwhile stays."""
    for row in policies.asked_by(session, policy_id, ctx.clock()):
        session.delete(row)


def _reopen(ctx: Context, session: Session, policy_id: int) -> None:
    _answered(ctx, session, policy_id)
    rows = claims.of_policy(session, policy_id, lock=True)
    if any(claim.state in ON_THE_WAY for claim, _ in rows):
        # It has moved since it was found.
        policies.ask_to_reopen(session, [policy_id], ctx.clock())
        return
    policies.hold_people(session, [policy_id])
    cases = [_case(ctx, claim, row) for claim, row in rows if _counts(ctx, claim)]
    if not cases:
        return
    policy = session.get_one(tables.Policy, policy_id)
    authorization = policies.authorization_for(
        session, policy.pseudonym, scope_id(ctx, policy.product), (GRANTED,)
    )
    if authorization is None or authorization.expires_s <= int(ctx.clock().timestamp()):
        log.warning("reopen.no_live_authorization", policy_id=policy_id)
        return  # what was decided stands: nothing is processed without consent
    for change, case in _changes(ctx, session, cases):
        if change.after is not None:
            _keep(ctx, session, case, change.after, authorization.authorization_id)
            touch_others(ctx, session, case.claim)


def _counts(ctx: Context, claim: tables.Claim) -> bool:
    """Not what was taken back, withdrawn or erased, nor what a person has refused."""
    if claim.erased_at is not None:
        return False
    if claim.state == ClaimState.REFUSED:
        decided = decision(ctx.vault, claim)
        return decided is not None and decided["decision"] == "refuse"
    return claim.state in _AT_REST


def _case(ctx: Context, claim: tables.Claim, settlement: tables.Settlement) -> _Case:
    bill: Bill = reference(settlement)
    if settlement.withheld is None:
        bill = Settlement.parse(settlement_document(ctx.vault, settlement, claim))
    decided = decision(ctx.vault, claim)
    standing = None
    if decided is not None and not _waits_for_others(claim, decided):
        # What a provider had decided before it disclosed the settlement is looked at in any case.
        shown = is_partial(decided) and settlement.withheld is None
        known = None if shown else history(ctx.vault, claim)
        standing = Decided(decided, claim.payable_fen, known, _awaits_person(claim, decided))
    return _Case(claim, settlement, bill, standing)


def _waits_for_others(claim: tables.Claim, decided: dict[str, object]) -> bool:
    """Run again behind something undecided: the decision that it has is an earlier version's."""
    codes = {reason["code"] for reason in claim.reasons}
    waits = bool(codes & {EARLIER_UNDECIDED["code"], OTHER_UNDECIDED["code"]})
    return (
        claim.state == ClaimState.REVIEW
        and waits
        and decided["decision"] != "review"
        and ruling_of(decided) is None
    )


def _awaits_person(claim: tables.Claim, decided: dict[str, object]) -> bool:
    """In review by the bank's word, the contract's or for a ruling; not because the terms cannot decide."""
    by_the_terms = decided["decision"] == "review" and ruling_of(decided) is None
    marked = any(reason["code"] == RULING_BASIS_CHANGED["code"] for reason in claim.reasons)
    return claim.state == ClaimState.REVIEW and (marked or not by_the_terms)


def _changes(ctx: Context, session: Session, cases: Sequence[_Case]) -> list[tuple[Change, _Case]]:
    of = {SettlementRef.of(case.bill).id: case for case in cases}
    first = cases[0]
    coverage = inputs(ctx, session, first.claim, first.settlement)["coverage"]
    book = book_of(ctx, session, first.claim)
    beside = claims.beside(session, (case.claim.settlement_id for case in cases))
    found = reopen(
        lambda bill: terms_for(ctx, book, bill.admitted_on),
        Coverage.parse(coverage_for_adjudication(coverage)),
        [case.bill for case in cases],
        [case.standing for case in cases if case.standing is not None],
        lambda bill: _others(ctx, session, book, of[SettlementRef.of(bill).id], beside),
    )
    return [(change, of[change.settlement.id]) for change in found]


def _others(
    ctx: Context, session: Session, book: TermsBook, case: _Case, beside: Mapping[int, claims.Beside]
) -> Others:
    terms = terms_for(ctx, book, case.bill.admitted_on)
    policy = session.get_one(tables.Policy, case.claim.policy_id)
    of_settlement = beside[case.claim.settlement_id]
    return others_before(ctx, session, policy, reference(case.settlement), terms, of_settlement)


def _keep(ctx: Context, session: Session, case: _Case, after: Decided, authorization_id: str) -> None:
    claim = case.claim
    waits = claim.state == ClaimState.REVIEW
    withheld = case.settlement.withheld is not None
    if waits and after.awaits_person and not withheld:
        return  # a person has it before him already
    came_back = claim.state == ClaimState.RETURNED
    if not (waits and after.undecided):
        begin_version(ctx, session, claim)
        claim.authorization_id = authorization_id
        _move(ctx, session, claim, ClaimState.MATCHED, "what it stood on has changed")
    if withheld:
        await_provider(ctx, session, claim)
        return
    claim.history_sealed = seal_history(ctx.vault, claim, dict(after.history or {}))
    decided = dict(after.decision)
    settle_decision(ctx, session, claim, case.settlement, decided)
    if waits and after.undecided:
        return  # what it would come to is another amount now; that it waits is not new
    if after.awaits_person:
        claim.reasons = [dict(RULING_BASIS_CHANGED), *decided["reasons"]]
        _move(ctx, session, claim, ClaimState.REVIEW, RULING_BASIS_CHANGED["code"])
    elif came_back:
        claim.reasons = [
            {
                "code": "payout.returned",
                "message_en": "Its payment had come back. Correct the payee, then decide again.",
                "message_zh": "此前的付款已被退回，请更正收款信息后重新处理。",
            }
        ]
        _move(ctx, session, claim, ClaimState.REVIEW, "payout.returned")
    else:
        conclude(ctx, session, claim, decided)


def _move(ctx: Context, session: Session, claim: tables.Claim, to: ClaimState, reason: str) -> None:
    move_claim(session, claim, to, actor=ACTOR, reason=reason, clock=ctx.clock)
