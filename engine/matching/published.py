"""The published roll of an epoch: numbered update files, written by the insurer and read by the provider.

    file   = header, a line of JSON | entries (ENTRY_BYTES each), ascending by tag, no tag twice
    digest = sha256 of the file; each header holds that of the update before it

Update 0 is the whole roll; a later one supersedes the entries of the tags it holds. The number of entries is
padded to a multiple of STEP with entries that open for nobody, so that no file tells how many people joined.
A provider keeps an update only once all of it holds, under a name that says its number and digest; it never
has a file in memory: what it looks up is mapped.
"""

import hashlib
import json
import mmap
import os
import re
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self

from engine.matching.entries import ENTRY_BYTES, Rng, empty_entry
from engine.matching.errors import UpdateInvalid
from engine.matching.sorting import SortedRuns
from engine.matching.voprf import PROTOCOL, SUITE, TAG_BYTES

STEP = 1024
"""Entries in an update are a multiple of it, and never none."""

MOST_ENTRIES = 32 * 2**20
"""Over all updates of an epoch: 32 GiB, more than every person insured in Shanghai."""

MOST_UPDATES = 1024
"""In an epoch: a look-up goes through all of them at worst."""

NO_DIGEST = "0" * 64
"""What stands before update 0."""

_MOST_HEADER_BYTES = 1024
_CHUNK = 1024 * ENTRY_BYTES
_NAME = re.compile(r"[0-9]{4}-(?P<digest>[0-9a-f]{64})\.roll")
_INCOMING = "incoming.part"
_FIELDS = {"protocol", "suite", "epoch", "update", "entries", "previous_digest", "public_key", "made_at"}


@dataclass(frozen=True, slots=True)
class Update:
    """One update, as its header and its digest name it. Digests are 64 hexadecimal digits."""

    epoch: int
    number: int
    entries: int
    """Padding included."""
    previous_digest: str
    public_key: bytes
    made_at: datetime
    digest: str

    @property
    def header(self) -> bytes:
        """The first line of the file."""
        document = {
            "protocol": PROTOCOL,
            "suite": SUITE,
            "epoch": self.epoch,
            "update": self.number,
            "entries": self.entries,
            "previous_digest": self.previous_digest,
            "public_key": self.public_key.hex(),
            "made_at": self.made_at.isoformat(),
        }
        return json.dumps(document).encode() + b"\n"

    @property
    def file_name(self) -> str:
        return f"{self.number:04}-{self.digest}.roll"


def write_update(
    path: Path,
    epoch: int,
    number: int,
    entries: Iterable[bytes],
    previous_digest: str,
    public_key: bytes,
    made_at: datetime,
    rng: Rng,
) -> Update:
    """Sort the entries, pad them and write the file; it is there whole or not at all.

    entries: ENTRY_BYTES each, in any order, of distinct tags; they are read once and never held together.
    previous_digest: NO_DIGEST for update 0. Raises ValueError for a wrong size, a tag that comes twice, more
    than MOST_ENTRIES; UpdateInvalid for a header that no reader would take.
    """
    partial = path.with_name(path.name + ".part")
    try:
        runs = SortedRuns(_padded(entries, rng), ENTRY_BYTES, path.parent)
        with runs, partial.open("wb") as file:
            announced = Update(epoch, number, runs.count, previous_digest, public_key, made_at, digest="")
            _read_header(announced.header, digest="")
            digest = hashlib.sha256()
            for part in chain([announced.header], _chunks(runs.merged())):
                digest.update(part)
                file.write(part)
            _to_disk(file)
        _put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return replace(announced, digest=digest.hexdigest())


