"""Random lives of consents."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from engine.chain.eip712 import Grant, MerkleTree
from tests.contracts.machine.base import FEW, MOSTLY, PURPOSES, Machine, account, move
from tests.contracts.model.registry import Wave
from tests.contracts.world import DAY, NOBODY, YEAR

HOLDERS: dict[str, dict[str, str]] = {
    "insured": {},
    "guardian": {"guardian": account("guardian")},
    "guardian of somebody without a key": {"guardian": account("guardian"), "insured": NOBODY},
}
FORGED = ("late", "nonce", "stranger")
SPOILS = ("",) * 18 + (*FORGED, "known", "no consent", "other scope")
SIGNED = ("",) * 9 + FORGED
LEAVES = 7


class Consents(Machine):
    grants: list[Grant]
    waves: list[tuple[bytes, list[Grant]]]

    def kept(self) -> set[str]:
        return super().kept() | {"grants", "waves"}

    def prepare(self) -> None:
        super().prepare()
        self.grants, self.waves = [], []
        self.grant_wave(0, True)
        for purpose in PURPOSES:  # consents that last, for the other rules to meet
            self.grant(purpose, YEAR, "insured", "")
            self.grant(purpose, YEAR, "guardian", "")

    def signer(self, grant: Grant) -> str:
        return "insured" if grant.guardian == NOBODY else "guardian"

    def new_grant(self, purpose: bytes, seconds: int, holders: str, spoil: str) -> Grant:
        if spoil == "known":
            return self.pick(self.grants, seconds)
        grant = self.world.new_grant(
            scope=purpose, expires=self.world.next_time + seconds, **HOLDERS[holders]
        )
        if spoil == "no consent":
            return replace(grant, consent_digest=bytes(32))
        return replace(grant, scope=b"\x05" * 32) if spoil == "other scope" else grant

    def signed_grant(self, grant: Grant, spoil: str, off: int = 0) -> tuple[int, Any]:
        who = "stranger" if spoil == "stranger" else self.signer(grant)
        return self.signed(who, "grant", grant, late=spoil == "late", off=off + (spoil == "nonce"))

    @move(
        purpose=st.sampled_from(PURPOSES),
        seconds=st.sampled_from((1, 30, DAY, YEAR)),
        holders=st.sampled_from(list(HOLDERS)),
        spoil=st.sampled_from(SPOILS),
    )
    def grant(self, purpose: bytes, seconds: int, holders: str, spoil: str) -> None:
        grant = self.new_grant(purpose, seconds, holders, spoil)
        if self.act("registry", "grant", grant, *self.signed_grant(grant, spoil), by="stranger"):
            self.grants.append(grant)

    @move(
        purpose=st.sampled_from(PURPOSES), spoils=st.lists(st.sampled_from(SPOILS), max_size=3), right=MOSTLY
    )
    def grant_batch(self, purpose: bytes, spoils: list[str], right: bool) -> None:
        grants = [self.new_grant(purpose, YEAR, "insured", spoil) for spoil in spoils]
        deadline = self.world.next_time + DAY
        signed = []
        for i, (grant, spoil) in enumerate(zip(grants, spoils, strict=True)):
            _, signature = self.signed_grant(grant, "" if spoil == "late" else spoil, off=i)
            signed.append(replace(signature, deadline=deadline))
        by = "enrolment" if right else "stranger"
        if self.act("registry", "grantBatch", grants, deadline, signed, by=by):
            self.grants += grants

    @move(new=st.booleans(), right=MOSTLY)
    def admit_scope(self, new: bool, right: bool) -> None:
        scope = self.world.fresh() if new else PURPOSES[0]
        self.act("registry", "admitScope", scope, by="enrolment" if right else "governor")

    @move(again=st.sampled_from((0, 0, 0, 1)), right=MOSTLY)
    def grant_wave(self, again: int, right: bool) -> None:
        """The first leaf ends soon, and the last outlives its wave."""
        now = self.world.next_time
        seconds = (30, *[YEAR] * (LEAVES - 2), YEAR + 1)
        holders = list(HOLDERS.values())
        leaves = [
            self.world.new_grant(expires=now + s, **holders[i % len(holders)]) for i, s in enumerate(seconds)
        ]
        tree = MerkleTree.of([leaf.id for leaf in leaves])
        root = self.waves[0][0] if again else tree.root
        proofs = {leaf.id: tree.proof(leaf.id) for leaf in leaves}
        wave = Wave(0, now + YEAR, PURPOSES[0], LEAVES - 1, proofs)
        chain = (root, wave.count, wave.scope, wave.expires, self.world.fresh())
        if self.act(
            "registry", "grantWave", root, wave, by="enrolment" if right else "stranger", chain=chain
        ):
            self.waves.append((root, leaves))

    def leaf(self, wave: int, leaf: int, honest: bool) -> tuple[bytes, Grant, list[bytes]]:
        root, leaves = self.pick(self.waves, wave)
        grant = self.pick(leaves, leaf)
        proof = self.model.registry.waves[root].proofs[grant.id]
        return root, grant, proof if honest else [*proof, root]

    @move(wave=FEW, leaf=FEW, honest=MOSTLY)
    def materialize(self, wave: int, leaf: int, honest: bool) -> None:
        root, grant, proof = self.leaf(wave, leaf, honest)
        if self.act("registry", "materialize", root, grant, proof, by="stranger"):
            self.grants.append(grant)

    @move(wave=FEW, picks=st.lists(FEW, min_size=1, max_size=3), apart=MOSTLY)
    def materialize_batch(self, wave: int, picks: list[int], apart: bool) -> None:
        """Leaves that are still inside, or any."""
        root, leaves = self.pick(self.waves, wave)
        inside = [leaf for leaf in leaves[1:-1] if leaf.id not in self.model.registry.consents]
        grants = [self.pick(inside if inside and apart else leaves, pick) for pick in picks]
        grants = [*dict.fromkeys(grants)]
        joint = MerkleTree.of([leaf.id for leaf in leaves]).joint_proof([grant.id for grant in grants])
        chain = (root, grants[0].scope, joint.wave_leaves(grants), list(joint.siblings))
        if self.act("registry", "materializeBatch", root, grants, by="stranger", chain=chain):
            self.grants += grants

    @move(pick=FEW, seconds=st.sampled_from((-1, 0, 1, 30, YEAR, YEAR)), spoil=st.sampled_from(SIGNED))
    def renew(self, pick: int, seconds: int, spoil: str) -> None:
        grant = self.pick(self.grants, pick)
        until = self.model.registry.consents[grant.id].expires + seconds
        who = "stranger" if spoil == "stranger" else self.signer(grant)
        digest = self.world.fresh()
        what = ("renew", grant.id, until, digest)
        deadline, signed = self.signed(who, *what, late=spoil == "late", off=int(spoil == "nonce"))
        self.act("registry", "renew", grant, until, digest, account(who), deadline, signed, by="stranger")

    @move(pick=FEW, spoil=st.sampled_from(SIGNED))
    def revoke(self, pick: int, spoil: str) -> None:
        grant = self.pick(self.grants, pick)
        who = "stranger" if spoil == "stranger" else self.signer(grant)
        deadline, signed = self.signed(
            who, "revoke", grant.id, late=spoil == "late", off=int(spoil == "nonce")
        )
        self.act("registry", "revoke", grant, account(who), deadline, signed, by="stranger")

    @move(pick=FEW, known=MOSTLY, right=MOSTLY)
    def revoke_for(self, pick: int, known: bool, right: bool) -> None:
        id_ = self.pick(self.grants, pick).id if known else self.world.fresh()
        self.act("registry", "revokeFor", id_, by="revoker" if right else "insured")

    @move(wave=FEW, leaf=FEW, honest=MOSTLY, spoil=st.sampled_from(SIGNED))
    def revoke_in_wave(self, wave: int, leaf: int, honest: bool, spoil: str) -> None:
        root, grant, proof = self.leaf(wave, leaf, honest)
        who = "stranger" if spoil == "stranger" else self.signer(grant)
        deadline, signed = self.signed(
            who, "revoke", grant.id, late=spoil == "late", off=int(spoil == "nonce")
        )
        arguments = (root, grant, proof, account(who), deadline, signed)
        self.act("registry", "revokeInWave", *arguments, by="stranger")

    @move(wave=FEW, leaf=FEW, honest=MOSTLY, right=MOSTLY)
    def revoke_in_wave_for(self, wave: int, leaf: int, honest: bool, right: bool) -> None:
        arguments = self.leaf(wave, leaf, honest)
        self.act("registry", "revokeInWaveFor", *arguments, by="revoker" if right else "insured")

    def compare(self) -> None:
        """Each record is the word that the model packs, and each nonce the one that is due."""
        super().compare()
        registry = self.model.registry
        for id_, consent in self.changed("registry", "consents").items():
            word = (
                consent.revoked << 255
                | consent.granted << 215
                | consent.expires << 175
                | (registry.scopes.index(consent.scope) + 1) << 159
                | int.from_bytes(consent.subject, "big") % 2**159
            )
            assert self.ask("registry", "recordOf", id_) == word
        for who, nonce in registry.nonces.items():
            assert self.ask("registry", "nonces", self.world.w3.to_checksum_address(who)) == nonce
