"""Contract wallets (EIP-1271) sign wherever a person can."""

from collections.abc import Callable

import pytest
from web3.contract import Contract

from engine.chain.eip712 import (
    Grant,
    LogHead,
    TypedData,
    checkpoint_typed_data,
    grant_typed_data,
    renew_typed_data,
    revoke_typed_data,
    sign,
)
from tests.contracts.consent import Wave, refused_grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.wallets import wallet_of
from tests.contracts.world import DAY, KEYS, NOBODY, ROLE_DELAY, World, role


@pytest.fixture(scope="module")
def wallet(deployed_world: World) -> Contract:
    """The guardian's key signs for it."""
    return wallet_of(deployed_world, "guardian")


def as_insured(world: World, wallet: Contract) -> Grant:
    return world.new_grant(insured=wallet.address)


def as_guardian(world: World, wallet: Contract) -> Grant:
    return world.new_grant(guardian=wallet.address)


def as_guardian_of_nobody(world: World, wallet: Contract) -> Grant:
    return world.new_grant(guardian=wallet.address, insured=NOBODY)


@pytest.mark.parametrize("role_of_it", [as_insured, as_guardian, as_guardian_of_nobody])
def test_a_contract_wallet_grants_renews_and_revokes(
    wallet: Contract, world: World, role_of_it: Callable[[World, Contract], Grant]
) -> None:
    grant, functions = role_of_it(world, wallet), world.registry.functions
    until, deadline, digest = grant.expires + DAY, world.now + DAY, world.fresh()
    once = {"deadline": deadline, **world.domain}

    def by(who: str, document: TypedData) -> bytes:
        return sign(document, KEYS[who])

    granting = grant_typed_data(grant, nonce=0, **once)
    for who in ("stranger", "insured"):
        arguments = (grant.as_tuple(), deadline, by(who, granting))
        assert refused_grant(world, grant, arguments) == GrantRefusal.BAD_SIGNATURE
    world.send(functions.grant(grant.as_tuple(), deadline, by("guardian", granting)), by="stranger")
    assert world.liveness(grant) == Liveness.LIVE
    assert world.ask(functions.nonces(wallet.address)) == 1

    renewal = (grant.as_tuple(), until, digest, wallet.address, deadline)
    renewing = renew_typed_data(grant.id, until, digest, nonce=1, **once)
    refusal = ("NotSigned", grant.id, wallet.address.lower())
    assert world.refusal(functions.renew(*renewal, by("stranger", renewing))) == refusal
    world.send(functions.renew(*renewal, by("guardian", renewing)), by="stranger")
    assert world.liveness(grant, at=grant.expires) == Liveness.LIVE

    revocation = (grant.as_tuple(), wallet.address, deadline)
    revoking = revoke_typed_data(grant.id, nonce=2, **once)
    assert world.refusal(functions.revoke(*revocation, by("stranger", revoking))) == refusal
    world.send(functions.revoke(*revocation, by("guardian", revoking)), by="stranger")
    assert world.liveness(grant) == Liveness.REVOKED


def test_a_contract_wallet_revokes_inside_a_wave(wallet: Contract, world: World) -> None:
    leaf = as_insured(world, wallet)
    wave = Wave(world, leaves=[leaf, world.new_grant()])
    deadline = world.now + DAY
    document = revoke_typed_data(leaf.id, nonce=0, deadline=deadline, **world.domain)
    revoke = world.registry.functions.revokeInWave
    forged = revoke(*wave.proven(leaf), wallet.address, deadline, sign(document, KEYS["stranger"]))
    assert world.refusal(forged) == ("NotSigned", leaf.id, wallet.address.lower())
    signature = sign(document, KEYS["guardian"])
    world.send(revoke(*wave.proven(leaf), wallet.address, deadline, signature), by="stranger")
    assert world.liveness(leaf) == Liveness.REVOKED


def test_a_contract_wallet_witnesses_a_checkpoint(wallet: Contract, world: World) -> None:
    functions = world.store.functions
    announce = functions.announceRoleChange(role("HOSPITAL_WITNESS_ROLE"), wallet.address, True)
    world.send(announce, by="governor")
    world.next_block_at(world.now + ROLE_DELAY)
    world.send(functions.grantRole(role("HOSPITAL_WITNESS_ROLE"), wallet.address), by="governor")
    head = LogHead(3, role("root"))
    document = checkpoint_typed_data(
        head, LogHead(0, bytes(32)), chain_id=world.w3.eth.chain_id, store=world.store.address
    )

    def witnessed(by: str) -> tuple[int, bytes, list[bytes], list[tuple[str, bytes]]]:
        auditor = (world.people["auditor"], sign(document, KEYS["auditor"]))
        return 3, head.root, [], [auditor, (wallet.address, sign(document, KEYS[by]))]

    forged = functions.recordCheckpoint(*witnessed("stranger"))
    assert world.refusal(forged) == ("WitnessNotSigned", wallet.address.lower())
    world.send(functions.recordCheckpoint(*witnessed("guardian")), by="stranger")
    assert world.ask(functions.latestCheckpoint())[0] == 3


def test_a_contract_that_is_no_wallet_cannot_grant(world: World) -> None:
    grant = world.new_grant(insured=world.store.address)
    assert refused_grant(world, grant, world.signed_grant(grant)) == GrantRefusal.BAD_SIGNATURE
