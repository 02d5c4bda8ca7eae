"""The secrets that keep commitments shut: 32 random bytes for each thing committed to.

Three sets, one for each record whose life they share. A set is kept off chain next to its record, encrypted;
destroying it erases the record, since what is left on chain can then be neither opened nor guessed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

from engine.evidence.canonical import SALT_BYTES
from engine.evidence.errors import DocumentInvalid

Rng = Callable[[int], bytes]
"""n -> n random bytes; secrets.token_bytes outside tests."""


@dataclass(frozen=True, slots=True, repr=False)
class _SaltSet:
    def __post_init__(self) -> None:
        for name, salt in self._items():
            if len(salt) != SALT_BYTES:
                raise DocumentInvalid(f"salt {name}: {len(salt)} bytes, not {SALT_BYTES}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(secret)"

    @classmethod
    def generate(cls, rng: Rng) -> Self:
        return cls(**{field.name: rng(SALT_BYTES) for field in fields(cls)})

    @classmethod
    def from_hex(cls, stored: Mapping[str, str]) -> Self:
        """What to_hex gave. Raises DocumentInvalid when a salt is missing, unknown or not hexadecimal."""
        names = {field.name for field in fields(cls)}
        if set(stored) != names:
            raise DocumentInvalid(f"salts: expected {sorted(names)}, found {sorted(stored)}")
        try:
            return cls(**{name: bytes.fromhex(text.removeprefix("0x")) for name, text in stored.items()})
        except ValueError as error:
            raise DocumentInvalid("salts: not hexadecimal") from error

    def to_hex(self) -> dict[str, str]:
        return {name: "0x" + salt.hex() for name, salt in self._items()}

    def _items(self) -> list[tuple[str, bytes]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


@dataclass(frozen=True, slots=True, repr=False)
class PolicySalts(_SaltSet):
    """One set a policy: what replaces the policy number, the person and the payee in the coverage."""

    policy: bytes
    person: bytes
    payee: bytes


@dataclass(frozen=True, slots=True, repr=False)
class AuthorizationSalts(_SaltSet):
    """One set an authorization: its on-chain subject and the digest of the consent text."""

    subject: bytes
    consent_text: bytes


@dataclass(frozen=True, slots=True, repr=False)
class ClaimSalts(_SaltSet):
    """One set a claim version. claim_key and settlement_reference stay the same over all versions."""

    claim_key: bytes
    settlement_reference: bytes
    coverage: bytes
    settlement: bytes
    history: bytes
    decision: bytes
    consent: bytes
    manifest: bytes
    payment: bytes

    def for_next_version(self, rng: Rng) -> Self:
        """For a superseding version: the claim keeps its name, its new documents get new secrets."""
        return replace(
            type(self).generate(rng),
            claim_key=self.claim_key,
            settlement_reference=self.settlement_reference,
        )
