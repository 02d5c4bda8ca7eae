"""What the client needs of a chain, and the chain that is reached over HTTP."""

from collections.abc import Sequence
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider
from web3.providers.rpc.utils import ExceptionRetryConfiguration
from web3.types import RPCEndpoint

from engine.chain.errors import ChainUnavailable, RpcError
from engine.chain.rpc import READ_METHODS

# web3's own list has eth_sendRawTransaction in it: whether to send again is for the sender to find out.
_TRIED_AGAIN = sorted(READ_METHODS)
_ATTEMPTS = 3
_CATCHING_UP = "catching up"
"""A CometBFT node that was away says so to every transaction: it is not there yet, rather than refusing."""
_SHOWN = 200
"""Characters of a failure that go into the message: web3 quotes the whole of an answer it cannot read."""


class Chain(Protocol):
    """A chain that answers JSON-RPC methods: `EmbeddedChain` in this process, `HttpChain` anywhere."""

    checks_before_sending: bool
    """True when a transaction that would revert is refused on sending, with its revert data."""

    def request(self, method: str, params: list[Any]) -> Any:
        """The method's result. Raises RpcError, ChainUnavailable."""

    def everywhere(self, method: str, params: list[Any]) -> list[Any]:
        """The result from each endpoint that gives one. Raises RpcError, ChainUnavailable when none does."""

    def send(self, raw_transactions: Sequence[bytes]) -> list[str | RpcError]:
        """Hand over signed transactions in order; per transaction its hash, or why it was refused.

        Raises ChainUnavailable, after which any of them may or may not have arrived.
        """

    def ahead_s(self) -> float:
        """Seconds by which the head's timestamp runs ahead of the wall clock, or 0."""

    def close(self) -> None: ...


class HttpChain:
    """Any EVM node over JSON-RPC. Thread-safe.

    `timeout_s` bounds one attempt; a read whose connection broke is attempted again, anything else never.
    """

    checks_before_sending = False

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        self._url = url
        self._closed = False
        # One session for all threads, so that it can be closed: web3's own are one a thread, and stay open.
        self._session = requests.Session()
        # No node needs cookies, and they are what threads that share a session would trip over.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        # A proxy that the environment names must not stand between the engine and its own machine.
        self._session.trust_env = not _on_this_machine(url)
        self._provider = HTTPProvider(
            url,
            request_kwargs={"timeout": timeout_s, "allow_redirects": False},
            session=self._session,
            exception_retry_configuration=ExceptionRetryConfiguration(
                errors=[requests.ConnectionError], retries=_ATTEMPTS, method_allowlist=_TRIED_AGAIN
            ),
        )

    def request(self, method: str, params: list[Any]) -> Any:
        if self._closed:
            raise ChainUnavailable(f"{self._url}: {method}: the connection is closed")
        try:
            answer = self._exchange(method, params)
        except (OSError, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__}: {str(error)[:_SHOWN]}"
            raise ChainUnavailable(f"{self._url}: {method}: {reason}") from error
        if isinstance(answer, dict) and answer.get("error") is not None:
            refusal = _error(answer["error"])
            if _CATCHING_UP in refusal.message.lower():
                raise ChainUnavailable(f"{self._url}: {method}: {refusal.message}")
            raise refusal
        if not isinstance(answer, dict) or "result" not in answer:
            raise ChainUnavailable(f"{self._url}: {method}: no JSON-RPC answer: {str(answer)[:_SHOWN]}")
        return answer["result"]

    def _exchange(self, method: str, params: list[Any]) -> Any:
        try:
            return self._provider.make_request(RPCEndpoint(method), params)
        except requests.HTTPError as error:
            # Some nodes put a JSON-RPC error under an HTTP status of 400 or 500.
            if error.response is None:
                raise
            try:
                return self._provider.decode_rpc_response(error.response.content)
            except ValueError:
                raise error from None

    def everywhere(self, method: str, params: list[Any]) -> list[Any]:
        return [self.request(method, params)]

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
        self._closed = True
        self._session.close()


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
