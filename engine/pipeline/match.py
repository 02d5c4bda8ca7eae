"""Match: a discharge to the policies in force, and to a live authorization each. Never to a near miss."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from engine.evidence.manifest import claim_key, hex32
from engine.matching.cover import ends_during, in_force
from engine.pipeline.begin import begin_beside
from engine.pipeline.consent import GRANTED, scope_id
from engine.pipeline.context import Context
from engine.pipeline.sealed import claim_salts, coverage, patient, settlement_body
from engine.pipeline.states import ClaimState, move_claim, move_claims
from engine.pipeline.touched import touch_others
from engine.pipeline.values import stored
from engine.settlement import mother_of, normalise_name
from engine.store import claims, policies, tables

ACTOR = "engine: match"
_NOBODYS = ClaimState.ACCEPTED, ClaimState.UNINSURED


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
            match_claim(ctx, session, claim, settlement, of_person.get(settlement.pseudonym or "", []))
            for claim, settlement in waiting
        )


def rest_nobodys(ctx: Context, most: int) -> int:
    """What `match_batch` makes of a claim whose patient is in no roll, as most of a city's are not: for many
    at once, and without a batch. Returns how many, of the `most` that have waited longest."""
    with ctx.database.reading() as session:
        if not claims.is_any_unbatched(session, (ClaimState.ACCEPTED,)):
            return 0
    with ctx.database.transaction() as session:
        arrived = claims.arrived(session, ClaimState.ACCEPTED, most)
        in_a_roll = policies.in_a_roll(session, {one.pseudonym for one in arrived})
        nobodys = [one.claim_id for one in arrived if one.pseudonym not in in_a_roll]
        if nobodys:
            move_claims(session, nobodys, _NOBODYS, actor=ACTOR, why=_NO_POLICY, clock=ctx.clock)
    return len(nobodys)


def match_claim(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    of_person: Sequence[tables.Policy],
) -> int:
    """How many claims it makes: one for each policy that answers and has a live authorization.

    What a provider released is for the policy that it was released for, and for no other.
    """
    if settlement.pseudonym is None:
        reason = _of_mother(ctx, session, claim, settlement) or claim.reasons[0]
        _rest(ctx, session, claim, ClaimState.REVIEW, reason)
        return 0
    answering = _in_force(of_person, settlement)
    doubt = _doubt(ctx, session, claim, settlement, answering)
    if doubt is not None:
        _rest(ctx, session, claim, ClaimState.REVIEW, doubt)
        return 0
    open_ones = _without_a_claim(session, claim, answering)
    if settlement.released:
        open_ones = [policy for policy in open_ones if policy.id == claim.policy_id]
    if not open_ones:
        _rest(ctx, session, claim, ClaimState.UNINSURED, _NO_POLICY)
        return 0
    mine = next((policy for policy in open_ones if policy.id == claim.policy_id), open_ones[0])
    matched = int(_bind(ctx, session, claim, settlement, mine))
    for policy in open_ones:
        if policy is not mine:
            further = begin_beside(ctx, session, claim, policy, ACTOR)
            matched += _bind(ctx, session, further, settlement, policy)
    return matched


def _without_a_claim(
    session: Session, claim: tables.Claim, answering: Sequence[tables.Policy]
) -> Sequence[tables.Policy]:
    """Those that no other claim of the settlement is for."""
    if len(answering) == 1 and claim.beside is None and claim.policy_id is None:
        return answering  # so nearly always: its first match, under the only policy
    others = claims.of_settlement(session, claim.settlement_id)
    taken = {other.policy_id for other in others if other.id != claim.id}
    return [policy for policy in answering if policy.id not in taken]


def _bind(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    policy: tables.Policy,
) -> bool:
    authorization = policies.authorization_for(
        session, policy.pseudonym, scope_id(ctx, policy.product), (GRANTED,)
    )
    if authorization is None or authorization.expires_s <= int(ctx.clock().timestamp()):
        _rest(ctx, session, claim, ClaimState.NO_CONSENT, _NO_AUTHORIZATION)
        return False
    salts = claim_salts(ctx.vault, claim)
    key = claim_key(settlement.hospital_code, settlement.setl_id, policy.policy_no, salts)
    claim.policy_id = policy.id
    claim.authorization_id = authorization.authorization_id
    claim.claim_key = hex32(key)
    claim.reasons = []
    reason = "policy in force, consent live"
    move_claim(session, claim, ClaimState.MATCHED, actor=ACTOR, reason=reason, clock=ctx.clock)
    return True


def _rest(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    state: ClaimState,
    reason: dict[str, Any],
) -> None:
    claim.reasons = [reason]
    move_claim(session, claim, state, actor=ACTOR, reason=reason["code"], clock=ctx.clock)
    touch_others(ctx, session, claim)


def _in_force(of_person: Sequence[tables.Policy], settlement: tables.Settlement) -> list[tables.Policy]:
    """In the order in which they pay."""
    answering = in_force(of_person, settlement.admitted_on, settlement.discharged_on)
    return sorted(answering, key=lambda policy: policy.order)


def _doubt(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    answering: Sequence[tables.Policy],
) -> dict[str, Any] | None:
    """Why a person has to look before anything is decided."""
    if any(ends_during(policy, settlement.discharged_on) for policy in answering):
        return _CANCELLED
    if not settlement.released:  # whose provider has held the name against the entry's name tags
        name = patient(ctx.vault, settlement, claim).name
        if not all(_is_called(ctx, session, policy, name) for policy in answering):
            return _NAME_DIFFERS
    return _SEVERAL if len({policy.product for policy in answering}) < len(answering) else None


def _of_mother(
    ctx: Context, session: Session, claim: tables.Claim, settlement: tables.Settlement
) -> dict[str, Any] | None:
    """The policies of the mother whom a newborn's settlement names: for a person to weigh, never a match."""
    mother = mother_of(settlement_body(ctx.vault, settlement, claim))
    if mother is None:
        return None
    pseudonym = ctx.pseudonymiser.of(*mother)
    touching = policies.policies_touching(
        session, {pseudonym}, settlement.admitted_on, settlement.discharged_on
    )
    in_force = _in_force([policy for _, policy in touching], settlement)
    if not in_force:
        return None
    numbers = ", ".join(policy.policy_no for policy in in_force)
    return _reason(
        "identity.newborn_of_insured",
        f"A newborn without a certificate of its own; its mother is insured under {numbers}: a person must "
        "say whether that covers the child.",
        f"新生儿无本人证件；其母亲的保单为 {numbers}，需人工核定是否涵盖新生儿。",
    )


