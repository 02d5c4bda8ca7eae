"""Read-only JSON-RPC 2.0 over a chain: what an auditor's own web3, ethers or cast speaks to.

The envelope (batches, errors, sizes) and the allow-list live here; the methods are the chain's own.
"""

import json
from typing import Any, Protocol

from engine.chain.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    READ_ONLY,
    ChainError,
    RpcError,
)

READ_METHODS = frozenset({
    "web3_clientVersion", "net_version", "eth_chainId", "eth_syncing", "eth_accounts",
    "eth_blockNumber", "eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_getBlockByNumber",
    "eth_getBlockByHash", "eth_getBlockReceipts", "eth_getTransactionByHash",
    "eth_getTransactionReceipt", "eth_getLogs", "eth_getBalance", "eth_getTransactionCount",
    "eth_getCode", "eth_getStorageAt", "eth_getProof", "eth_call", "eth_estimateGas",
})  # fmt: skip
_WRITE_PREFIXES = ("personal_", "evm_", "anvil_", "hardhat_", "miner_", "admin_", "debug_", "engine_")
_WRITE_METHODS = frozenset({
    "eth_sendRawTransaction", "eth_sendTransaction", "eth_sign", "eth_signTransaction",
    "eth_signTypedData", "eth_signTypedData_v4", "eth_submitWork", "eth_newFilter",
    "eth_newBlockFilter", "eth_newPendingTransactionFilter", "eth_uninstallFilter",
})  # fmt: skip


class Requests(Protocol):
    """A chain that answers JSON-RPC methods; both kinds of chain do."""

    def request(self, method: str, params: list[Any]) -> Any: ...


class ReadOnlyRpc:
    """`handle` never raises: whatever comes in, a JSON-RPC answer goes out.

    max_bytes bounds a request, max_batch the calls in it, max_log_blocks the range of one eth_getLogs,
    max_proof_slots the keys of one eth_getProof, call_gas what one eth_call or eth_estimateGas may burn.
    """

    def __init__(
        self,
        chain: Requests,
        *,
        max_bytes: int = 1_000_000,
        max_batch: int = 100,
        max_log_blocks: int = 100_000,
        max_proof_slots: int = 100,
        call_gas: int = 10_000_000,
    ) -> None:
        self._chain = chain
        self._max_bytes = max_bytes
        self._max_batch = max_batch
        self._max_log_blocks = max_log_blocks
        self._max_proof_slots = max_proof_slots
        self._call_gas = call_gas

    def handle(self, payload: bytes) -> bytes:
        """One request or a batch; b"" when every call is a notification (JSON-RPC 2.0 section 4.1)."""
        if len(payload) > self._max_bytes:
            return _encode(_error(None, LIMIT_EXCEEDED, f"a request has at most {self._max_bytes} bytes"))
        try:
            request = json.loads(payload)
        except (ValueError, RecursionError):
            return _encode(_error(None, PARSE_ERROR, "not JSON"))
        if not isinstance(request, list):
            answer = self._answer(request)
            return b"" if answer is None else _encode(answer)
        if not request:
            return _encode(_error(None, INVALID_REQUEST, "an empty batch"))
        if len(request) > self._max_batch:
            return _encode(_error(None, LIMIT_EXCEEDED, f"a batch has at most {self._max_batch} calls"))
        answers = [answer for answer in map(self._answer, request) if answer is not None]
        return _encode(answers) if answers else b""

    def _answer(self, request: Any) -> dict[str, Any] | None:
        if not isinstance(request, dict):
            return _error(None, INVALID_REQUEST, "a request is an object")
        call_id = request.get("id")
        if isinstance(call_id, bool) or not isinstance(call_id, str | int | float | None):
            return _error(None, INVALID_REQUEST, "id: must be a string or a number")
        method, params = request.get("method"), request.get("params", [])
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
            return _error(call_id, INVALID_REQUEST, 'jsonrpc must be "2.0" and method a string')
        try:
            result = self._call(method, params)
        except RpcError as error:
            answer = _error(call_id, error.code, error.message, error.data)
        except ChainError as error:
            answer = _error(call_id, INTERNAL_ERROR, str(error))
        else:
            answer = {"jsonrpc": "2.0", "id": call_id, "result": result}
        return answer if "id" in request else None

    def _call(self, method: str, params: Any) -> Any:
        if method in _WRITE_METHODS or method.startswith(_WRITE_PREFIXES):
            raise RpcError(READ_ONLY, f"this endpoint is read-only: {method} is refused")
        if method not in READ_METHODS:
            raise RpcError(METHOD_NOT_FOUND, f"the method {method} does not exist")
        if not isinstance(params, list):
            raise RpcError(INVALID_PARAMS, "params: must be a list")
        return self._chain.request(method, self._bounded(method, params))

    def _bounded(self, method: str, params: list[Any]) -> list[Any]:
        if not params:
            return params
        first = params[0]
        if method in ("eth_call", "eth_estimateGas") and isinstance(first, dict):
            return [
                first | {"gas": hex(min(_hex(first.get("gas"), self._call_gas), self._call_gas))},
                *params[1:],
            ]
        if method == "eth_getProof" and len(params) > 1 and isinstance(params[1], list):
            if len(params[1]) > self._max_proof_slots:
                raise RpcError(LIMIT_EXCEEDED, f"at most {self._max_proof_slots} storage keys a request")
        elif method == "eth_getLogs" and isinstance(first, dict) and "blockHash" not in first:
            self._check_log_range(first)
        return params

    def _check_log_range(self, query: dict[str, Any]) -> None:
        head = _hex(self._chain.request("eth_blockNumber", []), 0)
        first, last = (
            0 if tag == "earliest" else _hex(tag, head)
            for tag in (query.get("fromBlock"), query.get("toBlock"))
        )
        if min(last, head) - first >= self._max_log_blocks:
            raise RpcError(LIMIT_EXCEEDED, f"at most {self._max_log_blocks} blocks a request")


def _hex(value: Any, otherwise: int) -> int:
    """A quantity, or `otherwise` where it is absent or a tag; the chain itself names a malformed one."""
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        return otherwise


def _error(call_id: Any, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": call_id, "error": error}


def _encode(answer: Any) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
