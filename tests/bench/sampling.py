"""Fair samples on a machine that others use: what is compared is measured by turns, and the median taken."""

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Self

Measure = Callable[[], float]
"""Does its work once; one figure."""


def interleaved(variants: Mapping[str, Measure], rounds: int) -> dict[str, float]:
    """The median figure of each variant over `rounds` of A B A B …, after one round to warm up."""
    samples: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, measure in variants.items():
            figure = measure()
            if number:
                samples[name].append(figure)
    return {name: median(figures) for name, figures in samples.items()}


def rate_of_a_core(work: Callable[[], object], units: int, at_least_s: float = 0.15) -> float:
    """Units a second of processor time, `work` doing `units` of them: what others run does not count, and
    every thread that it starts does."""
    done, started = 0, time.process_time()
    while (spent := time.process_time() - started) < at_least_s:
        work()
        done += units
    return done / spent


def processor_s(pid: int | None) -> float:
    """Seconds of processor, user and system, that a process has spent. Raises ProcessLookupError."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"there is no process {pid}") from error
    # The program's name, in brackets, may hold spaces: utime and stime are counted from behind it.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Sampled:
    """A look at something, ten times a second for as long as it is open."""

    _EVERY_S = 0.1

    def __init__(self) -> None:
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._leaving.wait(self._EVERY_S):
            self._look()

    def _look(self) -> None:
        raise NotImplementedError


class ProcessorTime(_Sampled):
    """What a process spends over time."""

    def __init__(self, pid: int | None) -> None:
        super().__init__()
        self._pid = pid
        self._samples = [(datetime.now(UTC), processor_s(pid))]

    def spent_s(self, since: datetime, until: datetime) -> float:
        """Seconds of processor between two moments of the time looked at."""
        moments = [moment for moment, _ in self._samples]
        first = max(bisect_right(moments, since) - 1, 0)
        last = min(bisect_left(moments, until), len(moments) - 1)
        return self._samples[last][1] - self._samples[first][1]

    def _look(self) -> None:
        self._samples.append((datetime.now(UTC), processor_s(self._pid)))


class Memory(_Sampled):
    """The most that a process and all its descendants held at once: bytes.

    Pages that they share count once for each: the figure is no lower than what was taken.
    """

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.most = 0
        self._pid = pid

    def _look(self) -> None:
        self.most = max(self.most, sum(_resident(pid) for pid in descendants(self._pid)))


class OwnMemory(_Sampled):
    """The most that this process held at once of its own: bytes; files that it maps do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def _look(self) -> None:
        status = Path("/proc/self/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))
        self.most = max(self.most, int(kib) * 1024)


def descendants(pid: int) -> set[int]:
    """The process and whatever came of it."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
