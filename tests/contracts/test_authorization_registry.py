"""AuthorizationRegistry: granting, being live, being revoked (not waves, renewals and guardians)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chain.eip712 import Grant
from tests.contracts.consent import FIELDS, changed, refused_grant, revoke
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import DAY, KEYS, NOBODY, Refused, World, artifact, role

WORD = st.binary(min_size=32, max_size=32)
ADDRESS = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())


def admitting(world: World, scope: bytes) -> Any:
    return world.registry.functions.admitScope(scope)


def test_a_scope_is_admitted_once_by_the_enrolment_role(world: World) -> None:
    scope, number = role("a third purpose"), world.registry.functions.scopeNumberOf
    assert [world.ask(number(role(name))) for name in ("purpose", "another purpose", "no purpose")] == [
        1,
        2,
        0,
    ]
    assert world.refusal(admitting(world, scope), by="governor")[0] == "AccessControlUnauthorizedAccount"
    receipt = world.send(admitting(world, scope), by="enrolment")
    assert world.events(receipt, world.registry) == [("ScopeAdmitted", {"scope": scope, "number": 3})]
    for again, reason in [(scope, GrantRefusal.ALREADY_KNOWN), (bytes(32), GrantRefusal.ZERO_FIELD)]:
        assert world.refusal(admitting(world, again), by="enrolment") == ("ScopeRefused", again, reason)
    assert [world.ask(number(at)) for at in (scope, bytes(32))] == [3, 0]


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
                "guardian": NOBODY,
                "expires": grant.expires,
                "consentDigest": grant.consent_digest,
            },
        )
    ]


@settings(max_examples=40)
@given(WORD, WORD, WORD, ADDRESS, ADDRESS, st.integers(0, 2**40 - 1))
def test_an_id_is_the_hash_of_its_grant(
    deployed_world: World,
    subject: bytes,
    scope: bytes,
    consent: bytes,
    insured: str,
    guardian: str,
    expires: int,
) -> None:
    """The leaf of a standard Merkle tree, by the contract and by the client; nobody chooses an id."""
    grant = Grant(subject, scope, consent, insured, expires, guardian)
    words = encode(
        ["bytes32", "bytes32", "bytes32", "address", "address", "uint40"],
        [subject, scope, consent, insured, guardian, expires],
    )
    assert grant.id == keccak(keccak(words))
    assert deployed_world.ask(deployed_world.registry.functions.idOf(grant.as_tuple())) == grant.id


@pytest.mark.parametrize("field", FIELDS)
def test_another_grant_is_another_authorization(world: World, field: str) -> None:
    grant = world.granted(guardian=world.people["guardian"], by="guardian")
    assert world.liveness(changed(world, grant, field)) == Liveness.UNKNOWN


REFUSED: list[tuple[dict[str, Any], GrantRefusal]] = [
    ({"subject": bytes(32)}, GrantRefusal.ZERO_FIELD),
    ({"consent_digest": bytes(32)}, GrantRefusal.ZERO_FIELD),
    ({"insured": NOBODY}, GrantRefusal.ZERO_FIELD),
    ({"guardian": KEYS["insured"].address}, GrantRefusal.GUARDIAN_IS_INSURED),
    ({"scope": role("never admitted")}, GrantRefusal.SCOPE_NOT_ADMITTED),
    ({"scope": bytes(32)}, GrantRefusal.SCOPE_NOT_ADMITTED),
    ({"expires": 0}, GrantRefusal.EXPIRY_PASSED),
    ({"insured": KEYS["stranger"].address}, GrantRefusal.BAD_SIGNATURE),
]
"""What spoils a grant that the insured signs; a known id has tests of its own."""


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=lambda value: str(value)[:24])
def test_a_grant_that_means_nothing_is_refused(
    world: World, changes: dict[str, Any], reason: GrantRefusal
) -> None:
    grant = world.new_grant(**changes)
    assert refused_grant(world, grant, world.signed_grant(grant)) == reason


def test_a_refused_grant_gives_the_first_reason_in_order(world: World) -> None:
    """Spoilt in every way, then mended from the first reason on."""
    insured = world.people["insured"]
    bad: dict[str, Any] = {"subject": bytes(32), "guardian": insured, "scope": role("no scope"), "expires": 1}
    for mend, reason in [
        ({}, GrantRefusal.ZERO_FIELD),
        ({"subject": world.fresh()}, GrantRefusal.GUARDIAN_IS_INSURED),
        ({"guardian": NOBODY}, GrantRefusal.SCOPE_NOT_ADMITTED),
        ({"scope": role("purpose")}, GrantRefusal.EXPIRY_PASSED),
        ({"expires": world.now + 99}, GrantRefusal.BAD_SIGNATURE),
    ]:
        bad |= mend
        grant = world.new_grant(**bad)
        assert refused_grant(world, grant, world.signed_grant(grant, by="stranger")) == reason


def test_a_subject_of_which_the_record_keeps_nothing_is_refused(world: World) -> None:
    """Only the low 159 bits are kept: were those zero, a result without a subject would pass for its own."""
    grant = world.new_grant(subject=(1 << 159).to_bytes(32, "big"))
    assert refused_grant(world, grant, world.signed_grant(grant)) == GrantRefusal.ZERO_FIELD


def test_an_id_lives_once_whoever_asks(world: World) -> None:
    grant = world.granted()
    assert refused_grant(world, grant, world.signed_grant(grant)) == GrantRefusal.ALREADY_KNOWN
    revoke(world, grant)
    assert refused_grant(world, grant, world.signed_grant(grant)) == GrantRefusal.ALREADY_KNOWN
    world.wait_until(grant.expires)  # and the reason stays that it is known
    assert refused_grant(world, grant, world.signed_grant(grant)) == GrantRefusal.ALREADY_KNOWN


@pytest.mark.parametrize(("early", "taken"), [(1, True), (0, False)])
def test_a_grant_comes_before_its_expiry_or_never(world: World, early: int, taken: bool) -> None:
    grant = world.new_grant(expires=world.now + 10)
    arguments = world.signed_grant(grant)
    world.next_block_at(grant.expires - early)
    if not taken:
        assert refused_grant(world, grant, arguments) == GrantRefusal.EXPIRY_PASSED
        return
    world.send(world.registry.functions.grant(*arguments), by="stranger")
    assert world.liveness(grant, at=world.now) == Liveness.LIVE


def test_liveness_gives_the_first_reason_in_order(world: World) -> None:
    grant = world.granted()
    began, ends = world.now, grant.expires
    wrong = {"scope": role("another purpose"), "subject": world.fresh()}
    cases: list[tuple[int, Callable[[], int]]] = [
        (Liveness.UNKNOWN, lambda: world.liveness(grant, id=world.fresh(), **wrong, at=ends)),
        (Liveness.NOT_YET_GRANTED, lambda: world.liveness(grant, **wrong, at=began - 1)),
        (Liveness.OUT_OF_SCOPE, lambda: world.liveness(grant, **wrong, at=began)),
        (Liveness.OUT_OF_SCOPE, lambda: world.liveness(grant, scope=world.fresh(), at=began)),
        (Liveness.OTHER_SUBJECT, lambda: world.liveness(grant, subject=wrong["subject"], at=ends - 1)),
        (Liveness.LIVE, lambda: world.liveness(grant, at=began)),
        (Liveness.LIVE, lambda: world.liveness(grant, at=ends - 1)),
        (Liveness.EXPIRED, lambda: world.liveness(grant, at=ends)),
        (Liveness.EXPIRED, lambda: world.liveness(grant, **wrong, at=2**40 - 1)),
    ]
    for expected, ask in cases:
        assert ask() == expected
    revoke(world, grant)
    for at in (0, began, ends):
        assert world.liveness(grant, **wrong, at=at) == Liveness.REVOKED


def test_scope_and_subject_cannot_change_places(world: World) -> None:
    grant = world.granted()
    assert world.liveness(grant, scope=grant.subject, subject=grant.scope) == Liveness.OUT_OF_SCOPE


@pytest.mark.parametrize("bit", [0, 1, 80, 157, 158])
def test_a_subject_that_differs_in_one_kept_bit_is_another(world: World, bit: int) -> None:
    grant = world.granted()
    flipped = int.from_bytes(grant.subject, "big") ^ (1 << bit)
    assert world.liveness(grant, subject=flipped.to_bytes(32, "big")) == Liveness.OTHER_SUBJECT


@pytest.mark.parametrize("expires", [2**39, 2**40 - 1])
def test_the_farthest_expiry_spills_into_no_other_field(world: World, expires: int) -> None:
    grant = world.granted(expires=expires)
    assert world.liveness(grant, at=expires - 1) == Liveness.LIVE
    assert world.liveness(grant, at=expires) == Liveness.EXPIRED
    assert world.liveness(grant, at=world.now - 1) == Liveness.NOT_YET_GRANTED


def test_the_record_is_the_stated_word_in_the_stated_slot(world: World) -> None:
    """Read as the chain keeps it, bit by bit as AuthorizationRecord.sol says."""
    grant = world.granted(scope=role("another purpose"), subject=b"\xff" * 32)
    granted = world.now
    layout = artifact("AuthorizationRegistry")["storageLayout"]["storage"]
    slot = next(int(entry["slot"]) for entry in layout if entry["label"] == "_records")
    place = int.from_bytes(keccak(encode(["bytes32", "uint256"], [grant.id, slot])), "big")
    word = granted << 215 | grant.expires << 175 | 2 << 159 | (2**159 - 1)
    for expected, act in [(word, lambda: revoke(world, grant)), (word | 1 << 255, lambda: None)]:
        assert int.from_bytes(world.w3.eth.get_storage_at(world.registry.address, place), "big") == expected
        assert world.ask(world.registry.functions.recordOf(grant.id)) == expected
        act()
    assert world.ask(world.registry.functions.recordOf(world.fresh())) == 0


def test_requireLive_reverts_with_the_reason_that_liveness_gives(world: World) -> None:  # noqa: N802
    grant = world.granted()
    now = world.now
    require = world.registry.functions.requireLive
    world.ask(require(grant.id, grant.scope, grant.subject, now))
    for arguments, reason in [
        ((bytes(32), grant.scope, grant.subject, now), Liveness.UNKNOWN),
        ((grant.id, grant.scope, grant.subject, now - 1), Liveness.NOT_YET_GRANTED),
        ((grant.id, world.fresh(), grant.subject, now), Liveness.OUT_OF_SCOPE),
        ((grant.id, grant.scope, world.fresh(), now), Liveness.OTHER_SUBJECT),
        ((grant.id, grant.scope, grant.subject, grant.expires), Liveness.EXPIRED),
    ]:
        with pytest.raises(Refused) as refused:
            world.ask(require(*arguments))
        assert refused.value.args == ("NotLive", arguments[0], reason)
    revoke(world, grant)
    with pytest.raises(Refused) as late:
        world.ask(require(grant.id, grant.scope, grant.subject, now))
    assert late.value.args == ("NotLive", grant.id, Liveness.REVOKED)


def test_a_batch_is_live_when_each_of_it_is(world: World) -> None:
    good = [world.result_for(world.granted()) for _ in range(3)]
    short = world.granted(expires=world.now + 100)
    other = world.result_for(world.granted(scope=role("another purpose")))
    revoked = world.granted()
    revoke(world, revoked)

    def live(number: int, *results: tuple[bytes, ...]) -> bool:
        return bool(world.ask(world.registry.functions.areLive(number, list(results))))

    assert live(1)
    assert live(1, *good, world.result_for(short))
    assert not live(2, *good)
    assert live(2, other)
    bad = [
        world.result_for(world.new_grant()),
        world.result_for(revoked),
        world.result_for(short, subject=world.fresh()),
        other,
    ]
    for item in bad:
        for place in range(3):
            assert not live(1, *good[:place], item, *good[place:])
    world.wait_until(short.expires - 1)
    assert live(1, world.result_for(short))
    world.wait_until(short.expires)
    assert not live(1, *good, world.result_for(short))
    assert not live(0, (world.fresh(), world.fresh(), world.fresh(), bytes(32)))  # nothing is never live


def test_a_revocation_is_terminal(world: World) -> None:
    grant = world.granted()
    receipt = world.send(world.registry.functions.revoke(*world.signed_revocation(grant)), by="stranger")
    assert world.events(receipt, world.registry) == [
        ("AuthorizationRevoked", {"id": grant.id, "by": grant.insured})
    ]
    assert world.liveness(grant) == Liveness.REVOKED
    functions = world.registry.functions
    assert world.refusal(functions.revoke(*world.signed_revocation(grant))) == ("AlreadyRevoked", grant.id)
    assert world.refusal(functions.revokeFor(grant.id), by="revoker") == ("AlreadyRevoked", grant.id)
    assert world.refusal(functions.renew(*world.signed_renewal(grant, grant.expires + 1))) == (
        "NotLive",
        grant.id,
        Liveness.REVOKED,
    )
    assert refused_grant(world, grant, world.signed_grant(grant)) == GrantRefusal.ALREADY_KNOWN
    assert world.liveness(grant) == Liveness.REVOKED


def test_an_expired_authorization_can_still_be_revoked(world: World) -> None:
    grant = world.granted()
    world.next_block_at(grant.expires + DAY)
    revoke(world, grant)


@pytest.mark.parametrize("who", [name for name in KEYS if name != "revoker"])
def test_only_the_revoker_revokes_without_a_signature(world: World, who: str) -> None:
    """The same inside a wave: test_only_the_revoker_revokes_in_a_wave_without_a_signature."""
    grant = world.granted()
    assert world.refusal(world.registry.functions.revokeFor(grant.id), by=who) == (
        "AccessControlUnauthorizedAccount",
        world.people[who].lower(),
        role("REVOKER_ROLE"),
    )
    assert world.liveness(grant) == Liveness.LIVE


def test_the_revoker_is_named_as_who_revoked(world: World) -> None:
    grant = world.granted()
    receipt = world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    assert world.events(receipt, world.registry) == [
        ("AuthorizationRevoked", {"id": grant.id, "by": world.people["revoker"]})
    ]


def test_an_unknown_authorization_cannot_be_revoked(world: World) -> None:
    grant = world.new_grant()
    functions = world.registry.functions
    assert world.refusal(functions.revokeFor(grant.id), by="revoker") == ("UnknownAuthorization", grant.id)
    assert world.refusal(functions.revoke(*world.signed_revocation(grant))) == (
        "UnknownAuthorization",
        grant.id,
    )


def batch(world: World, grants: list[Grant], *, first: int, by: str = "insured") -> tuple[Any, ...]:
    """The arguments of `grantBatch`, signed by one person from nonce `first` on."""
    deadline = world.now + DAY
    signed = [world.signed_grant(g, by=by, nonce=first + i, deadline=deadline) for i, g in enumerate(grants)]
    return [one[0] for one in signed], deadline, [one[2] for one in signed]


def test_a_batch_of_grants_of_one_guardian_takes_one_nonce_each(world: World) -> None:
    grants = [world.new_grant(guardian=world.people["guardian"]) for _ in range(3)]
    arguments = batch(world, grants, first=0, by="guardian")
    receipt = world.send(world.registry.functions.grantBatch(*arguments), by="enrolment")
    assert [fields["id"] for _, fields in world.events(receipt, world.registry)] == [g.id for g in grants]
    assert [world.liveness(grant) for grant in grants] == [Liveness.LIVE] * 3
    assert (world.nonce("guardian"), world.nonce("insured")) == (3, 0)


@pytest.mark.parametrize("spoiled", [0, 1, 2])
@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=lambda value: str(value)[:24])
def test_one_bad_grant_reverts_the_batch_and_is_named_by_index(
    world: World, spoiled: int, changes: dict[str, Any], reason: GrantRefusal
) -> None:
    grants = [world.new_grant(**(changes if i == spoiled else {})) for i in range(3)]
    function = world.registry.functions.grantBatch(*batch(world, grants, first=0))
    assert world.refusal(function, by="enrolment") == ("GrantRefused", spoiled, grants[spoiled].id, reason)
    assert all(world.liveness(grant) == Liveness.UNKNOWN for grant in grants)
    assert world.nonce("insured") == 0


def test_the_same_grant_twice_in_one_batch_is_refused(world: World) -> None:
    grant = world.new_grant()
    function = world.registry.functions.grantBatch(*batch(world, [grant, grant], first=0))
    assert world.refusal(function, by="enrolment") == (
        "GrantRefused",
        1,
        grant.id,
        GrantRefusal.ALREADY_KNOWN,
    )


def test_two_grants_that_differ_in_the_expiry_live_side_by_side(world: World) -> None:
    grant = world.new_grant()
    longer = replace(grant, expires=grant.expires + 1)
    world.send(world.registry.functions.grantBatch(*batch(world, [grant, longer], first=0)), by="enrolment")
    revoke(world, grant)
    assert world.liveness(longer) == Liveness.LIVE


def test_an_empty_or_lopsided_batch_is_refused(world: World) -> None:
    message, deadline, signature = world.signed_grant(world.new_grant())
    for arguments, expected in [
        (([], deadline, []), ("EmptyBatch",)),
        (([message], deadline, []), ("LengthMismatch", 1, 0)),
        (([message], deadline, [signature, signature]), ("LengthMismatch", 1, 2)),
    ]:
        assert world.refusal(world.registry.functions.grantBatch(*arguments), by="enrolment") == expected
