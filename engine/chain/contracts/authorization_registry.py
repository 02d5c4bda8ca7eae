"""授权存证 in Python: who has consented to what, until when."""

from collections.abc import Sequence
from enum import IntEnum

from engine.chain.artifacts import REGISTRY
from engine.chain.contracts.base import Bytes32, Contract, word, words
from engine.chain.eip712 import Grant, JointProof
from engine.chain.keys import ENROLMENT, REVOKER
from engine.chain.sender import TxRef


class Liveness(IntEnum):
    """Why an authorization is not live, in the order of the checks."""

    LIVE = 0
    UNKNOWN = 1
    REVOKED = 2
    NOT_YET_GRANTED = 3
    EXPIRED = 4
    OUT_OF_SCOPE = 5
    OTHER_SUBJECT = 6


class GrantRefusal(IntEnum):
    """`reason` of GrantRefused, ScopeRefused and WaveRefused."""

    NONE = 0
    ZERO_FIELD = 1
    GUARDIAN_IS_INSURED = 2
    SCOPE_NOT_ADMITTED = 3
    ALREADY_KNOWN = 4
    EXPIRY_PASSED = 5
    BAD_SIGNATURE = 6


class AuthorizationRegistry(Contract):
    name = REGISTRY

    def admit_scope(self, scope: Bytes32) -> TxRef:
        """Grants can be made under it from now on."""
        return self._send(ENROLMENT, "admitScope", word(scope))

    def scope_number_of(self, scope: Bytes32) -> int:
        """0: not admitted."""
        return int(self._call("scopeNumberOf", word(scope)))

    def grant(self, grant: Grant, deadline: int, signature: bytes) -> TxRef:
        """Relay one signed grant (EIP-712 by `grant.signer`)."""
        return self._send(ENROLMENT, "grant", grant.as_tuple(), deadline, signature)

    def grant_batch(self, grants: Sequence[Grant], deadline: int, signatures: Sequence[bytes]) -> TxRef:
        """All or nothing; the first bad one is named: GrantRefused(index, id, reason)."""
        items = [grant.as_tuple() for grant in grants]
        return self._send(ENROLMENT, "grantBatch", items, deadline, list(signatures))

    def grant_wave(
        self, root: Bytes32, count: int, scope: Bytes32, expires: int, consent_text_digest: Bytes32
    ) -> TxRef:
        arguments = (word(root), count, word(scope), expires, word(consent_text_digest))
        return self._send(ENROLMENT, "grantWave", *arguments)

    def materialize(self, root: Bytes32, leaf: Grant, proof: Sequence[Bytes32]) -> TxRef:
        return self._send(ENROLMENT, "materialize", word(root), leaf.as_tuple(), words(proof))

    def materialize_batch(self, root: Bytes32, leaves: Sequence[Grant], proof: JointProof) -> TxRef:
        """Grants of one wave, in the order of the proof's leaves; all or nothing."""
        arguments = (leaves[0].scope, proof.wave_leaves(leaves), list(proof.siblings))
        return self._send(ENROLMENT, "materializeBatch", word(root), *arguments)

    def renew(
        self,
        grant: Grant,
        expires: int,
        consent_digest: Bytes32,
        signer: str,
        deadline: int,
        signature: bytes,
    ) -> TxRef:
        """Relay an extension that the insured or the guardian signed."""
        arguments = (grant.as_tuple(), expires, word(consent_digest), signer, deadline, signature)
        return self._send(ENROLMENT, "renew", *arguments)

    def revoke(self, grant: Grant, signer: str, deadline: int, signature: bytes) -> TxRef:
        """Relay a revocation that the insured or the guardian signed."""
        return self._send(REVOKER, "revoke", grant.as_tuple(), signer, deadline, signature)

    def revoke_in_wave(
        self,
        root: Bytes32,
        leaf: Grant,
        proof: Sequence[Bytes32],
        signer: str,
        deadline: int,
        signature: bytes,
    ) -> TxRef:
        """The same for a grant of a wave, whether it has come out of it or not."""
        arguments = (word(root), leaf.as_tuple(), words(proof), signer, deadline, signature)
        return self._send(REVOKER, "revokeInWave", *arguments)

    def revoke_for(self, authorization_id: Bytes32) -> TxRef:
        """By the revoker itself: paper withdrawals, court orders."""
        return self._send(REVOKER, "revokeFor", word(authorization_id))

    def revoke_in_wave_for(self, root: Bytes32, leaf: Grant, proof: Sequence[Bytes32]) -> TxRef:
        return self._send(REVOKER, "revokeInWaveFor", word(root), leaf.as_tuple(), words(proof))

    def liveness(self, authorization_id: Bytes32, scope: Bytes32, subject: Bytes32, at: int) -> Liveness:
        return Liveness(self._call("liveness", word(authorization_id), word(scope), word(subject), at))

    def require_live(self, authorization_id: Bytes32, scope: Bytes32, subject: Bytes32, at: int) -> None:
        """Raises ContractRefused NotLive(id, reason)."""
        self._call("requireLive", word(authorization_id), word(scope), word(subject), at)

    def nonces(self, signer: str) -> int:
        """The nonce that the signer's next signature, of any kind, must carry."""
        return int(self._call("nonces", signer))
