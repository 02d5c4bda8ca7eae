"""A book from lines of JSON: coverage documents, and settlements each with the number of its policy.

Streams: besides the kinds of lines and fourteen bytes a policy, no more than `ROOM` rows are held at once.
"""

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.adjudication.coverage import Coverage
from engine.adjudication.documents import DocumentInvalid
from engine.books import schema
from engine.books.rows import Kinds, line_rows, policy_row, settlement_row, table_of
from engine.settlement.body import parse_body
from engine.settlement.errors import BodyRefused, SettlementInvalid, Violation
from engine.settlement.hospitals import HospitalRegister
from engine.settlement.identity import CertificateInvalid, normalise_certificate
from engine.settlement.model import Settlement

ROOM = 100_000
"""Rows of all tables that are kept before they are written."""
Announce = Callable[[int], None]
"""Told the bytes read so far."""


class OutputInUse(Exception):
    """The folder of the new book holds something already."""


@dataclass(slots=True)
class Converted:
    policies: int = 0
    settlements: int = 0
    lines: int = 0
    kinds: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Policies:
    """Where each policy went: 14 bytes each, found by a digest of its number."""

    digests: "array[int]" = field(default_factory=lambda: array("Q"))
    parts: "array[int]" = field(default_factory=lambda: array("H"))
    rows: "array[int]" = field(default_factory=lambda: array("I"))

    def add(self, policy_no: str, part: int, row: int) -> None:
        self.digests.append(_digest(policy_no))
        self.parts.append(part)
        self.rows.append(row)

    def ordered(self) -> "_Found":
        digests = np.frombuffer(self.digests, dtype=np.uint64)
        order = np.argsort(digests, kind="stable")
        return _Found(
            digests[order],
            np.frombuffer(self.parts, dtype=np.uint16)[order],
            np.frombuffer(self.rows, dtype=np.uint32)[order],
        )


