"""However the chain forks and the reader restarts, it is given each canonical event once and loses none."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.chain import feed
from engine.chain.events import ChainEvent
from engine.chain.feed import Block, Position, next_step

START = 3


@dataclass
class Chain:
    """Blocks as (hash, number of events); `interrupt` runs between one answer and the next."""

    confirmations: int
    blocks: list[tuple[str, int]] = field(default_factory=list)
    interrupt: Callable[[], None] | None = None
    mined: int = 0

    def mine(self, events: int) -> None:
        self.mined += 1
        self.blocks.append((f"0x{self.mined:064x}", events))

    def fork(self, depth: int, blocks: list[int]) -> None:
        """The last `depth` blocks are replaced by these."""
        del self.blocks[max(0, len(self.blocks) - depth) :]
        for events in blocks:
            self.mine(events)

    def confirmed_block(self) -> int:
        self._between()
        return max(-1, len(self.blocks) - 1 - self.confirmations)

    def hash_at(self, number: int) -> str | None:
        self._between()
        return self.blocks[number][0] if 0 <= number < len(self.blocks) else None

    def events(self, from_block: int, to_block: int) -> list[ChainEvent]:
        self._between()
        return self.canonical(from_block, to_block)

    def canonical(self, from_block: int, to_block: int) -> list[ChainEvent]:
        return [
            event(number, *self.blocks[number], index)
            for number in range(from_block, min(to_block + 1, len(self.blocks)))
            for index in range(self.blocks[number][1])
        ]

    def _between(self) -> None:
        if self.interrupt is not None:
            self.interrupt()


def event(number: int, block_hash: str, count: int, index: int) -> ChainEvent:
    return ChainEvent("Store", "Recorded", {"of": count}, number, block_hash, f"{block_hash}/{index}", index)


class Reader:
    """Keeps what a reader keeps, and fails when it is given twice what it has."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.position = Position(START)
        self.held: dict[tuple[int, int], ChainEvent] = {}

    def read(self) -> bool:
        step = next_step(self.chain, START, self.position, self.below)
        if step is None:
            return False
        if step.withdrawn_from is not None:
            gone = [at for at in self.held if at[0] >= step.withdrawn_from]
            assert gone, "a withdrawal of nothing"
            for at in gone:
                del self.held[at]
        for one in step.events:
            assert one.position not in self.held, "given twice"
            self.held[one.position] = one
        self.position = step.position
        return True

    def below(self, number: int) -> Block | None:
        blocks = [Block(at[0], one.block_hash) for at, one in self.held.items() if at[0] < number]
        return max(blocks, key=lambda block: block.number, default=None)


class Forking(RuleBasedStateMachine):
    """Random chains, forks (in the middle of a step too) and readings."""

    @initialize(confirmations=st.integers(0, 3), at_once=st.integers(1, 5))
    def begin(self, confirmations: int, at_once: int) -> None:
        feed.BLOCKS_AT_ONCE = at_once
        self.chain = Chain(confirmations)
        self.reader = Reader(self.chain)

    @rule(events=st.lists(st.integers(0, 3), max_size=6))
    def mine(self, events: list[int]) -> None:
        for count in events:
            self.chain.mine(count)

    @rule(depth=st.integers(1, 12), blocks=st.lists(st.integers(0, 3), max_size=14))
    def fork(self, depth: int, blocks: list[int]) -> None:
        self.chain.fork(depth, blocks)

    @rule(after=st.integers(0, 8), depth=st.integers(1, 8), blocks=st.lists(st.integers(0, 3), max_size=9))
    def fork_while_reading(self, after: int, depth: int, blocks: list[int]) -> None:
        answers = [0]

        def interrupt() -> None:
            answers[0] += 1
            if answers[0] == after:
                self.chain.fork(depth, blocks)

        self.chain.interrupt = interrupt
        self.reader.read()
        self.chain.interrupt = None

    @rule()
    def read(self) -> None:
        self.reader.read()

    @rule()
    def read_to_the_end(self) -> None:
        """Once the chain is as long as what was read, and rests."""
        while self.chain.confirmed_block() < self.reader.position.next_block - 1:
            self.chain.mine(1)
        for _ in range(200):
            if not self.reader.read():
                break
        confirmed = self.chain.confirmed_block()
        assert list(self.reader.held.values()) == self.chain.canonical(START, confirmed)

    @invariant()
    def what_is_held_is_of_one_chain(self) -> None:
        if hasattr(self, "reader"):
            numbers = [one.position for one in self.reader.held.values()]
            assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        feed.BLOCKS_AT_ONCE = 500
        if hasattr(self, "reader"):
            self.read_to_the_end()


TestForking = Forking.TestCase
TestForking.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def read_all(chain: Chain) -> Reader:
    reader = Reader(chain)
    while reader.read():
        pass
    return reader


@given(depth=st.integers(1, 400))
@settings(max_examples=30, deadline=None)
def test_however_deep_a_fork_only_what_it_replaced_is_withdrawn(depth: int) -> None:
    chain = Chain(0)
    for _ in range(500):
        chain.mine(1)
    reader = read_all(chain)
    before = dict(reader.held)
    chain.fork(depth, [1] * (depth + 1))
    assert reader.read()
    kept = {at: one for at, one in before.items() if at[0] < 500 - depth}
    assert reader.held == kept


def test_a_node_that_is_behind_withdraws_nothing() -> None:
    chain = Chain(0)
    for _ in range(10):
        chain.mine(1)
    reader = read_all(chain)
    held = dict(reader.held)
    ahead = chain.blocks[6:]
    del chain.blocks[6:]
    assert not reader.read()
    chain.blocks += ahead
    assert not reader.read()
    assert reader.held == held


def test_a_chain_replaced_by_a_shorter_one_is_noticed_where_it_differs() -> None:
    chain = Chain(0)
    for _ in range(10):
        chain.mine(1)
    reader = read_all(chain)
    chain.fork(5, [1])
    assert reader.read()
    assert reader.position == Position(5, Block(4, chain.blocks[4][0]))


@pytest.mark.parametrize("confirmed", [-1, START - 1])
def test_before_the_first_block_counts_there_is_nothing(confirmed: int) -> None:
    chain = Chain(0)
    for _ in range(confirmed + 1):
        chain.mine(1)
    assert not Reader(chain).read()


def test_events_of_a_fork_that_the_hashes_do_not_name_are_not_given() -> None:
    """Two nodes behind one address, of which one has not heard of the fork."""
    chain = Chain(0)
    for _ in range(10):
        chain.mine(1)
    stale = Chain(0, blocks=list(chain.blocks))
    chain.fork(3, [1, 1, 1])
    answers, chain.canonical = chain.canonical, stale.canonical  # type: ignore[method-assign]
    reader = Reader(chain)
    assert not reader.read()
    chain.canonical = answers  # type: ignore[method-assign]
    assert reader.read()
    assert list(reader.held.values()) == chain.canonical(START, 9)


def test_a_fork_between_two_answers_moves_nothing() -> None:
    chain = Chain(0)
    for _ in range(10):
        chain.mine(0)
    answers = [0]

    def fork_before_the_events() -> None:
        answers[0] += 1
        if answers[0] == 3:
            chain.fork(1, [0])

    chain.interrupt = fork_before_the_events
    reader = Reader(chain)
    assert not reader.read()
    assert reader.position == Position(START)
