"""A provider releases a settlement of a matched person: kept, and bound to the policy that its handle names.

What comes is the settlement's evidence form, which names nobody; with it the opening of its reference, so
that the same stay sent whole, or released again, is the same settlement and paid once. From the match on it
goes the way of any other. Consent is looked up on chain before anything is kept, and again before it is paid.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Self

from sqlmodel import Session

from engine.chain.contracts import Liveness
from engine.errors import AutoclaimError, Conflict, NotAllowed, NotFound, Refused, Unavailable
from engine.evidence.canonical import canonical_bytes
from engine.evidence.salts import ClaimSalts
from engine.matching.cover import in_force
from engine.pipeline import counting
from engine.pipeline.begin import begin_beside
from engine.pipeline.consent import GRANTED, scope_id
from engine.pipeline.context import Context
from engine.pipeline.keeping import Arrival, arrival_of, keep
from engine.pipeline.match import match_claim
from engine.pipeline.matching import check_epoch
from engine.pipeline.states import ClaimState
from engine.pipeline.values import stored
from engine.settlement import Settlement, SettlementInvalid, Submission, check, content_digest
from engine.settlement.minimise import document_of
from engine.store import claims, match_tasks, matching, policies, provider_decisions, settlements, tables

MODE = "settlement"
_MATCHED_TO_NOTHING = (ClaimState.UNINSURED, ClaimState.NO_CONSENT)


@dataclass(frozen=True, slots=True)
class Named:
    """What a provider's message about a matched discharge names. discharge, handle: 64 hexadecimal digits.
    authorization: 0x and 64. task: the matching task that it is released under, if under one."""

    provider: str
    epoch: int
    discharge: str
    handle: str
    authorization: str
    task: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Release(Named):
    """document: a settlement in its evidence form. setl_id and salt, of 32 bytes, open its reference."""

    document: Mapping[str, Any]
    setl_id: str
    salt: bytes

    @property
    def stated(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "salt": self.salt.hex()}

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Self:
        return cls(**{**stated, "salt": bytes.fromhex(stated["salt"])})


@dataclass(frozen=True, slots=True)
class Kept:
    """`created` is False when the same release had been kept before."""

    claim_id: str
    state: str
    created: bool


def release(ctx: Context, one: Release) -> Kept:
    """Keep it and match it; returns after the commit. The same again answers the same.

    Raises what `checked` does; Conflict `release.discharge_used`, `release.not_covered`,
    `settlement.conflict`.
    """
    arrived = checked(ctx, one)

    def work(session: Session) -> Kept:
        return keep_matched(ctx, session, one, arrived)

    return ctx.writer.run(work)


def checked(ctx: Context, one: Release) -> Arrival:
    """What would be kept of it now; nothing is.

    Raises NotFound `match.epoch_unknown`, `release.discharge_unknown`, `release.handle_unknown`; Conflict
    `match.epoch_withdrawn`, `release.consent`, `release.task`; Unavailable `release.task`, while that lasts;
    NotAllowed `settlement.other_hospital`; Refused `release.document`.
    """
    with ctx.database.reading() as session:
        policy, authorization = named(ctx, session, one)
    check_live(ctx, authorization)
    return _arrived(ctx, one, policy)


def named(ctx: Context, session: Session, one: Named) -> tuple[tables.Policy, tables.Authorization]:
    """The policy that the handle names, and the authorization that holds for it now."""
    policy = _policy(session, one)
    authorization = policies.authorization_for(
        session, policy.pseudonym, scope_id(ctx, policy.product), (GRANTED,)
    )
    if authorization is None or authorization.authorization_id != one.authorization:
        raise _no_consent()
    return policy, authorization


def _policy(session: Session, one: Named) -> tables.Policy:
    decided = provider_decisions.named(session, one.provider, one.discharge, one.handle)
    if decided is not None:  # what was named once stays named, whatever became of its epoch
        claim = session.get_one(tables.Claim, decided.claim_id)
        return session.get_one(tables.Policy, claim.policy_id)
    check_epoch(session, one.epoch)
    question = matching.question(session, one.provider, one.discharge)
    if question is None or question.epoch != one.epoch:
        raise NotFound(
            "/discharge: this provider has not asked about it in this epoch", code="release.discharge_unknown"
        )
    handle = matching.handle(session, one.epoch, one.handle)
    policy = session.get_one(tables.Policy, handle.policy_id) if handle else None
    if policy is None or not policy.salts_sealed:
        raise NotFound("/handle: names no policy in this epoch", code="release.handle_unknown")
    _in_its_task(session, question.task_id, one.task, policy)
    return policy


def _in_its_task(session: Session, asked_in: str | None, task: str | None, policy: tables.Policy) -> None:
    """What was asked in a task is released under it; what else was found of it, once that has completed."""
    row = match_tasks.task(session, asked_in) if asked_in is not None else None
    if task is None:
        if row is not None and row.ended is None:
            raise Unavailable("/discharge: asked about in a task that has not ended yet", code="release.task")
        if row is not None and row.ended != match_tasks.COMPLETED:
            raise Conflict("/discharge: asked about in a task that came to nothing", code="release.task")
    elif row is None or asked_in != task:
        raise NotFound(
            "/discharge: this provider has not asked about it in this task", code="release.discharge_unknown"
        )
    elif row.document["product"] != policy.product:
        raise Conflict("/handle: the task is for another product", code="release.task")


def check_live(ctx: Context, row: tables.Authorization) -> None:
    """Asked of the chain: consent may be withdrawn there without us."""
    at_s = ctx.chain.chain_time()
    liveness = ctx.chain.registry.liveness(row.authorization_id, row.scope, row.subject, at_s)
    if liveness is not Liveness.LIVE:
        raise _no_consent()


def _no_consent() -> Conflict:
    return Conflict(
        "/authorization: it does not hold, or another has taken its place; take in the newest update",
        code="release.consent",
    )


def _arrived(ctx: Context, one: Release, policy: tables.Policy) -> Arrival:
    """What would be kept of the document, if it is exactly what we would have made of this settlement."""
    submission = submission_of(ctx, one.document, one.setl_id)
    if submission.hospital_code != one.provider:
        raise NotAllowed(
            "/document/setlinfo/fixmedins_code is not the provider that signed this message",
            code="settlement.other_hospital",
        )
    salts = replace(ClaimSalts.generate(ctx.rng), settlement_reference=one.salt)
    body = canonical_bytes(one.document)
    arrived = arrival_of(ctx, body, submission, salts, policy.pseudonym, counting.RELEASED)
    if arrived.settlement["reference"] != one.document["setlinfo"]["setl_id"]:
        raise _refused("/document/setlinfo/setl_id", "release.reference", "the opening does not open it")
    return replace(arrived, settlement={**arrived.settlement, "released": True})


def submission_of(ctx: Context, evidence: Mapping[str, Any], setl_id: str) -> Submission:
    """Of a settlement in its evidence form. Raises Refused: for a rule that the settlement breaks, and for a
    field that is another, or too many."""
    info = evidence.get("setlinfo")
    numbered = {**evidence, "setlinfo": {**info, "setl_id": setl_id}} if isinstance(info, dict) else {}
    checked = check(numbered, personal=False)
    try:
        settlement = Settlement.of(checked, ctx.hospital_register())
    except SettlementInvalid as error:
        raise Refused(
            "release.document",
            f"{len(error.violations)} rule(s) broken",
            [
                {"field": f"/document{v.field}", "rule": v.rule, "message": v.message}
                for v in error.violations
            ],
        ) from error
    document = document_of(settlement)
    if document != numbered:
        raise _refused(*_difference(numbered, document))
    return Submission.of(settlement, document, content_digest(evidence), checked.warnings)


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, str, str]:
    """Where a document is not the minimised one; no value is repeated."""
    where = "/document"
    for part in (theirs, ours):
        for name in part:
            if theirs.get(name) != ours.get(name):
                where = f"/document/{name}"
    info, own = theirs["setlinfo"], ours["setlinfo"]
    for name in (*info, *own):
        if info.get(name) != own.get(name):
            where = f"/document/setlinfo/{name}"
    return where, "release.minimised", "is not what minimising this settlement gives, by our register"


def _refused(field: str, rule: str, message: str) -> Refused:
    listed = [{"field": field, "rule": rule, "message": message}]
    return Refused("release.document", "the document is not a settlement in its evidence form", listed)


def keep_matched(ctx: Context, session: Session, one: Named, arrived: Arrival) -> Kept:
    """Keep what was released, with a claim for the policy that it was released for, matched."""
    policy, _ = named(ctx, session, one)
    question = matching.question(session, one.provider, one.discharge, lock=True)
    (accepted,) = keep(session, [arrived])
    if isinstance(accepted, AutoclaimError):
        raise accepted
    held = settlements.by_setl_id(session, *arrived.name, lock=True)
    if held is None or question is None:
        raise LookupError("what was kept is gone")
    row, first = held
    settlement_id = stored(row.id)
    if question.settlement_id not in (None, settlement_id):
        raise Conflict(
            "/discharge: another settlement was released of it; ask anew", code="release.discharge_used"
        )
    for claim in claims.of_settlement(session, settlement_id):
        if claim.policy_id == policy.id:
            return Kept(claim.claim_id, claim.state, created=False)
    if accepted.created:
        claim = first
        claim.policy_id = policy.id
    else:
        claim = begin_beside(ctx, session, first, policy, f"hospital {one.provider}")
        claim.batch_id = None  # its settlement's may have run already
    match_claim(ctx, session, claim, row, _of_person(session, policy, row))
    if claim.state in _MATCHED_TO_NOTHING:
        raise _no_consent() if claim.state == ClaimState.NO_CONSENT else _not_covered()
    _count(session, question, settlement_id)
    if one.task is not None:
        match_tasks.settle(session, one.task, one.provider, one.discharge, one.handle, claim.claim_id)
    return Kept(claim.claim_id, claim.state, created=True)


def _of_person(session: Session, policy: tables.Policy, row: tables.Settlement) -> list[tables.Policy]:
    """Whoever's the policy is: all their policies at the time of the stay, since they bear on one another."""
    also = {other.pseudonym for other in matching.aliases(session, {stored(policy.id)})}
    touching = policies.policies_touching(
        session, {policy.pseudonym, *also}, row.admitted_on, row.discharged_on
    )
    return list({other.policy_no: other for _, other in touching}.values())


def check_covered(policy: tables.Policy, admitted_on: date, discharged_on: date) -> None:
    """Raises Conflict `release.not_covered`."""
    if not in_force([policy], admitted_on, discharged_on):
        raise _not_covered()


def _not_covered() -> Conflict:
    return Conflict("/handle: the policy was not in force during the stay", code="release.not_covered")


def _count(session: Session, question: matching.MatchQuestion, settlement_id: int) -> None:
    if question.settlement_id is None:
        question.settlement_id = settlement_id
        session.add(question)
        if question.task_id is None:
            matching.add_use(session, question.provider, question.day, released=1)
