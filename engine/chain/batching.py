"""A list in as many transactions as a share of the block's gas limit demands, several under way at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from engine.chain.errors import ContractRefused, RpcError, TooMuchGas
from engine.chain.sender import TxRef

AT_ONCE = 8
"""Transactions of one call under way: half of what nodes promise to hold for one account (geth: 16)."""
_TOO_LARGE = ("gas required exceeds", "exceeds block gas limit", "gas limit", "oversized", "too large")
"""How nodes say, without a number, that a transaction cannot be mined whole."""
_SPARE = 0.95
"""Of the size that the estimate allows: items differ."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """The items from `start` to before `stop`, together in one transaction: mined, or refused as a whole.

    What a contract says of an item's `index` counts in the whole list.
    """

    start: int
    stop: int
    outcome: TxRef | ContractRefused


def in_parts(items: Sequence[T], send: Callable[[Sequence[T]], TxRef], at_once: int = AT_ONCE) -> list[Part]:
    """Send all items, whole if they fit, else in parts; the parts in order, every one of them tried.

    `send` mines one transaction; from several threads where there are several parts and `at_once` is more
    than one, so that the order of mining is left open. What keeps a part's fate open is raised at the end.
    """
    return _halves(0, items, send, at_once) if items else []


def _halves(start: int, items: Sequence[T], send: Callable[[Sequence[T]], TxRef], at_once: int) -> list[Part]:
    try:
        outcome: TxRef | ContractRefused = send(items)
    except (TooMuchGas, RpcError, ContractRefused) as error:
        size = _fitting(error, len(items))
        if size is None:
            if not isinstance(error, ContractRefused):
                raise
            if "index" in error.error_args:
                error.error_args["index"] += start
            outcome = error
        else:
            return _split(start, items, send, at_once, size)
    return [Part(start, start + len(items), outcome)]


def _split(
    start: int, items: Sequence[T], send: Callable[[Sequence[T]], TxRef], at_once: int, size: int
) -> list[Part]:
    """One part still too large is halved by its own thread, one half after the other."""
    with ThreadPoolExecutor(at_once) as pool:
        sending = [
            pool.submit(_halves, start + offset, items[offset : offset + size], send, 1)
            for offset in range(0, len(items), size)
        ]
    return [part for parts in sending for part in parts.result()]


def _fitting(error: TooMuchGas | RpcError | ContractRefused, count: int) -> int | None:
    """How many of `count` items to try together after this error; None where fewer would not help."""
    if count == 1:
        return None
    if isinstance(error, TooMuchGas):
        return min(count - 1, max(1, int(count * error.allowed / error.needed * _SPARE)))
    if isinstance(error, ContractRefused):
        out_of_gas = error.error_name == "OutOfGas"
    else:
        out_of_gas = any(words in error.message.lower() for words in _TOO_LARGE)
    return count // 2 if out_of_gas else None
