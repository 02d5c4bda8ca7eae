"""Consent withdrawn on paper: by the revoker's key, for good, and only for what was granted."""

import pytest

from engine.chain.contracts import Liveness
from engine.errors import Refused
from engine.pipeline import consent
from tests.pipeline.world import World, policy_no, wallet


def authorization(world: World, index: int) -> str:
    prepared = consent.prepare_authorization(world.ctx, policy_no(index), wallet(index).address)
    found: str = prepared["authorization_id"]
    return found


def test_a_withdrawal_on_paper_stands_on_chain_and_stops_the_next_claim(world: World) -> None:
    authorization_id = authorization(world, 0)
    assert consent.revoke_for(world.ctx, authorization_id)["state"] == "revoked"
    assert consent.revoke_for(world.ctx, authorization_id)["state"] == "revoked"
    row = consent.get_authorization(world.ctx, authorization_id)
    registry, at_s = world.ctx.chain.registry, world.ctx.chain.chain_time()
    subject = bytes(32)
    assert registry.liveness(authorization_id, row["scope"], subject, at_s) is Liveness.REVOKED
    claim = world.accepted(0)
    world.matched(claim)
    assert world.state(claim) == "no_consent"


def test_what_was_never_granted_cannot_be_withdrawn(world: World) -> None:
    world.revoke(0)
    pending = authorization(world, 0)
    with pytest.raises(Refused) as refused:
        consent.revoke_for(world.ctx, pending)
    assert refused.value.violations[0]["rule"] == "UnknownAuthorization"
    assert consent.get_authorization(world.ctx, pending)["state"] == "pending"
