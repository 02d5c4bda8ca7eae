"""Two that would move the same claim at the same moment: one waits, and sees what the other did."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sqlalchemy import text

from engine.payout.port import TransferStatus
from engine.pipeline import feed, record
from tests.payout.bank_process import eventually
from tests.pipeline.world import World


class Held:
    """A clock that stops the first thread that reads it in a transaction, until it is let go."""

    def __init__(self, world: World, thread_name: str) -> None:
        self._clock = world.ctx.clock
        self._name = thread_name
        self.reached, self.released = threading.Event(), threading.Event()
        world.ctx.clock = self

    def __call__(self) -> datetime:
        if threading.current_thread().name.startswith(self._name) and not self.reached.is_set():
            self.reached.set()
            assert self.released.wait(20)
        return self._clock()


def someone_waits_or(done: "Future[Any]", world: World) -> None:
    """Until the other transaction is seen to wait for a lock, or has gone through without one."""

    def waits() -> bool:
        with world.ctx.database.engine.connect() as connection:
            sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return done.done() or connection.execute(text(sql)).scalar_one() > 0

    eventually(waits)


def at_once(world: World, first: Any, second: Any) -> None:
    """`first` reads the claim and is held before it writes; `second` begins meanwhile."""
    held = Held(world, "held")
    with ThreadPoolExecutor(1, "held") as one, ThreadPoolExecutor(1) as other:
        holding = one.submit(first)
        assert held.reached.wait(20)
        waiting = other.submit(second)
        someone_waits_or(waiting, world)
        held.released.set()
        holding.result()
        waiting.result()


def test_the_chains_event_and_the_hospitals_reversal(on_postgres: World) -> None:
    world = on_postgres
    claim = world.accepted(0)
    record.record_batch(world.ctx, world.decided(claim))
    at_once(world, lambda: feed.read_events(world.ctx), lambda: world.reverse(claim))
    assert world.state(claim) == "reversed"
    assert [payout.state for payout in world.payouts(claim)] == ["cancelled"]


def test_the_banks_word_and_the_hospitals_reversal(on_postgres: World) -> None:
    world = on_postgres
    claim = world.accepted(0)
    world.submitted(claim)
    settled = lambda: world.bank_says(claim, TransferStatus.SETTLED)  # noqa: E731
    at_once(world, settled, lambda: world.reverse(claim))
    assert world.state(claim) == "recovery_due"
    assert world.payout(claim).state == "settled"


def test_the_banks_word_twice_at_once(on_postgres: World) -> None:
    world = on_postgres
    claim = world.accepted(0)
    world.submitted(claim)
    settled = lambda: world.bank_says(claim, TransferStatus.SETTLED)  # noqa: E731
    at_once(world, settled, settled)
    assert (world.state(claim), world.payout(claim).state) == ("paid", "settled")
