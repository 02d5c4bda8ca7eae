"""A file of a hospital's on its way, in pieces: each kept by the engine before the next goes, with a receipt.

The receipt is a file of JSON lines, one a piece, on the disk once the engine's answer is whole. A run that
broke off is simply repeated: what the receipt holds is held against the file and not sent again, and a piece
whose answer was lost is answered by the engine as the first time.
"""

import gc
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MOST_LINES = 2_000
MOST_BYTES = 8 << 20
"""Of one piece. The engine takes 10,000 lines and 32 MiB, in memory until their signature is checked."""
MOST_OF_A_LINE = 2 << 20
MOST_WHOLE = 32 << 20
_LINE_KINDS = frozenset({".ndjson", ".jsonl"})

Json = dict[str, Any]
Send = Callable[[bytes], Iterable[Json]]
"""Sends one piece: what the engine says of each record of it, in order."""


class CannotDeliver(Exception):
    """The file cannot be cut, or the receipt is another file's. Says what to do."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the file from `begin` on; `line` is the number of its first line."""

    begin: int
    line: int
    raw: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(slots=True)
class Delivered:
    """What became of the records so far: outcome -> number, and those that were not accepted."""

    records: Counter[str]
    pieces: int
    sent: int
    """Of the pieces, those that this run sent."""


def is_by_lines(path: Path) -> bool:
    """Whether a file is a record a line, so that it can be cut anywhere between two."""
    return path.suffix.lower() in _LINE_KINDS


def pieces(file: BinaryIO, *, by_lines: bool) -> Iterator[Piece]:
    """The file in pieces. Raises CannotDeliver."""
    if not by_lines:
        raw = file.read(MOST_WHOLE + 1)
        if len(raw) > MOST_WHOLE:
            limit = f"{MOST_WHOLE >> 20} MiB"
            raise CannotDeliver(f"more than {limit}: send a file a day, or a record a line (.ndjson)")
        yield Piece(0, 1, raw)
        return
    begin, first, number, lines = 0, 1, 0, bytearray()
    count = 0
    while line := file.readline(MOST_OF_A_LINE + 1):
        number += 1
        if len(line) > MOST_OF_A_LINE:
            raise CannotDeliver(f"line {number} is longer than {MOST_OF_A_LINE >> 20} MiB")
        if lines and (count == MOST_LINES or len(lines) + len(line) > MOST_BYTES):
            yield Piece(begin, first, bytes(lines))
            begin, first, count = begin + len(lines), number, 0
            lines.clear()
        lines += line
        count += 1
    if lines:
        yield Piece(begin, first, bytes(lines))


class Receipt:
    """What has been delivered of one file to one place."""

    def __init__(self, path: Path, of: Mapping[str, Any]) -> None:
        """of: what has to be the same for a run to go on: the file's name and size, and where it goes."""
        self._path = path
        self._done: dict[int, Json] = {}
        head = {"delivers": dict(of)}
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            written = [json.loads(line) for line in lines if line.endswith(b"\n") and line.strip()]
            if written and written[0] != head:
                raise CannotDeliver(f"{path} is the receipt of something else: name another with --receipt")
            self._done = {entry["begin"]: entry for entry in written[1:]}
        if not self._done:
            path.write_text(json.dumps(head, ensure_ascii=False) + "\n", encoding="utf-8")
        else:
            self._cut_what_was_half_written()

    def _cut_what_was_half_written(self) -> None:
        raw = self._path.read_bytes()
        self._path.write_bytes(raw[: raw.rfind(b"\n") + 1])

    def holds(self, piece: Piece) -> Json | None:
        """What was answered to this piece; None where it was not sent. Raises CannotDeliver."""
        entry = self._done.get(piece.begin)
        if entry is not None and entry["sha256"] != piece.digest:
            raise CannotDeliver(f"the file has changed since its piece from byte {piece.begin} was delivered")
        return entry

    def add(self, piece: Piece, records: Mapping[str, int], not_accepted: list[Json]) -> Json:
        entry = {
            "begin": piece.begin,
            "bytes": len(piece.raw),
            "first_line": piece.line,
            "sha256": piece.digest,
            "records": dict(records),
            "not_accepted": not_accepted,
        }
        with self._path.open("ab") as file:
            file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._done[piece.begin] = entry
        return entry


def deliver(
    cut: Iterable[Piece], receipt: Receipt, send: Send, announce: Callable[[int], None] = lambda _: None
) -> Delivered:
    """Send what the receipt does not hold yet. announce: bytes that are delivered now, for a progress bar."""
    told = Delivered(Counter(), 0, 0)
    for piece in cut:
        entry = receipt.holds(piece)
        if entry is None:
            entry = _send(piece, receipt, send)
            told.sent += 1
            # A request and its answer hold each other and a piece's bytes; the collector counts objects, not
            # bytes, and would let hundreds of megabytes stand.
            gc.collect()
        told.pieces += 1
        told.records.update(entry["records"])
        announce(len(piece.raw))
    return told


def _send(piece: Piece, receipt: Receipt, send: Send) -> Json:
    counts: Counter[str] = Counter()
    not_accepted: list[Json] = []
    for answer in send(piece.raw):
        outcome = answer["outcome"]
        counts[outcome] += 1
        if outcome in ("quarantined", "refused"):
            not_accepted.append(answer)
    return receipt.add(piece, counts, not_accepted)