def _is_called(ctx: Context, session: Session, policy: tables.Policy, name: str) -> bool:
    # Once more, for what was loaded before a form of a character was known for one.
    if normalise_name(coverage(ctx.vault, policy)["person"]["name"]) == name:
        return True
    return policies.alias(session, stored(policy.id), ctx.pseudonymiser.of_name(name)) is not None


def _reason(code: str, en: str, zh: str) -> dict[str, Any]:
    return {"code": code, "message_en": en, "message_zh": zh}


_NO_POLICY = _reason(
    "match.no_policy",
    "No policy of this person was in force during the stay.",
    "住院期间没有有效保单。",
)
_SEVERAL = _reason(
    "match.several_policies",
    "Several policies of one product were in force: a person must say which one answers.",
    "住院期间同一产品有多张有效保单，需人工确定由哪一张赔付。",
)
_CANCELLED = _reason(
    "match.cancelled_during_stay",
    "The policy was cancelled during the stay: a person must say what of it is covered.",
    "住院期间退保，需人工核定应赔付的部分。",
)
_NAME_DIFFERS = _reason(
    "match.name_differs",
    "The certificate is an insured person's, the name is not: a person must say whether it is them.",
    "证件号码与被保险人一致而姓名不一致，需人工核实是否为同一人。",
)
_NO_AUTHORIZATION = _reason(
    "match.no_live_authorization",
    "The insured person has given no consent for this, or has withdrawn it.",
    "被保险人没有有效授权，或已撤回授权。",
)
