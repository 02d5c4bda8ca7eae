"""What an insured person signs, as EIP-712 typed data, and the Merkle tree of an enrolment wave.

The same bytes as `AuthorizationRegistry` hashes: domain name "AuthorizationRegistry", version "1". A wave's
root is that of OpenZeppelin's standard Merkle tree, so that other tools can build it too.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

_DOMAIN_FIELDS = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_GRANT_FIELDS = [
    {"name": "id", "type": "bytes32"},
    {"name": "subject", "type": "bytes32"},
    {"name": "scope", "type": "bytes32"},
    {"name": "consentDigest", "type": "bytes32"},
    {"name": "insured", "type": "address"},
    {"name": "expires", "type": "uint48"},
]
_SIGNED_ONCE = [{"name": "nonce", "type": "uint256"}, {"name": "deadline", "type": "uint256"}]

TypedData = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """The contract's `Grant`: four 32-byte values, an address, and the second at which it is no longer live.

    Raises ValueError naming the field that the contract could not hold.
    """

    id: bytes
    subject: bytes
    scope: bytes
    consent_digest: bytes
    insured: str
    expires: int

    def __post_init__(self) -> None:
        for field in ("id", "subject", "scope", "consent_digest"):
            if len(getattr(self, field)) != 32:
                raise ValueError(f"{field}: 32 bytes needed, {len(getattr(self, field))} given")
        if not is_address(self.insured):
            raise ValueError(f"insured: not an address: {self.insured!r}")
        if not 0 <= self.expires < 2**48:
            raise ValueError(f"expires: not seconds in 48 bits: {self.expires}")

    def as_tuple(self) -> tuple[bytes, bytes, bytes, bytes, str, int]:
        """The struct's fields in order, as web3 takes a struct argument."""
        return (
            self.id,
            self.subject,
            self.scope,
            self.consent_digest,
            to_checksum_address(self.insured),
            self.expires,
        )

    def as_message(self) -> dict[str, Any]:
        """The fields under their EIP-712 names."""
        return {field["name"]: value for field, value in zip(_GRANT_FIELDS, self.as_tuple(), strict=True)}


def grant_typed_data(grant: Grant, *, nonce: int, deadline: int, chain_id: int, registry: str) -> TypedData:
    """The document that a wallet shows and signs (`eth_signTypedData_v4`) to grant.

    `nonce` is `nonces(insured)` of the registry; `deadline` the last second at which the signature is taken.
    """
    message = grant.as_message() | {"nonce": nonce, "deadline": deadline}
    return _typed_data("Grant", _GRANT_FIELDS + _SIGNED_ONCE, message, chain_id, registry)


def revoke_typed_data(
    authorization_id: bytes, *, nonce: int, deadline: int, chain_id: int, registry: str
) -> TypedData:
    """The document that a wallet shows and signs to revoke, inside a wave or out of it."""
    fields = [{"name": "id", "type": "bytes32"}, *_SIGNED_ONCE]
    message = {"id": authorization_id, "nonce": nonce, "deadline": deadline}
    return _typed_data("Revoke", fields, message, chain_id, registry)


def _typed_data(
    primary: str, fields: list[dict[str, str]], message: dict[str, Any], chain_id: int, registry: str
) -> TypedData:
    return {
        "types": {"EIP712Domain": _DOMAIN_FIELDS, primary: fields},
        "primaryType": primary,
        "domain": {
            "name": "AuthorizationRegistry",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": to_checksum_address(registry),
        },
        "message": message,
    }


def sign(typed_data: TypedData, account: LocalAccount) -> bytes:
    """65 bytes r || s || v."""
    return bytes(account.sign_message(encode_typed_data(full_message=typed_data)).signature)


def signer_of(typed_data: TypedData, signature: bytes) -> str:
    """The checksummed address whose key signed; a contract wallet's (EIP-1271) cannot be told this way."""
    return str(Account.recover_message(encode_typed_data(full_message=typed_data), signature=signature))


def signing_hash(typed_data: TypedData) -> bytes:
    """The 32 bytes that are signed: keccak256(0x1901 || domain separator || struct hash)."""
    message = encode_typed_data(full_message=typed_data)
    return keccak(b"\x19" + message.version + message.header + message.body)


def wave_leaf(grant: Grant) -> bytes:
    """The leaf of `grant` in a wave: hashed twice, so that no inner node passes for a leaf."""
    return keccak(keccak(encode([field["type"] for field in _GRANT_FIELDS], grant.as_tuple())))


@dataclass(frozen=True)
class MerkleTree:
    """The tree of @openzeppelin/merkle-tree's StandardMerkleTree, node for node, over ready leaves.

    `nodes` is the complete binary tree as a heap: the root first, the sorted leaves last and backwards.
    """

    nodes: tuple[bytes, ...]

    @classmethod
    def of(cls, leaves: Sequence[bytes]) -> "MerkleTree":
        """The order of `leaves` does not matter. Raises ValueError for none and for a repeated one."""
        if not leaves:
            raise ValueError("leaves: a tree needs at least one")
        if len(set(leaves)) != len(leaves):
            raise ValueError("leaves: the same leaf twice")
        inner = len(leaves) - 1
        nodes = [b""] * inner + sorted(leaves, reverse=True)
        for i in reversed(range(inner)):
            left, right = sorted((nodes[2 * i + 1], nodes[2 * i + 2]))
            nodes[i] = keccak(left + right)
        return cls(tuple(nodes))

    @property
    def root(self) -> bytes:
        return self.nodes[0]

    def proof(self, leaf: bytes) -> list[bytes]:
        """The siblings from `leaf` up to the root. Raises KeyError for a leaf that is not in the tree."""
        inner = len(self.nodes) // 2
        i = bisect_left(self.nodes, -int.from_bytes(leaf), lo=inner, key=lambda node: -int.from_bytes(node))
        if i == len(self.nodes) or self.nodes[i] != leaf:
            raise KeyError(leaf.hex())
        siblings = []
        while i > 0:
            siblings.append(self.nodes[i + 1 if i % 2 else i - 1])
            i = (i - 1) // 2
        return siblings
