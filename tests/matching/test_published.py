"""A roll published in updates: complete, in order and chained, or not taken in; found again by its tag."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.matching import published, sorting
from engine.matching.entries import ENTRY_BYTES, empty_entry
from engine.matching.errors import UpdateInvalid
from engine.matching.published import NO_DIGEST, STEP, PublishedRoll, Update, write_update

KEY = b"\xc8" * 32
NOW = datetime(2026, 3, 2, 4, 5, 6, tzinfo=UTC)


def _entries(*tags: int) -> list[bytes]:
    return [empty_entry(tag.to_bytes(16), os.urandom) for tag in tags]


def _write(path: Path, entries: list[bytes], after: Update | None = None, epoch: int = 1) -> Update:
    number, previous = (after.number + 1, after.digest) if after else (0, NO_DIGEST)
    return write_update(path, epoch, number, entries, previous, KEY, NOW, os.urandom)


def _taken(roll: PublishedRoll, path: Path) -> Update:
    return _taken_bytes(roll, path.read_bytes())


def _taken_bytes(roll: PublishedRoll, content: bytes) -> Update:
    return roll.take(io.BytesIO(content), hashlib.sha256(content).hexdigest())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Update 0 with an entry under 1, and update 1 with one under 2; for all tests of this file to read."""
    folder = tmp_path_factory.mktemp("published")
    paths = folder / "0", folder / "1"
    first = _write(paths[0], _entries(1))
    _write(paths[1], _entries(2), after=first)
    return paths


def _left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_found_again_entry_by_entry(tmp_path: Path) -> None:
    entries = [empty_entry(None, os.urandom) for _ in range(STEP + 5)]
    written = _write(tmp_path / "update", entries)
    content = (tmp_path / "update").read_bytes()
    assert written.digest == hashlib.sha256(content).hexdigest()
    assert (written.entries, written.made_at) == (2 * STEP, NOW)
    roll = PublishedRoll.open(tmp_path / "kept", KEY)
    assert roll.last is None
    assert roll.find(entries[0][:16]) is None
    assert _taken(roll, tmp_path / "update") == roll.last == written
    assert all(roll.find(entry[:16]) == entry for entry in entries)
    tags = {entry[:16] for entry in entries}
    for tag in (bytes(16), b"\xff" * 16, *(bytes([*tag[:15], tag[15] ^ 1]) for tag in tags)):
        assert tag in tags or roll.find(tag) is None


@pytest.mark.parametrize(("people", "told"), [(0, STEP), (1, STEP), (STEP, STEP), (STEP + 1, 2 * STEP)])
def test_an_update_tells_no_number_of_people(tmp_path: Path, people: int, told: int) -> None:
    written = _write(tmp_path / "update", [empty_entry(None, os.urandom) for _ in range(people)])
    assert written.entries == told
    assert (tmp_path / "update").stat().st_size == len(written.header) + told * ENTRY_BYTES


