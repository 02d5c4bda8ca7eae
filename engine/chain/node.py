"""The JSON-RPC methods of the embedded chain: parameters in, results out, RpcError for everything else.

Runs on the thread that owns the chain. Who may call what (read-only, size limits) is `rpc.py`'s concern.
"""

from collections.abc import Callable
from typing import Any

from eth.abc import BlockHeaderAPI, ComputationAPI

from engine.chain import rpc_format as fmt
from engine.chain.backend import ZERO_ADDRESS, SqliteBackend, failure
from engine.chain.errors import INVALID_PARAMS, LIMIT_EXCEEDED, METHOD_NOT_FOUND, NOT_FOUND, RpcError
from engine.chain.sqlite_db import LogFilter

CLIENT_VERSION = "autoclaim/py-evm"
_MAX_TOPICS = 4


class NodeMethods:
    """`call_gas` bounds what one eth_call may burn; `max_logs` what one eth_getLogs may return."""

    def __init__(self, backend: SqliteBackend, *, call_gas: int = 30_000_000, max_logs: int = 10_000) -> None:
        self._backend = backend
        self._call_gas = call_gas
        self._max_logs = max_logs
        self._methods: dict[str, Callable[..., Any]] = {
            "web3_clientVersion": lambda: CLIENT_VERSION,
            "net_version": lambda: str(backend.chain.chain_id),
            "eth_chainId": lambda: fmt.quantity(backend.chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": list,
            "eth_blockNumber": lambda: fmt.quantity(backend.head().block_number),
            "eth_gasPrice": lambda: fmt.quantity(backend.chain.header.base_fee_per_gas or 0),
            "eth_maxPriorityFeePerGas": lambda: "0x0",
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionByHash": self._transaction_by_hash,
            "eth_getTransactionReceipt": self._transaction_receipt,
            "eth_getLogs": self._logs,
            "eth_getBalance": self._balance,
            "eth_getTransactionCount": self._transaction_count,
            "eth_getCode": self._code,
            "eth_getStorageAt": self._storage_at,
            "eth_getProof": self._proof,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate_gas,
        }

    def request(self, method: str, params: list[Any]) -> Any:
        handler = self._methods.get(method)
        if handler is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {method} does not exist")
        try:
            return handler(*params)
        except TypeError as error:
            # A wrong number of parameters is the caller's mistake, a TypeError from further down is ours.
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            raise RpcError(INVALID_PARAMS, f"{method}: {error}") from error

    # Blocks and transactions

    def _block_by_number(self, tag: Any, full_transactions: Any = False) -> fmt.Json | None:
        header = self._find_header(tag)
        return None if header is None else self._block_json(header, full_transactions)

    def _block_by_hash(self, block_hash: Any, full_transactions: Any = False) -> fmt.Json | None:
        header = self._backend.header_by_hash(_bytes(block_hash, "block hash", 32))
        return None if header is None else self._block_json(header, full_transactions)

    def _block_json(self, header: BlockHeaderAPI, full_transactions: Any) -> fmt.Json:
        return fmt.block_json(self._backend.block(header), full_transactions=bool(full_transactions))

    def _block_receipts(self, tag: Any) -> list[fmt.Json] | None:
        header = self._find_header(tag)
        if header is None:
            return None
        return [fmt.receipt_json(mined) for mined in self._backend.block_transactions(header)]

    def _transaction_by_hash(self, tx_hash: Any) -> fmt.Json | None:
        mined = self._backend.transaction(_bytes(tx_hash, "transaction hash", 32))
        return None if mined is None else fmt.transaction_json(mined.block, mined.index, mined.transaction)

    def _transaction_receipt(self, tx_hash: Any) -> fmt.Json | None:
        mined = self._backend.transaction(_bytes(tx_hash, "transaction hash", 32))
        return None if mined is None else fmt.receipt_json(mined)

    def _logs(self, query: Any) -> list[fmt.Json]:
        wanted = self._log_filter(query)
        if wanted is None:
            return []
        rows = self._backend.logs(wanted, self._max_logs + 1)
        if len(rows) > self._max_logs:
            raise RpcError(LIMIT_EXCEEDED, f"more than {self._max_logs} logs match: ask for fewer blocks")
        hashes: dict[int, bytes] = {}
        for row in rows:
            if row.block not in hashes:
                hashes[row.block] = self._header(fmt.quantity(row.block)).hash
        return [fmt.log_json(row, hashes[row.block]) for row in rows]

    def _log_filter(self, query: Any) -> LogFilter | None:
        """None when the range is empty."""
        if not isinstance(query, dict):
            raise RpcError(INVALID_PARAMS, "the log filter must be an object")
        if "blockHash" in query:
            if "fromBlock" in query or "toBlock" in query:
                raise RpcError(INVALID_PARAMS, "blockHash excludes fromBlock and toBlock")
            first = last = int(self._header({"blockHash": query["blockHash"]}).block_number)
        else:
            first = self._number(query.get("fromBlock") or "latest", "fromBlock")
            last = self._number(query.get("toBlock") or "latest", "toBlock")
        topics = query.get("topics") or []
        if not isinstance(topics, list) or len(topics) > _MAX_TOPICS:
            raise RpcError(INVALID_PARAMS, f"topics must be a list of at most {_MAX_TOPICS}")
        positions = tuple(_any_of(topic, f"topics[{i}]", 32) for i, topic in enumerate(topics))
        addresses = _any_of(query.get("address"), "address", 20)
        return LogFilter(first, last, addresses, positions) if first <= last else None

    # State

    def _balance(self, address: Any, tag: Any = "latest") -> str:
        return fmt.quantity(self._backend.account(self._header(tag), _bytes(address, "address", 20)).balance)

    def _transaction_count(self, address: Any, tag: Any = "latest") -> str:
        return fmt.quantity(self._backend.account(self._header(tag), _bytes(address, "address", 20)).nonce)

    def _code(self, address: Any, tag: Any = "latest") -> str:
        return fmt.data(self._backend.code(self._header(tag), _bytes(address, "address", 20)))

    def _storage_at(self, address: Any, slot: Any, tag: Any = "latest") -> str:
        value = self._backend.storage(self._header(tag), _bytes(address, "address", 20), _slot(slot))
        return fmt.data(value.to_bytes(32, "big"))

    def _proof(self, address: Any, slots: Any, tag: Any = "latest") -> fmt.Json:
        if not isinstance(slots, list):
            raise RpcError(INVALID_PARAMS, "storage keys must be a list")
        header, owner = self._header(tag), _bytes(address, "address", 20)
        account = self._backend.account(header, owner)
        proofs = [(slot, self._backend.storage_proof(header, owner, slot)) for slot in map(_slot, slots)]
        return {
            "address": fmt.data(owner),
            "balance": fmt.quantity(account.balance),
            "nonce": fmt.quantity(account.nonce),
            "codeHash": fmt.data(account.code_hash),
            "storageHash": fmt.data(account.storage_root),
            "accountProof": [fmt.data(node) for node in self._backend.account_proof(header, owner)],
            "storageProof": [
                {
                    "key": fmt.data(slot.to_bytes(32, "big")),
                    "value": fmt.quantity(value),
                    "proof": [fmt.data(node) for node in nodes],
                }
                for slot, (value, nodes) in proofs
            ],
        }

    def _call(self, call: Any, tag: Any = "latest", overrides: Any = None) -> str:
        computation, _ = self._run(call, tag, overrides, self._call_gas)
        return fmt.data(computation.output)

    def _estimate_gas(self, call: Any, tag: Any = "pending", overrides: Any = None) -> str:
        """What the call used and a sixteenth more, if it runs with that; else all that a call may burn."""
        computation, most = self._run(call, tag, overrides, self._call_gas)
        used = most - computation.get_gas_remaining()
        try:
            _, enough = self._run(call, tag, overrides, min(used + used // 16, most))
        except RpcError:
            # A call holds back a 64th of what is left from each that it makes, and calldata has a floor.
            enough = most
        return fmt.quantity(enough)

    def _run(self, call: Any, tag: Any, overrides: Any, most: int) -> tuple[ComputationAPI, int]:
        """How it ended, and with how much gas it ran. Raises RpcError for one that fails."""
        if not isinstance(call, dict):
            raise RpcError(INVALID_PARAMS, "the call must be an object")
        if overrides:
            raise RpcError(INVALID_PARAMS, "state overrides are not supported")
        gas = min(_integer(call["gas"], "gas"), most) if "gas" in call else most
        computation = self._backend.execute(
            self._backend.pending_header() if tag == "pending" else self._header(tag),
            to=_bytes(call["to"], "to", 20) if call.get("to") else b"",
            data=_bytes(call.get("input") or call.get("data") or "0x", "input"),
            sender=_bytes(call["from"], "from", 20) if call.get("from") else ZERO_ADDRESS,
            value=_integer(call.get("value") or "0x0", "value"),
            gas=gas,
        )
        refusal = failure(computation)
        if refusal is not None:
            raise refusal
        return computation, gas

    # Block parameters

    def _header(self, tag: Any) -> BlockHeaderAPI:
        header = self._find_header(tag)
        if header is None:
            raise RpcError(NOT_FOUND, f"block not found: {tag}")
        return header

    def _find_header(self, tag: Any) -> BlockHeaderAPI | None:
        """A tag, a number, or EIP-1898's object. Nothing pends between blocks: pending is the head."""
        if isinstance(tag, dict):
            if "blockHash" in tag:
                return self._backend.header_by_hash(_bytes(tag["blockHash"], "blockHash", 32))
            tag = tag.get("blockNumber")
        return self._backend.header_by_number(self._number(tag, "block"))

    def _number(self, tag: Any, field: str) -> int:
        if tag in ("latest", "pending", "safe", "finalized"):
            return self._backend.head().block_number
        return 0 if tag == "earliest" else _integer(tag, field)


def _bytes(value: Any, field: str, length: int | None = None) -> bytes:
    try:
        if not value.startswith("0x"):
            raise ValueError
        decoded = bytes.fromhex(value[2:])
    except (AttributeError, ValueError) as error:
        raise RpcError(INVALID_PARAMS, f"{field}: not 0x-hex") from error
    if length is not None and len(decoded) != length:
        raise RpcError(INVALID_PARAMS, f"{field}: must be {length} bytes, has {len(decoded)}")
    return decoded


def _integer(value: Any, field: str) -> int:
    try:
        number = int(value, 16) if value.startswith("0x") else -1
    except (AttributeError, ValueError):
        number = -1
    if not 0 <= number < 2**256:
        raise RpcError(INVALID_PARAMS, f"{field}: not a 0x-hex quantity")
    return number


def _slot(value: Any) -> int:
    """Nodes take a storage key as data of 32 bytes or as a quantity, and so do we."""
    return _integer(value, "storage key")


def _any_of(value: Any, field: str, length: int) -> tuple[bytes, ...]:
    """One, a list of alternatives, or null for anything."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(_bytes(item, field, length) for item in value)
    return (_bytes(value, field, length),)
