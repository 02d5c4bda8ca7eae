"""Group commit: many callers' writes, one transaction, each acknowledged after it.

A commit that reaches the disk costs milliseconds; forty callers that share one pay it once. What can keep
many items in a few statements gets all that a group has of them together (`submit_to`). Work runs inside a
savepoint, so that one that fails takes nobody with it.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlmodel import Session

from engine.store.database import Database

T = TypeVar("T")
Keep = Callable[[Session, Sequence[Any]], Sequence[Any]]
"""Keeps items of one kind; an outcome for each, in order: a result, or the exception that is its own."""
_LINGER_S, _MOST_LINGERS = 0.002, 10
"""How long a group waits for one more, and how often. A commit's own statements cost what eight items do, and
while they run they slow down whoever prepares the next: fewer and larger is faster for everybody."""


@dataclass(slots=True)
class _Work:
    keep: Keep
    item: Any
    future: "Future[Any]" = field(default_factory=Future)


class GroupCommit:
    """One thread that owns the write transactions of the request path."""

    def __init__(self, database: Database, largest: int) -> None:
        """largest: how many one commit may hold; 1 gives each a transaction of its own."""
        self._database = database
        self._largest = largest
        self._queue: queue.Queue[_Work | None] = queue.Queue()
        self._closing = threading.Lock()
        self._closed = False
        self._others = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Session], T]) -> "Future[T]":
        """Queue `work`; the future resolves after the commit that holds it, or with its exception.

        Cancelled before its turn, the work is not done. Raises RuntimeError after `close`.
        """
        return self.submit_to(_call, work)

    def submit_to(self, keep: Keep, item: Any) -> "Future[Any]":
        """The same for an item that `keep` keeps, with all items that a group has for it. Should it fail for
        them together, it is called for each alone."""
        work = _Work(keep, item)
        with self._closing:
            if self._closed:
                raise RuntimeError("the writer is closed: nothing more is kept")
            self._queue.put(work)
        return work.future

    def run(self, work: Callable[[Session], T]) -> T:
        """`submit` and wait."""
        return self.submit(work).result()

    def close(self) -> None:
        """Finish what is queued, then stop. Idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, last = self._next_group()
            # From here on a caller can no longer cancel: its answer would have nowhere to go.
            group = [work for work in group if work.future.set_running_or_notify_cancel()]
            if group:
                self._commit(group)
            if last:
                return

    def _next_group(self) -> tuple[list[_Work], bool]:
        item, group = self._queue.get(), []
        # Nobody else is writing where the last group was of one: that one caller is not kept waiting.
        lingers = _MOST_LINGERS if self._others else 0
        while item is not None:
            group.append(item)
            if len(group) == self._largest:
                break
            if self._queue.empty():
                if not lingers:
                    break
                lingers -= 1
            try:
                item = self._queue.get(timeout=_LINGER_S)
            except queue.Empty:
                break
        self._others = len(group) > 1
        return group, item is None

    def _commit(self, group: list[_Work]) -> None:
        kinds: dict[Keep, list[_Work]] = {}
        for work in group:
            kinds.setdefault(work.keep, []).append(work)
        outcomes: list[tuple[_Work, Any]] = []
        try:
            with self._database.transaction() as session:
                if len(group) == 1:  # a savepoint would guard it from itself
                    outcomes += zip(group, group[0].keep(session, [group[0].item]), strict=True)
                    kinds.clear()
                for keep, works in kinds.items():
                    for together in [[work] for work in works] if keep is _call else [works]:
                        outcomes += zip(together, _kept(session, keep, together), strict=True)
        except Exception as broken:  # noqa: BLE001  the commit itself: everybody is told
            own = {id(work): outcome for work, outcome in outcomes if isinstance(outcome, Exception)}
            outcomes = [(work, own.get(id(work), broken)) for work in group]
        for work, outcome in outcomes:
            if isinstance(outcome, Exception):
                work.future.set_exception(outcome)
            else:
                work.future.set_result(outcome)


def _kept(session: Session, keep: Keep, works: list[_Work]) -> Sequence[Any]:
    items = [work.item for work in works]
    try:
        with session.begin_nested():
            return keep(session, items)
    except Exception as error:  # noqa: BLE001  of one of them: found by keeping each alone
        if len(items) == 1:
            return [error]
        return [outcome for work in works for outcome in _kept(session, keep, [work])]


def _call(session: Session, works: Sequence[Callable[[Session], Any]]) -> list[Any]:
    """Work that shares nothing with any other: always given alone."""
    return [work(session) for work in works]
