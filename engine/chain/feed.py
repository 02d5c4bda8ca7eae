"""Events in chain order, each once, through restarts and reorganisations.

A reader keeps two things, in the transaction of an event's effects: its position, and which events it was
given. A step is either forward, to the events of further blocks, or back: the events from a block on stand
on the chain no more. What was given and not withdrawn is then exactly what the chain holds up to the
position.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.chain.events import ChainEvent

BLOCKS_AT_ONCE = 500


class Source(Protocol):
    """What the feed asks of a chain; each answer may come from another fork than the one before."""

    def confirmed_block(self) -> int:
        """The last block that counts; -1 when there is none yet."""

    def hash_at(self, number: int) -> str | None:
        """None where there is no such block (any more, or yet)."""

    def events(self, from_block: int, to_block: int) -> list[ChainEvent]:
        """In order, both blocks included."""


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Position:
    """`read`: the block up to which everything was given; None before the first."""

    next_block: int
    read: Block | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """`withdrawn_from`: events given from this block on are withdrawn; None where none are."""

    position: Position
    events: tuple[ChainEvent, ...] = ()
    withdrawn_from: int | None = None


Given = Callable[[int], Block | None]
"""The newest block below this number of which the reader was given an event."""


def next_step(source: Source, start: int, position: Position, given: Given) -> Step | None:
    """The next step from `position`; None while there is nothing new. `start`: the first block to read.

    Raises what the source raises.
    """
    if position.read is not None and source.hash_at(position.read.number) != position.read.hash:
        return _back(source, start, position, given)
    last = min(source.confirmed_block(), position.next_block + BLOCKS_AT_ONCE - 1)
    end = source.hash_at(last) if last >= position.next_block else None
    if end is None:
        return None
    events = tuple(source.events(position.next_block, last))
    blocks = {Block(event.block_number, event.block_hash) for event in events} | {Block(last, end)}
    if position.read is not None:
        blocks.add(position.read)
    # The answers are of one chain only if all that they name is still on it.
    if any(source.hash_at(block.number) != block.hash for block in blocks):
        return None
    return Step(Position(last + 1, Block(last, end)), events)


def _back(source: Source, start: int, position: Position, given: Given) -> Step | None:
    """To the newest block that still stands. Every block of which events were given is known by its hash,
    so that no event is withdrawn that stands, however deep the fork.

    A chain that is merely shorter than what was read, a node that has to catch up, has replaced nothing.
    """
    if position.read is None:
        return None
    replaced = source.hash_at(position.read.number) is not None
    withdrawn_from = None
    standing = given(position.next_block)
    while standing is not None:
        found = source.hash_at(standing.number)
        if found == standing.hash:
            break
        replaced = replaced or found is not None
        withdrawn_from = standing.number
        standing = given(standing.number)
    if not replaced:
        return None
    return Step(
        Position(start if standing is None else standing.number + 1, standing), withdrawn_from=withdrawn_from
    )
