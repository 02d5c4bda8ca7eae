"""What touches a policy's decisions has them looked at again: asked for in the transaction that does it.

A claim that loses its consent touches nothing of its own policy yet, since nothing may be processed: the next
consent does. One that goes to a person holds up those behind it: the person's word touches.
"""

from sqlmodel import Session

from engine.pipeline.context import Context
from engine.pipeline.states import LOOKED_AT
from engine.pipeline.values import stored
from engine.store import claims, policies, tables


def touch(ctx: Context, session: Session, claim: tables.Claim, beside: claims.Beside | None = None) -> None:
    """A claim has begun, or ceased, to count for the others of its policy, and of others."""
    own = {claim.policy_id} if claim.policy_id is not None else set()
    _ask(ctx, session, own | _dependent(session, claim, beside))


def touch_others(
    ctx: Context, session: Session, claim: tables.Claim, beside: claims.Beside | None = None
) -> None:
    """What the claim comes to, or that it comes to nothing, is another thing to other policies."""
    _ask(ctx, session, _dependent(session, claim, beside))


def _ask(ctx: Context, session: Session, touched: set[int]) -> None:
    if touched:
        policies.ask_to_reopen(session, sorted(touched), ctx.clock())


def _dependent(session: Session, claim: tables.Claim, beside: claims.Beside | None) -> set[int]:
    """The other policies whose decisions may stand on this claim: those that pay for its settlement after
    it, and those of its family. beside: the settlement's matched claims, where they are known.
    """
    if beside is None:
        beside = claims.beside(session, [claim.settlement_id]).get(claim.settlement_id, ())
    own = next((policy for other, policy in beside if other.id == claim.id), None)
    later = {
        stored(policy.id)
        for other, policy in beside
        if other.id != claim.id and other.state in LOOKED_AT and (own is None or own.order < policy.order)
    }
    if own is None or own.family is None:
        return later
    return later | {
        stored(other.policy_id)
        for other, _ in claims.of_family(session, own.family, stored(own.id))
        if other.state in LOOKED_AT
    }
