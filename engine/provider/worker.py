"""The node at work: each discharge along its states, the insurer's roll followed. A crash in between loses
nothing: every step starts from what is kept, and may be taken again."""

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog
from sqlmodel import Session, col, select

from engine.chain.errors import ChainError
from engine.errors import AutoclaimError, Unavailable
from engine.provider import tables, tasks
from engine.provider.ask import ask
from engine.provider.later import put_off
from engine.provider.look_up import look_up, look_up_again
from engine.provider.node import Node
from engine.provider.registration import register
from engine.provider.release import release
from engine.provider.states import ON_THE_WAY, DischargeState
from engine.provider.wanted import answer_wanted

log = structlog.get_logger()
_STEPS: dict[str, Callable[[Node, tables.Discharge], None]] = {
    DischargeState.KEPT: ask,
    DischargeState.ASKED: look_up,
    DischargeState.MATCHED: release,
    DischargeState.RELEASED: release,
}
_REORGANISED = 64
"""Blocks that a chain may yet exchange: they are looked through again."""


class Worker:
    """Starts with `start`, ends with `stop`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stopping = threading.Event()
        self._may_begin = threading.Event()
        """The dataset stands on chain, and the roll has been looked for: until then settlements are kept, and
        none waits out a failure that was to be foreseen."""
        self._is_registered = False
        self._under_way: set[int] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._pool = ThreadPoolExecutor(node.settings.workers, "discharges")
        node.taken_in = self._begin_fresh

    def start(self) -> None:
        for loop in (self._discharges, self._keep_following, self._tasks):
            thread = threading.Thread(target=loop, name=loop.__name__.strip("_"), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._may_begin.set()
        self._node.arrived.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()

    def _discharges(self) -> None:
        self._may_begin.wait()
        while not self._stopping.is_set():
            self._node.arrived.clear()
            try:
                self._begin(due)
            except Exception as error:  # noqa: BLE001  the database is away: it is looked at again
                _say_failed("provider.round_failed", error)
            self._node.arrived.wait(self._node.settings.tick_s)

    def _begin_fresh(self) -> None:
        """By whoever has just taken something in: its way is the shortest."""
        if self._may_begin.is_set() and not self._stopping.is_set():
            self._begin(_fresh)

    def _begin(self, found: Callable[[Node, int, Collection[int]], Sequence[tables.Discharge]]) -> None:
        """As many as there are workers free: what waits long for an answer keeps no other waiting."""
        with self._lock:
            busy = set(self._under_way)
        for row in found(self._node, self._node.settings.workers - len(busy), busy):
            with self._lock:
                if row.row_id in self._under_way:
                    continue
                self._under_way.add(row.row_id)
            self._pool.submit(self._advance, row)

    def _advance(self, row: tables.Discharge) -> None:
        try:
            advance(self._node, row)
        finally:
            with self._lock:
                self._under_way.discard(row.row_id)
            self._node.arrived.set()  # a worker is free

    def _keep_following(self) -> None:
        while not self._stopping.is_set():
            self._follow()
            self._stopping.wait(self._node.settings.follow_s)

    def _follow(self) -> None:
        try:
            self._is_registered = self._is_registered or register(self._node)
        except Exception as error:  # noqa: BLE001  it is tried again
            _say_failed("provider.register_failed", error)
        try:
            if self._node.rolls.follow():
                look_up_again(self._node)
                self._node.arrived.set()
        except Exception as error:  # noqa: BLE001  discharges go on under what is at hand
            _say_failed("provider.follow_failed", error)
        try:
            answer_wanted(self._node)
        except Exception as error:  # noqa: BLE001  it is asked for again
            _say_failed("provider.wanted_failed", error)
        if self._is_registered:
            self._may_begin.set()

    def _tasks(self) -> None:
        self._may_begin.wait()
        since_block = 0
        while not self._stopping.is_set():
            try:
                since_block = max(0, tasks.find_tasks(self._node, since_block) - _REORGANISED)
                for row in tasks.due(self._node):
                    tasks.advance(self._node, row, lambda: not self._stopping.is_set())
            except Exception as error:  # noqa: BLE001  the chain is away: it is looked at again
                _say_failed("provider.tasks_failed", error)
            self._stopping.wait(self._node.settings.follow_s)


def due(node: Node, most: int, but: Collection[int] = ()) -> Sequence[tables.Discharge]:
    """Those on the way whose time has come, but for those: what was just taken in, then the longest due."""
    fresh = _fresh(node, most, but)
    if len(fresh) >= most:
        return fresh
    known = {*but, *node.fresh}
    table = tables.Discharge
    with node.database.reading() as session:
        return fresh + list(
            session.exec(
                select(table)
                .where(col(table.state).in_(_moved_on(node)), table.not_before <= node.clock())
                .where(col(table.task_id).is_(None), col(table.id).not_in(known))
                .order_by(col(table.not_before))
                .limit(most - len(fresh))
            )
        )


def _fresh(node: Node, most: int, but: Collection[int]) -> list[tables.Discharge]:
    return [row for row_id, row in list(node.fresh.items()) if row_id not in but][: max(most, 0)]


def _moved_on(node: Node) -> list[DischargeState]:
    """A discharge that is not asked about when it arrives waits for a matching task."""
    return [state for state in ON_THE_WAY if node.settings.online or state != DischargeState.KEPT]


def advance(node: Node, row: tables.Discharge) -> None:
    """As far as it goes. What fails is tried again later, ever less often."""
    try:
        is_fresh = node.fresh.pop(row.row_id, None) is not None
        while row.state in _STEPS and (is_fresh or row.not_before <= node.clock()):
            is_fresh = False
            _STEPS[row.state](node, row)
            with node.database.reading() as session:
                row = session.get_one(tables.Discharge, row.id)
            if row.task_id is not None:
                return
    except Exception as error:  # noqa: BLE001  a defect holds up its own discharge, and no other
        _say_failed("provider.step_failed", error, discharge=row.id, state=row.state)
        node.writer.run(partial(_later, node=node, row=row, error=error))


def _later(session: Session, node: Node, row: tables.Discharge, error: Exception) -> None:
    held = session.get_one(tables.Discharge, row.id)
    least_s = error.retry_after_s if isinstance(error, Unavailable) else 0
    put_off(session, node, held, error, what="a discharge", least_s=least_s)


def _say_failed(event: str, error: Exception, **of: Any) -> None:
    expected = isinstance(error, AutoclaimError | ChainError)
    log.warning(event, error=str(error), exc_info=None if expected else error, **of)
