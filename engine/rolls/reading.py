"""Read a roll as a stream: each line becomes a policy or everything that is wrong with it.

One line is one policy in both forms; a roll of any size needs the memory of one line.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.rolls.fields import CSV_COLUMNS, Later, coverage_document, later_of, row_of_cells

MAX_LINE_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_ENGLISH = {chinese: english for english, chinese in CSV_COLUMNS.items()}
_REQUIRED = (
    *("policy_no", "product", "edition", "cert_type", "cert_no", "name"),
    *("effective", "expires", "pre_existing"),
)

RollKind = Literal["ndjson", "csv"]


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A good row: its line (from 1), its coverage document, and what it says besides."""

    line: int
    document: dict[str, Any]
    later: Later = field(default_factory=Later)


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong with a line; a line may have several. field is a JSON pointer into the document."""

    line: int
    field: str
    rule: str
    message: str


class _BadLine(Exception):
    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        self.message = message


def read_roll(lines: Iterable[bytes], kind: str) -> Iterator[PolicyRow | RowError]:
    """Rows in order, good and bad. kind: "ndjson" or "csv" (UTF-8, with or without BOM; header row).

    Raises ValueError for another kind. A CSV header that lacks a column ends the stream with its errors.
    """
    if kind == "ndjson":
        return _ndjson(lines)
    if kind == "csv":
        return _csv(lines)
    raise ValueError(f"a roll is ndjson or csv, not {kind}")


def _ndjson(lines: Iterable[bytes]) -> Iterator[PolicyRow | RowError]:
    for number, raw in enumerate(lines, start=1):
        try:
            text = _text(raw, number)
            if text:
                yield from _policy(number, _json_object(text))
        except _BadLine as bad:
            yield RowError(number, "", bad.rule, bad.message)


def _csv(lines: Iterable[bytes]) -> Iterator[PolicyRow | RowError]:
    columns: list[str] | None = None
    for number, raw in enumerate(lines, start=1):
        try:
            text = _text(raw, number)
            cells = _cells(text) if text else None
            if cells is None:
                continue
            if columns is not None:
                if len(cells) != len(columns):
                    raise _BadLine("roll.line.columns", f"has {len(cells)} cells, the header {len(columns)}")
                yield from _policy(number, row_of_cells(dict(zip(columns, cells, strict=True))))
                continue
        except _BadLine as bad:
            yield RowError(number, "", bad.rule, bad.message)
            if columns is None:
                return
            continue
        columns = [_ENGLISH.get(cell, cell) for cell in cells]
        wrong = list(_header_errors(columns, number))
        yield from wrong
        if wrong:
            return


def _header_errors(columns: list[str], line: int) -> Iterator[RowError]:
    for name in _REQUIRED:
        if name not in columns:
            message = f"the header lacks {name} ({CSV_COLUMNS[name]})"
            yield RowError(line, f"/{name}", "roll.header", message)
    for index, name in enumerate(columns):
        if name not in CSV_COLUMNS:
            yield RowError(line, f"/{name[:40]}", "roll.header", "is not a column of a policy roll")
        elif name in columns[:index]:
            yield RowError(line, f"/{name}", "roll.header", "stands twice in the header")


def _policy(line: int, row: dict[str, Any]) -> Iterator[PolicyRow | RowError]:
    errors: list[RowError] = []

    def report(field: str, rule: str, message: str) -> None:
        errors.append(RowError(line, field, rule, message))

    document, later = coverage_document(row, report), later_of(row, report)
    if errors:
        yield from errors
    else:
        yield PolicyRow(line, document, later)


def _text(raw: bytes, number: int) -> str:
    if len(raw) > MAX_LINE_BYTES:
        raise _BadLine("roll.line.length", f"is longer than {MAX_LINE_BYTES} bytes")
    if number == 1:
        raw = raw.removeprefix(_BOM)
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise _BadLine("roll.line.encoding", f"is not UTF-8 at byte {error.start}") from error


def _cells(text: str) -> list[str]:
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise _BadLine("roll.line.csv", f"is not one CSV row: {error}") from error
    return [cell.strip() for cell in rows[0]]


def _json_object(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _BadLine("roll.line.json", "is not a JSON object that names each key once") from error
    if not isinstance(row, dict):
        raise _BadLine("roll.line.json", "is not a JSON object")
    return row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key twice")
    return read


def _no_constant(text: str) -> Any:
    raise ValueError(text)
