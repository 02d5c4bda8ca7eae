"""One key a role, each in its own encrypted keystore (Web3 Secret Storage v3), made at first start."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from engine.chain.errors import KeystoreInvalid
from engine.chain.files import write_private

DEPLOYER = "deployer"
GOVERNOR = "governor"
ENROLMENT = "enrolment"
REVOKER = "revoker"
PROVIDER = "provider"
REQUESTER = "requester"
RECORDER = "recorder"
PAYER = "payer"
PAUSER = "pauser"
ARBITER = "arbiter"
WITNESS = "witness"
ROLES = (
    DEPLOYER,
    GOVERNOR,
    ENROLMENT,
    REVOKER,
    PROVIDER,
    REQUESTER,
    RECORDER,
    PAYER,
    PAUSER,
    ARBITER,
    WITNESS,
)

_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""secp256k1's group order: a private key lies strictly between 0 and it."""


class RoleKeys:
    """The unlocked accounts by role. Decrypted once; nothing here prints a key."""

    def __init__(self, accounts: dict[str, LocalAccount]) -> None:
        self._accounts = accounts

    @classmethod
    def load_or_create(
        cls, folder: Path, passphrase: str, rng: Callable[[int], bytes] = os.urandom, scrypt_n: int = 2**14
    ) -> "RoleKeys":
        """Read `folder/<role>.json`, making those that are missing, mode 0600.

        `rng(n)` gives n random bytes. `scrypt_n` costs about 128 x 8 x n bytes and 40 ms at 2**14 a key; it
        guards a weak passphrase, and can be low where the passphrase itself is random.
        Raises KeystoreInvalid for an unreadable file, another passphrase or another role's file.
        """
        accounts = {
            role: load_or_create_key(folder / f"{role}.json", role, passphrase, rng, scrypt_n)
            for role in ROLES
        }
        if len({account.address for account in accounts.values()}) != len(ROLES):
            raise KeystoreInvalid(f"{folder}: two roles hold the same key")
        return cls(accounts)

    def __getitem__(self, role: str) -> LocalAccount:
        return self._accounts[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def addresses(self) -> dict[str, str]:
        """Role -> checksummed address."""
        return {role: account.address for role, account in self._accounts.items()}


def load_or_create_key(
    path: Path,
    role: str,
    passphrase: str,
    rng: Callable[[int], bytes] = os.urandom,
    scrypt_n: int = 2**14,
) -> LocalAccount:
    """One keystore, made where it is missing; as `RoleKeys.load_or_create`. Raises KeystoreInvalid."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        sealed = Account.encrypt(_private_key(rng), passphrase, kdf="scrypt", iterations=scrypt_n)
        write_private(path, json.dumps(sealed | {"role": role}, indent=1).encode())
    return _unlock(path, role, passphrase)


def _unlock(path: Path, role: str, passphrase: str) -> LocalAccount:
    try:
        sealed: dict[str, Any] = json.loads(path.read_bytes())
        if sealed.get("role") != role:
            raise KeystoreInvalid(f"{path}: is the keystore of role {sealed.get('role')!r}, not of {role!r}")
        key = Account.decrypt(sealed, passphrase)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # eth-keyfile says "MAC mismatch" for a wrong passphrase.
        raise KeystoreInvalid(f"{path}: cannot be opened with this passphrase ({error})") from error
    account: LocalAccount = Account.from_key(key)
    return account


def _private_key(rng: Callable[[int], bytes]) -> bytes:
    while True:
        candidate = rng(32)
        if 0 < int.from_bytes(candidate, "big") < _CURVE_ORDER:
            return candidate
