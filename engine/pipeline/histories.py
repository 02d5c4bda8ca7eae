"""What a claim is decided on besides its own settlement: earlier decisions, of its policy and of others.

The policies of a person pay for a settlement one after another (docs/adr/0015): each knows what those before
it pay, and none waits for those behind it. A family's policies bear one deductible in the order of their
settlements. Of other policies a history holds only what counts (engine.evidence.documents).
"""

from typing import Any

from sqlmodel import Session

from engine.adjudication.reopening import Others
from engine.errors import Conflict
from engine.evidence.documents import decision_elsewhere, decision_of_family
from engine.pipeline.context import Context
from engine.pipeline.sealed import decision
from engine.pipeline.states import COUNTED, UNDECIDED
from engine.pipeline.values import stored
from engine.pipeline.wordings import decided_by
from engine.store import claims, tables
from engine.terms import Terms


def others_before(
    ctx: Context,
    session: Session,
    claim: tables.Claim,
    settlement: tables.Settlement,
    terms: Terms,
    beside: claims.Beside,
) -> Others:
    """What other policies have decided that counts here. beside: the settlement's matched claims."""
    policy = session.get_one(tables.Policy, claim.policy_id)
    elsewhere = [other for other, of_other in beside if of_other.order < policy.order]
    family = _family_before(session, policy, settlement, terms)
    paid = [_elsewhere(ctx, session, other) for other in elsewhere if other.state in COUNTED]
    borne = [decision_of_family(decided) for decided in counted_decisions(ctx, family)]
    return Others(
        elsewhere=[one for one in paid if one["used"]],
        family=[one for one in borne if one["used"]],
        undecided=any(other.state in UNDECIDED for other in (*elsewhere, *family)),
    )


def _elsewhere(ctx: Context, session: Session, claim: tables.Claim) -> dict[str, Any]:
    decided = _decided(ctx, claim)
    by = decided_by(ctx, session, claim, decided["terms_digest"])
    return decision_elsewhere(decided, {one.code for one in by.benefits if one.fixed is not None})


def _family_before(
    session: Session, policy: tables.Policy, settlement: tables.Settlement, terms: Terms
) -> list[tables.Claim]:
    """Nobody's, unless these terms have the family bear a deductible together."""
    together = any(one.deductible is not None and one.deductible.family for one in terms.benefits)
    if policy.family is None or not together:
        return []
    at = order_of(terms, settlement)
    of_family = claims.of_family(session, policy.family, stored(policy.id))
    return [other for other, theirs in of_family if order_of(terms, theirs) < at]


def counted_decisions(ctx: Context, some: list[tables.Claim]) -> list[dict[str, Any]]:
    """Of those that count."""
    return [_decided(ctx, claim) for claim in some if claim.state in COUNTED]


def _decided(ctx: Context, claim: tables.Claim) -> dict[str, Any]:
    decided = decision(ctx.vault, claim)
    if decided is None:
        raise Conflict(f"claim {claim.claim_id} counts and has no decision", code="claim.undecided")
    return decided


def order_of(terms: Terms, settlement: tables.Settlement) -> tuple[Any, ...]:
    """Where a settlement stands in the order that the terms name; its reference stands for its number."""
    named = (settlement.reference if key == "setl_id" else getattr(settlement, key) for key in terms.order_by)
    return *named, settlement.hospital_code, settlement.reference
