"""AuthorizationRegistry outside waves (test_waves.py has those)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.consent import refused_grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import DAY, KEYS, NOBODY, Refused, World, role


def test_a_signed_grant_relayed_by_anyone_is_live(world: World) -> None:
    grant = world.new_grant()
    assert world.liveness(grant) == Liveness.UNKNOWN
    receipt = world.send(world.registry.functions.grant(*world.signed_grant(grant)), by="stranger")
    assert world.liveness(grant) == Liveness.LIVE
    assert world.nonce("insured") == 1
    assert world.events(receipt, world.registry) == [
        (
            "AuthorizationGranted",
            {
                "id": grant.id,
                "subject": grant.subject,
                "scope": grant.scope,
                "insured": grant.insured,
                "expires": grant.expires,
                "consentDigest": grant.consent_digest,
            },
        )
    ]


def test_a_guardian_grants_and_revokes_for_the_insured(world: World) -> None:
    grant = world.new_grant(insured=world.people["guardian"])
    world.send(world.registry.functions.grant(*world.signed_grant(grant, by="guardian")), by="stranger")
    assert world.liveness(grant) == Liveness.LIVE
    with pytest.raises(Refused) as refused:  # the minor's own key says nothing here
        world.send(
            world.registry.functions.revoke(*world.signed_revocation(grant.id, by="insured")), by="stranger"
        )
    assert refused.value.args == ("RevokeNotSigned", grant.id, world.people["guardian"].lower())
    world.send(
        world.registry.functions.revoke(*world.signed_revocation(grant.id, by="guardian")), by="stranger"
    )
    assert world.liveness(grant) == Liveness.REVOKED


@pytest.mark.parametrize("zero", ["id", "subject", "scope", "consent_digest", "insured"])
def test_a_grant_with_a_zero_field_is_refused(world: World, zero: str) -> None:
    grant = world.new_grant(**{zero: NOBODY if zero == "insured" else bytes(32)})
    assert refused_grant(world, grant, world.signed_grant(grant)) == (
        "GrantRefused",
        0,
        grant.id,
        GrantRefusal.ZERO_FIELD,
    )


def test_an_id_is_granted_once_whoever_asks(world: World) -> None:
    grant = world.granted()
    takeover = world.new_grant(id=grant.id, insured=world.people["guardian"])
    arguments = world.signed_grant(takeover, by="guardian")
    refusal = ("GrantRefused", 0, grant.id, GrantRefusal.ALREADY_KNOWN)
    assert refused_grant(world, grant, arguments) == refusal
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    assert refused_grant(world, grant, arguments) == refusal


def test_a_grant_that_has_expired_is_refused(world: World) -> None:
    expires = world.now + 10
    grant = world.new_grant(expires=expires)
    world.next_block_at(expires)
    assert refused_grant(world, grant, world.signed_grant(grant)) == (
        "GrantRefused",
        0,
        grant.id,
        GrantRefusal.EXPIRY_PASSED,
    )


def test_liveness_gives_the_first_reason_in_order(world: World) -> None:
    grant = world.granted()
    began, ends = world.now, grant.expires
    wrong = {"scope": world.fresh(), "subject": world.fresh()}
    cases: list[tuple[int, Callable[[], int]]] = [
        (Liveness.UNKNOWN, lambda: world.liveness(grant, id=world.fresh(), **wrong, at=ends)),
        (Liveness.NOT_YET_GRANTED, lambda: world.liveness(grant, **wrong, at=began - 1)),
        (Liveness.OUT_OF_SCOPE, lambda: world.liveness(grant, **wrong, at=began)),
        (Liveness.OUT_OF_SCOPE, lambda: world.liveness(grant, scope=wrong["scope"], at=began)),
        (Liveness.OTHER_SUBJECT, lambda: world.liveness(grant, subject=wrong["subject"], at=ends - 1)),
        (Liveness.LIVE, lambda: world.liveness(grant, at=began)),
        (Liveness.LIVE, lambda: world.liveness(grant, at=ends - 1)),
        (Liveness.EXPIRED, lambda: world.liveness(grant, at=ends)),
        (Liveness.EXPIRED, lambda: world.liveness(grant, **wrong, at=2**48 - 1)),
    ]
    for expected, ask in cases:
        assert ask() == expected
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    for at in (0, began, ends):
        assert world.liveness(grant, **wrong, at=at) == Liveness.REVOKED


def test_scope_and_subject_cannot_change_places(world: World) -> None:
    grant = world.granted()
    assert world.liveness(grant, scope=grant.subject, subject=grant.scope) == Liveness.OUT_OF_SCOPE


@pytest.mark.parametrize("expires", [2**47, 2**48 - 1])
def test_the_farthest_expiry_spills_into_no_other_field(world: World, expires: int) -> None:
    grant = world.granted(expires=expires)
    assert world.liveness(grant, at=expires - 1) == Liveness.LIVE
    assert world.liveness(grant, at=expires) == Liveness.EXPIRED
    assert world.liveness(grant, at=world.now - 1) == Liveness.NOT_YET_GRANTED


def test_requireLive_reverts_with_the_reason_that_liveness_gives(world: World) -> None:  # noqa: N802
    grant = world.granted()
    now = world.now
    require = world.registry.functions.requireLive
    world.ask(require(grant.id, grant.scope, grant.subject, now))
    for arguments, reason in [
        ((bytes(32), grant.scope, grant.subject, now), Liveness.UNKNOWN),
        ((grant.id, world.fresh(), grant.subject, now), Liveness.OUT_OF_SCOPE),
        ((grant.id, grant.scope, world.fresh(), now), Liveness.OTHER_SUBJECT),
        ((grant.id, grant.scope, grant.subject, grant.expires), Liveness.EXPIRED),
    ]:
        with pytest.raises(Refused) as refused:
            world.ask(require(*arguments))
        assert refused.value.args == ("NotLive", arguments[0], reason)


def test_a_revocation_is_terminal(world: World) -> None:
    grant = world.granted()
    receipt = world.send(world.registry.functions.revoke(*world.signed_revocation(grant.id)), by="stranger")
    assert world.events(receipt, world.registry) == [
        ("AuthorizationRevoked", {"id": grant.id, "by": grant.insured})
    ]
    assert world.liveness(grant) == Liveness.REVOKED
    for function, by in [
        (world.registry.functions.revoke(*world.signed_revocation(grant.id)), "stranger"),
        (world.registry.functions.revokeFor(grant.id), "revoker"),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(function, by=by)
        assert refused.value.args == ("AlreadyRevoked", grant.id)
    assert world.liveness(grant) == Liveness.REVOKED


def test_an_expired_authorization_can_still_be_revoked(world: World) -> None:
    grant = world.granted()
    world.next_block_at(grant.expires + DAY)
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    assert world.liveness(grant) == Liveness.REVOKED


@pytest.mark.parametrize("who", [name for name in KEYS if name != "revoker"])
def test_only_the_revoker_revokes_without_a_signature(world: World, who: str) -> None:
    grant = world.granted()
    with pytest.raises(Refused) as refused:
        world.send(world.registry.functions.revokeFor(grant.id), by=who)
    assert refused.value.args == (
        "AccessControlUnauthorizedAccount",
        world.people[who].lower(),
        role("REVOKER_ROLE"),
    )
    assert world.liveness(grant) == Liveness.LIVE


def test_an_unknown_authorization_cannot_be_revoked(world: World) -> None:
    id_ = world.fresh()
    for function, by in [
        (world.registry.functions.revokeFor(id_), "revoker"),
        (world.registry.functions.revoke(*world.signed_revocation(id_)), "stranger"),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(function, by=by)
        assert refused.value.args == ("UnknownAuthorization", id_)


def test_a_batch_of_grants_of_one_guardian_takes_one_nonce_each(world: World) -> None:
    grants = [world.new_grant(insured=world.people["guardian"]) for _ in range(3)]
    deadline = world.now + DAY
    signed = [
        world.signed_grant(grant, by="guardian", nonce=nonce, deadline=deadline)
        for nonce, grant in enumerate(grants)
    ]
    batch = world.registry.functions.grantBatch([s[0] for s in signed], deadline, [s[2] for s in signed])
    world.send(batch, by="enrolment")
    assert [world.liveness(grant) for grant in grants] == [Liveness.LIVE] * 3
    assert world.nonce("guardian") == 3


@pytest.mark.parametrize("spoiled", [0, 1, 2])
@pytest.mark.parametrize("reason", list(GrantRefusal)[1:])
def test_one_bad_grant_reverts_the_batch_and_is_named_by_index(
    world: World, spoiled: int, reason: GrantRefusal
) -> None:
    deadline = world.now + DAY
    known = world.granted()
    base = world.nonce("insured")
    changes: dict[GrantRefusal, dict[str, Any]] = {
        GrantRefusal.ZERO_FIELD: {"subject": bytes(32)},
        GrantRefusal.ALREADY_KNOWN: {"id": known.id},
        GrantRefusal.EXPIRY_PASSED: {"expires": world.now},
        GrantRefusal.BAD_SIGNATURE: {},
    }
    grants = [world.new_grant(**(changes[reason] if i == spoiled else {})) for i in range(3)]
    signed = [world.signed_grant(g, nonce=base + i, deadline=deadline) for i, g in enumerate(grants)]
    signatures = [s[2] for s in signed]
    if reason == GrantRefusal.BAD_SIGNATURE:
        signatures[spoiled] = world.signed_grant(
            grants[spoiled], by="guardian", nonce=base + spoiled, deadline=deadline
        )[2]
    batch = world.registry.functions.grantBatch([s[0] for s in signed], deadline, signatures)
    with pytest.raises(Refused) as refused:
        world.send(batch, by="enrolment")
    assert refused.value.args == ("GrantRefused", spoiled, grants[spoiled].id, reason)
    assert all(world.liveness(g) == Liveness.UNKNOWN for i, g in enumerate(grants) if i != spoiled)
    assert world.nonce("insured") == base


def test_an_id_twice_in_one_batch_is_refused(world: World) -> None:
    grant = world.new_grant()
    deadline = world.now + DAY
    signed = [world.signed_grant(grant, nonce=nonce, deadline=deadline) for nonce in (0, 1)]
    with pytest.raises(Refused) as refused:
        world.send(
            world.registry.functions.grantBatch([s[0] for s in signed], deadline, [s[2] for s in signed]),
            by="enrolment",
        )
    assert refused.value.args == ("GrantRefused", 1, grant.id, GrantRefusal.ALREADY_KNOWN)


def test_an_empty_or_lopsided_batch_is_refused(world: World) -> None:
    message, deadline, signature = world.signed_grant(world.new_grant())
    batch = world.registry.functions.grantBatch
    for arguments, expected in [
        (([], deadline, []), ("EmptyBatch",)),
        (([message], deadline, []), ("LengthMismatch", 1, 0)),
        (([message], deadline, [signature, signature]), ("LengthMismatch", 1, 2)),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(batch(*arguments), by="enrolment")
        assert refused.value.args == expected
