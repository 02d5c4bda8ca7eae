"""A list of any length cut into buckets that both sides cut alike, each deduplicated and filled up.

What stands for an item is its keyed BLAKE2b under the run's id: 16 bytes, of which the first says the bucket.
Files of them are as good as the list to whoever can count through certificates: they are made in a folder
that nobody else reads, and do not outlive the call.

Every bucket is filled up with random items, at least one, which match nothing:
- how many items there are shows rounded up only, and how they fall into buckets not at all;
- a list of none or one is an ordinary one; what the library makes of those does not matter;
- before anything else the library (0.9.5) tells the other side a bare hash of the whole list, which could be
  guessed where a list is short, and where both are equal it takes a way that it calls broken itself. With a
  random item of one's own the hash says nothing, and no two lists are equal.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_BUCKETS = 256
"""As many as the first byte tells apart."""
IN_BUCKET = 2**20
"""Items in a bucket at most, or little more: some 0.8 GiB of memory on each side."""
STEP = 1024
"""What a number of items is rounded up to, so that there is room for a random one."""

_ID_BYTES = 16
_FLUSH_BYTES = 1 << 16
_RECORD = np.dtype([("high", "<u8"), ("low", "<u8"), ("index", "<i8")])
_SIGMAS = 8
"""Room above the mean: a bucket that is fuller has a chance below 10^-15."""


def announced(count: int) -> int:
    """What the other side is told of a list of `count` items."""
    return (count // STEP + 1) * STEP


def buckets_for(most: int) -> int:
    """How many buckets lists are cut into, of which the longer is announced as `most`: a power of two."""
    needed = -(-most // IN_BUCKET)
    return min(MOST_BUCKETS, 1 << (needed - 1).bit_length())


def size_of_bucket(total: int, buckets: int) -> int:
    """How many items a bucket of a list announced as `total` is filled up to."""
    if buckets == 1:
        return total
    mean = -(-total // buckets)
    return announced(mean + _SIGMAS * isqrt(mean))


class Spool:
    """A list on disk, in as many files as the first byte of an item's hash has values."""

    def __init__(self, folder: Path, run: bytes) -> None:
        folder.mkdir(mode=0o700, parents=True)
        self._folder = folder
        self._run = run
        self.count = 0
        """Items, those that are there twice counted twice."""

    def take(self, items: Iterable[bytes]) -> None:
        """Once. An item's index is its place, from 0; only what is being written is held in memory."""
        waiting = [bytearray() for _ in range(MOST_BUCKETS)]
        keyed, index = blake2b(key=self._run, digest_size=_ID_BYTES), -1
        for index, item in enumerate(items):
            hashed = keyed.copy()
            hashed.update(item)
            identity = hashed.digest()
            buffer = waiting[identity[0]]
            buffer += identity
            buffer += index.to_bytes(8, "little")
            if len(buffer) > _FLUSH_BYTES:
                self._append(identity[0], buffer)
        for part, buffer in enumerate(waiting):
            self._append(part, buffer)
        self.count = index + 1

    def _append(self, part: int, buffer: bytearray) -> None:
        with self._part(part).open("ab") as file:
            file.write(buffer)
        buffer.clear()

    def _part(self, part: int) -> Path:
        return self._folder / f"{part:02x}"

    def digest(self) -> str:
        """Of the list in its order: what a run that goes on has to have the same."""
        whole = blake2b(digest_size=32)
        for part in range(MOST_BUCKETS):
            whole.update(blake2b(self._part(part).read_bytes()).digest())
        return whole.hexdigest()

    def bucket(self, number: int, buckets: int) -> "Bucket":
        """One of `buckets`, a power of two; from 0."""
        width = MOST_BUCKETS // buckets
        parts = range(number * width, (number + 1) * width)
        read = [np.fromfile(self._part(part), dtype=_RECORD) for part in parts]
        return Bucket.of(np.concatenate(read))


class Bucket(NamedTuple):
    """The distinct items of one bucket, and where each stands in the list."""

    ids: bytes
    """16 bytes each, random ones last."""
    indices: NDArray[np.int64]
    """Of all the bucket's items."""
    row_of: NDArray[np.int64]
    """Beside each index, which of the ids it has."""

    @classmethod
    def of(cls, records: NDArray[np.void]) -> "Bucket":
        """Of records as the spool keeps them."""
        ordered = records[np.lexsort((records["low"], records["high"]))]
        new = np.ones(len(ordered), dtype=bool)
        new[1:] = (ordered["high"][1:] != ordered["high"][:-1]) | (ordered["low"][1:] != ordered["low"][:-1])
        distinct = np.stack([ordered["high"][new], ordered["low"][new]], axis=1)
        return cls(distinct.tobytes(), ordered["index"].copy(), np.cumsum(new) - 1)

    @property
    def rows(self) -> int:
        """How many ids there are."""
        return len(self.ids) // _ID_BYTES

    def filled(self, size: int, rng: Callable[[int], bytes]) -> "Bucket":
        """With random ids behind its own, up to `size`, or beyond where it does not fit: at least one."""
        rows = max(size, announced(self.rows))
        return self._replace(ids=self.ids + rng((rows - self.rows) * _ID_BYTES))

    def write(self, path: Path) -> None:
        """As CSV of `id` and `row`."""
        path.touch(mode=0o600)
        with path.open("w", encoding="ascii") as file:
            file.write("id,row\n")
            file.writelines(_lines(self.ids.hex(), self.rows))

    def found(self, rows: Iterable[int]) -> NDArray[np.int64]:
        """The indices of all items that stand in these rows, as `write` numbered them."""
        matched = np.zeros(self.rows, dtype=bool)
        matched[np.fromiter(rows, dtype=np.int64)] = True
        return self.indices[matched[self.row_of]]


def _lines(text: str, rows: int) -> Iterator[str]:
    width = 2 * _ID_BYTES
    return (f"{text[row * width : (row + 1) * width]},{row}\n" for row in range(rows))


def read_rows(path: Path) -> Iterator[int]:
    """Of a result that the library wrote: the rows that both have."""
    with path.open(encoding="ascii") as file:
        next(file)
        for line in file:
            yield int(line.rpartition(",")[2].strip().strip('"'))
