"""Consent withdrawn on paper: by the revoker's key, for good, and only for what was granted."""

import pytest
from eth_account import Account

from engine.chain.contracts import Liveness
from engine.errors import Refused
from engine.pipeline import consent
from tests.pipeline.world import World, policy_no, signed_with, wallet


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


def test_a_guardian_consents_in_a_minors_place_and_either_withdraws(world: World) -> None:
    ctx, guardian, minor = world.ctx, Account.from_key(b"\x0a" * 32), wallet(1)
    world.revoke(1)
    for signer in (guardian, minor):
        prepared = consent.prepare_authorization(ctx, policy_no(1), minor.address, guardian.address)
        id_, to_sign = prepared["authorization_id"], prepared["typed_data"]
        with pytest.raises(Refused):
            consent.grant_authorizations(ctx, [(id_, signed_with(minor, to_sign))])
        [granted] = consent.grant_authorizations(ctx, [(id_, signed_with(guardian, to_sign))])
        assert granted["state"] == "granted"
        withdrawal = consent.revocation_to_sign(ctx, id_, signer.address)
        signature = signed_with(signer, withdrawal["typed_data"])
        withdrawn = consent.revoke_authorization(ctx, id_, withdrawal["deadline"], signature, signer.address)
        assert withdrawn["state"] == "revoked"


def test_a_newborn_needs_no_address_of_its_own(world: World) -> None:
    guardian = Account.from_key(b"\x0b" * 32)
    world.revoke(1)
    prepared = consent.prepare_authorization(world.ctx, policy_no(1), None, guardian.address)
    pair = (prepared["authorization_id"], signed_with(guardian, prepared["typed_data"]))
    assert consent.grant_authorizations(world.ctx, [pair])[0]["state"] == "granted"


@pytest.mark.parametrize(("insured", "guardian"), [(None, None), ("0x" + "12" * 20, "0x" + "12" * 20)])
def test_somebody_has_to_be_able_to_sign(world: World, insured: str | None, guardian: str | None) -> None:
    with pytest.raises(Refused) as refused:
        consent.prepare_authorization(world.ctx, policy_no(1), insured, guardian)
    assert refused.value.violations[0]["field"] == "/insured"
