"""Two that would move the same claim at the same moment: one waits, and sees what the other did."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from engine.payout.port import TransferStatus
from engine.pipeline import claims, decide, feed, record
from engine.store.writer import GroupCommit
from tests.payout.bank_process import eventually
from tests.pipeline.further import cost_fen, in_order, insured, loaded, run_to_rest
from tests.pipeline.reopening import large
from tests.pipeline.world import World


class Held:
    """A clock that stops its reader, inside a transaction, until it is let go; at a reading of its choice."""

    def __init__(self, world: World, reading: int = 1) -> None:
        self._clock = world.ctx.clock
        self._readings = count(1)
        self._held = reading
        self._lock = threading.Lock()
        self.reached, self.released = threading.Event(), threading.Event()
        world.ctx.clock = self

    def __call__(self) -> datetime:
        with self._lock:
            held = next(self._readings) == self._held
        if held:
            self.reached.set()
            assert self.released.wait(20)
        return self._clock()


@pytest.fixture
def beside(on_postgres: World) -> Iterator[World]:
    """Another process on the same database: the same engine, with a writer of its own."""
    writer = GroupCommit(on_postgres.ctx.database, 256)
    yield World(replace(on_postgres.ctx, writer=writer), on_postgres.clock, on_postgres.bank, 500)
    writer.close()


def someone_waits_or(done: "Future[Any]", world: World) -> None:
    """Until the other transaction is seen to wait for a lock, or has gone through without one."""

    def waits() -> bool:
        with world.ctx.database.engine.connect() as connection:
            sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return done.done() or connection.execute(text(sql)).scalar_one() > 0

    eventually(waits)


def at_once(
    world: World, first: Callable[[], object], second: Callable[[], object], reading: int = 1
) -> None:
    """`first` reads the claim and is held before it writes; `second` begins meanwhile."""
    held = Held(world, reading)
    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(first)
        assert held.reached.wait(20)
        waiting = pool.submit(second)
        someone_waits_or(waiting, world)
        held.released.set()
        holding.result()
        waiting.result()


def test_the_chains_event_and_the_hospitals_reversal(on_postgres: World, beside: World) -> None:
    claim = on_postgres.accepted(0)
    record.record_batch(on_postgres.ctx, on_postgres.decided(claim))
    at_once(on_postgres, lambda: feed.read_events(on_postgres.ctx), lambda: beside.reverse(claim))
    assert beside.state(claim) == "reversed"
    assert [payout.state for payout in beside.payouts(claim)] == ["cancelled"]


def test_the_banks_word_and_the_hospitals_reversal(on_postgres: World, beside: World) -> None:
    claim = on_postgres.accepted(0)
    on_postgres.submitted(claim)
    at_once(
        on_postgres,
        lambda: on_postgres.bank_says(claim, TransferStatus.SETTLED),
        lambda: beside.reverse(claim),
    )
    assert (beside.state(claim), beside.payout(claim).state) == ("recovery_due", "settled")


def test_the_banks_word_twice_at_once(on_postgres: World, beside: World) -> None:
    claim = on_postgres.accepted(0)
    on_postgres.submitted(claim)
    at_once(
        on_postgres,
        lambda: on_postgres.bank_says(claim, TransferStatus.SETTLED),
        lambda: beside.bank_says(claim, TransferStatus.SETTLED),
    )
    assert (beside.state(claim), beside.payout(claim).state) == ("paid", "settled")
    moves = [move["to"] for move in claims.get_claim(beside.ctx, claim)["transitions"]]
    assert moves.count("paid") == 1


def apart(world: World) -> tuple[tuple[str, str], tuple[str, str]]:
    """Claims of one settlement under two policies, in their order, and the batches they stand in."""
    loaded(world)
    insured(world)
    claim = large(world)
    world.matched(claim)
    first, second = in_order(world, claim)
    return (first, second), (world.batch(first), world.batch(second))


def test_two_policies_of_one_person_decided_at_once(on_postgres: World, beside: World) -> None:
    (first, second), (of_first, of_second) = apart(on_postgres)
    at_once(
        on_postgres,
        lambda: decide.decide_batch(on_postgres.ctx, of_first),
        lambda: decide.decide_batch(beside.ctx, of_second),
    )
    assert (beside.state(first), beside.state(second)) == ("decided", "decided")
    assert sum(beside.claim(one).payable_fen for one in (first, second)) == cost_fen(beside, first)


def test_the_second_that_has_seen_the_first_undecided_is_looked_at_again(
    on_postgres: World, beside: World
) -> None:
    """It is held when it has read and not yet written: the first must not pass it by unseen."""
    (first, second), (of_first, of_second) = apart(on_postgres)
    at_once(
        on_postgres,
        lambda: decide.decide_batch(on_postgres.ctx, of_second),
        lambda: decide.decide_batch(beside.ctx, of_first),
        reading=2,
    )
    assert beside.reasons(second) == ["history.other_undecided"]
    run_to_rest(beside, first, second)
    assert beside.state(second) == "confirmed"
    assert sum(beside.claim(one).payable_fen for one in (first, second)) == cost_fen(beside, first)
