"""Proofs over blocks that are harder than our own: many transactions, of every type, and deep tries."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from engine.chain.embedded import EmbeddedChain
from engine.chain.errors import METHOD_NOT_FOUND, ChainUnavailable, RpcError
from engine.chain.proofs import account_proof, encode_header, receipt_proof
from tests.chain.test_embedded import ALICE, BOB, CHAIN_ID, CREATION, signed, start
from tests.chain.world import Clock

COUNT = 140
"""Enough for receipt keys of one and of two bytes (RLP of 128 and more)."""
CONTRACT = to_checksum_address(keccak(rlp.encode([bytes.fromhex(ALICE.address[2:]), 0]))[12:])


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedChain]:
    """Block 1 creates the contract; block 2 fills 140 of its slots by transactions of three types."""
    chain = start(tmp_path_factory.mktemp("proofs") / "chain.db", Clock())
    chain.send([signed(ALICE, 0, None, CREATION)])
    outcomes = chain.send([_store(index) for index in range(COUNT)])
    assert all(isinstance(outcome, str) for outcome in outcomes)
    yield chain
    chain.close()


def _store(index: int) -> bytes:
    """A legacy, an EIP-2930 and an EIP-1559 transaction in turn."""
    transaction: dict[str, Any] = {
        "chainId": CHAIN_ID,
        "nonce": 1 + index,
        "gas": 200_000,
        "value": 0,
        "data": index.to_bytes(32, "big") + (index + 1).to_bytes(32, "big"),
        "to": CONTRACT,
    }
    priced: dict[str, Any] = {"gasPrice": 10**10}
    kinds = (priced, priced | {"accessList": []}, {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1})
    return bytes(ALICE.sign_transaction(transaction | kinds[index % 3]).raw_transaction)


def _prove(root: str, key: bytes, proof: tuple[str, ...]) -> bytes:
    nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in proof]
    return bytes(HexaryTrie.get_from_proof(bytes.fromhex(root[2:]), key, nodes))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("index", [0, 1, 2, 127, 128, COUNT - 1])
def test_every_receipt_of_a_full_block_can_be_proven(chain: EmbeddedChain, index: int) -> None:
    block = chain.request("eth_getBlockByNumber", ["0x2", False])
    proof = receipt_proof(chain, block["transactions"][index])
    proven = _prove(block["receiptsRoot"], rlp.encode(index), proof.proof)
    assert "0x" + proven.hex() == proof.receipt
    assert proof.tx_index == index
    assert (proven[0] if proven[0] < 0x80 else 0) == (0, 1, 2)[index % 3]


def test_a_node_without_block_receipts_is_asked_one_by_one(chain: EmbeddedChain) -> None:
    class Older(EmbeddedChain):
        def __init__(self) -> None: ...

        def request(self, method: str, params: list[object]) -> object:
            if method == "eth_getBlockReceipts":
                raise RpcError(METHOD_NOT_FOUND, "the method does not exist")
            return chain.request(method, params)

    block = chain.request("eth_getBlockByNumber", ["0x1", False])
    assert receipt_proof(Older(), block["transactions"][0]) == receipt_proof(chain, block["transactions"][0])


def test_slots_present_and_absent_are_proven_in_a_deep_trie(chain: EmbeddedChain) -> None:
    slots = [index.to_bytes(32, "big") for index in (0, 77, COUNT - 1, COUNT, 10**9)]
    proof = account_proof(chain, CONTRACT, slots, 2)
    header = encode_header(chain.request("eth_getBlockByNumber", ["0x2", False]))
    assert "0x" + keccak(header).hex() == proof.block_hash
    for slot, entry in zip(slots, proof.storage, strict=True):
        proven = _prove(proof.storage_hash, keccak(slot), entry.proof)
        value = int.from_bytes(rlp.decode(proven), "big") if proven else 0
        number = int.from_bytes(slot, "big")
        assert value == int(entry.value, 16) == (number + 1 if number < COUNT else 0)


def test_history_can_be_proven_at_any_earlier_block(chain: EmbeddedChain) -> None:
    before = account_proof(chain, CONTRACT, [bytes(32)], 1)
    assert (before.storage[0].proof, int(before.storage[0].value, 16)) == ((), 0)
    state_root = chain.request("eth_getBlockByNumber", ["0x1", False])["stateRoot"]
    account = rlp.decode(_prove(state_root, keccak(bytes.fromhex(CONTRACT[2:])), before.account_proof))
    assert account[2].hex() == before.storage_hash[2:]
    assert account[3].hex() == before.code_hash[2:]


def test_what_is_not_mined_has_no_proof(chain: EmbeddedChain) -> None:
    with pytest.raises(ChainUnavailable, match="not in a block"):
        receipt_proof(chain, "0x" + "11" * 32)
    with pytest.raises(ChainUnavailable, match="no block 99"):
        account_proof(chain, BOB.address, [], 99)


def test_the_same_inputs_and_clock_make_the_same_genesis(chain: EmbeddedChain, tmp_path: Path) -> None:
    other = start(tmp_path / "other.db", Clock())
    genesis = ["0x0", False]
    assert other.request("eth_getBlockByNumber", genesis) == chain.request("eth_getBlockByNumber", genesis)
    other.close()
