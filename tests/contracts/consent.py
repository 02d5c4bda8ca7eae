"""What the tests of the registry share: being refused, and a wave on chain."""

from dataclasses import replace
from typing import Any

from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from engine.chain.eip712 import Grant, MerkleTree
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import YEAR, World, role

SIZE = 5
FIELDS = ("subject", "scope", "consent_digest", "insured", "guardian", "expires")


def changed(world: World, grant: Grant, field: str) -> Grant:
    """The same grant but for one field, which the contract would take as well."""
    value: Any = {
        "scope": role("another purpose"),
        "insured": world.people["stranger"],
        "guardian": world.people["other_requester"],
        "expires": grant.expires - 1,
    }.get(field, world.fresh())
    return replace(grant, **{field: value})


def refused_grant(world: World, grant: Grant, arguments: tuple[object, ...]) -> GrantRefusal:
    """The reason, of a grant that must be refused and change nothing."""
    before = world.liveness(grant), world.nonce("insured"), world.nonce("guardian")
    name, index, id_, reason = world.refusal(world.registry.functions.grant(*arguments))
    assert (name, index, id_) == ("GrantRefused", 0, grant.id)
    assert (world.liveness(grant), world.nonce("insured"), world.nonce("guardian")) == before
    return GrantRefusal(reason)


def revoke(world: World, grant: Grant) -> None:
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    assert world.liveness(grant) == Liveness.REVOKED


class Wave:
    """Grants under one root, on chain."""

    def __init__(self, world: World, *, leaves: list[Grant] | None = None, count: int | None = None) -> None:
        self.leaves = leaves or [world.new_grant() for _ in range(SIZE)]
        self.tree = MerkleTree.of([leaf.id for leaf in self.leaves])
        self.root = self.tree.root
        self.expires = world.now + 2 * YEAR
        self.text_digest = world.fresh()
        self.count = len(self.leaves) if count is None else count
        self.receipt = world.send(self.granting(world), by="enrolment")
        self.granted_at = world.now

    def granting(self, world: World, **changes: object) -> ContractFunction:
        arguments = {
            "root": self.root,
            "count": self.count,
            "scope": role("purpose"),
            "expires": self.expires,
            "text": self.text_digest,
        } | changes
        return world.registry.functions.grantWave(*arguments.values())

    def proven(self, leaf: Grant) -> tuple[bytes, tuple[object, ...], list[bytes]]:
        """The first three arguments of `materialize` and of the revocations inside a wave."""
        return self.root, leaf.as_tuple(), self.tree.proof(leaf.id)

    def materializing(self, world: World, leaf: Grant) -> ContractFunction:
        return world.registry.functions.materialize(*self.proven(leaf))

    def together(self, world: World, leaves: list[Grant]) -> ContractFunction:
        """`materializeBatch` of leaves of one scope, by an honest joint proof."""
        joint = self.tree.joint_proof([leaf.id for leaf in leaves])
        return world.registry.functions.materializeBatch(
            self.root, leaves[0].scope, joint.wave_leaves(leaves), list(joint.siblings)
        )

    def revoking(self, world: World, leaf: Grant, *, by: str = "insured", **once: Any) -> ContractFunction:
        signed = world.signed_revocation(leaf, by=by, **once)[1:]
        return world.registry.functions.revokeInWave(*self.proven(leaf), *signed)


def materialize(world: World, wave: Wave, leaf: Grant) -> TxReceipt:
    return world.send(wave.materializing(world, leaf), by="stranger")
