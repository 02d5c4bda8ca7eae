"""A further policy answers for a settlement: its claim begins beside the one of the acceptance."""

from dataclasses import replace

from sqlmodel import Session

from engine.evidence.salts import ClaimSalts
from engine.pipeline.context import Context
from engine.pipeline.sealed import claim_salts, seal_claim_salts
from engine.pipeline.states import ClaimState
from engine.pipeline.values import stored
from engine.store import tables


def begin_beside(
    ctx: Context, session: Session, first: tables.Claim, policy: tables.Policy, actor: str
) -> tables.Claim:
    """The further policy's claim, in the same batch.

    The settlement's reference is the same in both, so that the one's history knows the other's decision.
    """
    now, claim_id = ctx.clock(), "clm_" + ctx.rng(12).hex()
    reference = claim_salts(ctx.vault, first).settlement_reference
    salts = replace(ClaimSalts.generate(ctx.rng), settlement_reference=reference)
    claim = tables.Claim(
        claim_id=claim_id,
        settlement_id=first.settlement_id,
        beside=first.beside or first.claim_id,
        hospital_code=first.hospital_code,
        state=ClaimState.ACCEPTED,
        batch_id=first.batch_id,
        policy_id=stored(policy.id),
        salts_sealed=seal_claim_salts(ctx.vault, claim_id, salts),
        created_at=now,
        updated_at=now,
    )
    session.add(claim)
    session.flush()
    session.add(
        tables.ClaimTransition(
            claim_id=stored(claim.id),
            from_state=None,
            to_state=ClaimState.ACCEPTED,
            actor=actor,
            reason="a further policy answers for this settlement",
            at=now,
        )
    )
    return claim
