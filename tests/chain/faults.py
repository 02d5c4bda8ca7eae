"""A real chain behind a line that breaks where a test says so."""

from collections.abc import Callable, Sequence
from typing import Any

from engine.chain.embedded import EmbeddedChain
from engine.chain.errors import ChainUnavailable, RpcError

Outcome = list[str | RpcError]
Send = Callable[[Sequence[bytes]], Outcome]


class BrokenLine:
    """Passes everything on, except that each send runs through the next of `faults`, while there are any."""

    checks_before_sending = True

    def __init__(self, chain: EmbeddedChain) -> None:
        self.chain = chain
        self.faults: list[Callable[[Send, Sequence[bytes]], Outcome]] = []
        self.sent: list[list[bytes]] = []

    def request(self, method: str, params: list[Any]) -> Any:
        return self.chain.request(method, params)

    def everywhere(self, method: str, params: list[Any]) -> list[Any]:
        return [self.request(method, params)]

    def send(self, raw_transactions: Sequence[bytes]) -> Outcome:
        self.sent.append(list(raw_transactions))
        if self.faults:
            return self.faults.pop(0)(self.chain.send, raw_transactions)
        return self.chain.send(raw_transactions)

    def ahead_s(self) -> float:
        return self.chain.ahead_s()

    def close(self) -> None:
        self.chain.close()


def answer_lost(send: Send, raws: Sequence[bytes]) -> Outcome:
    """It arrived and was mined; nobody heard of it."""
    send(raws)
    raise ChainUnavailable("connection reset")


def never_arrived(send: Send, raws: Sequence[bytes]) -> Outcome:
    raise ChainUnavailable("connection refused")
