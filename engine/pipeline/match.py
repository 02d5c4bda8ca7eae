"""Match: a discharge to a policy in force, and to a live authorization. Never to a near miss."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session

from engine.evidence.manifest import claim_key, hex32
from engine.pipeline.consent import GRANTED, scope_id
from engine.pipeline.context import Context
from engine.pipeline.sealed import claim_salts, coverage, patient
from engine.pipeline.states import ClaimState, move_claim
from engine.pipeline.values import stored
from engine.store import claims, policies, tables

ACTOR = "engine: match"


def match_batch(ctx: Context, batch_id: str) -> int:
    """Match every claim of the batch that is still accepted; returns how many were matched."""
    with ctx.database.transaction() as session:
        waiting = claims.batch(session, batch_id, ClaimState.ACCEPTED, lock=True)
        if not waiting:
            return 0
        candidates = policies.policies_touching(
            session,
            {s.pseudonym for _, s in waiting if s.pseudonym is not None},
            min(s.admitted_on for _, s in waiting),
            max(s.discharged_on for _, s in waiting),
        )
        of_person: dict[str, list[tables.Policy]] = {}
        for pseudonym, policy in candidates:
            of_person.setdefault(pseudonym, []).append(policy)
        return sum(
            _match(ctx, session, claim, settlement, of_person.get(settlement.pseudonym or "", []))
            for claim, settlement in waiting
        )


def _match(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    of_person: Sequence[tables.Policy],
) -> bool:
    def rest(state: ClaimState, code: str, en: str, zh: str) -> bool:
        claim.reasons = [_reason(code, en, zh)]
        move_claim(session, claim, state, actor=ACTOR, reason=code, clock=ctx.clock)
        return False

    if settlement.pseudonym is None:
        move_claim(
            session, claim, ClaimState.REVIEW, actor=ACTOR, reason=claim.reasons[0]["code"], clock=ctx.clock
        )
        return False
    in_force = _in_force(of_person, settlement)
    if not in_force:
        return rest(
            ClaimState.UNINSURED,
            "match.no_policy",
            "No policy of this person was in force during the stay.",
            "住院期间没有有效保单。",
        )
    doubt = _doubt(ctx, session, claim, settlement, in_force)
    if doubt is not None:
        return rest(ClaimState.REVIEW, *doubt)
    policy = in_force[0]
    authorization = policies.authorization_for(
        session, policy.pseudonym, scope_id(ctx, policy.product), (GRANTED,)
    )
    if authorization is None or authorization.expires_s <= int(ctx.clock().timestamp()):
        return rest(
            ClaimState.NO_CONSENT,
            "match.no_live_authorization",
            "The insured person has given no consent for this, or has withdrawn it.",
            "被保险人没有有效授权，或已撤回授权。",
        )
    salts = claim_salts(ctx.vault, claim)
    key = claim_key(settlement.hospital_code, settlement.setl_id, policy.policy_no, salts)
    claim.policy_id = policy.id
    claim.authorization_id = authorization.authorization_id
    claim.claim_key = hex32(key)
    claim.reasons = []
    move_claim(
        session,
        claim,
        ClaimState.MATCHED,
        actor=ACTOR,
        reason="policy in force, consent live",
        clock=ctx.clock,
    )
    return True


def _in_force(of_person: Sequence[tables.Policy], settlement: tables.Settlement) -> list[tables.Policy]:
    """The policy in force on admission; failing that, the one whose cover began during the stay.

    Whether a stay that began before the cover is paid is for the terms to say, not for the match.
    """
    stay = [
        p
        for p in of_person
        if p.effective <= settlement.discharged_on and _last_day(p) >= settlement.admitted_on
    ]
    at_admission = [p for p in stay if p.effective <= settlement.admitted_on]
    return at_admission or stay


def _doubt(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    in_force: Sequence[tables.Policy],
) -> tuple[str, str, str] | None:
    """Why a person has to look before anything is decided: code, English, Chinese."""
    if any(p.cancelled_on is not None and p.cancelled_on <= settlement.discharged_on for p in in_force):
        return (
            "match.cancelled_during_stay",
            "The policy was cancelled during the stay: a person must say what of it is covered.",
            "住院期间退保，需人工核定应赔付的部分。",
        )
    name = patient(ctx.vault, settlement, claim).name
    if not all(_is_called(ctx, session, policy, name) for policy in in_force):
        return (
            "match.name_differs",
            "The certificate is an insured person's, the name is not: a person must say whether it is them.",
            "证件号码与被保险人一致而姓名不一致，需人工核实是否为同一人。",
        )
    if len(in_force) > 1:
        return (
            "match.several_policies",
            "Several policies of this person were in force: a person must say which one answers.",
            "住院期间有多张有效保单，需人工确定由哪一张赔付。",
        )
    return None


def _is_called(ctx: Context, session: Session, policy: tables.Policy, name: str) -> bool:
    if coverage(ctx.vault, policy)["person"]["name"] == name:
        return True
    return policies.has_alias(session, stored(policy.id), ctx.pseudonymiser.of_name(name))


def _last_day(policy: tables.Policy) -> date:
    if policy.cancelled_on is None:
        return policy.expires
    return policy.cancelled_on - timedelta(days=1)


def _reason(code: str, en: str, zh: str) -> dict[str, Any]:
    return {"code": code, "message_en": en, "message_zh": zh}
