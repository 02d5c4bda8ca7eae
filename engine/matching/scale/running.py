"""The runs whose one side this process has, each in a thread of its own."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from engine.errors import Unavailable
from engine.matching.scale.link import Joining

Prepared = tuple[Joining, Callable[[], None]]
"""How the other side gets to ours, and what runs it."""


class _Running(NamedTuple):
    thread: threading.Thread
    theirs: Joining
    ours: Joining


class Runs:
    """Thread-safe."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._beginning = threading.Lock()

    def begin(self, name: str, theirs: Joining, prepare: Callable[[], Prepared]) -> Joining:
        """How the other side gets to ours, which has begun. Asked for again by the same, the same.

        Raises what `prepare` does, and Unavailable `match.scale_busy` while a run before it, with a side that
        has gone, is coming to its end.
        """
        with self._beginning:
            running = self._running.get(name)
            if running is None or not running.thread.is_alive():
                ours, run = prepare()
                running = _Running(threading.Thread(target=run, name="scale", daemon=True), theirs, ours)
                running.thread.start()
                self._running[name] = running
            elif running.theirs != theirs:
                raise Unavailable("the run before it is coming to its end", code="match.scale_busy")
            return running.ours
