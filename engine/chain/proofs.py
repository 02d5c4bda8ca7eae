"""Proofs as evidence carries them: built from what a node answers, in the bytes that consensus hashes.

Building checks that the bytes hash to what the block says; whether they prove a claim is decided by an
independent verifier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from engine.chain.errors import METHOD_NOT_FOUND, ChainUnavailable, RpcError
from engine.chain.transport import Chain
from engine.chain.trie_proof import proof_nodes

Json = dict[str, Any]

# In the order that consensus hashes them; each fork since London appends, so a header ends where they stop.
_HEADER_FIELDS = (
    ("parentHash", False), ("sha3Uncles", False), ("miner", False), ("stateRoot", False),
    ("transactionsRoot", False), ("receiptsRoot", False), ("logsBloom", False), ("difficulty", True),
    ("number", True), ("gasLimit", True), ("gasUsed", True), ("timestamp", True), ("extraData", False),
    ("mixHash", False), ("nonce", False), ("baseFeePerGas", True), ("withdrawalsRoot", False),
    ("blobGasUsed", True), ("excessBlobGas", True), ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StorageProof:
    """One 32-byte slot, its value (zero when empty), and the trie nodes towards it; all 0x-hex."""

    slot: str
    value: str
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """EIP-1186: an account and some of its slots at one block, as trie nodes from the state root down."""

    block_number: int
    block_hash: str
    address: str
    nonce: int
    balance: int
    code_hash: str
    storage_hash: str
    account_proof: tuple[str, ...]
    storage: tuple[StorageProof, ...]

    def to_json(self) -> Json:
        """`balance` is a decimal string: wei pass what JSON numbers hold exactly."""
        return {
            "block_number": self.block_number,
            "block_hash": self.block_hash,
            "address": self.address,
            "nonce": self.nonce,
            "balance": str(self.balance),
            "code_hash": self.code_hash,
            "storage_hash": self.storage_hash,
            "account_proof": list(self.account_proof),
            "storage": [
                {"slot": entry.slot, "value": entry.value, "proof": list(entry.proof)}
                for entry in self.storage
            ],
        }

    @classmethod
    def from_json(cls, document: Json) -> "AccountProof":
        return cls(
            block_number=document["block_number"],
            block_hash=document["block_hash"],
            address=document["address"],
            nonce=document["nonce"],
            balance=int(document["balance"]),
            code_hash=document["code_hash"],
            storage_hash=document["storage_hash"],
            account_proof=tuple(document["account_proof"]),
            storage=tuple(
                StorageProof(entry["slot"], entry["value"], tuple(entry["proof"]))
                for entry in document["storage"]
            ),
        )


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """A transaction's receipt in its block's receipts trie: nodes from the receipts root down, 0x-hex.

    `receipt` is the value proven: the receipt's own encoding (EIP-2718).
    """

    block_number: int
    block_hash: str
    tx_hash: str
    tx_index: int
    receipt: str
    proof: tuple[str, ...]

    def to_json(self) -> Json:
        return {
            "block_number": self.block_number,
            "block_hash": self.block_hash,
            "tx_hash": self.tx_hash,
            "tx_index": self.tx_index,
            "receipt": self.receipt,
            "proof": list(self.proof),
        }

    @classmethod
    def from_json(cls, document: Json) -> "ReceiptProof":
        return cls(**{**document, "proof": tuple(document["proof"])})


def account_proof(chain: Chain, address: str, slots: Sequence[bytes], block_number: int) -> AccountProof:
    """Raises RpcError where the node does not have that block's state any more."""
    keys = ["0x" + slot.rjust(32, b"\0").hex() for slot in slots]
    # By hash (EIP-1898), so that a reorganisation in between cannot mix two blocks.
    block_hash = block_json(chain, block_number)["hash"]
    answer = chain.request("eth_getProof", [address, keys, {"blockHash": block_hash}])
    return AccountProof(
        block_number=block_number,
        block_hash=block_hash,
        address=address,
        nonce=int(answer["nonce"], 16),
        balance=int(answer["balance"], 16),
        code_hash=answer["codeHash"],
        storage_hash=answer["storageHash"],
        account_proof=tuple(answer["accountProof"]),
        storage=tuple(
            StorageProof(key, _word(entry["value"]), tuple(entry["proof"]))
            for key, entry in zip(keys, answer["storageProof"], strict=True)
        ),
    )


