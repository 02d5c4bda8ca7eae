"""What touches a policy's decisions has them looked at again: asked for in the transaction that does it.

A claim that loses its consent touches nothing yet, since nothing may be processed: the next consent does. One
that goes to a person holds up those behind it: the person's word touches.
"""

from sqlmodel import Session

from engine.pipeline.context import Context
from engine.store import policies, tables


def touch(ctx: Context, session: Session, claim: tables.Claim) -> None:
    """A claim has begun, or ceased, to count for the others of its policy."""
    if claim.policy_id is not None:
        policies.ask_to_reopen(session, [claim.policy_id], ctx.clock())
