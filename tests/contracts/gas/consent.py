"""Authorizations: granted one by one, in a batch, or in a wave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_account import Account
from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from engine.chain.eip712 import Grant, MerkleTree, grant_typed_data, sign
from tests.contracts.gas.case import BATCH, REVOKED, WAVE, case, spent
from tests.contracts.world import DAY, YEAR, World, role

FAMILIES = 50


@case("AuthorizationRegistry.grant, the insured's first")
def _(world: World) -> int:
    return spent(world, world.registry.functions.grant(*world.signed_grant(world.new_grant())))


@case("AuthorizationRegistry.grant, a later one")
def _(world: World) -> int:
    world.granted()
    return spent(world, world.registry.functions.grant(*world.signed_grant(world.new_grant())))


@case(f"AuthorizationRegistry.grantBatch, an item of {FAMILIES}", items=FAMILIES)
def _(world: World) -> int:
    """Each by a person who has never signed before."""
    deadline = world.now + DAY
    wallets = [Account.from_key(keccak(text=f"insured {number}")) for number in range(FAMILIES)]
    grants = [world.new_grant(insured=wallet.address) for wallet in wallets]
    signatures = [
        sign(grant_typed_data(grant, nonce=0, deadline=deadline, **world.domain), wallet)
        for grant, wallet in zip(grants, wallets, strict=True)
    ]
    batch = world.registry.functions.grantBatch([grant.as_tuple() for grant in grants], deadline, signatures)
    return spent(world, batch, "enrolment")


@case("AuthorizationRegistry.grantWave, of a million")
def _(world: World) -> int:
    return spent(world, _grant_wave(world, world.fresh()), "enrolment")


@case("AuthorizationRegistry.admitScope")
def _(world: World) -> int:
    return spent(world, world.registry.functions.admitScope(world.fresh()), "enrolment")


@case("AuthorizationRegistry.materialize, out of a million")
def _(world: World) -> int:
    leaf, root, proof = _one_of_a_wave(world)
    return spent(world, world.registry.functions.materialize(root, leaf.as_tuple(), proof))


@case(f"AuthorizationRegistry.materializeBatch, an item of {BATCH} out of a million", items=BATCH)
def _(world: World) -> int:
    return materialized(world)[1]


@case("AuthorizationRegistry.renew")
def _(world: World) -> int:
    grant = world.granted()
    return spent(world, world.registry.functions.renew(*world.signed_renewal(grant, grant.expires + YEAR)))


@case(REVOKED)
def _(world: World) -> int:
    return spent(world, world.registry.functions.revoke(*world.signed_revocation(world.granted())))


@case("AuthorizationRegistry.revokeFor")
def _(world: World) -> int:
    return spent(world, world.registry.functions.revokeFor(world.granted().id), "revoker")


@case("AuthorizationRegistry.revokeInWave, out of a million")
def _(world: World) -> int:
    leaf, root, proof = _one_of_a_wave(world)
    grant, *signed = world.signed_revocation(leaf)
    return spent(world, world.registry.functions.revokeInWave(root, grant, proof, *signed))


@case("AuthorizationRegistry.revokeInWaveFor, out of a million")
def _(world: World) -> int:
    leaf, root, proof = _one_of_a_wave(world)
    return spent(world, world.registry.functions.revokeInWaveFor(root, leaf.as_tuple(), proof), "revoker")


def _grant_wave(world: World, root: bytes) -> ContractFunction:
    return world.registry.functions.grantWave(
        root, WAVE, role("purpose"), world.now + 2 * YEAR, world.fresh()
    )


def _one_of_a_wave(world: World) -> tuple[Grant, bytes, list[bytes]]:
    """-> (a grant, the root of its wave of a million, its proof)."""
    leaf = world.new_grant()
    tree = wave_of(world, [leaf])
    return leaf, tree.root, tree.proof(leaf.id)


def materialized(world: World) -> tuple[list[Grant], int]:
    """-> (authorizations out of a wave of a million, gas of the one transaction that materializes them)."""
    grants = [world.new_grant() for _ in range(BATCH)]
    tree = wave_of(world, grants)
    together = tree.joint_proof([grant.id for grant in grants])
    materialize = world.registry.functions.materializeBatch(
        tree.root, role("purpose"), together.wave_leaves(grants), list(together.siblings)
    )
    return grants, spent(world, materialize)


@dataclass(frozen=True)
class _SparseTree(MerkleTree):
    """Only the nodes that proofs of the leaves asked about need; the others are not built."""

    nodes: Mapping[int, bytes]  # type: ignore[assignment]

    def _index(self, leaf: bytes) -> int:
        return next(i for i, node in self.nodes.items() if node == leaf)


def wave_of(world: World, grants: Sequence[Grant]) -> MerkleTree:
    """The tree of a granted wave of a million, with these at random places, where sorting by hash puts them.

    A subtree without a leaf of ours is stood for by a random node: the contract cannot tell it from the hash
    of leaves that are not built here, and it costs the same.
    """
    places = [WAVE - 1 + int.from_bytes(world.fresh()) % WAVE for _ in grants]
    nodes = dict(zip(places, (grant.id for grant in grants), strict=True))
    waiting = set(places)
    while waiting != {0}:
        node = max(waiting)
        parent, pair = (node - 1) // 2, {node, node + 1 if node % 2 else node - 1}
        for i in pair:
            nodes.setdefault(i, world.fresh())
        nodes[parent] = keccak(b"".join(sorted(nodes[i] for i in pair)))
        waiting = waiting - pair | {parent}
    world.send(_grant_wave(world, nodes[0]), by="enrolment")
    return _SparseTree(nodes)
