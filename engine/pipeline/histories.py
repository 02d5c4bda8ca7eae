"""What a claim is decided on besides its own settlement: earlier decisions, of its policy and of others.

The policies of a person pay for a settlement one after another (docs/adr/0015): each knows what those before
it pay, and none waits for those behind it. A family's policies bear one deductible in the order of their
settlements. Of other policies a history holds only what counts (engine.evidence.documents).
"""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from engine.adjudication.history import SettlementRef
from engine.adjudication.reopening import Others
from engine.errors import Conflict
from engine.evidence.documents import decision_elsewhere, decision_of_family
from engine.pipeline.context import Context
from engine.pipeline.sealed import decision
from engine.pipeline.states import COUNTED, UNDECIDED
from engine.pipeline.values import stored
from engine.pipeline.wordings import book_of_policy, decided_by, terms_for
from engine.store import claims, tables
from engine.terms import Terms


@dataclass(frozen=True, slots=True)
class Before:
    """What a settlement is decided on, besides itself."""

    terms: Terms
    history: dict[str, Any]
    """The decisions that count; meaningless while something before it is undecided."""
    earlier_undecided: bool
    others_undecided: bool
    is_newest: bool
    """Nothing of its policy is later in order."""


def before(
    ctx: Context,
    session: Session,
    policy: tables.Policy,
    ref: SettlementRef,
    beside: claims.Beside,
    claim: tables.Claim | None = None,
) -> Before:
    """Of a settlement under a policy. beside: its matched claims; claim: the policy's own, where there is
    one."""
    terms = terms_for(ctx, book_of_policy(ctx, session, policy), ref.admitted_on)
    own = None if claim is None else claim.id
    same_policy = [row for row in claims.of_policy(session, stored(policy.id)) if row[0].id != own]
    at = order_of(terms, ref)
    earlier = [c for c, s in same_policy if order_of(terms, reference(s)) < at]
    others = others_before(ctx, session, policy, ref, terms, beside)
    return Before(
        terms=terms,
        history=others.history_after(counted_decisions(ctx, earlier)),
        earlier_undecided=any(c.state in UNDECIDED for c in earlier),
        others_undecided=others.undecided,
        is_newest=len(earlier) == len(same_policy),
    )


def others_before(
    ctx: Context,
    session: Session,
    policy: tables.Policy,
    ref: SettlementRef,
    terms: Terms,
    beside: claims.Beside,
) -> Others:
    """What other policies have decided that counts here. beside: the settlement's matched claims."""
    elsewhere = [other for other, of_other in beside if of_other.order < policy.order]
    family = _family_before(session, policy, ref, terms)
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
    session: Session, policy: tables.Policy, ref: SettlementRef, terms: Terms
) -> list[tables.Claim]:
    """Nobody's, unless these terms have the family bear a deductible together."""
    together = any(one.deductible is not None and one.deductible.family for one in terms.benefits)
    if policy.family is None or not together:
        return []
    at = order_of(terms, ref)
    of_family = claims.of_family(session, policy.family, stored(policy.id))
    return [other for other, theirs in of_family if order_of(terms, reference(theirs)) < at]


def counted_decisions(ctx: Context, some: list[tables.Claim]) -> list[dict[str, Any]]:
    """Of those that count."""
    return [_decided(ctx, claim) for claim in some if claim.state in COUNTED]


def _decided(ctx: Context, claim: tables.Claim) -> dict[str, Any]:
    decided = decision(ctx.vault, claim)
    if decided is None:
        raise Conflict(f"claim {claim.claim_id} counts and has no decision", code="claim.undecided")
    return decided


def reference(row: tables.Settlement) -> SettlementRef:
    """What a settlement is known and ordered by; its reference stands for its number."""
    return SettlementRef(row.hospital_code, row.reference, row.admitted_on, row.discharged_on, row.settled_at)


def order_of(terms: Terms, ref: SettlementRef) -> tuple[Any, ...]:
    """Where a settlement stands in the order that the terms name."""
    return *ref.order(terms.order_by), ref.hospital_code, ref.setl_id
