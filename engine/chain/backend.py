"""eth-tester's py-evm backend over one SQLite file. Single-threaded: `embedded.py` owns the thread.

It resumes at the last mined block, mines several transactions into one block and commits that block in
one SQL transaction, and looks receipts and logs up by index where eth-tester scans backwards.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth.abc import (
    BlockAPI,
    BlockHeaderAPI,
    ComputationAPI,
    ReceiptAPI,
    SignedTransactionAPI,
    TransactionBuilderAPI,
)
from eth.chains.base import MiningChain
from eth.constants import (
    BLANK_ROOT_HASH,
    EMPTY_SHA3,
    POST_MERGE_DIFFICULTY,
    POST_MERGE_MIX_HASH,
    POST_MERGE_NONCE,
)
from eth.db.atomic import AtomicDB
from eth.exceptions import (
    BlockNotFound,
    CanonicalHeadNotFound,
    HeaderNotFound,
    OutOfGas,
    PyEVMError,
    Revert,
    TransactionNotFound,
)
from eth.rlp.accounts import Account
from eth.validation import validate_gas_limit
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_hash.auto import keccak
from eth_keys.exceptions import BadSignature
from eth_tester.backends.pyevm.main import PyEVMBackend  # type: ignore[import-untyped]
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from engine.chain.errors import EXECUTION_REVERTED, SERVER_ERROR, RpcError, WrongChain
from engine.chain.sqlite_db import LogFilter, LogRow, SqliteDB
from engine.chain.trie_proof import proof_nodes

# py-evm lifts the interpreter's limit to 100,000 frames when it is imported. That is deeper than a thread's
# stack: nested input would end the process instead of raising RecursionError. Our contracts call each other
# three deep; this leaves the EVM some hundred.
sys.setrecursionlimit(10_000)

_UNDECODABLE = (PyEVMError, ValidationError, BadSignature, RLPException, ValueError, TypeError, IndexError)
ZERO_ADDRESS = Address(b"\x00" * 20)
PREFUND_WEI = 10**27


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """How a new embedded chain is made; an existing file must have been made with the same chain id.

    block_gas_limit: room for several transactions of `transaction_gas` in one block.
    """

    chain_id: int
    prefunded: tuple[bytes, ...] = ()
    block_gas_limit: int = 300_000_000


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction with its place and receipt; `logs_before` counts the block's earlier logs."""

    block: BlockAPI
    index: int
    transaction: SignedTransactionAPI
    receipt: ReceiptAPI
    gas_used: int
    logs_before: int


