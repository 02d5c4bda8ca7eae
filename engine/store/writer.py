"""Group commit: many callers' writes, one transaction, each acknowledged after it.

A commit that reaches the disk costs milliseconds; forty callers that share one pay it once. Each
caller's work runs inside its own savepoint, so that one that fails takes nobody with it.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlmodel import Session

from engine.store.database import Database

T = TypeVar("T")
_Work = tuple[Callable[[Session], Any], "Future[Any]"]
_LARGEST_GROUP = 256


class GroupCommit:
    """One thread that owns the write transactions of the request path."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.Queue[_Work | None] = queue.Queue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Session], T]) -> "Future[T]":
        """Queue `work`; the future resolves after the commit that holds it, or with its exception.

        Cancelled before its turn, the work is not done. Raises RuntimeError after `close`.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError("the writer is closed: nothing more is kept")
            self._queue.put((work, future))
        return future

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
            group = [(work, future) for work, future in group if future.set_running_or_notify_cancel()]
            if group:
                self._commit(group)
            if last:
                return

    def _next_group(self) -> tuple[list[_Work], bool]:
        group: list[_Work] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == _LARGEST_GROUP:
                return group, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[_Work]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            with self._database.transaction() as session:
                for work, future in group:
                    try:
                        with session.begin_nested():
                            result = work(session)
                    except Exception as error:  # noqa: BLE001  the caller's own, raised in the caller
                        failed.append((future, error))
                    else:
                        done.append((future, result))
        except Exception as broken:  # noqa: BLE001  the commit itself: everybody is told
            told = {id(future) for future, _ in failed}
            failed += [(future, broken) for _, future in group if id(future) not in told]
            done = []
        for future, result in done:
            future.set_result(result)
        for future, failure in failed:
            future.set_exception(failure)
