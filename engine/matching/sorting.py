"""Records of one size in order, however many there are: sorted a run at a time, kept on disk, then merged."""

import heapq
import mmap
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

RUN = 65_536
"""Records held at once."""


class SortedRuns:
    """Reads records of `size` bytes once, in any order, and gives them back ascending; none are dropped.

    Space for all of them is needed in `folder`; nothing is left there.
    """

    def __init__(self, records: Iterable[bytes], size: int, folder: Path) -> None:
        self._size = size
        self._spool = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self.count = 0
        source = iter(records)
        try:
            while run := sorted(islice(source, RUN)):
                self._spool.writelines(run)
                self.count += len(run)
            self._spool.flush()
        except BaseException:
            self._spool.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def merged(self) -> Iterator[bytes]:
        """All of them; there must be one."""
        with mmap.mmap(self._spool.fileno(), 0, access=mmap.ACCESS_READ) as spooled:
            length = RUN * self._size
            starts = range(0, len(spooled), length)
            yield from heapq.merge(*(self._run(spooled, start, start + length) for start in starts))

    def _run(self, spooled: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
        for place in range(start, min(end, len(spooled)), self._size):
            yield spooled[place : place + self._size]
