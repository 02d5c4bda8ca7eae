"""What is signed for the contracts, as EIP-712 typed data, and the Merkle tree of an enrolment wave.

The same bytes as the contracts hash: the domain's name is the contract's, version "1". A wave's root is that
of OpenZeppelin's standard Merkle tree, so that other tools can build it too.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
    {"name": "subject", "type": "bytes32"},
    {"name": "scope", "type": "bytes32"},
    {"name": "consentDigest", "type": "bytes32"},
    {"name": "insured", "type": "address"},
    {"name": "guardian", "type": "address"},
    {"name": "expires", "type": "uint40"},
]
_ID = [{"name": "id", "type": "bytes32"}]
_SIGNED_ONCE = [{"name": "nonce", "type": "uint256"}, {"name": "deadline", "type": "uint256"}]

TypedData = dict[str, Any]

NOBODY = "0x" + "0" * 40
"""The zero address: no guardian, or no key of the insured's own."""


@dataclass(frozen=True)
class Grant:
    """The contract's `Grant`: three 32-byte values, two addresses, and the second from which it has expired.

    Without a guardian the insured signs; with one the guardian does, and `insured` may be NOBODY.
    Raises ValueError naming the field that the contract could not hold.
    """

    subject: bytes
    scope: bytes
    consent_digest: bytes
    insured: str
    expires: int
    guardian: str = NOBODY

    def __post_init__(self) -> None:
        for field in ("subject", "scope", "consent_digest"):
            if len(getattr(self, field)) != 32:
                raise ValueError(f"{field}: 32 bytes needed, {len(getattr(self, field))} given")
        for field in ("insured", "guardian"):
            if not is_address(getattr(self, field)):
                raise ValueError(f"{field}: not an address: {getattr(self, field)!r}")
        if not 0 <= self.expires < 2**40:
            raise ValueError(f"expires: not seconds in 40 bits: {self.expires}")

    @cached_property
    def id(self) -> bytes:
        """The authorization's id: the hash of all of the grant, and its leaf in a wave.

        Hashed twice, so that no inner node of the tree passes for a leaf.
        """
        return keccak(keccak(encode([field["type"] for field in _GRANT_FIELDS], self.as_tuple())))

    @property
    def signer(self) -> str:
        """Whose signature grants: the guardian's, or the insured's where there is none."""
        return who_signs(self.insured, self.guardian)

    def as_tuple(self) -> tuple[bytes, bytes, bytes, str, str, int]:
        """The struct's fields in order, as web3 takes a struct argument."""
        return (
            self.subject,
            self.scope,
            self.consent_digest,
            to_checksum_address(self.insured),
            to_checksum_address(self.guardian),
            self.expires,
        )

    def as_message(self) -> dict[str, Any]:
        """The fields under their EIP-712 names."""
        return {field["name"]: value for field, value in zip(_GRANT_FIELDS, self.as_tuple(), strict=True)}


def who_signs(insured: str, guardian: str) -> str:
    """The guardian, or the insured where there is none."""
    return insured if guardian == NOBODY else guardian


def grant_typed_data(grant: Grant, *, nonce: int, deadline: int, chain_id: int, registry: str) -> TypedData:
    """The document that a wallet shows and signs (`eth_signTypedData_v4`) to grant.

    `nonce` is `nonces(grant.signer)` of the registry; `deadline` the last second at which it is taken.
    """
    message = grant.as_message() | {"nonce": nonce, "deadline": deadline}
    return _typed_data("Grant", _GRANT_FIELDS + _SIGNED_ONCE, message, chain_id, registry)


def renew_typed_data(
    authorization_id: bytes,
    expires: int,
    consent_digest: bytes,
    *,
    nonce: int,
    deadline: int,
    chain_id: int,
    registry: str,
) -> TypedData:
    """The document that a wallet shows and signs to extend a live authorization."""
    fields = [*_ID, {"name": "expires", "type": "uint40"}, {"name": "consentDigest", "type": "bytes32"}]
    message = {"id": authorization_id, "expires": expires, "consentDigest": consent_digest}
    once = {"nonce": nonce, "deadline": deadline}
    return _typed_data("Renew", fields + _SIGNED_ONCE, message | once, chain_id, registry)


