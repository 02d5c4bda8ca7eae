"""What the client needs of a chain, and the chain that is reached over HTTP."""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import httpx

from engine.chain.errors import ChainUnavailable, RpcError


class Chain(Protocol):
    """A chain that answers JSON-RPC methods: `EmbeddedChain` in this process, `HttpChain` anywhere."""

    checks_before_sending: bool
    """True when a transaction that would revert is refused on sending, with its revert data."""

    def request(self, method: str, params: list[Any]) -> Any:
        """The method's result. Raises RpcError, ChainUnavailable."""

    def send(self, raw_transactions: Sequence[bytes]) -> list[str | RpcError]:
        """Hand over signed transactions in order; per transaction its hash, or why it was refused.

        Raises ChainUnavailable, after which any of them may or may not have arrived.
        """

    def ahead_s(self) -> float:
        """Seconds by which the head's timestamp runs ahead of the wall clock, or 0."""

    def close(self) -> None: ...


class HttpChain:
    """Any EVM node over JSON-RPC. Thread-safe; `timeout_s` bounds one request."""

    checks_before_sending = False

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        self._url = url
        self._http = httpx.Client(timeout=timeout_s)
        self._ids = itertools.count(1)

    def request(self, method: str, params: list[Any]) -> Any:
        call = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            response = self._http.post(self._url, json=call)
            answer = response.json()
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            # RuntimeError: the client was closed by another thread.
            raise ChainUnavailable(f"{self._url}: {method}: {type(error).__name__}: {error}") from error
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise ChainUnavailable(f"{self._url}: {method}: HTTP {response.status_code}, no JSON-RPC answer")
        if answer.get("error") is not None:
            raise _error(answer["error"])
        return answer["result"]

    def send(self, raw_transactions: Sequence[bytes]) -> list[str | RpcError]:
        outcomes: list[str | RpcError] = []
        for raw in raw_transactions:
            try:
                outcomes.append(self.request("eth_sendRawTransaction", ["0x" + raw.hex()]))
            except RpcError as error:
                outcomes.append(error)
        return outcomes

    def ahead_s(self) -> float:
        """A public or permissioned network keeps its own time."""
        return 0.0

    def close(self) -> None:
        self._http.close()


def _error(error: Any) -> RpcError:
    """Nodes agree on code and message, and put revert bytes into `data`, bare or one level down."""
    if not isinstance(error, dict):
        return RpcError(0, str(error))
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    code = error.get("code")
    return RpcError(
        code if isinstance(code, int) else 0,
        str(error.get("message", "")),
        data if isinstance(data, str) else None,
    )