class FreeVM(PragueVM):
    """Prague, but for the base fee: zero in each block, so that a provider's account needs no money."""

    @classmethod
    def validate_gas(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        validate_gas_limit(header.gas_limit, parent_header.gas_limit)
        if header.base_fee_per_gas:
            raise ValidationError(f"the base fee is {header.base_fee_per_gas} wei where gas is free")


class AutoclaimChain(MiningChain):
    """Prague from block 0, constant gas limit, gas that costs nothing, no proof of work."""

    vm_configuration = ((BlockNumber(0), FreeVM),)

    def create_header_from_parent(
        self, parent_header: BlockHeaderAPI, **header_params: Any
    ) -> BlockHeaderAPI:
        header = super().create_header_from_parent(
            parent_header, **{**header_params, "gas_limit": parent_header.gas_limit}
        )
        return header.copy(base_fee_per_gas=0)

    def get_transaction_builder(self) -> type[TransactionBuilderAPI]:
        return PragueVM.get_transaction_builder()


class SqliteBackend(PyEVMBackend):  # type: ignore[misc]
    """PyEVMBackend whose chain lives in `path`. `clock` gives seconds since 1970."""

    chain: AutoclaimChain

    def __init__(self, path: Path, spec: ChainSpec, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._clock = clock
        self.db = SqliteDB(path)
        try:
            super().__init__()
        except BaseException:
            self.db.close()
            raise

    def reset_to_genesis(self, *_: object, **__: object) -> None:
        """Resume the chain in the file, or make its genesis. It never forgets what is there."""
        made_with = self.db.meta("chain_id")
        if made_with is not None and int(made_with) != self._spec.chain_id:
            raise WrongChain(f"the chain file has chain id {made_with}, not {self._spec.chain_id}")
        chain_class: Any = AutoclaimChain.configure(chain_id=self._spec.chain_id)
        store = AtomicDB(self.db)
        self.account_keys = ()
        try:
            # Without a header given, the chain prepares its next header from the canonical head.
            self.chain = chain_class(store)
        except CanonicalHeadNotFound:
            self.chain = chain_class.from_genesis(store, self._genesis_params(), self._genesis_state())
            self.db.commit(meta={"chain_id": str(self._spec.chain_id)})

    def _genesis_params(self) -> dict[str, Any]:
        return {
            "coinbase": ZERO_ADDRESS,
            "difficulty": POST_MERGE_DIFFICULTY,
            "extra_data": b"",
            "gas_limit": self._spec.block_gas_limit,
            "base_fee_per_gas": 0,
            "mix_hash": POST_MERGE_MIX_HASH,
            "nonce": POST_MERGE_NONCE,
            "receipt_root": BLANK_ROOT_HASH,
            "timestamp": int(self._clock()),
            "transaction_root": BLANK_ROOT_HASH,
        }

    def _genesis_state(self) -> dict[Address, Any]:
        empty = {"balance": PREFUND_WEI, "storage": {}, "code": b"", "nonce": 0}
        return {Address(address): dict(empty) for address in self._spec.prefunded}

    # Mining

    def next_timestamp(self) -> int:
        """The wall clock, or one second after the head: Ethereum demands strictly later."""
        return max(self.head().timestamp + 1, int(self._clock()))

    def decode_transaction(self, raw: bytes) -> SignedTransactionAPI:
        return decode_transaction(raw, self.chain.chain_id)

    def mine(self, transactions: Sequence[SignedTransactionAPI]) -> list[RpcError | None]:
        """Mine what can be executed into one block and commit it; per transaction None, or why not.

        A transaction that would revert is not mined: the sender gets its revert data, the chain keeps
        no trace of it and the nonce stays free.
        """
        header = self.chain.header.copy(timestamp=self.next_timestamp())
        vm = self.chain.get_vm(header)
        refusals: list[RpcError | None] = []
        mined: list[SignedTransactionAPI] = []
        receipts: list[ReceiptAPI] = []
        try:
            for transaction in transactions:
                outcome = _apply(vm, header, transaction)
                if isinstance(outcome, RpcError):
                    refusals.append(outcome)
                    continue
                refusals.append(None)
                mined.append(transaction)
                receipts.append(outcome)
                header = vm.add_receipt_to_header(header, outcome)
            if mined:
                self._seal(vm, header, mined, receipts)
        except BaseException:
            self.db.rollback()
            raise
        return refusals

    def _seal(
        self,
        vm: Any,
        header: BlockHeaderAPI,
        transactions: Sequence[SignedTransactionAPI],
        receipts: Sequence[ReceiptAPI],
    ) -> None:
        filled = vm.set_block_transactions_and_withdrawals(vm.get_block(), header, transactions, receipts)
        block = vm.mine_block(filled).block
        self.chain.chaindb.persist_block(block)
        self.db.add_logs(_log_rows(block, receipts))
        self.db.commit()
        self.chain.header = self.chain.create_header_from_parent(block.header)

    # Blocks, transactions, logs

    def head(self) -> BlockHeaderAPI:
        return self.chain.chaindb.get_canonical_head()

    def header_by_number(self, number: int) -> BlockHeaderAPI | None:
        try:
            return self.chain.chaindb.get_canonical_block_header_by_number(BlockNumber(number))
        except (HeaderNotFound, BlockNotFound):
            return None

    def header_by_hash(self, block_hash: bytes) -> BlockHeaderAPI | None:
        try:
            return self.chain.chaindb.get_block_header_by_hash(Hash32(block_hash))
        except HeaderNotFound:
            return None

    def block(self, header: BlockHeaderAPI) -> BlockAPI:
        return self.chain.get_block_by_header(header)

    def block_transactions(self, header: BlockHeaderAPI) -> list[MinedTransaction]:
        block = self.block(header)
        receipts = block.get_receipts(self.chain.chaindb)
        found, gas_before, logs_before = [], 0, 0
        for index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
            gas_used = receipt.gas_used - gas_before
            found.append(MinedTransaction(block, index, transaction, receipt, gas_used, logs_before))
            gas_before, logs_before = receipt.gas_used, logs_before + len(receipt.logs)
        return found

    def transaction(self, tx_hash: bytes) -> MinedTransaction | None:
        try:
            number, index = self.chain.chaindb.get_transaction_index(Hash32(tx_hash))
        except TransactionNotFound:
            return None
        return self.block_transactions(self.chain.get_canonical_block_header_by_number(number))[index]

    def logs(self, wanted: LogFilter, limit: int) -> list[LogRow]:
        return self.db.find_logs(wanted, limit)

    # State

    def account(self, header: BlockHeaderAPI, address: bytes) -> Account:
        encoded = self._state_trie(header).get(keccak(address))
        return rlp.decode(encoded, Account) if encoded else Account()

    def code(self, header: BlockHeaderAPI, address: bytes) -> bytes:
        code_hash = self.account(header, address).code_hash
        return b"" if code_hash == EMPTY_SHA3 else self.db[code_hash]

    def storage(self, header: BlockHeaderAPI, address: bytes, slot: int) -> int:
        return _storage_value(self._storage_trie(header, address), slot)

    def account_proof(self, header: BlockHeaderAPI, address: bytes) -> list[bytes]:
        """The nodes from the state root towards the account (EIP-1186), RLP-encoded."""
        return proof_nodes(self._state_trie(header), keccak(address))

    def storage_proof(self, header: BlockHeaderAPI, address: bytes, slot: int) -> tuple[int, list[bytes]]:
        """The slot's value and the nodes from the account's storage root towards it."""
        trie = self._storage_trie(header, address)
        return _storage_value(trie, slot), proof_nodes(trie, keccak(slot.to_bytes(32, "big")))

    def _state_trie(self, header: BlockHeaderAPI) -> HexaryTrie:
        return HexaryTrie(self.db, header.state_root)

    def _storage_trie(self, header: BlockHeaderAPI, address: bytes) -> HexaryTrie:
        return HexaryTrie(self.db, self.account(header, address).storage_root)

    def pending_header(self) -> BlockHeaderAPI:
        """The next block's header as it would be if it were mined now."""
        return self.chain.header.copy(timestamp=self.next_timestamp())

    def execute(
        self, header: BlockHeaderAPI, *, to: bytes, data: bytes, sender: bytes, value: int, gas: int
    ) -> ComputationAPI:
        """Run a call on top of the header's state, free of charge, and keep nothing of it."""
        vm = self.chain.get_vm(header.copy(base_fee_per_gas=0))
        unsigned = self.chain.get_transaction_builder().new_unsigned_dynamic_fee_transaction(  # type: ignore[attr-defined]
            chain_id=self.chain.chain_id,
            nonce=vm.state.get_nonce(Address(sender)),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=gas,
            to=Address(to),
            value=value,
            data=data,
            access_list=(),
        )
        try:
            spoofed: Any = SpoofTransaction(unsigned, from_=Address(sender))
            return vm.state.apply_transaction(spoofed)
        except ValidationError as error:
            raise RpcError(SERVER_ERROR, str(error)) from error

    def close(self) -> None:
        self.db.close()


def decode_transaction(raw: bytes, chain_id: int) -> SignedTransactionAPI:
    """Raises RpcError for what is no transaction that somebody signed for this chain."""
    try:
        transaction = PragueVM.get_transaction_builder().decode(raw)
        transaction.validate()
        transaction.sender  # noqa: B018  recovers the key, so that a bad signature fails here
    except _UNDECODABLE as error:
        raise RpcError(SERVER_ERROR, f"not a valid signed transaction: {error}") from error
    # py-evm leaves this check to the network layer: without it another chain's transactions replay here.
    if transaction.chain_id != chain_id:
        raise RpcError(SERVER_ERROR, f"signed for chain id {transaction.chain_id}")
    return transaction


def failure(computation: ComputationAPI) -> RpcError | None:
    """What a node answers for a failed execution: code 3 with the data for a revert, -32000 otherwise."""
    if not computation.is_error:
        return None
    if isinstance(computation.error, Revert):
        return RpcError(EXECUTION_REVERTED, "execution reverted", "0x" + computation.output.hex())
    if isinstance(computation.error, OutOfGas):
        return RpcError(SERVER_ERROR, "out of gas")
    return RpcError(SERVER_ERROR, f"execution failed: {type(computation.error).__name__}")


def _apply(vm: Any, header: BlockHeaderAPI, transaction: SignedTransactionAPI) -> ReceiptAPI | RpcError:
    """VM.apply_transaction, except that a failed execution is taken back."""
    try:
        vm.validate_transaction_against_header(header, transaction)
        vm.state.lock_changes()
        before = vm.state.snapshot()
        computation = vm.state.apply_transaction(transaction)
    except ValidationError as error:
        return RpcError(SERVER_ERROR, str(error))
    refusal = failure(computation)
    if refusal is not None:
        vm.state.revert(before)
        return refusal
    vm.state.commit(before)
    receipt: ReceiptAPI = vm.make_receipt(header, transaction, computation, vm.state)
    vm.validate_receipt(receipt)
    return receipt


def _log_rows(block: BlockAPI, receipts: Sequence[ReceiptAPI]) -> Iterable[LogRow]:
    log_index = 0
    for tx_index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
        for log in receipt.logs:
            topics = tuple(topic.to_bytes(32, "big") for topic in log.topics)
            yield LogRow(block.number, log_index, tx_index, transaction.hash, log.address, topics, log.data)
            log_index += 1


def _storage_value(trie: HexaryTrie, slot: int) -> int:
    encoded = trie.get(keccak(slot.to_bytes(32, "big")))
    return int.from_bytes(rlp.decode(encoded), "big") if encoded else 0
