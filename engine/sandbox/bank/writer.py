"""One thread writes, many requests share its commit.

Every change runs in its own savepoint of the current transaction; a request is answered only after the
commit, so one fsync is shared by all that arrived meanwhile and nothing is answered that could be lost.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

_T = TypeVar("_T")
_LARGEST_GROUP = 256


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    future: "asyncio.Future[Any]"
    result: Any = None
    error: Exception | None = None


class Writer:
    """Owns the only writing connection. `run` from the event loop it was made on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="bank-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Connection], _T]) -> _T:
        """work's result after it is durably committed, or what it raised, with its changes undone."""
        job = _Job(work, self._loop.create_future())
        self._queue.put(job)
        result: _T = await job.future
        return result

    def stop(self) -> None:
        """Finish what was queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        running = True
        while running:
            group, running = self._next_group()
            if group:
                self._commit(group)
                self._loop.call_soon_threadsafe(_answer, group)

    def _next_group(self) -> tuple[list[_Job], bool]:
        first = self._queue.get()
        group: list[_Job] = []
        while first is not None:
            group.append(first)
            if len(group) == _LARGEST_GROUP:
                return group, True
            try:
                first = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        try:
            with self._engine.begin() as connection:
                for job in group:
                    try:
                        with connection.begin_nested():
                            job.result = job.work(connection)
                    except Exception as error:  # noqa: BLE001 - one request's failure is its own answer
                        job.error = error
        except Exception as error:  # noqa: BLE001 - the commit failed: nobody's change happened
            for job in group:
                job.error = error


def _answer(group: list[_Job]) -> None:
    for job in group:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
