"""Several endpoints of one chain: reads go on at the next when one is away, and never go back in time.

An endpoint is used only after it has shown to be of this chain, and to have come as far as what was seen
already. One that stopped answering, or lags, is looked at again after a pause.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import structlog

from engine.chain.errors import ChainUnavailable, DeploymentInvalid, RpcError, WrongChain
from engine.chain.rpc import READ_METHODS
from engine.chain.transport import Chain, HttpChain

AGAIN_AFTER_S = 5.0
log = structlog.get_logger()

Check = Callable[[Chain], None]
"""Raises WrongChain or DeploymentInvalid for a chain that is not ours."""


class EndpointState(StrEnum):
    UNCHECKED = "unchecked"
    READY = "ready"
    AWAY = "away"  # gave no answer
    LAGGING = "lagging"  # has not come as far as what was seen elsewhere
    WRONG = "wrong"  # another chain, or other contracts


@dataclass(slots=True, eq=False)
class _Endpoint:
    name: str
    chain: Chain
    state: EndpointState = EndpointState.UNCHECKED
    why: str = ""
    looked_at_s: float = 0.0

    @property
    def ready(self) -> bool:
        return self.state is EndpointState.READY


@dataclass(frozen=True, slots=True)
class EndpointView:
    """`name`: host and port. `current`: whether it is the one that is asked."""

    name: str
    state: EndpointState
    current: bool


class FailoverChain:
    """A `Chain` over several. Thread-safe. The first given is preferred only until it fails.

    A transaction is handed to one endpoint; without its answer the sender looks everywhere, then hands the
    same bytes over again, which by then goes to the next one.
    """

    checks_before_sending = False

    def __init__(self, chains: Sequence[tuple[str, Chain]], elapsed: Callable[[], float]) -> None:
        self._endpoints = [_Endpoint(name, chain) for name, chain in chains]
        self._elapsed = elapsed
        self._current = self._endpoints[0]
        self._check: Check | None = None
        self._seen = -1
        """The highest block that any answer has told of."""
        self._lock = threading.RLock()
        """Held while endpoints are looked at, not while they are asked."""

    @classmethod
    def of_urls(cls, urls: Sequence[str], elapsed: Callable[[], float]) -> "FailoverChain":
        """`elapsed`: seconds of a clock that only goes forward."""
        return cls([(_shown(url), HttpChain(url)) for url in urls], elapsed)

    def admit(self, check: Check, from_block: int = 0) -> None:
        """Use from now on only what passes `check` and has come to `from_block`; looks at every endpoint now.

        Raises WrongChain when one that answers does not pass, whichever it is.
        """
        with self._lock:
            self._check, self._seen = check, max(self._seen, from_block)
            for endpoint in self._endpoints:
                self._look_at(endpoint)
                if endpoint.state is EndpointState.WRONG:
                    raise WrongChain(f"{endpoint.name}: {endpoint.why}")

    def endpoints(self) -> list[EndpointView]:
        """What is known of each; looks again at those that were not ready a while ago."""
        with self._lock:
            for endpoint in self._endpoints:
                self._is_ready(endpoint)
            return [
                EndpointView(endpoint.name, endpoint.state, endpoint is self._current)
                for endpoint in self._endpoints
            ]

    def request(self, method: str, params: list[Any]) -> Any:
        for endpoint in self._usable():
            try:
                answer = endpoint.chain.request(method, params)
            except ChainUnavailable as error:
                self._set(endpoint, EndpointState.AWAY, str(error))
                if method not in READ_METHODS:
                    raise
                continue
            if self._goes_back(endpoint, method, params, answer):
                continue
            self._current = endpoint
            return answer
        raise self._nobody(method)

    def everywhere(self, method: str, params: list[Any]) -> list[Any]:
        answers: list[Any] = []
        refusal: RpcError | None = None
        for endpoint in self._usable():
            try:
                answers.append(endpoint.chain.request(method, params))
            except ChainUnavailable as error:
                self._set(endpoint, EndpointState.AWAY, str(error))
            except RpcError as error:
                refusal = error
        if answers:
            return answers
        raise refusal or self._nobody(method)

    def send(self, raw_transactions: Sequence[bytes]) -> list[str | RpcError]:
        for endpoint in self._usable():
            self._current = endpoint
            try:
                return endpoint.chain.send(raw_transactions)
            except ChainUnavailable as error:
                self._set(endpoint, EndpointState.AWAY, str(error))
                raise
        raise self._nobody("eth_sendRawTransaction")

    def ahead_s(self) -> float:
        return 0.0

    def close(self) -> None:
        for endpoint in self._endpoints:
            endpoint.chain.close()

    # Which may be asked

    def _usable(self) -> Iterator[_Endpoint]:
        """The current one first; the others are looked at only when it comes to them."""
        current = self._current
        for endpoint in (current, *(one for one in self._endpoints if one is not current)):
            if self._is_ready(endpoint):
                yield endpoint

    def _is_ready(self, endpoint: _Endpoint) -> bool:
        if endpoint.ready:
            return True
        with self._lock:
            if endpoint.ready:
                return True
            rested = self._elapsed() - endpoint.looked_at_s >= AGAIN_AFTER_S
            if endpoint.state is not EndpointState.UNCHECKED and not rested:
                return False
            self._look_at(endpoint)
            return endpoint.ready

    def _look_at(self, endpoint: _Endpoint) -> None:
        endpoint.looked_at_s = self._elapsed()
        try:
            head = int(endpoint.chain.request("eth_blockNumber", []), 16)
            if head < self._seen:
                self._set(endpoint, EndpointState.LAGGING, f"at block {head}, {self._seen} was seen")
                return
            if self._check is not None:
                self._check(endpoint.chain)
        except (ChainUnavailable, RpcError) as error:
            self._set(endpoint, EndpointState.AWAY, str(error))
            return
        except (WrongChain, DeploymentInvalid) as error:
            self._set(endpoint, EndpointState.WRONG, str(error))
            return
        self._seen = max(self._seen, head)
        self._set(endpoint, EndpointState.READY, f"at block {head}")

    def _goes_back(self, endpoint: _Endpoint, method: str, params: list[Any], answer: Any) -> bool:
        told = _block_told(method, params, answer)
        if told is None:
            return False
        with self._lock:
            if told.of_head and told.number < self._seen:
                self._set(endpoint, EndpointState.LAGGING, f"at block {told.number}, {self._seen} was seen")
                return True
            self._seen = max(self._seen, told.number)
        return False

    def _set(self, endpoint: _Endpoint, state: EndpointState, why: str) -> None:
        with self._lock:
            if endpoint.state is not state:
                tell = log.info if state is EndpointState.READY else log.warning
                tell("chain.endpoint", endpoint=endpoint.name, state=state.value, why=why)
            endpoint.state, endpoint.why = state, why
            endpoint.looked_at_s = self._elapsed()

    def _nobody(self, method: str) -> ChainUnavailable:
        states = ", ".join(f"{endpoint.name} {endpoint.state}" for endpoint in self._endpoints)
        return ChainUnavailable(f"{method}: no endpoint can be asked: {states}")


@dataclass(frozen=True, slots=True)
class _Told:
    number: int
    of_head: bool


def _block_told(method: str, params: list[Any], answer: Any) -> _Told | None:
    """The block that an answer names, and whether it is the endpoint's newest."""
    if method == "eth_blockNumber":
        return _Told(int(answer, 16), of_head=True)
    if method == "eth_getBlockByNumber" and isinstance(answer, dict):
        return _Told(int(answer["number"], 16), of_head=params[0] == "latest")
    if method == "eth_getTransactionReceipt" and isinstance(answer, dict):
        return _Told(int(answer["blockNumber"], 16), of_head=False)
    return None


def _shown(url: str) -> str:
    """Host and port: a path or a user's name may be a secret."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or url
