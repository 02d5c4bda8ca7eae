"""A provider releases what it has decided of a settlement, and not the settlement.

It is held against all that is known without the bill, kept with the settlement's commitment, and goes from
there the way of any other claim: `decide` takes the provider's decision in the place of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from engine.adjudication import Coverage, History
from engine.adjudication.withheld import objections
from engine.errors import Conflict, Refused
from engine.evidence.canonical import canonical_bytes, digest
from engine.evidence.manifest import hex32
from engine.evidence.salts import ClaimSalts
from engine.pipeline import cases, counting
from engine.pipeline.claims import known
from engine.pipeline.context import Context
from engine.pipeline.decide import matched_again
from engine.pipeline.keeping import Arrival, new_claim
from engine.pipeline.releases import Kept, check_live, keep_matched, named
from engine.pipeline.sealed import OfCase, provider_decision, seal_provider_decision
from engine.pipeline.states import ClaimState
from engine.pipeline.values import stored
from engine.store import policies, provider_decisions, tables
from engine.store.provider_decisions import DECIDE_AGAIN


@dataclass(frozen=True, slots=True)
class DecisionRelease(cases.Asked):
    """case: digest of the case that it was made of, 64 hexadecimal digits. decision: what leaves of it
    (engine.adjudication.withheld). commitment: of 32 bytes, to the settlement in its evidence form."""

    case: str
    decision: Mapping[str, Any]
    commitment: bytes


def release(ctx: Context, one: DecisionRelease) -> Kept:
    """Keep it and match it; returns after the commit. The same again answers the same.

    Raises what `releases.release` raises; Unavailable `release.case_waits`; Conflict `release.case_moved`
    (ask for a new case), `release.decided`; Refused `release.decision` with every objection.
    """
    cases.check_reference(one)
    with ctx.database.reading() as session:
        policy, authorization = named(ctx, session, one)
        again = _same(ctx, session, one)
    if again is not None:
        return again
    check_live(ctx, authorization)
    _check(ctx, one)
    arrived = _arrived(ctx, one, policy)
    return ctx.writer.run(lambda session: _keep(ctx, session, one, arrived))


def _same(ctx: Context, session: Session, one: DecisionRelease) -> Kept | None:
    """The same release, which has been kept before: its history may have moved since."""
    row = provider_decisions.named(session, one.provider, one.discharge, one.handle)
    if row is None or row.case_digest != one.case:
        return None
    if provider_decisions.is_wanted(session, row.claim_id, DECIDE_AGAIN):
        return None  # it stands on the same again
    claim = session.get_one(tables.Claim, row.claim_id)
    kept = session.get_one(tables.Settlement, claim.settlement_id).withheld
    theirs = canonical_bytes(dict(one.decision)), hex32(one.commitment)
    if (canonical_bytes(provider_decision(ctx.vault, claim, row).decision), kept) != theirs:
        raise _decided()
    return Kept(claim.claim_id, claim.state, created=False)


def _decided() -> Conflict:
    return Conflict("/decision: it was decided before, and nobody asks again", code="release.decided")


def _check(ctx: Context, one: DecisionRelease) -> None:
    with ctx.database.reading() as session:
        before, case = cases.of(ctx, session, one)
    _newest(one, case)
    found = objections(
        one.decision,
        before.terms,
        Coverage.parse(case["coverage"]),
        History.parse(case["history"]).standing(before.terms, one.settlement),
        one.settlement,
    )
    if found:
        listed = [{"field": f"/decision{v.field}", "rule": v.rule, "message": v.message} for v in found]
        raise Refused("release.decision", "it is no decision of this case", listed)


def _newest(one: DecisionRelease, case: Mapping[str, Any]) -> None:
    if digest(dict(case)).hex() != one.case:
        raise Conflict("/case: something has been decided since, or is known now", code="release.case_moved")


def _arrived(ctx: Context, one: DecisionRelease, policy: tables.Policy) -> Arrival:
    now, claim_id, ref = ctx.clock(), "clm_" + ctx.rng(12).hex(), one.settlement
    salts = replace(ClaimSalts.generate(ctx.rng), settlement_reference=one.salt)
    settlement = {
        "hospital_code": ref.hospital_code,
        "setl_id": one.setl_id,
        "reference": ref.setl_id,
        "content_digest": one.commitment.hex(),
        "body_sealed": b"",
        "document_sealed": b"",
        "pseudonym": policy.pseudonym,
        "admitted_on": ref.admitted_on,
        "discharged_on": ref.discharged_on,
        "settled_at": ref.settled_at,
        "received_at": now,
        "released": True,
        "withheld": hex32(one.commitment),
    }
    claim = new_claim(ctx, claim_id, ref.hospital_code, salts, now)
    of = counting.of(ctx, ref.hospital_code, counting.RELEASED, now)
    return Arrival(settlement, claim, of, counting.outcome("accepted"))


def _keep(ctx: Context, session: Session, one: DecisionRelease, arrived: Arrival) -> Kept:
    policy, _ = named(ctx, session, one)
    policies.hold_people(session, [stored(policy.id)])
    _, case = cases.of_policy(ctx, session, one, policy)
    _newest(one, case)
    kept = keep_matched(ctx, session, one, arrived)
    claim = known(session, kept.claim_id, lock=True)
    claim_id = stored(claim.id)
    if not kept.created:
        _begin_again(ctx, session, claim)
    row = provider_decisions.of_claim(session, claim_id, lock=True) or provider_decisions.ProviderDecision(
        claim_id=claim_id,
        provider=one.provider,
        discharge=one.discharge,
        handle=one.handle,
        case_digest="",
        decision_sealed=b"",
        received_at=ctx.clock(),
    )
    row.case_digest, row.received_at = one.case, ctx.clock()
    row.decision_sealed = seal_provider_decision(ctx.vault, claim, OfCase(case, dict(one.decision)))
    session.add(row)
    return Kept(claim.claim_id, claim.state, kept.created)


def _begin_again(ctx: Context, session: Session, claim: tables.Claim) -> None:
    """A provider that was asked to has decided again: the next batch takes it up."""
    claim_id = stored(claim.id)
    if not provider_decisions.is_wanted(session, claim_id, DECIDE_AGAIN) or claim.state != ClaimState.REVIEW:
        raise _decided()
    provider_decisions.answered(session, claim_id, DECIDE_AGAIN, "decided", ctx.clock())
    matched_again(ctx, session, claim, "its provider has decided again")