@dataclass(frozen=True, slots=True)
class _Found:
    digests: np.typing.NDArray[np.uint64]
    parts: np.typing.NDArray[np.uint16]
    rows: np.typing.NDArray[np.uint32]

    def place(self, policy_no: str) -> tuple[int, int] | None:
        """Part and row of a policy. Two of one digest stand in nobody's way: the first is meant."""
        digest = np.uint64(_digest(policy_no))
        at = int(np.searchsorted(self.digests, digest))
        if at == len(self.digests) or self.digests[at] != digest:
            return None
        return int(self.parts[at]), int(self.rows[at])


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class _Writer:
    """The open files of all parts, and the rows that wait for them."""

    def __init__(self, folder: Path, parts: int, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._files: dict[tuple[int, str], pq.ParquetWriter] = {}
        self._waiting: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self._count = 0
        self.rows = {name: [0] * parts for name in _TABLES}

    def add(self, part: int, name: str, rows: Iterable[dict[str, Any]]) -> None:
        waiting = self._waiting.setdefault((part, name), [])
        before = len(waiting)
        waiting.extend(rows)
        self.rows[name][part] += len(waiting) - before
        self._count += len(waiting) - before
        if self._count >= ROOM:
            self.flush()

    def flush(self) -> None:
        for (part, name), rows in self._waiting.items():
            self._file(part, name).write_table(table_of(_TABLES[name], rows))
        self._waiting.clear()
        self._count = 0

    def finish(self, parts: int) -> None:
        """Every part has its files, empty ones too."""
        self.flush()
        for part in range(parts):
            for name in _TABLES:
                self._file(part, name)

    def _file(self, part: int, name: str) -> pq.ParquetWriter:
        if (part, name) not in self._files:
            where = self._folder / schema.part_name(part)
            where.mkdir(exist_ok=True)
            file = pq.ParquetWriter(where / name, _TABLES[name], **schema.written(_TABLES[name]))
            self._files[part, name] = self._stack.enter_context(file)
        return self._files[part, name]


_TABLES: dict[str, pa.Schema] = {
    schema.POLICIES_FILE: schema.POLICIES,
    schema.SETTLEMENTS_FILE: schema.SETTLEMENTS,
    schema.LINES_FILE: schema.LINES,
}


def convert(
    policies: Path,
    settlements: Path,
    out: Path,
    *,
    parts: int,
    register: HospitalRegister | None,
    announce: Announce,
) -> Converted:
    """Write a book; what is refused goes to out/refused.ndjson. Raises OSError, OutputInUse.

    policies: a coverage document a line, with its policy_no. settlements: {"policy_no", "settlement"} a line,
    the settlement native or minimised. With a register, grade and ward are its and settlements are native.
    """
    if out.exists() and any(out.iterdir()):
        raise OutputInUse(f"{out} is not empty")
    out.mkdir(parents=True, exist_ok=True)
    done, kinds = Converted(), Kinds()
    with ExitStack() as stack:
        refused = stack.enter_context((out / "refused.ndjson").open("w", encoding="utf-8"))
        writer = _Writer(out, parts, stack)

        def refuse(file: Path, number: int, violations: Iterable[Violation]) -> None:
            done.refused += 1
            for one in violations:
                told = {"file": file.name, "line": number, "field": one.field}
                record = {**told, "rule": one.rule, "message": one.message}
                refused.write(json.dumps(record, ensure_ascii=False) + "\n")

        placed = _Policies()
        for number, raw in _lines(policies, announce):
            try:
                policy_no, part, coverage = _policy(raw, parts)
            except (DocumentInvalid, BodyRefused) as error:
                refuse(policies, number, error.violations)
                continue
            placed.add(policy_no, part, writer.rows[schema.POLICIES_FILE][part])
            writer.add(part, schema.POLICIES_FILE, [policy_row(policy_no, coverage)])
            done.policies += 1
        found = placed.ordered()
        for number, raw in _lines(settlements, announce):
            try:
                place, settlement = _claim(raw, found, register)
            except (SettlementInvalid, DocumentInvalid, BodyRefused) as error:
                refuse(settlements, number, error.violations)
                continue
            part, policy = place
            row = writer.rows[schema.SETTLEMENTS_FILE][part]
            writer.add(part, schema.LINES_FILE, line_rows(row, settlement, kinds))
            writer.add(part, schema.SETTLEMENTS_FILE, [settlement_row(policy, settlement)])
            done.settlements += 1
            done.lines += len(settlement.lines)
        writer.finish(parts)
    done.kinds = len(kinds)
    pq.write_table(kinds.table(), out / schema.KINDS_FILE)
    manifest = {"format": schema.FORMAT, "parts": parts}
    (out / schema.MANIFEST).write_text(json.dumps(manifest) + "\n", encoding="utf-8")
    return done


def _lines(path: Path, announce: Announce) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            announce(len(raw))
            if raw.strip():
                yield number, raw


def _policy(raw: bytes, parts: int) -> tuple[str, int, Coverage]:
    document = parse_body(raw)
    policy_no = document.get("policy_no")
    if not isinstance(policy_no, str) or not policy_no:
        raise DocumentInvalid([Violation("/policy_no", "coverage.required", "is not a non-empty text")])
    return policy_no, _digest(_person(document) or policy_no) % parts, Coverage.parse(document)


def _person(document: Mapping[str, Any]) -> str | None:
    """All policies of one person go to one part, whatever the spelling of the certificate."""
    person = document.get("person")
    if not isinstance(person, Mapping):
        return None
    kind, number = str(person.get("cert_type", "")), str(person.get("cert_no", ""))
    try:
        return "|".join(normalise_certificate(kind, number))
    except CertificateInvalid:
        return f"{kind}|{number}"


def _claim(
    raw: bytes, found: _Found, register: HospitalRegister | None
) -> tuple[tuple[int, int], Settlement]:
    document = parse_body(raw)
    policy_no, native = document.get("policy_no"), document.get("settlement")
    place = found.place(policy_no) if isinstance(policy_no, str) else None
    if place is None:
        raise DocumentInvalid([Violation("/policy_no", "book.policy", "names none of the policies")])
    if not isinstance(native, Mapping):
        raise DocumentInvalid([Violation("/settlement", "book.settlement", "is not a settlement")])
    try:
        return place, Settlement.parse(native, register)
    except SettlementInvalid as error:
        raise SettlementInvalid(
            [Violation(f"/settlement{one.field}", one.rule, one.message) for one in error.violations]
        ) from error