def block_header_rlp(chain: Chain, block_number: int) -> bytes:
    """The header's RLP; its keccak is the block hash, which is checked here."""
    block = block_json(chain, block_number)
    header = encode_header(block)
    if "0x" + keccak(header).hex() != block["hash"]:
        raise RpcError(0, f"block {block_number} carries header fields this client does not know")
    return header


def encode_header(block: Json) -> bytes:
    """RLP of the header fields of a JSON-RPC block, as many as its fork has."""
    present = [(block[name], number) for name, number in _HEADER_FIELDS if block.get(name) is not None]
    return bytes(rlp.encode([_number(value) if number else _data(value) for value, number in present]))


def receipt_proof(chain: Chain, tx_hash: str) -> ReceiptProof:
    """Rebuild the receipts trie of the transaction's block and take the path to its receipt.

    Raises ChainUnavailable when the transaction is not mined, or the receipts do not hash to the block's
    receipts root (a reorganisation happened in between: ask again).
    """
    own = chain.request("eth_getTransactionReceipt", [tx_hash])
    if own is None:
        raise ChainUnavailable(f"transaction {tx_hash} is not in a block")
    block = chain.request("eth_getBlockByHash", [own["blockHash"], False])
    receipts = [] if block is None else _block_receipts(chain, block)
    trie = HexaryTrie({})
    for index, receipt in enumerate(receipts):
        trie[bytes(rlp.encode(index))] = encode_receipt(receipt)
    if block is None or "0x" + trie.root_hash.hex() != block["receiptsRoot"]:
        raise ChainUnavailable(f"the receipts of block {own['blockHash']} do not hash to its receipts root")
    index = int(own["transactionIndex"], 16)
    return ReceiptProof(
        block_number=int(own["blockNumber"], 16),
        block_hash=own["blockHash"],
        tx_hash=tx_hash,
        tx_index=index,
        receipt="0x" + encode_receipt(own).hex(),
        proof=tuple("0x" + node.hex() for node in proof_nodes(trie, bytes(rlp.encode(index)))),
    )


def encode_receipt(receipt: Json) -> bytes:
    """A receipt as consensus hashes it: EIP-658 status; EIP-2718 type byte before it unless legacy."""
    logs = [
        [_data(log["address"]), [_data(topic) for topic in log["topics"]], _data(log["data"])]
        for log in receipt["logs"]
    ]
    status, gas = _number(receipt["status"]), _number(receipt["cumulativeGasUsed"])
    body = bytes(rlp.encode([status, gas, _data(receipt["logsBloom"]), logs]))
    kind = _number(receipt.get("type") or "0x0")
    return bytes([kind]) + body if kind else body


def block_json(chain: Chain, block_number: int) -> Json:
    """Raises ChainUnavailable when the chain has no such block (yet)."""
    block: Json | None = chain.request("eth_getBlockByNumber", [hex(block_number), False])
    if block is None:
        raise ChainUnavailable(f"the chain has no block {block_number}")
    return block


def _block_receipts(chain: Chain, block: Json) -> list[Json]:
    try:
        receipts: list[Json] = chain.request("eth_getBlockReceipts", [block["number"]])
    except RpcError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        receipts = [chain.request("eth_getTransactionReceipt", [tx]) for tx in block["transactions"]]
    return receipts


def _data(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def _number(value: str) -> int:
    return int(value, 16)


def _word(value: str) -> str:
    return f"0x{int(value, 16):064x}"
