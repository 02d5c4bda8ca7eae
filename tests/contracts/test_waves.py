"""An enrolment of many at once: one root on chain, a leaf brought out when it is first needed."""

from typing import Any

import pytest
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from engine.chain.eip712 import Grant, MerkleTree, wave_leaf
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import YEAR, Refused, World, role

SIZE = 5


class Wave:
    """Five grants under one root, on chain."""

    def __init__(self, world: World, *, leaves: list[Grant] | None = None, count: int | None = None) -> None:
        self.leaves = leaves or [world.new_grant() for _ in range(SIZE)]
        self.tree = MerkleTree.of([wave_leaf(leaf) for leaf in self.leaves])
        self.expires = world.now + 2 * YEAR
        self.text_digest = world.fresh()
        self.count = len(self.leaves) if count is None else count
        self.receipt = world.send(self.granting(world), by="enrolment")
        self.granted_at = world.now

    def granting(self, world: World, **changes: object) -> ContractFunction:
        arguments = {
            "root": self.tree.root,
            "count": self.count,
            "scope": role("purpose"),
            "expires": self.expires,
            "text": self.text_digest,
        } | changes
        return world.registry.functions.grantWave(*arguments.values())

    def arguments(self, leaf: Grant) -> tuple[bytes, tuple[object, ...], list[bytes]]:
        return self.tree.root, leaf.as_tuple(), self.tree.proof(wave_leaf(leaf))


def materialize(world: World, wave: Wave, leaf: Grant, by: str = "stranger") -> TxReceipt:
    return world.send(world.registry.functions.materialize(*wave.arguments(leaf)), by=by)


def revoke_inside(world: World, wave: Wave, leaf: Grant, by: str = "insured") -> TxReceipt:
    _, deadline, signature = world.signed_revocation(leaf.id, by=by)
    return world.send(
        world.registry.functions.revokeUnmaterialized(*wave.arguments(leaf), deadline, signature),
        by="stranger",
    )


def test_a_wave_is_granted_once_by_the_enrolment_role(world: World) -> None:
    wave = Wave(world)
    assert world.events(wave.receipt, world.registry) == [
        (
            "WaveGranted",
            {
                "root": wave.tree.root,
                "scope": role("purpose"),
                "count": SIZE,
                "expires": wave.expires,
                "consentTextDigest": wave.text_digest,
            },
        )
    ]
    with pytest.raises(Refused) as refused:
        world.send(wave.granting(world), by="enrolment")
    assert refused.value.args == ("WaveRefused", wave.tree.root, GrantRefusal.ALREADY_KNOWN)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"root": bytes(32)}, GrantRefusal.ZERO_FIELD),
        ({"count": 0}, GrantRefusal.ZERO_FIELD),
        ({"scope": bytes(32)}, GrantRefusal.ZERO_FIELD),
        ({"text": bytes(32)}, GrantRefusal.ZERO_FIELD),
        ({"expires": 1}, GrantRefusal.EXPIRY_PASSED),
    ],
)
def test_a_wave_that_means_nothing_is_refused(
    world: World, changes: dict[str, object], reason: GrantRefusal
) -> None:
    root = world.fresh()
    arguments = {"root": root, **changes}
    with pytest.raises(Refused) as refused:
        world.send(Wave(world).granting(world, **arguments), by="enrolment")
    assert refused.value.args == ("WaveRefused", arguments["root"], reason)