def revoke_typed_data(
    authorization_id: bytes, *, nonce: int, deadline: int, chain_id: int, registry: str
) -> TypedData:
    """The document that a wallet shows and signs to revoke, inside a wave or out of it."""
    message = {"id": authorization_id, "nonce": nonce, "deadline": deadline}
    return _typed_data("Revoke", _ID + _SIGNED_ONCE, message, chain_id, registry)


@dataclass(frozen=True)
class LogHead:
    """A state of the audit log: how many entries, and the Merkle tree head over them. Size 0 has root 0."""

    size: int
    root: bytes


def _typed_data(
    primary: str,
    fields: list[dict[str, str]],
    message: dict[str, Any],
    chain_id: int,
    contract: str,
    name: str = "AuthorizationRegistry",
) -> TypedData:
    return {
        "types": {"EIP712Domain": _DOMAIN_FIELDS, primary: fields},
        "primaryType": primary,
        "domain": {
            "name": name,
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": to_checksum_address(contract),
        },
        "message": message,
    }


def as_json(typed_data: TypedData) -> TypedData:
    """The same with byte values as 0x-hex, as eth_signTypedData_v4 takes it."""
    shown = {k: "0x" + v.hex() if isinstance(v, bytes) else v for k, v in typed_data["message"].items()}
    return {**typed_data, "message": shown}


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


def checkpoint_typed_data(checkpoint: LogHead, previous: LogHead, *, chain_id: int, store: str) -> TypedData:
    """The document that a witness signs: this head of the audit log follows that one."""
    fields = [
        {"name": "size", "type": "uint64"},
        {"name": "root", "type": "bytes32"},
        {"name": "previousSize", "type": "uint64"},
        {"name": "previousRoot", "type": "bytes32"},
    ]
    message = {
        "size": checkpoint.size,
        "root": checkpoint.root,
        "previousSize": previous.size,
        "previousRoot": previous.root,
    }
    return _typed_data("Checkpoint", fields, message, chain_id, store, name="MatchResultStore")


def case_typed_data(case_digest: bytes, task_id: bytes, *, chain_id: int, scheduler: str) -> TypedData:
    """The document that a task's requester signs: under this task, that case was given out to be decided."""
    fields = [{"name": "caseDigest", "type": "bytes32"}, {"name": "taskId", "type": "bytes32"}]
    message = {"caseDigest": case_digest, "taskId": task_id}
    return _typed_data("Case", fields, message, chain_id, scheduler, name="TaskScheduler")


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
        i = self._index(leaf)
        siblings = []
        while i > 0:
            siblings.append(self.nodes[_sibling(i)])
            i = (i - 1) // 2
        return siblings

    def joint_proof(self, leaves: Sequence[bytes]) -> "JointProof":
        """One proof for several leaves, each stopping where an earlier one has passed.

        Raises KeyError for a leaf that is not in the tree.
        """
        given: dict[int, int] = {}
        siblings: list[bytes] = []
        steps = []
        for leaf in leaves:
            i, before = self._index(leaf), len(siblings)
            while i > 0 and i not in given:
                siblings.append(self.nodes[_sibling(i)])
                given[_sibling(i)] = len(siblings)
                i = (i - 1) // 2
            steps.append((len(siblings) - before, given.get(i, 0)))
        return JointProof(tuple(siblings), tuple(steps))

    def _index(self, leaf: bytes) -> int:
        inner = len(self.nodes) // 2
        i = bisect_left(self.nodes, -int.from_bytes(leaf), lo=inner, key=lambda node: -int.from_bytes(node))
        if i == len(self.nodes) or self.nodes[i] != leaf:
            raise KeyError(leaf.hex())
        return i


def _sibling(i: int) -> int:
    return i + 1 if i % 2 else i - 1


@dataclass(frozen=True)
class JointProof:
    """What `materializeBatch` takes: `siblings`, and for each leaf in order how many of them are its own
    (`steps[i][0]`) and the number, from 1, of the one where it ends (`steps[i][1]`; 0 for the root).
    """

    siblings: tuple[bytes, ...]
    steps: tuple[tuple[int, int], ...]

    def wave_leaves(self, grants: Sequence[Grant]) -> list[tuple[Any, ...]]:
        """The contract's `WaveLeaf` structs of the grants, which come in the order of the proof's leaves."""
        return [
            (grant.subject, grant.consent_digest, *grant.as_tuple()[3:], *step)
            for grant, step in zip(grants, self.steps, strict=True)
        ]