def read_update(path: Path) -> Update:
    """What a file that was written here is. Raises UpdateInvalid for one that is none."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        return _read_header(file.readline(_MOST_HEADER_BYTES), digest)


class PublishedRoll:
    """A folder of the updates of one epoch. One process takes updates in; any thread of it may look up."""

    def __init__(self, folder: Path, public_key: bytes, kept: list[Update]) -> None:
        self._folder = folder
        self._public_key = public_key
        self._updates = kept
        self._maps = [_Mapped(folder / update.file_name, update) for update in kept]
        self._taking = threading.Lock()

    @classmethod
    def open(cls, folder: Path, public_key: bytes) -> Self:
        """What the folder holds of the epoch whose key this is (32 bytes; read it on chain).

        What was taken in is believed: headers, sizes and the chain of digests are looked at again, the
        entries are not. Raises UpdateInvalid, naming the file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        kept: list[Update] = []
        for path in sorted(folder.glob("*.roll")):
            try:
                kept.append(_kept(path, public_key, kept))
            except UpdateInvalid as error:
                raise UpdateInvalid(error.field, f"{error.rule} ({path.name})") from error
        return cls(folder, public_key, kept)

    @property
    def last(self) -> Update | None:
        """The newest update, or None before the first."""
        return self._updates[-1] if self._updates else None

    def take(self, source: BinaryIO, digest: str) -> Update:
        """Read the next update, as a stranger sent it, and keep it once all of it holds.

        digest: what it has to come to, as everybody was told. Raises UpdateInvalid; nothing of the update is
        kept then.
        """
        with self._taking:
            incoming = self._folder / _INCOMING
            try:
                with incoming.open("wb") as file:
                    update = _taken(source, file, self._public_key, self._updates)
                    if update.digest != digest:
                        raise UpdateInvalid("digest", f"is {update.digest} where {digest} was published")
                    _to_disk(file)
                _put_in_place(incoming, self._folder / update.file_name)
            finally:
                incoming.unlink(missing_ok=True)
            # The map first: whoever sees the update as the last may look it up.
            self._maps.append(_Mapped(self._folder / update.file_name, update))
            self._updates.append(update)
            return update

    def find(self, tag: bytes) -> bytes | None:
        """The newest entry under the tag, ENTRY_BYTES, or None. O(log n) in each update."""
        found = (mapped.find(tag) for mapped in reversed(self._maps))
        return next((entry for entry in found if entry is not None), None)


class _Mapped:
    """One kept update's entries, mapped."""

    def __init__(self, path: Path, update: Update) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._map.madvise(mmap.MADV_RANDOM)
        self._start = len(update.header)
        self._entries = update.entries

    def find(self, tag: bytes) -> bytes | None:
        index = bisect_left(range(self._entries), tag, key=lambda index: self._bytes(index, TAG_BYTES))
        entry = self._bytes(index, ENTRY_BYTES)  # nothing, past the last
        return entry if entry[:TAG_BYTES] == tag else None

    def _bytes(self, index: int, count: int) -> bytes:
        place = self._start + index * ENTRY_BYTES
        return self._map[place : place + count]


def _padded(entries: Iterable[bytes], rng: Rng) -> Iterator[bytes]:
    count = 0
    for entry in entries:
        if len(entry) != ENTRY_BYTES:
            raise ValueError(f"an entry is {ENTRY_BYTES} bytes, not {len(entry)}")
        count += 1
        if count > MOST_ENTRIES:
            raise ValueError(f"an epoch has at most {MOST_ENTRIES} entries")
        yield entry
    while count < STEP or count % STEP:
        count += 1
        yield empty_entry(None, rng)