def test_a_leaf_of_a_wave_is_materialized_once_by_anyone(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[2]
    assert world.liveness(leaf) == Liveness.UNKNOWN
    receipt = materialize(world, wave, leaf)
    assert [name for name, _ in world.events(receipt, world.registry)] == [
        "AuthorizationGranted",
        "AuthorizationMaterialized",
    ]
    assert world.events(receipt, world.registry)[1][1] == {"id": leaf.id, "root": wave.tree.root}
    assert world.liveness(leaf) == Liveness.LIVE
    with pytest.raises(Refused) as refused:
        materialize(world, wave, leaf)
    assert refused.value.args == ("GrantRefused", 0, leaf.id, GrantRefusal.ALREADY_KNOWN)


def test_a_materialized_leaf_is_live_since_its_wave_was_granted(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    world.next_block_at(wave.granted_at + 1000)
    materialize(world, wave, leaf)
    assert world.liveness(leaf, at=wave.granted_at) == Liveness.LIVE
    assert world.liveness(leaf, at=wave.granted_at - 1) == Liveness.NOT_YET_GRANTED


def test_every_leaf_of_a_wave_can_be_materialized(world: World) -> None:
    wave = Wave(world)
    for leaf in wave.leaves:
        materialize(world, wave, leaf)
    assert [world.liveness(leaf) for leaf in wave.leaves] == [Liveness.LIVE] * SIZE


def test_a_wave_of_one_has_an_empty_proof(world: World) -> None:
    wave = Wave(world, leaves=[world.new_grant()])
    assert wave.tree.proof(wave.tree.root) == []
    materialize(world, wave, wave.leaves[0])
    assert world.liveness(wave.leaves[0]) == Liveness.LIVE


def test_a_leaf_revoked_in_its_wave_can_never_be_materialized(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[1]
    receipt = revoke_inside(world, wave, leaf)
    assert world.events(receipt, world.registry) == [
        ("AuthorizationRevoked", {"id": leaf.id, "by": leaf.insured})
    ]
    assert world.liveness(leaf) == Liveness.REVOKED
    refusal = ("GrantRefused", 0, leaf.id, GrantRefusal.ALREADY_KNOWN)
    with pytest.raises(Refused) as out_of_the_wave:
        materialize(world, wave, leaf)
    assert out_of_the_wave.value.args == refusal
    with pytest.raises(Refused) as directly:
        world.send(world.registry.functions.grant(*world.signed_grant(leaf)), by="stranger")
    assert directly.value.args == refusal
    with pytest.raises(Refused) as again:
        revoke_inside(world, wave, leaf)
    assert again.value.args == refusal
    assert world.liveness(leaf) == Liveness.REVOKED


def test_a_leaf_is_revoked_in_its_wave_by_its_insured_only(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[1]
    with pytest.raises(Refused) as refused:
        revoke_inside(world, wave, leaf, by="stranger")
    assert refused.value.args == ("RevokeNotSigned", leaf.id, leaf.insured.lower())
    materialize(world, wave, leaf)
    assert world.liveness(leaf) == Liveness.LIVE


def test_a_revocation_inside_a_wave_has_a_deadline_and_a_nonce(world: World) -> None:
    wave = Wave(world)
    leaf, other = wave.leaves[:2]
    _, deadline, signature = world.signed_revocation(leaf.id, deadline=world.now)
    function = world.registry.functions.revokeUnmaterialized
    with pytest.raises(Refused, match="SignatureExpired"):
        world.send(function(*wave.arguments(leaf), deadline, signature), by="stranger")
    _, deadline, stale = world.signed_revocation(leaf.id)
    revoke_inside(world, wave, other)
    with pytest.raises(Refused, match="RevokeNotSigned"):
        world.send(function(*wave.arguments(leaf), deadline, stale), by="stranger")


def test_a_materialized_leaf_is_revoked_like_any_other(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    materialize(world, wave, leaf)
    with pytest.raises(Refused) as refused:
        revoke_inside(world, wave, leaf)
    assert refused.value.args == ("GrantRefused", 0, leaf.id, GrantRefusal.ALREADY_KNOWN)
    world.send(world.registry.functions.revoke(*world.signed_revocation(leaf.id)), by="stranger")
    assert world.liveness(leaf) == Liveness.REVOKED


def test_an_id_granted_directly_cannot_come_out_of_a_wave(world: World) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    world.send(world.registry.functions.grant(*world.signed_grant(leaf)), by="stranger")
    with pytest.raises(Refused) as refused:
        materialize(world, wave, leaf)
    assert refused.value.args == ("GrantRefused", 0, leaf.id, GrantRefusal.ALREADY_KNOWN)


@pytest.mark.parametrize("field", ["id", "subject", "scope", "consent_digest", "insured", "expires"])
def test_a_changed_leaf_is_not_in_the_wave(world: World, field: str) -> None:
    wave = Wave(world)
    leaf = wave.leaves[0]
    changed = {"insured": world.people["stranger"], "expires": leaf.expires + 1}.get(field, world.fresh())
    forged = Grant(**{**leaf.__dict__, field: changed})
    root, _, proof = wave.arguments(leaf)
    _, deadline, signature = world.signed_revocation(forged.id)
    for function in (
        world.registry.functions.materialize(root, forged.as_tuple(), proof),
        world.registry.functions.revokeUnmaterialized(root, forged.as_tuple(), proof, deadline, signature),
    ):
        with pytest.raises(Refused) as refused:
            world.send(function, by="stranger")
        assert refused.value.args == ("NotInWave", root, forged.id)


@pytest.mark.parametrize("changes", [{"scope": role("another purpose")}, {"expires": 2**48 - 1}])
def test_a_leaf_that_outgrows_its_wave_is_not_in_it(world: World, changes: dict[str, Any]) -> None:
    """The wave's scope and last expiry are what was announced, whatever was put into the tree."""
    leaf = world.new_grant(**changes)
    wave = Wave(world, leaves=[leaf, world.new_grant()])
    with pytest.raises(Refused) as refused:
        materialize(world, wave, leaf)
    assert refused.value.args == ("NotInWave", wave.tree.root, leaf.id)


def test_an_expired_leaf_is_not_materialized(world: World) -> None:
    leaf = world.new_grant(expires=world.now + 100)
    wave = Wave(world, leaves=[leaf, world.new_grant()])
    world.next_block_at(leaf.expires)
    with pytest.raises(Refused) as refused:
        materialize(world, wave, leaf)
    assert refused.value.args == ("GrantRefused", 0, leaf.id, GrantRefusal.EXPIRY_PASSED)


def test_a_wave_yields_no_more_than_it_promised(world: World) -> None:
    wave = Wave(world, count=2)
    materialize(world, wave, wave.leaves[0])
    revoke_inside(world, wave, wave.leaves[1])
    with pytest.raises(Refused) as refused:
        materialize(world, wave, wave.leaves[2])
    assert refused.value.args == ("WaveExhausted", wave.tree.root, 2)


def test_an_unknown_wave_yields_nothing(world: World) -> None:
    leaf = world.new_grant()
    root = wave_leaf(leaf)
    with pytest.raises(Refused) as refused:
        world.send(world.registry.functions.materialize(root, leaf.as_tuple(), []), by="stranger")
    assert refused.value.args == ("WaveUnknown", root)


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (1, "58c9e28121b3ff01509f15f19470b468a543b415c2441fdf6d191d617650d83a"),
        (2, "04781c0ac44b54986facee0095a6199cc476cb0966b539c04a005d4db807b146"),
        (3, "7baf4104445c245ca16062d38f376e12b766bdfd85e04791466b1c607f704b50"),
        (5, "ca9db86a4bd5c7b7b8a601f4dc9e19125c1710f23ff480df52131b554e4fb0e3"),
        (7, "2f2f135e0b8c3984e2c561afaa084c731638e49fccdfbcc0227af062975c4fe7"),
    ],
)
def test_a_root_is_the_one_that_openzeppelins_tree_gives(size: int, root: str) -> None:
    """Vectors made with npm's @openzeppelin/merkle-tree 1.0.8, StandardMerkleTree."""
    leaves = [
        wave_leaf(
            Grant(
                id=bytes([i + 1]) * 32,
                subject=bytes([i + 2]) * 32,
                scope=b"\x07" * 32,
                consent_digest=b"\x08" * 32,
                insured=f"0x{i + 5:040x}",
                expires=1000 + i,
            )
        )
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
