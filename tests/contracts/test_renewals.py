"""AuthorizationRegistry: an authorization goes on without a moment in which it is not live."""

import pytest

from tests.contracts.consent import Wave, materialize, revoke
from tests.contracts.model import Liveness
from tests.contracts.world import DAY, YEAR, World


def test_a_renewal_extends_a_live_authorization_only(world: World) -> None:
    grant = world.granted()
    began = world.now
    renew = world.registry.functions.renew
    until, digest = grant.expires + YEAR, world.fresh()
    world.next_block_at(grant.expires - 1)  # the last second of its life
    receipt = world.send(renew(*world.signed_renewal(grant, until, digest=digest)), by="stranger")
    assert world.events(receipt, world.registry) == [
        (
            "AuthorizationRenewed",
            {"id": grant.id, "by": grant.insured, "expires": until, "consentDigest": digest},
        )
    ]
    assert world.nonce("insured") == 2
    for at, expected in [  # the same id, granted when it was, and no gap
        (began - 1, Liveness.NOT_YET_GRANTED),
        (began, Liveness.LIVE),
        (grant.expires, Liveness.LIVE),
        (until - 1, Liveness.LIVE),
        (until, Liveness.EXPIRED),
    ]:
        assert world.liveness(grant, at=at) == expected
    assert world.ask(world.registry.functions.recordOf(grant.id)) == (
        began << 215 | until << 175 | 1 << 159 | int.from_bytes(grant.subject, "big") & (2**159 - 1)
    )
    world.next_block_at(until)
    assert world.refusal(renew(*world.signed_renewal(grant, until + DAY))) == (
        "NotLive",
        grant.id,
        Liveness.EXPIRED,
    )


def test_what_was_never_granted_or_was_revoked_is_not_renewed(world: World) -> None:
    renew = world.registry.functions.renew
    never, revoked = world.new_grant(), world.granted()
    revoke(world, revoked)
    for grant, reason in [(never, Liveness.UNKNOWN), (revoked, Liveness.REVOKED)]:
        signed = world.signed_renewal(grant, grant.expires + DAY)
        assert world.refusal(renew(*signed)) == ("NotLive", grant.id, reason)
        assert world.liveness(grant) == reason


@pytest.mark.parametrize("later", [-DAY, -1, 0])
def test_a_renewal_is_later_than_what_it_renews(world: World, later: int) -> None:
    grant = world.granted()
    renewal = world.signed_renewal(grant, grant.expires + later)
    assert world.refusal(world.registry.functions.renew(*renewal)) == (
        "ExpiryNotLater",
        grant.id,
        grant.expires,
        grant.expires + later,
    )
    assert world.liveness(grant, at=grant.expires - 1) == Liveness.LIVE


def test_a_renewal_may_be_one_second_later_or_at_the_end_of_all_time(world: World) -> None:
    grant = world.granted()
    for until in (grant.expires + 1, 2**40 - 1):
        world.send(world.registry.functions.renew(*world.signed_renewal(grant, until)), by="stranger")
        assert world.liveness(grant, at=until - 1) == Liveness.LIVE
        assert world.liveness(grant, at=until) == Liveness.EXPIRED


def test_a_renewal_needs_a_consent_of_its_own(world: World) -> None:
    grant = world.granted()
    renewal = world.signed_renewal(grant, grant.expires + DAY, digest=bytes(32))
    assert world.refusal(world.registry.functions.renew(*renewal)) == ("ZeroConsent", grant.id)


@pytest.mark.parametrize("place", [1, 2])
def test_a_renewals_signature_covers_its_expiry_and_its_consent(world: World, place: int) -> None:
    grant = world.granted()
    arguments = list(world.signed_renewal(grant, grant.expires + DAY))
    arguments[place] = {1: grant.expires + 2 * DAY, 2: world.fresh()}[place]
    assert world.refusal(world.registry.functions.renew(*arguments)) == (
        "NotSigned",
        grant.id,
        grant.insured.lower(),
    )
    assert world.liveness(grant, at=grant.expires) == Liveness.EXPIRED


def test_a_renewal_is_of_the_grant_that_was_signed_about(world: World) -> None:
    grant, other = world.granted(), world.granted()
    _, *signed = world.signed_renewal(grant, grant.expires + DAY)
    assert world.refusal(world.registry.functions.renew(other.as_tuple(), *signed))[0] == "NotSigned"


def test_a_renewed_authorization_is_renewed_again_and_revoked_for_ever(world: World) -> None:
    grant = world.granted()
    functions = world.registry.functions
    for until in (grant.expires + DAY, grant.expires + 2 * DAY):
        world.send(functions.renew(*world.signed_renewal(grant, until)), by="stranger")
    world.next_block_at(grant.expires + DAY)  # live only by its renewals
    world.send(functions.revoke(*world.signed_revocation(grant)), by="stranger")
    assert world.liveness(grant) == Liveness.REVOKED


def test_an_authorization_out_of_a_wave_is_renewed_past_the_wave(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    inside = world.registry.functions.renew(*world.signed_renewal(leaf, leaf.expires + DAY))
    assert world.refusal(inside) == ("NotLive", leaf.id, Liveness.UNKNOWN)
    materialize(world, wave, leaf)
    until = wave.expires + YEAR
    world.send(world.registry.functions.renew(*world.signed_renewal(leaf, until)), by="stranger")
    assert world.liveness(leaf, at=until - 1) == Liveness.LIVE
    assert world.liveness(leaf, at=wave.granted_at) == Liveness.LIVE