def test_more_than_memory_holds_is_sorted_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 100, so that eleven are merged; the last is not full. The same bytes as from one run."""
    entries = [empty_entry(None, os.urandom) for _ in range(STEP)]
    at_once = _write(tmp_path / "at once", entries)
    monkeypatch.setattr(sorting, "RUN", 100)
    assert _write(tmp_path / "in runs", entries) == at_once
    assert _left_in(tmp_path) == ["at once", "in runs"]


def test_a_later_update_supersedes_and_leaves_the_others(tmp_path: Path) -> None:
    roll = PublishedRoll.open(tmp_path / "kept", KEY)
    old, new = _entries(1, 2), _entries(2, 3)
    first = _write(tmp_path / "0", old)
    second = _write(tmp_path / "1", new, after=first)
    for path in (tmp_path / "0", tmp_path / "1"):
        _taken(roll, path)
    for reader in (roll, PublishedRoll.open(tmp_path / "kept", KEY)):
        assert reader.last == second
        assert [reader.find(tag.to_bytes(16)) for tag in (1, 2, 3)] == [old[0], new[0], new[1]]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "MOST_ENTRIES", 3)
    for entries, said in (
        (_entries(1, 2, 1), "two entries have one tag"),
        ([b"short"], "1024 bytes, not 5"),
        (_entries(1, 2, 3, 4), "at most 3"),
    ):
        with pytest.raises(ValueError, match=said):
            _write(tmp_path / "update", entries)
    assert _left_in(tmp_path) == []


def test_a_header_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    for epoch, made_at, field in ((0, NOW, "epoch"), (1, NOW.replace(tzinfo=None), "made_at")):
        with pytest.raises(UpdateInvalid, match=f"^{field}: must"):
            write_update(tmp_path / "update", epoch, 0, [], NO_DIGEST, KEY, made_at, os.urandom)
    assert _left_in(tmp_path) == []


class _Slow(io.RawIOBase):
    """As off a wire: never as much at a time as was asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, 1000))

    def readline(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        return self._content.readline(size)


def test_a_source_may_give_less_than_is_asked_for(tmp_path: Path) -> None:
    written = _write(tmp_path / "update", _entries(7))
    roll = PublishedRoll.open(tmp_path / "kept", KEY)
    assert roll.take(_Slow((tmp_path / "update").read_bytes()), written.digest) == written


Change = Callable[[bytes], bytes]


def _header(**changed: Any) -> Change:
    def change(content: bytes) -> bytes:
        line, _, entries = content.partition(b"\n")
        document = json.loads(line) | changed
        kept = {name: value for name, value in document.items() if value is not None}
        return json.dumps(kept).encode() + b"\n" + entries

    return change


def _swapped(content: bytes) -> bytes:
    start = content.index(b"\n") + 1
    first, second = (
        content[start : start + ENTRY_BYTES],
        content[start + ENTRY_BYTES : start + 2 * ENTRY_BYTES],
    )
    return content[:start] + second + first + content[start + 2 * ENTRY_BYTES :]


def _doubled(content: bytes) -> bytes:
    start = content.index(b"\n") + 1
    middle, end = start + ENTRY_BYTES, start + 2 * ENTRY_BYTES
    return content[:middle] + content[start:middle] + content[end:]


HOSTILE: dict[str, tuple[str, Change]] = {
    "nothing": ("header", lambda _: b""),
    "no line": ("header", lambda _: b"{" * 10_000_000),
    "no JSON": ("header", lambda content: b"x" + content),
    "no object": ("header", lambda content: b"[]\n" + content),
    "nesting": ("header", lambda content: b"[" * 1023 + b"\n" + content),
    "a field more": ("header", _header(note="hello")),
    "a field less": ("header", _header(made_at=None)),
    "another spelling": ("header", lambda content: content.replace(b": ", b":  ", 1)),
    "another version": ("protocol", _header(protocol="autoclaim-match/0")),
    "another suite": ("protocol", _header(suite="P384-SHA384")),
    "an epoch of text": ("epoch", _header(epoch="1")),
    "an update that is true": ("update", _header(update=True)),
    "a negative number": ("entries", _header(entries=-STEP)),
    "a number without end": ("entries", _header(entries=10**400)),
    "another epoch": ("epoch", _header(epoch=2)),
    "the update before": ("update", _header(update=0)),
    "an update too early": ("update", _header(update=2)),
    "another history": ("previous_digest", _header(previous_digest="ab" * 32)),
    "a history that is no text": ("previous_digest", _header(previous_digest={"a": []})),
    "another key": ("public_key", _header(public_key="ab" * 32)),
    "no time zone": ("made_at", _header(made_at=NOW.replace(tzinfo=None).isoformat())),
    "not a full step": ("entries", lambda content: _header(entries=STEP - 1)(content)[:-ENTRY_BYTES]),
    "no entries": ("entries", lambda content: _header(entries=0)(content)[: -STEP * ENTRY_BYTES]),
    "one entry short": ("entries", lambda content: content[:-ENTRY_BYTES]),
    "one byte short": ("entries", lambda content: content[:-1]),
    "one byte more": ("entries", lambda content: content + b"x"),
    "out of order": ("entries", _swapped),
    "a tag twice": ("entries", _doubled),
}


@pytest.mark.parametrize(("field", "change"), HOSTILE.values(), ids=HOSTILE)
def test_what_does_not_hold_is_not_taken_in(
    two: tuple[Path, Path], tmp_path: Path, field: str, change: Change
) -> None:
    roll = PublishedRoll.open(tmp_path, KEY)
    first = _taken(roll, two[0])
    content = two[1].read_bytes()
    with pytest.raises(UpdateInvalid) as refused:
        _taken_bytes(roll, change(content))
    assert refused.value.field == field
    assert (_left_in(tmp_path), roll.last) == ([first.file_name], first)
    assert roll.find((2).to_bytes(16)) is None
    with pytest.raises(UpdateInvalid, match=r"^digest: is .* was published$"):
        roll.take(io.BytesIO(content), hashlib.sha256(change(content)).hexdigest())
    assert (_left_in(tmp_path), roll.last) == ([first.file_name], first)
    assert _taken_bytes(roll, content).number == 1, "the update as it was is still good"


def test_order_is_watched_across_what_is_read_at_a_time(tmp_path: Path) -> None:
    """Entries are read 1,024 at a time; the first of a chunk is held against the last of the one before."""
    entries = _entries(*range(1, 2 * STEP + 1))
    _write(tmp_path / "update", entries)
    content = (tmp_path / "update").read_bytes()
    start = content.index(b"\n") + 1
    halves = content[start : start + STEP * ENTRY_BYTES], content[start + STEP * ENTRY_BYTES :]
    with pytest.raises(UpdateInvalid, match="must ascend"):
        _taken_bytes(PublishedRoll.open(tmp_path / "kept", KEY), content[:start] + halves[1] + halves[0])


@pytest.mark.parametrize(("bound", "most"), [("MOST_UPDATES", 1), ("MOST_ENTRIES", 2 * STEP - 1)])
def test_an_epoch_is_bounded(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(published, bound, most)
    roll = PublishedRoll.open(tmp_path, KEY)
    _taken(roll, two[0])
    with pytest.raises(UpdateInvalid, match=f"at most {most}$"):
        _taken(roll, two[1])


@pytest.mark.parametrize("epoch", [-1, 0, 2**32])
def test_an_epoch_is_one_of_32_bits_from_1(two: tuple[Path, Path], tmp_path: Path, epoch: int) -> None:
    with pytest.raises(UpdateInvalid, match="epoch"):
        _taken_bytes(PublishedRoll.open(tmp_path, KEY), _header(epoch=epoch)(two[0].read_bytes()))


class _WithoutEnd(io.RawIOBase):
    """A line that goes on for as long as anybody reads it."""

    def readline(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 < size <= 2**20, "reads until memory ends"
        return b" " * size


def test_a_header_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(UpdateInvalid, match="header"):
        PublishedRoll.open(tmp_path, KEY).take(_WithoutEnd(), NO_DIGEST)


SPOILT: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "the first is gone": ("update", lambda first, _: first.unlink()),
    "one is cut": ("file", lambda _, second: os.truncate(second, 9000)),
    "one is of another history": ("previous_digest", lambda first, _: first.rename(first.with_name(NAMED))),
    "one is named otherwise": ("file", lambda _, second: second.rename(second.with_name("1.roll"))),
    "two change places": ("update", lambda first, _: first.rename(first.with_name(f"0002{first.name[4:]}"))),
}
NAMED = f"0000-{'ab' * 32}.roll"


@pytest.mark.parametrize(("field", "spoil"), SPOILT.values(), ids=SPOILT)
def test_a_folder_that_does_not_hold_together_is_not_opened(
    two: tuple[Path, Path], tmp_path: Path, field: str, spoil: Callable[[Path, Path], object]
) -> None:
    roll = PublishedRoll.open(tmp_path, KEY)
    first, second = (tmp_path / _taken(roll, path).file_name for path in two)
    spoil(first, second)
    with pytest.raises(UpdateInvalid, match=r"\.roll\)$") as refused:
        PublishedRoll.open(tmp_path, KEY)
    assert refused.value.field == field


def test_a_folder_of_another_key_is_not_opened(two: tuple[Path, Path], tmp_path: Path) -> None:
    _taken(PublishedRoll.open(tmp_path, KEY), two[0])
    with pytest.raises(UpdateInvalid, match="not the epoch's key on chain"):
        PublishedRoll.open(tmp_path, b"\xc9" * 32)


def test_what_a_crash_left_half_taken_is_no_part_of_the_roll(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    written = _write(tmp_path / "update", _entries(1))
    folder.mkdir()
    (folder / "incoming.part").write_bytes((tmp_path / "update").read_bytes()[:5000])
    roll = PublishedRoll.open(folder, KEY)
    assert roll.last is None
    _taken(roll, tmp_path / "update")
    assert _left_in(folder) == [written.file_name]


def test_a_time_is_written_with_its_offset(tmp_path: Path) -> None:
    at = NOW.astimezone(tz=None) + timedelta(microseconds=5)
    written = write_update(tmp_path / "u", 1, 0, [], NO_DIGEST, KEY, at, os.urandom)
    assert _taken(PublishedRoll.open(tmp_path / "kept", KEY), tmp_path / "u") == written
