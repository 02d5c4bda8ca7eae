"""Settlements read by processes of their own: reading is most of what an arrival costs, and one process has
one core for it. What comes one by one is read where it arrives: to hand it over would cost as much.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool

import structlog

from engine.processes import Pool
from engine.settlement import BodyRefused, HospitalRegister, SettlementInvalid, Submission, read_submission

Read = Sequence[Submission | None]
"""None for what breaks a rule: whoever refuses it reads it again, and says why."""
_CHUNK = 100
"""Settlements that a process reads at a time: some 30 ms."""
_AHEAD = 4
"""Chunks a process that wait to be written; no more of a long batch is held read."""
log = structlog.get_logger()


class Readers:
    """Started by the first batch that is worth it."""

    def __init__(self, processes: int) -> None:
        """processes: 0 reads everything where it arrives."""
        self._processes = processes
        self._pool = Pool(processes)

    def read(
        self, raws: Sequence[bytes], register: HospitalRegister
    ) -> Iterator[tuple[Sequence[bytes], Read]]:
        """Chunks of `raws` in order, each with what was read; the next ones are read meanwhile."""
        chunks = deque(raws[first : first + _CHUNK] for first in range(0, len(raws), _CHUNK))
        if not self._processes or len(chunks) < 2:
            yield from ((chunk, _read(chunk, register)) for chunk in chunks)
            return
        reading: deque[tuple[Sequence[bytes], Callable[[], Read]]] = deque()
        while chunks or reading:
            while chunks and len(reading) < self._processes * _AHEAD:
                chunk = chunks.popleft()
                reading.append((chunk, self._begin(chunk, register)))
            chunk, read = reading.popleft()
            yield chunk, read()

    def close(self) -> None:
        """End the processes. The next batch starts new ones."""
        self._pool.close()

    def _begin(self, chunk: Sequence[bytes], register: HospitalRegister) -> Callable[[], Read]:
        """What waits until a process has read the chunk. One that was ended from outside takes all with it
        that its pool was to read: that is read here."""
        pool = self._pool.started()

        def read_here() -> Read:
            log.warning("reading.process_ended")
            self._pool.forget(pool)
            return _read(chunk, register)

        try:
            begun = pool.submit(_read, chunk, register)
        except RuntimeError:  # broken, or forgotten since
            return read_here

        def read() -> Read:
            try:
                return begun.result()
            except (BrokenProcessPool, CancelledError):
                return read_here()

        return read


def _read(raws: Sequence[bytes], register: HospitalRegister) -> Read:
    return [read_or_none(raw, register) for raw in raws]


def read_or_none(raw: bytes, register: HospitalRegister) -> Submission | None:
    """None for what breaks a rule."""
    try:
        return read_submission(raw, register)
    except (BodyRefused, SettlementInvalid):
        return None
