"""Trie proofs, on tries of our own making: what is proven, and every way of not proving it."""

import random

import pytest
import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from engine.evidence.errors import ProofInvalid
from engine.evidence.mpt import decode_header, decode_receipt, prove, prove_account, prove_receipt, prove_slot

_RANDOM = random.Random(7)
_KEYS = [_RANDOM.randbytes(32) for _ in range(200)]


def _trie(values: dict[bytes, bytes]) -> HexaryTrie:
    trie = HexaryTrie({})
    for key, value in values.items():
        trie[key] = value
    return trie


def _proof(trie: HexaryTrie, key: bytes) -> list[bytes]:
    nodes = [rlp.encode(node) for node in trie.get_proof(key)]  # type: ignore[no-untyped-call]
    return [node for depth, node in enumerate(nodes) if depth == 0 or len(node) >= 32]


@pytest.fixture(scope="module")
def trie() -> HexaryTrie:
    return _trie({key: b"value of " + key for key in _KEYS})


def test_every_key_is_proven(trie: HexaryTrie) -> None:
    for key in _KEYS:
        assert prove(trie.root_hash, key, _proof(trie, key)) == b"value of " + key


def test_an_absent_key_is_proven_absent(trie: HexaryTrie) -> None:
    for _ in range(50):
        key = _RANDOM.randbytes(32)
        assert prove(trie.root_hash, key, _proof(trie, key)) == b""


def test_another_root_proves_nothing(trie: HexaryTrie) -> None:
    with pytest.raises(ProofInvalid):
        prove(keccak(b"another"), _KEYS[0], _proof(trie, _KEYS[0]))


def test_a_path_with_a_node_too_few_or_too_many_or_in_another_order_is_refused(trie: HexaryTrie) -> None:
    nodes = _proof(trie, _KEYS[0])
    stranger = next(n for key in _KEYS[1:] for n in _proof(trie, key) if n not in nodes)
    assert len(nodes) > 2
    for bad in (nodes[:-1], nodes[1:], [*nodes, stranger], [*nodes, nodes[-1]], nodes[::-1], []):
        with pytest.raises(ProofInvalid):
            prove(trie.root_hash, _KEYS[0], bad)


def test_a_changed_byte_of_a_node_is_refused(trie: HexaryTrie) -> None:
    nodes = _proof(trie, _KEYS[3])
    for index, node in enumerate(nodes):
        for at in range(len(node)):
            changed = node[:at] + bytes([node[at] ^ 1]) + node[at + 1 :]
            with pytest.raises(ProofInvalid):
                prove(trie.root_hash, _KEYS[3], [*nodes[:index], changed, *nodes[index + 1 :]])


def test_a_slot_is_read_as_a_32_byte_word_and_zero_when_empty() -> None:
    slots = {key: rlp.encode(key.lstrip(b"\0") or b"") for key in (b"\0" * 31 + b"\x07", _KEYS[0])}
    storage = _trie({keccak(slot): value for slot, value in slots.items()})
    for slot in slots:
        assert prove_slot(storage.root_hash, slot, _proof(storage, keccak(slot))) == slot
    assert prove_slot(storage.root_hash, _KEYS[1], _proof(storage, keccak(_KEYS[1]))) == bytes(32)


def test_an_account_without_code_is_no_contract() -> None:
    address = b"\x11" * 20
    fields = [b"\x01", b"", keccak(rlp.encode(b"")), keccak(b"")]
    state = _trie({keccak(address): rlp.encode(fields)})
    with pytest.raises(ProofInvalid, match="not a contract"):
        prove_account(state.root_hash, address, _proof(state, keccak(address)))
    with pytest.raises(ProofInvalid, match="no account"):
        prove_account(state.root_hash, b"\x22" * 20, _proof(state, keccak(b"\x22" * 20)))


def test_legacy_and_typed_receipts_are_read_alike() -> None:
    log = [b"\x11" * 20, [b"\x22" * 32], b"data"]
    body = rlp.encode([b"\x01", b"\x52\x08", b"\0" * 256, [log]])
    receipts = _trie({rlp.encode(0): body, rlp.encode(1): b"\x02" + body})
    legacy = prove_receipt(receipts.root_hash, 0, _proof(receipts, rlp.encode(0)))
    typed = prove_receipt(receipts.root_hash, 1, _proof(receipts, rlp.encode(1)))
    assert legacy == typed
    assert legacy.succeeded
    assert legacy.logs[0].data == b"data"
    with pytest.raises(ProofInvalid, match="no transaction 2"):
        prove_receipt(receipts.root_hash, 2, _proof(receipts, rlp.encode(2)))


@pytest.mark.parametrize(
    "raw", [b"", b"\xc0", b"\x80", b"\xff\xff", rlp.encode([b"\x01", b"", b""]), b"\x02"]
)
def test_bytes_that_are_no_receipt_or_header_are_refused(raw: bytes) -> None:
    with pytest.raises(ProofInvalid):
        decode_receipt(raw)
    with pytest.raises(ProofInvalid):
        decode_header(raw)


def test_a_failed_transaction_is_told_from_one_that_succeeded() -> None:
    assert not decode_receipt(rlp.encode([b"", b"\x52\x08", b"\0" * 256, []])).succeeded
