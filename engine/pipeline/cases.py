"""Cases given to providers that decide where their settlements lie (engine.evidence.case).

No case is kept before a decision of it is: the same one is made again from what is kept, and a digest says
whether it is still the same.
"""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from engine.adjudication import History
from engine.adjudication.history import SettlementRef
from engine.chain.eip712 import case_typed_data
from engine.chain.keys import REQUESTER
from engine.errors import NotAllowed, Refused, Unavailable
from engine.evidence.canonical import digest
from engine.evidence.case import case_document
from engine.evidence.documents import coverage_alone, reference_of
from engine.pipeline.context import Context
from engine.pipeline.histories import Before, before
from engine.pipeline.releases import Named, check_covered, check_live, named
from engine.pipeline.sealed import coverage
from engine.pipeline.tasks import ensure_task
from engine.pipeline.values import raw, stored
from engine.store import claims, settlements, tables

_AGAIN_S = 60


@dataclass(frozen=True, slots=True)
class Asked(Named):
    """For which discharge a case is asked. settlement: its dates, under its reference; setl_id and salt open
    that."""

    settlement: SettlementRef
    setl_id: str
    salt: bytes


def give(ctx: Context, asked: Asked) -> dict[str, Any]:
    """{"case", "terms", "terms_register", "task_id", "signature"}: the case, the wording that it names,
    all of those that the task was opened under, and the requester's signature (EIP-712) that this was given
    out.

    Raises what `releases.release` raises of who asks for what; Unavailable `release.case_waits` while
    something before it is undecided.
    """
    check_reference(asked)
    with ctx.database.reading() as session:
        policy, authorization = named(ctx, session, asked)
    check_live(ctx, authorization)
    with ctx.database.reading() as session:
        known, case = of(ctx, session, asked)
    task = ensure_task(ctx, policy.product)
    chain = ctx.chain
    typed = case_typed_data(
        digest(case), raw(task.task_id), chain_id=chain.chain_id, scheduler=chain.scheduler.address
    )
    return {
        "case": case,
        "terms": known.terms.document,
        "terms_register": task.terms_register,
        "task_id": task.task_id,
        "signature": "0x" + chain.sign(REQUESTER, typed).hex(),
    }


def of(ctx: Context, session: Session, asked: Asked) -> tuple[Before, dict[str, Any]]:
    """The case as it stands, and what it was made of. Raises as `give`."""
    policy, _ = named(ctx, session, asked)
    return of_policy(ctx, session, asked, policy)


def of_policy(
    ctx: Context, session: Session, asked: Asked, policy: tables.Policy
) -> tuple[Before, dict[str, Any]]:
    """`of`, where the policy that it names is known already."""
    check_covered(policy, asked.settlement.admitted_on, asked.settlement.discharged_on)
    known = _known(ctx, session, asked, policy)
    return known, case_of(ctx, policy, known, asked.settlement, asked.authorization)


def check_reference(asked: Asked) -> None:
    """Raises NotAllowed `settlement.other_hospital`, Refused `release.reference`, `release.dates`."""
    ref = asked.settlement
    if ref.hospital_code != asked.provider:
        raise NotAllowed(
            "/settlement/fixmedins_code is not the provider that signed this message",
            code="settlement.other_hospital",
        )
    if reference_of(asked.setl_id, asked.salt) != ref.setl_id:
        raise _refused("release.reference", "setl_id", "the opening does not open it")
    if ref.admitted_on > ref.discharged_on:
        raise _refused("release.dates", "dscg", "is before the admission")


def _refused(code: str, name: str, message: str) -> Refused:
    listed = [{"field": f"/settlement/{name}", "rule": code, "message": message}]
    return Refused(code, "the settlement is not what its reference says", listed)


def _known(ctx: Context, session: Session, asked: Asked, policy: tables.Policy) -> Before:
    """Of a settlement that may be kept already, and mostly is not."""
    ref, claim = asked.settlement, None
    beside: claims.Beside = ()
    held = settlements.by_setl_id(session, ref.hospital_code, asked.setl_id)
    if held is not None:
        settlement_id = stored(held[0].id)
        beside = claims.beside(session, [settlement_id]).get(settlement_id, ())
        of_settlement = claims.of_settlement(session, settlement_id)
        claim = next((one for one in of_settlement if one.policy_id == policy.id), None)
    known = before(ctx, session, policy, ref, beside, claim)
    if known.earlier_undecided or known.others_undecided:
        raise Unavailable(
            "a settlement before this one, or a policy that pays before this one, is undecided",
            code="release.case_waits",
            retry_after_s=_AGAIN_S,
        )
    return known


def case_of(
    ctx: Context, policy: tables.Policy, known: Before, ref: SettlementRef, authorization_id: str
) -> dict[str, Any]:
    standing = History.parse(known.history).standing(known.terms, ref)
    return case_document(
        authorization=authorization_id,
        terms_digest=known.terms.digest_hex,
        coverage=coverage_alone(coverage(ctx.vault, policy)),
        history=standing.document(),
        settlement=ref.document(),
    )