def _chunks(entries: Iterator[bytes]) -> Iterator[bytes]:
    """Many at a time, none under the tag of the one before. Raises ValueError."""
    last = b""
    while chunk := list(islice(entries, STEP)):
        for entry in chunk:
            tag = entry[:TAG_BYTES]
            if tag == last:
                raise ValueError("two entries have one tag")
            last = tag
        yield b"".join(chunk)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _put_in_place(partial: Path, path: Path) -> None:
    """Rename, and have the folder remember it over a loss of power."""
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _kept(path: Path, public_key: bytes, before: list[Update]) -> Update:
    """What a file of the folder is, by its name and header. Raises UpdateInvalid."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise UpdateInvalid("file", "is not named as an update that was taken in")
    with path.open("rb") as file:
        update = _announced(file, public_key, before, name["digest"])
    if path.stat().st_size != len(update.header) + update.entries * ENTRY_BYTES:
        raise UpdateInvalid("file", "does not have the size that its header says")
    return update


def _taken(source: BinaryIO, file: BinaryIO, public_key: bytes, before: list[Update]) -> Update:
    """Copy an update while checking it. Raises UpdateInvalid at the first thing that does not hold."""
    announced = _announced(source, public_key, before, digest="")
    digest = hashlib.sha256(announced.header)
    file.write(announced.header)
    last, left = b"", announced.entries * ENTRY_BYTES
    while left:
        chunk = _exactly(source, min(left, _CHUNK))
        tags = [chunk[start : start + TAG_BYTES] for start in range(0, len(chunk), ENTRY_BYTES)]
        if not all(one < next_one for one, next_one in pairwise([last, *tags] if last else tags)):
            raise UpdateInvalid("entries", "tags must ascend, and none may come twice")
        digest.update(chunk)
        file.write(chunk)
        last, left = tags[-1], left - len(chunk)
    if source.read(1):
        raise UpdateInvalid("entries", f"more follows than the {announced.entries} that the header says")
    return replace(announced, digest=digest.hexdigest())


def _announced(source: BinaryIO, public_key: bytes, before: list[Update], digest: str) -> Update:
    """The update that a header announces, if it can be the next. Raises UpdateInvalid."""
    line = source.readline(_MOST_HEADER_BYTES)
    update = _read_header(line, digest)
    if update.header != line:
        raise UpdateInvalid("header", "is not written the one way")
    if update.public_key != public_key:
        raise UpdateInvalid("public_key", "is not the epoch's key on chain")
    last = before[-1] if before else None
    if update.number != len(before):
        raise UpdateInvalid("update", f"is {update.number} where {len(before)} is the next")
    if update.number >= MOST_UPDATES:
        raise UpdateInvalid("update", f"an epoch has at most {MOST_UPDATES}")
    if last is not None and update.epoch != last.epoch:
        raise UpdateInvalid("epoch", f"is {update.epoch} where the roll is of epoch {last.epoch}")
    if update.previous_digest != (last.digest if last else NO_DIGEST):
        raise UpdateInvalid("previous_digest", "is not that of the update before")
    if update.entries < 1 or update.entries % STEP:
        raise UpdateInvalid("entries", f"must be a multiple of {STEP}, and not none")
    if update.entries + sum(kept.entries for kept in before) > MOST_ENTRIES:
        raise UpdateInvalid("entries", f"an epoch has at most {MOST_ENTRIES}")
    return update


def _read_header(line: bytes, digest: str) -> Update:
    try:
        document: dict[str, Any] = json.loads(line)
        if set(document) != _FIELDS:
            raise UpdateInvalid("header", f"must hold {', '.join(sorted(_FIELDS))}, and nothing else")
        if (document["protocol"], document["suite"]) != (PROTOCOL, SUITE):
            raise UpdateInvalid("protocol", f"only {PROTOCOL} with {SUITE} is known here")
        made_at = datetime.fromisoformat(document["made_at"])
        if made_at.utcoffset() is None:
            raise UpdateInvalid("made_at", "must say its offset from UTC")
        return Update(
            epoch=_natural(document, "epoch", least=1),
            number=_natural(document, "update"),
            entries=_natural(document, "entries"),
            previous_digest=document["previous_digest"],
            public_key=bytes.fromhex(document["public_key"]),
            made_at=made_at,
            digest=digest,
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise UpdateInvalid("header", f"cannot be read: {error}") from error


def _natural(document: dict[str, Any], name: str, least: int = 0) -> int:
    value = document[name]
    if type(value) is not int or not least <= value < 2**32:
        raise UpdateInvalid(name, f"must be a whole number of 32 bits, from {least}")
    return value


def _exactly(source: BinaryIO, count: int) -> bytes:
    """A source off a wire may give less than it is asked for at a time."""
    parts: list[bytes] = []
    while count:
        part = source.read(count)
        if not part:
            raise UpdateInvalid("entries", "fewer follow than the header says")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
