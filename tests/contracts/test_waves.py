"""An enrolment of many at once: one root on chain, a leaf brought out when it is first needed."""

from dataclasses import replace
from typing import Any

import pytest

from engine.chain.eip712 import Grant, MerkleTree
from tests.contracts.consent import FIELDS, SIZE, Wave, changed, materialize, refused_grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import DAY, KEYS, NOBODY, YEAR, World, role


def test_a_wave_is_granted_once_by_the_enrolment_role(world: World) -> None:
    wave = Wave(world)
    assert world.events(wave.receipt, world.registry) == [
        (
            "WaveGranted",
            {
                "root": wave.root,
                "scope": role("purpose"),
                "count": SIZE,
                "expires": wave.expires,
                "consentTextDigest": wave.text_digest,
            },
        )
    ]
    again = wave.granting(world)
    assert world.refusal(again, by="enrolment") == ("WaveRefused", wave.root, GrantRefusal.ALREADY_KNOWN)
    for who in ("governor", "revoker", "stranger"):
        assert world.refusal(again, by=who)[0] == "AccessControlUnauthorizedAccount"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"root": bytes(32)}, GrantRefusal.ZERO_FIELD),
        ({"count": 0}, GrantRefusal.ZERO_FIELD),
        ({"scope": bytes(32)}, GrantRefusal.ZERO_FIELD),
        ({"text": bytes(32)}, GrantRefusal.ZERO_FIELD),
        ({"scope": role("never admitted")}, GrantRefusal.SCOPE_NOT_ADMITTED),
        ({"expires": 1}, GrantRefusal.EXPIRY_PASSED),
    ],
)
def test_a_wave_that_means_nothing_is_refused(
    world: World, changes: dict[str, object], reason: GrantRefusal
) -> None:
    arguments = {"root": world.fresh(), **changes}
    function = Wave(world).granting(world, **arguments)
    assert world.refusal(function, by="enrolment") == ("WaveRefused", arguments["root"], reason)


def test_a_wave_is_granted_before_it_expires(world: World) -> None:
    wave, expires = Wave(world), world.now + 100
    first, late = world.fresh(), world.fresh()
    world.next_block_at(expires - 1)
    world.send(wave.granting(world, root=first, expires=expires), by="enrolment")
    function = wave.granting(world, root=late, expires=expires)
    assert world.refusal(function, by="enrolment") == ("WaveRefused", late, GrantRefusal.EXPIRY_PASSED)


