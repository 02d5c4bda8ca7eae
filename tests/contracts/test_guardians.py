"""AuthorizationRegistry: a guardian signs in the insured's place, and both may take it back."""

import pytest

from tests.contracts.consent import Wave, materialize, refused_grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import DAY, NOBODY, World


def test_where_there_is_a_guardian_the_guardian_signs(world: World) -> None:
    grant = world.new_grant(guardian=world.people["guardian"])
    assert grant.signer == world.people["guardian"]
    by_insured = world.signed_grant(grant, by="insured")
    assert refused_grant(world, grant, by_insured) == GrantRefusal.BAD_SIGNATURE
    receipt = world.send(
        world.registry.functions.grant(*world.signed_grant(grant, by="guardian")), by="stranger"
    )
    told = world.events(receipt, world.registry)[0][1]
    assert (told["insured"], told["guardian"]) == (world.people["insured"], world.people["guardian"])
    assert world.liveness(grant) == Liveness.LIVE
    assert (world.nonce("guardian"), world.nonce("insured")) == (1, 0)


def test_where_there_is_none_a_guardians_signature_says_nothing(world: World) -> None:
    grant = world.new_grant()
    assert refused_grant(world, grant, world.signed_grant(grant, by="guardian")) == GrantRefusal.BAD_SIGNATURE


@pytest.mark.parametrize("holder", ["guardian", "insured"])
def test_either_of_the_two_revokes(world: World, holder: str) -> None:
    grant = world.granted(guardian=world.people["guardian"], by="guardian")
    receipt = world.send(
        world.registry.functions.revoke(*world.signed_revocation(grant, by=holder)), by="stranger"
    )
    assert world.events(receipt, world.registry) == [
        ("AuthorizationRevoked", {"id": grant.id, "by": world.people[holder]})
    ]
    assert world.liveness(grant) == Liveness.REVOKED
    assert world.nonce(holder) == (2 if holder == "guardian" else 1)


@pytest.mark.parametrize("holder", ["guardian", "insured"])
def test_either_of_the_two_renews(world: World, holder: str) -> None:
    grant = world.granted(guardian=world.people["guardian"], by="guardian")
    renewal = world.signed_renewal(grant, grant.expires + DAY, by=holder)
    world.send(world.registry.functions.renew(*renewal), by="stranger")
    assert world.liveness(grant, at=grant.expires) == Liveness.LIVE


def test_the_guardian_of_somebody_without_a_key_grants_and_revokes(world: World) -> None:
    grant = world.granted(insured=NOBODY, guardian=world.people["guardian"], by="guardian")
    assert world.liveness(grant) == Liveness.LIVE
    nobody = (grant.as_tuple(), NOBODY, world.now + DAY, bytes(65))
    assert world.refusal(world.registry.functions.revoke(*nobody)) == ("NotAHolder", grant.id, NOBODY)
    world.send(world.registry.functions.revoke(*world.signed_revocation(grant, by="guardian")), by="stranger")
    assert world.liveness(grant) == Liveness.REVOKED


@pytest.mark.parametrize("holder", ["guardian", "insured"])
@pytest.mark.parametrize("before", [False, True])
def test_a_guardians_grant_comes_out_of_a_wave_and_is_revoked_in_it(
    world: World, holder: str, before: bool
) -> None:
    leaf = world.new_grant(guardian=world.people["guardian"])
    wave = Wave(world, leaves=[leaf, world.new_grant()])
    if before:
        materialize(world, wave, leaf)
    world.send(wave.revoking(world, leaf, by=holder), by="stranger")
    assert world.liveness(leaf) == Liveness.REVOKED
