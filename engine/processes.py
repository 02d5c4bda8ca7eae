"""Worker processes that end with whoever started them, however that ends."""

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def executor(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, get_context("spawn"), end_with_parent)


class Pool:
    """Started by its first use. Thread-safe."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._started: ProcessPoolExecutor | None = None
        self._starting = threading.Lock()

    def started(self) -> ProcessPoolExecutor:
        with self._starting:
            if self._started is None:
                self._started = executor(self._processes)
            return self._started

    def forget(self, broken: ProcessPoolExecutor | None) -> None:
        """One of whose processes was ended from outside: the next use starts others."""
        with self._starting:
            if broken is not None:
                broken.shutdown(cancel_futures=True)
            if self._started is broken:
                self._started = None

    def close(self) -> None:
        """End the processes. The next use starts new ones."""
        self.forget(self._started)


def end_with_parent() -> None:
    """Begins such a process. Ctrl-C goes to the whole group, and its parent ends it itself; one that is
    killed cannot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_outlive_no_parent, daemon=True).start()


def _outlive_no_parent() -> None:
    if parent := parent_process():
        parent.join()
    os._exit(1)