def test_a_leaf_of_a_wave_is_materialized_once_by_anyone(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[2]
    assert world.liveness(leaf) == Liveness.UNKNOWN
    receipt = materialize(world, wave, leaf)
    assert world.events(receipt, world.registry) == [
        (
            "AuthorizationMaterialized",
            {
                "id": leaf.id,
                "subject": leaf.subject,
                "root": wave.root,
                "insured": leaf.insured,
                "guardian": NOBODY,
                "expires": leaf.expires,
                "consentDigest": leaf.consent_digest,
            },
        )
    ]
    assert world.liveness(leaf) == Liveness.LIVE
    assert world.refusal(wave.materializing(world, leaf)) == (
        "GrantRefused",
        0,
        leaf.id,
        GrantRefusal.ALREADY_KNOWN,
    )


def test_a_materialized_leaf_is_live_since_its_wave_was_granted(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    world.next_block_at(wave.granted_at + 1000)
    materialize(world, wave, leaf)
    for at, expected in [
        (wave.granted_at - 1, Liveness.NOT_YET_GRANTED),
        (wave.granted_at, Liveness.LIVE),
        (leaf.expires - 1, Liveness.LIVE),
        (leaf.expires, Liveness.EXPIRED),
    ]:
        assert world.liveness(leaf, at=at) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_every_leaf_of_a_wave_can_be_materialized(world: World, size: int) -> None:
    wave = Wave(world, leaves=[world.new_grant() for _ in range(size)])
    for leaf in wave.leaves:
        materialize(world, wave, leaf)
    assert [world.liveness(leaf) for leaf in wave.leaves] == [Liveness.LIVE] * size


def test_a_wave_granted_before_the_last_expires_leaves_no_gap(world: World) -> None:
    """Renewal of an enrolment: the same people, under the next wave, live before the last one ends."""
    people = [world.new_grant(expires=world.now + 100) for _ in range(3)]
    first = Wave(world, leaves=people)
    renewed = [replace(g, consent_digest=world.fresh(), expires=g.expires + YEAR) for g in people]
    world.next_block_at(people[0].expires - 1)
    second = Wave(world, leaves=renewed)
    later = people[0].expires + DAY
    world.next_block_at(later)  # nobody was materialized in time, and it makes no difference
    materialize(world, second, renewed[1])
    assert world.refusal(first.materializing(world, people[1]))[-1] == GrantRefusal.EXPIRY_PASSED
    for at in range(second.granted_at, people[0].expires + 2):
        assert world.liveness(renewed[1], at=at) == Liveness.LIVE


@pytest.mark.parametrize("signed", [True, False], ids=["by signature", "by the revoker"])
def test_a_leaf_revoked_in_its_wave_can_never_be_materialized(world: World, signed: bool) -> None:
    wave = Wave(world)
    leaf = wave.leaves[1]
    function, by = (
        (wave.revoking(world, leaf), "stranger")
        if signed
        else (world.registry.functions.revokeInWaveFor(*wave.proven(leaf)), "revoker")
    )
    receipt = world.send(function, by=by)
    assert world.events(receipt, world.registry) == [
        ("AuthorizationRevoked", {"id": leaf.id, "by": leaf.insured if signed else world.people["revoker"]})
    ]
    for at in (0, world.now, leaf.expires):
        assert world.liveness(leaf, at=at) == Liveness.REVOKED
    refusal = ("GrantRefused", 0, leaf.id, GrantRefusal.ALREADY_KNOWN)
    assert world.refusal(wave.materializing(world, leaf)) == refusal
    assert world.refusal(wave.together(world, [leaf])) == refusal
    assert refused_grant(world, leaf, world.signed_grant(leaf)) == GrantRefusal.ALREADY_KNOWN
    assert world.refusal(wave.revoking(world, leaf)) == ("AlreadyRevoked", leaf.id)
    assert world.liveness(leaf) == Liveness.REVOKED


@pytest.mark.parametrize("signed", [True, False], ids=["by signature", "by the revoker"])
def test_a_leaf_that_has_come_out_is_revoked_in_its_wave_as_well(world: World, signed: bool) -> None:
    """A relayer need not know whether the leaf has come on chain since."""
    wave = Wave(world, count=1)
    leaf = wave.leaves[0]
    materialize(world, wave, leaf)
    function, by = (
        (wave.revoking(world, leaf), "stranger")
        if signed
        else (world.registry.functions.revokeInWaveFor(*wave.proven(leaf)), "revoker")
    )
    world.send(function, by=by)  # and it is not counted a second time
    assert world.liveness(leaf) == Liveness.REVOKED
    assert world.refusal(function, by=by)[0] == ("AlreadyRevoked")


def test_a_leaf_is_revoked_in_its_wave_by_a_holder_only(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[1]
    stranger = world.people["stranger"].lower()
    assert world.refusal(wave.revoking(world, leaf, by="stranger")) == ("NotAHolder", leaf.id, stranger)
    root, grant, proof = wave.proven(leaf)
    *_, deadline, signature = world.signed_revocation(leaf, by="stranger")
    forged = (root, grant, proof, leaf.insured, deadline, signature)
    assert world.refusal(world.registry.functions.revokeInWave(*forged)) == (
        "NotSigned",
        leaf.id,
        leaf.insured.lower(),
    )
    materialize(world, wave, leaf)
    assert world.liveness(leaf) == Liveness.LIVE


@pytest.mark.parametrize("who", [name for name in KEYS if name != "revoker"])
def test_only_the_revoker_revokes_in_a_wave_without_a_signature(world: World, who: str) -> None:
    wave = Wave(world)
    function = world.registry.functions.revokeInWaveFor(*wave.proven(wave.leaves[0]))
    assert world.refusal(function, by=who) == (
        "AccessControlUnauthorizedAccount",
        world.people[who].lower(),
        role("REVOKER_ROLE"),
    )
    assert world.liveness(wave.leaves[0]) == Liveness.UNKNOWN


def test_a_revocation_inside_a_wave_has_a_deadline_and_a_nonce(world: World) -> None:
    wave = Wave(world)
    leaf, other = wave.leaves[:2]
    late = wave.revoking(world, leaf, deadline=world.now)
    assert world.refusal(late)[0] == "SignatureExpired"
    stale = wave.revoking(world, leaf)
    world.send(wave.revoking(world, other), by="stranger")
    assert world.refusal(stale) == ("NotSigned", leaf.id, leaf.insured.lower())
    assert world.liveness(leaf) == Liveness.UNKNOWN


def test_a_leaf_is_revoked_in_its_wave_after_its_end(world: World) -> None:
    wave = Wave(world)
    world.next_block_at(wave.expires + DAY)
    world.send(wave.revoking(world, wave.leaves[0]), by="stranger")
    assert world.liveness(wave.leaves[0]) == Liveness.REVOKED


def test_a_grant_made_directly_cannot_come_out_of_a_wave(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    world.send(world.registry.functions.grant(*world.signed_grant(leaf)), by="stranger")
    refusal = ("GrantRefused", 0, leaf.id, GrantRefusal.ALREADY_KNOWN)
    assert world.refusal(wave.materializing(world, leaf)) == refusal


@pytest.mark.parametrize("field", FIELDS)
def test_a_changed_leaf_is_not_in_the_wave(world: World, field: str) -> None:
    wave = Wave(world)
    forged = changed(world, wave.leaves[0], field)
    root, _, proof = wave.proven(wave.leaves[0])
    functions = world.registry.functions
    _, *signed = world.signed_revocation(forged)
    expected = ("OtherScope", root, forged.scope) if field == "scope" else ("NotInWave", root, forged.id)
    for function, by in (
        (functions.materialize(root, forged.as_tuple(), proof), "stranger"),
        (functions.revokeInWave(root, forged.as_tuple(), proof, *signed), "stranger"),
        (functions.revokeInWaveFor(root, forged.as_tuple(), proof), "revoker"),
    ):
        assert world.refusal(function, by=by) == expected


def test_a_leaf_is_not_in_another_wave(world: World) -> None:
    here, there = Wave(world), Wave(world)
    leaf = here.leaves[0]
    forged = world.registry.functions.materialize(there.root, *here.proven(leaf)[1:])
    assert world.refusal(forged) == ("NotInWave", there.root, leaf.id)


def test_every_spoilt_proof_is_refused(world: World) -> None:
    wave = Wave(world, leaves=[world.new_grant() for _ in range(7)])
    leaf = wave.leaves[3]
    root, grant, proof = wave.proven(leaf)
    spoilt = [proof[:-1], proof[1:], [*proof, root], [leaf.id, *proof], proof[::-1], []]
    spoilt += [[*proof[:i], world.fresh(), *proof[i + 1 :]] for i in range(len(proof))]
    for bad in spoilt:
        function = world.registry.functions.materialize(root, grant, bad)
        assert world.refusal(function) == ("NotInWave", root, leaf.id)
    world.send(wave.materializing(world, leaf), by="stranger")


@pytest.mark.parametrize("past", [0, 1])
def test_a_leaf_that_outlives_its_wave_is_not_in_it(world: World, past: int) -> None:
    """The wave's last expiry is what was announced, whatever was put into the tree."""
    leaf = world.new_grant(expires=world.now + 2 * YEAR + past)
    wave = Wave(world, leaves=[leaf, world.new_grant()])
    assert wave.expires == leaf.expires - past
    if not past:
        materialize(world, wave, leaf)
        return
    for function, by in [
        (wave.materializing(world, leaf), "stranger"),
        (wave.together(world, [leaf]), "stranger"),
        (wave.revoking(world, leaf), "stranger"),
        (world.registry.functions.revokeInWaveFor(*wave.proven(leaf)), "revoker"),
    ]:
        assert world.refusal(function, by=by) == ("NotInWave", wave.root, leaf.id)


def test_a_leaf_of_another_scope_is_not_in_the_wave(world: World) -> None:
    """All leaves have the scope that was announced, whatever was put into the tree."""
    leaf = world.new_grant(scope=role("another purpose"))
    stray = world.new_grant(scope=role("never admitted"))
    wave = Wave(world, leaves=[leaf, stray])
    for bad in (leaf, stray):
        for function, by in [
            (wave.materializing(world, bad), "stranger"),
            (wave.together(world, [bad]), "stranger"),
            (wave.revoking(world, bad), "stranger"),
            (world.registry.functions.revokeInWaveFor(*wave.proven(bad)), "revoker"),
        ]:
            assert world.refusal(function, by=by) == ("OtherScope", wave.root, bad.scope)


SPOILT: list[tuple[dict[str, Any], GrantRefusal]] = [
    ({"subject": bytes(32)}, GrantRefusal.ZERO_FIELD),
    ({"consent_digest": bytes(32)}, GrantRefusal.ZERO_FIELD),
    ({"insured": NOBODY}, GrantRefusal.ZERO_FIELD),
    ({"guardian": KEYS["insured"].address}, GrantRefusal.GUARDIAN_IS_INSURED),
    ({"expires": 1}, GrantRefusal.EXPIRY_PASSED),
]


@pytest.mark.parametrize(("changes", "reason"), SPOILT, ids=lambda value: str(value)[:24])
@pytest.mark.parametrize("together", [False, True])
def test_a_leaf_that_means_nothing_is_refused(
    world: World, changes: dict[str, Any], reason: GrantRefusal, together: bool
) -> None:
    leaf = world.new_grant(**changes)
    wave = Wave(world, leaves=[leaf, world.new_grant()])
    function = wave.together(world, [wave.leaves[1], leaf]) if together else wave.materializing(world, leaf)
    assert world.refusal(function) == ("GrantRefused", int(together), leaf.id, reason)


def test_a_leaf_comes_out_before_its_expiry_or_never(world: World) -> None:
    leaves = [world.new_grant(expires=world.now + 100) for _ in range(2)]
    leaves[1] = replace(leaves[1], expires=leaves[0].expires)
    wave = Wave(world, leaves=leaves)
    world.next_block_at(leaves[0].expires - 1)
    materialize(world, wave, leaves[0])
    assert world.refusal(wave.materializing(world, leaves[1]))[-1] == GrantRefusal.EXPIRY_PASSED


def test_a_wave_yields_no_more_than_it_promised(world: World) -> None:
    wave = Wave(world, count=3)
    materialize(world, wave, wave.leaves[0])
    world.send(wave.revoking(world, wave.leaves[1]), by="stranger")
    exhausted = ("WaveExhausted", wave.root, 3)
    assert world.refusal(wave.together(world, wave.leaves[2:4])) == exhausted
    materialize(world, wave, wave.leaves[2])
    for function, by in [
        (wave.materializing(world, wave.leaves[3]), "stranger"),
        (wave.together(world, wave.leaves[3:]), "stranger"),
        (wave.revoking(world, wave.leaves[3]), "stranger"),
        (world.registry.functions.revokeInWaveFor(*wave.proven(wave.leaves[3])), "revoker"),
    ]:
        assert world.refusal(function, by=by) == exhausted


def test_an_unknown_wave_yields_nothing(world: World) -> None:
    leaf = world.new_grant()
    root = leaf.id
    functions = world.registry.functions
    _, *signed = world.signed_revocation(leaf)
    for function, by in [
        (functions.materialize(root, leaf.as_tuple(), []), "stranger"),
        (functions.revokeInWave(root, leaf.as_tuple(), [], *signed), "stranger"),
        (functions.revokeInWaveFor(root, leaf.as_tuple(), []), "revoker"),
    ]:
        assert world.refusal(function, by=by) == ("WaveUnknown", root)
    joint = MerkleTree.of([leaf.id]).joint_proof([leaf.id])
    batch = functions.materializeBatch(root, leaf.scope, joint.wave_leaves([leaf]), [])
    assert world.refusal(batch) == ("WaveUnknown", root)


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (1, "ba24c00dcbc4eea8389d79e716b9cf34f4c6f967a84b94c35c435b28bc6b20a3"),
        (2, "0c1a6db2f53d0cd52b225400fd449534aa8b06898f69c2031f84e7ee6acc43f2"),
        (3, "48e79444c255eb5d4e6d31b264b1719d1e2ac2bba10dc73ad2ea29aef5ab182c"),
        (5, "92631f802ae1de139916d5a39309f60085928aa7a282e1dc5d6999e2a4ba7d98"),
        (7, "52cd645a48458a27fb7fa885d94a3b4bd6dce6780b509bc0ef2d3fe0eddc1b4b"),
    ],
)
def test_a_root_is_the_one_that_openzeppelins_tree_gives(size: int, root: str) -> None:
    """Vectors made with npm's @openzeppelin/merkle-tree 1.0.8, StandardMerkleTree over the grants' fields."""
    leaves = [
        Grant(
            subject=bytes([i + 2]) * 32,
            scope=b"\x07" * 32,
            consent_digest=b"\x08" * 32,
            insured=f"0x{i + 5:040x}",
            guardian=f"0x{i + 50 if i % 2 else 0:040x}",
            expires=1000 + i,
        ).id
        for i in range(size)
    ]
    assert MerkleTree.of(leaves).root.hex() == root
    assert MerkleTree.of(leaves[::-1]).root.hex() == root


def test_a_tree_knows_its_leaves() -> None:
    with pytest.raises(ValueError, match="at least one"):
        MerkleTree.of([])
    with pytest.raises(ValueError, match="twice"):
        MerkleTree.of([bytes(32), bytes(32)])
    tree = MerkleTree.of([bytes([i]) * 32 for i in range(4)])
    for stranger in (b"\x09" * 32, tree.root):
        with pytest.raises(KeyError):
            tree.proof(stranger)
        with pytest.raises(KeyError):
            tree.joint_proof([b"\x01" * 32, stranger])
