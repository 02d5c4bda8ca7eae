"""Ethereum proofs, checked from their bytes: headers, Merkle-Patricia paths, accounts, slots, receipts.

Nothing here asks a chain, and nothing of the chain client is used: a proof is worth what an independent
reader makes of it. Yellow paper section 4 and appendix D; EIP-2718 for typed receipts; EIP-658 for status.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from trie.exceptions import InvalidNode, MissingTrieNode, ValidationError
from trie.hexary import HexaryTrie

from engine.evidence.errors import ProofInvalid

_LONDON_FIELDS = 16
"""Header fields up to base_fee_per_gas. Later forks only append."""
_MAX_HEADER_FIELDS = 32
_EMPTY_CODE_HASH = keccak(b"")
_UNREADABLE = (
    MissingTrieNode,
    InvalidNode,
    ValidationError,
    rlp.exceptions.RLPException,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
"""What the trie library stumbles over when a node is missing or is none."""


@dataclass(frozen=True, slots=True)
class Header:
    """The parts of a block header that evidence leans on; hash is keccak of the header's own bytes."""

    hash: bytes
    parent_hash: bytes
    state_root: bytes
    receipts_root: bytes
    number: int
    timestamp: int
    """Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class Account:
    storage_root: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class Log:
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    succeeded: bool
    logs: tuple[Log, ...]


def decode_header(raw: bytes) -> Header:
    """RLP of a post-London header -> Header. Raises ProofInvalid."""
    fields = _flat_list(raw, "header")
    if not _LONDON_FIELDS <= len(fields) <= _MAX_HEADER_FIELDS:
        raise ProofInvalid(f"header: {len(fields)} fields")
    parent_hash, state_root, receipts_root = fields[0], fields[3], fields[5]
    if any(len(item) != 32 for item in (parent_hash, state_root, receipts_root)):
        raise ProofInvalid("header: a root or the parent hash is not 32 bytes")
    return Header(
        hash=keccak(raw),
        parent_hash=parent_hash,
        state_root=state_root,
        receipts_root=receipts_root,
        number=int.from_bytes(fields[8], "big"),
        timestamp=int.from_bytes(fields[11], "big"),
    )


def prove(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The value under key in the trie with this root; b"" when the proof shows that there is none.

    The nodes are the path itself, from the root down: one missing, one more or another order is refused,
    so that no byte of a proof is without meaning. Raises ProofInvalid.
    """
    path = _Path(nodes)
    try:
        value = HexaryTrie(path, root).get(key)
    except _UNREADABLE as error:
        raise ProofInvalid(f"trie proof: {type(error).__name__}") from error
    if path.unread():
        raise ProofInvalid("trie proof: nodes that are not on the path")
    return bytes(value)


def prove_account(state_root: bytes, address: bytes, nodes: Sequence[bytes]) -> Account:
    """The contract at address in the state with this root. Raises ProofInvalid, also when there is none."""
    value = prove(state_root, keccak(address), nodes)
    if not value:
        raise ProofInvalid(f"no account 0x{address.hex()} in this state")
    fields = _flat_list(value, "account")
    if len(fields) != 4 or len(fields[2]) != 32 or len(fields[3]) != 32:
        raise ProofInvalid("account: not (nonce, balance, storage root, code hash)")
    if fields[3] == _EMPTY_CODE_HASH:
        raise ProofInvalid(f"0x{address.hex()} is not a contract")
    return Account(storage_root=fields[2], code_hash=fields[3])


def prove_slot(storage_root: bytes, slot: bytes, nodes: Sequence[bytes]) -> bytes:
    """The 32 bytes in a storage slot (32-byte position); zeros when the proof shows it empty."""
    value = prove(storage_root, keccak(slot), nodes)
    if not value:
        return bytes(32)
    word = _decode(value, "storage slot")
    if not isinstance(word, bytes) or not 0 < len(word) <= 32:
        raise ProofInvalid("storage slot: not a word")
    return word.rjust(32, b"\0")


def prove_receipt(receipts_root: bytes, transaction_index: int, nodes: Sequence[bytes]) -> Receipt:
    """The receipt of the transaction at this index of a block. Raises ProofInvalid."""
    value = prove(receipts_root, rlp.encode(transaction_index), nodes)
    if not value:
        raise ProofInvalid(f"no transaction {transaction_index} in this block")
    return decode_receipt(value)


def decode_receipt(value: bytes) -> Receipt:
    """A receipt as consensus encodes it. EIP-2718: a first byte up to 0x7f is the transaction's type."""
    payload = _decode(value[1:] if value[:1] <= b"\x7f" else value, "receipt")
    if not isinstance(payload, list) or len(payload) != 4 or not isinstance(payload[3], list):
        raise ProofInvalid("receipt: not (status, gas, bloom, logs)")
    return Receipt(succeeded=payload[0] == b"\x01", logs=tuple(_log(item) for item in payload[3]))


class _Path(dict[bytes, bytes]):
    """A proof as the trie library's database, which remembers which nodes were read and in which order."""

    def __init__(self, nodes: Sequence[bytes]) -> None:
        self._hashes = [keccak(node) for node in nodes]
        super().__init__(zip(self._hashes, nodes, strict=True))
        self._read: list[bytes] = []

    def __getitem__(self, key: bytes) -> bytes:
        node = super().__getitem__(key)
        self._read.append(key)
        return node

    def unread(self) -> bool:
        return self._read != self._hashes


def _decode(raw: bytes, what: str) -> object:
    try:
        value: object = rlp.decode(raw)
    except (rlp.exceptions.DecodingError, TypeError) as error:
        raise ProofInvalid(f"{what}: not RLP ({error})") from error
    return value


def _flat_list(raw: bytes, what: str) -> list[bytes]:
    value = _decode(raw, what)
    if not isinstance(value, list):
        raise ProofInvalid(f"{what}: not a list of byte strings")
    fields = [item for item in value if isinstance(item, bytes)]
    if len(fields) != len(value):
        raise ProofInvalid(f"{what}: not a list of byte strings")
    return fields


def _log(value: object) -> Log:
    match value:
        case [bytes(address), list(topics), bytes(data)] if len(address) == 20 and all(
            isinstance(topic, bytes) and len(topic) == 32 for topic in topics
        ):
            return Log(address=address, topics=tuple(topics), data=data)
    raise ProofInvalid("receipt: a log is not (address, topics, data)")
