"""AuthorizationRegistry, from the rules: an authorization lives once."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from engine.chain.eip712 import Grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.model.office import NOBODY, Office, Reverts


@dataclass
class Consent:
    scope: bytes
    subject: bytes
    granted: int
    expires: int
    revoked: bool = False


@dataclass
class Wave:
    granted: int
    expires: int
    scope: bytes
    count: int
    proofs: dict[bytes, list[bytes]]  # id -> its one honest proof
    taken: int = 0


@dataclass(frozen=True)
class Signed:
    """A signature as what it is: who signed what, for which nonce and until when."""

    by: str
    what: tuple[Any, ...]
    nonce: int
    deadline: int


class Registry(Office):
    def __init__(self, held: dict[str, bytes], pauser: bytes, enrolment: bytes, revoker: bytes) -> None:
        super().__init__(held, pauser)
        self._enrolment, self._revoker = enrolment, revoker
        self.scopes: list[bytes] = []
        self.consents: dict[bytes, Consent] = {}
        self.waves: dict[bytes, Wave] = {}
        self.nonces: Counter[str] = Counter()

    # ------------------------------------------------------------ what is so

    def liveness(self, id_: bytes, scope: bytes, subject: bytes, now: int) -> Liveness:
        consent = self.consents.get(id_)
        if consent is None:
            return Liveness.UNKNOWN
        rules = (
            (not consent.revoked, Liveness.REVOKED),
            (consent.granted <= now, Liveness.NOT_YET_GRANTED),
            (now < consent.expires, Liveness.EXPIRED),
            (consent.scope == scope, Liveness.OUT_OF_SCOPE),
            (consent.subject == subject, Liveness.OTHER_SUBJECT),
        )
        return next((reason for holds, reason in rules if not holds), Liveness.LIVE)

    # ------------------------------------------------------------ what is done

    def admit_scope(self, by: str, now: int, scope: bytes) -> None:
        self.needs(by, self._enrolment)
        self.needs_no_pause()
        if not any(scope):
            raise Reverts("ScopeRefused", scope, GrantRefusal.ZERO_FIELD)
        if scope in self.scopes:
            raise Reverts("ScopeRefused", scope, GrantRefusal.ALREADY_KNOWN)
        self.scopes.append(scope)

    def grant(self, by: str, now: int, grant: Grant, deadline: int, signed: Signed) -> None:
        self.needs_no_pause()
        self._in_time(deadline, now)
        self._grant(0, now, grant, deadline, signed)

    def grant_batch(
        self, by: str, now: int, grants: list[Grant], deadline: int, signed: list[Signed]
    ) -> None:
        self.needs(by, self._enrolment)
        self.needs_no_pause()
        self._in_time(deadline, now)
        if not grants:
            raise Reverts("EmptyBatch")
        for index, (grant, signature) in enumerate(zip(grants, signed, strict=True)):
            self._grant(index, now, grant, deadline, signature)

    def grant_wave(self, by: str, now: int, root: bytes, wave: Wave) -> None:
        """The wave as it is to be; `granted` is filled in here."""
        self.needs(by, self._enrolment)
        self.needs_no_pause()
        if wave.scope not in self.scopes:
            raise Reverts("WaveRefused", root, GrantRefusal.SCOPE_NOT_ADMITTED)
        if root in self.waves:
            raise Reverts("WaveRefused", root, GrantRefusal.ALREADY_KNOWN)
        if wave.expires <= now:
            raise Reverts("WaveRefused", root, GrantRefusal.EXPIRY_PASSED)
        wave.granted = now
        self.waves[root] = wave

    def materialize(self, by: str, now: int, root: bytes, leaf: Grant, proof: list[bytes]) -> None:
        self.needs_no_pause()
        wave = self._wave(root, leaf.scope)
        self._bring_out(0, now, root, wave, leaf, honest=wave.proofs.get(leaf.id) == proof)
        self._take(root, wave, 1)

    def materialize_batch(self, by: str, now: int, root: bytes, leaves: list[Grant]) -> None:
        """By an honest joint proof; test_joint_proofs.py has the others."""
        self.needs_no_pause()
        wave = self._wave(root, leaves[0].scope)
        for index, leaf in enumerate(leaves):
            self._bring_out(index, now, root, wave, leaf, honest=leaf.id in wave.proofs)
        self._take(root, wave, len(leaves))

    def renew(
        self,
        by: str,
        now: int,
        grant: Grant,
        expires: int,
        digest: bytes,
        signer: str,
        deadline: int,
        signed: Signed,
    ) -> None:
        self.needs_no_pause()
        self._in_time(deadline, now)
        reason = self.liveness(grant.id, grant.scope, grant.subject, now)
        if reason:
            raise Reverts("NotLive", grant.id, reason)
        consent = self.consents[grant.id]
        if expires <= consent.expires:
            raise Reverts("ExpiryNotLater", grant.id, consent.expires, expires)
        consent.expires = expires
        self._by_holder(grant, signer, ("renew", grant.id, expires, digest), deadline, signed)

    def revoke(self, by: str, now: int, grant: Grant, signer: str, deadline: int, signed: Signed) -> None:
        self._revoke(grant.id)
        self._in_time(deadline, now)
        self._by_holder(grant, signer, ("revoke", grant.id), deadline, signed)

    def revoke_in_wave(
        self,
        by: str,
        now: int,
        root: bytes,
        leaf: Grant,
        proof: list[bytes],
        signer: str,
        deadline: int,
        signed: Signed,
    ) -> None:
        self._revoke_inside(root, leaf, proof)
        self._in_time(deadline, now)
        self._by_holder(leaf, signer, ("revoke", leaf.id), deadline, signed)

    def revoke_for(self, by: str, now: int, id_: bytes) -> None:
        self.needs(by, self._revoker)
        self._revoke(id_)

    def revoke_in_wave_for(self, by: str, now: int, root: bytes, leaf: Grant, proof: list[bytes]) -> None:
        self.needs(by, self._revoker)
        self._revoke_inside(root, leaf, proof)

    # ------------------------------------------------------------ rules that several share

    def _in_time(self, deadline: int, now: int) -> None:
        if now > deadline:
            raise Reverts("SignatureExpired", deadline, now)

    def _grant(self, index: int, now: int, grant: Grant, deadline: int, signed: Signed) -> None:
        self._grantable(index, now, grant, grant.scope in self.scopes)
        guardian, insured = grant.guardian.lower(), grant.insured.lower()
        if not self._signed(insured if guardian == NOBODY else guardian, ("grant", grant), deadline, signed):
            raise Reverts("GrantRefused", index, grant.id, GrantRefusal.BAD_SIGNATURE)
        self.consents[grant.id] = Consent(grant.scope, grant.subject, now, grant.expires)

    def _grantable(self, index: int, now: int, grant: Grant, admitted: bool) -> None:
        someone = {grant.insured.lower(), grant.guardian.lower()} != {NOBODY}
        rules = (
            (any(grant.subject) and any(grant.consent_digest) and someone, GrantRefusal.ZERO_FIELD),
            (grant.insured != grant.guardian, GrantRefusal.GUARDIAN_IS_INSURED),
            (admitted, GrantRefusal.SCOPE_NOT_ADMITTED),
            (grant.id not in self.consents, GrantRefusal.ALREADY_KNOWN),
            (now < grant.expires, GrantRefusal.EXPIRY_PASSED),
        )
        for holds, refusal in rules:
            if not holds:
                raise Reverts("GrantRefused", index, grant.id, refusal)

    def _wave(self, root: bytes, scope: bytes) -> Wave:
        wave = self.waves.get(root)
        if wave is None:
            raise Reverts("WaveUnknown", root)
        if wave.scope != scope:
            raise Reverts("OtherScope", root, scope)
        return wave

    def _bring_out(self, index: int, now: int, root: bytes, wave: Wave, leaf: Grant, *, honest: bool) -> None:
        self._grantable(index, now, leaf, admitted=True)
        self._inside(root, wave, leaf, honest=honest)
        self.consents[leaf.id] = Consent(leaf.scope, leaf.subject, wave.granted, leaf.expires)

    def _inside(self, root: bytes, wave: Wave, leaf: Grant, *, honest: bool) -> None:
        if not honest or leaf.expires > wave.expires:
            raise Reverts("NotInWave", root, leaf.id)

    def _take(self, root: bytes, wave: Wave, more: int) -> None:
        wave.taken += more
        if wave.taken > wave.count:
            raise Reverts("WaveExhausted", root, wave.count)

    def _revoke_inside(self, root: bytes, leaf: Grant, proof: list[bytes]) -> None:
        if leaf.id not in self.consents:
            wave = self._wave(root, leaf.scope)
            self._inside(root, wave, leaf, honest=wave.proofs.get(leaf.id) == proof)
            self._take(root, wave, 1)
            self.consents[leaf.id] = Consent(leaf.scope, leaf.subject, wave.granted, leaf.expires)
        self._revoke(leaf.id)

    def _revoke(self, id_: bytes) -> None:
        consent = self.consents.get(id_)
        if consent is None:
            raise Reverts("UnknownAuthorization", id_)
        if consent.revoked:
            raise Reverts("AlreadyRevoked", id_)
        consent.revoked = True

    def _by_holder(
        self, grant: Grant, signer: str, what: tuple[Any, ...], deadline: int, signed: Signed
    ) -> None:
        if signer not in {grant.insured.lower(), grant.guardian.lower()} - {NOBODY}:
            raise Reverts("NotAHolder", grant.id, signer)
        if not self._signed(signer, what, deadline, signed):
            raise Reverts("NotSigned", grant.id, signer)

    def _signed(self, signer: str, what: tuple[Any, ...], deadline: int, signed: Signed) -> bool:
        """One nonce a signature; a refusal gives it back."""
        due = self.nonces[signer]
        self.nonces[signer] += 1
        return signed == Signed(signer, what, due, deadline)
