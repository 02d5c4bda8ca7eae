"""The vault: personal fields at rest are AES-256-GCM under a key that lives outside the database.

One master key a deployment, in a file of mode 0600. Every sealed value is bound to its place
(table, column, row) by the associated data, so that a value moved to another row does not open.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.store.secret_file import read_or_make

_NONCE_BYTES = 12
_KEY_BYTES = 32

Rng = Callable[[int], bytes]


class VaultError(Exception):
    """A sealed value does not open, or the master key is missing or malformed."""


class Vault:
    """Seals and opens; derives the other secrets of a deployment from the same master key."""

    def __init__(self, master_key: bytes, rng: Rng = os.urandom) -> None:
        if len(master_key) != _KEY_BYTES:
            raise VaultError(f"the master key must be {_KEY_BYTES} bytes, not {len(master_key)}")
        self._master_key = master_key
        self._aead = AESGCM(self.derive("vault"))
        self._rng = rng

    @classmethod
    def open(cls, path: Path, rng: Rng = os.urandom) -> "Vault":
        """Read the master key, or make it at first start. Raises VaultError."""
        try:
            return cls(bytes.fromhex(read_or_make(path, lambda: rng(_KEY_BYTES).hex())), rng)
        except ValueError as error:
            raise VaultError(f"{path} is not a master key: 64 hexadecimal digits are expected") from error

    def derive(self, purpose: str) -> bytes:
        """A 32-byte secret for one purpose; knowing one tells nothing of another."""
        return hmac.new(self._master_key, b"autoclaim/" + purpose.encode(), hashlib.sha256).digest()

    def fingerprint(self, value: Any) -> str:
        """A keyed digest of a JSON value: tells whether two are the same, and nothing without the key."""
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hmac.new(self.derive("fingerprint"), text.encode(), hashlib.sha256).hexdigest()

    def seal(self, plain: bytes, place: str) -> bytes:
        """nonce || ciphertext || tag, bound to `place`."""
        nonce = self._rng(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Raises VaultError when the value was altered, moved, or sealed under another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise VaultError(f"the value at {place} does not open under this master key") from error

    def seal_json(self, value: Any, place: str) -> bytes:
        return self.seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), place)

    def unseal_json(self, sealed: bytes, place: str) -> Any:
        return json.loads(self.unseal(sealed, place))
