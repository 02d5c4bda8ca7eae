"""The standard dictionaries: the coded values a settlement may hold, read from seeds/dictionaries.

Code lists that are not ours to ship (ICD-10, ICD-9-CM-3, the insurance catalogue) an operator gives as CSV.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "seeds" / "dictionaries"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """entries maps a code to its row: "zh", "en" and whatever that dictionary adds; a code with "from" or
    "to" (ISO dates, both included) stands on those days only."""

    name: str
    entries: Mapping[str, Mapping[str, Any]]
    version: int
    """Counts from 1; 0 for a list of the operator's, which its digest names."""
    holds_from: date
    """The first day of receipt to which this version applies."""
    digest_hex: str
    """sha256 of the file: what cleaning names as the version it used."""

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self.entries)

    def codes_where(self, attribute: str, value: object) -> frozenset[str]:
        """The codes whose entry states attribute = value."""
        return frozenset(code for code, entry in self.entries.items() if entry.get(attribute) == value)

    def holds(self, code: str, day: date) -> bool:
        """Does the code stand in the dictionary on a day?"""
        entry = self.entries.get(code)
        if entry is None:
            return False
        first, last = entry.get("from"), entry.get("to")
        return (not first or first <= day.isoformat()) and (not last or day.isoformat() <= last)


@cache
def dictionary(name: str, folder: Path = FOLDER) -> Dictionary:
    """Read seeds/dictionaries/<name>.json. Raises FileNotFoundError, ValueError on a repeated code."""
    data = (folder / f"{name}.json").read_bytes()
    document = json.loads(data)
    return Dictionary(
        name=name,
        entries=_entries(name, document["entries"]),
        version=document["version"],
        holds_from=date.fromisoformat(document["holds_from"]),
        digest_hex=hashlib.sha256(data).hexdigest(),
    )


def operator_dictionary(path: Path) -> Dictionary:
    """Read a code list from UTF-8 CSV with the columns code, name, from, to; the days may be empty.

    Raises OSError, and ValueError naming the line that is wrong.
    """
    data = path.read_bytes()
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    try:
        entries = _entries(path.stem, (_row(path, line, row) for line, row in enumerate(rows, start=2)))
    except csv.Error as error:
        raise ValueError(f"{path}: {error}") from error
    return Dictionary(
        name=path.stem,
        entries=entries,
        version=0,
        holds_from=date.min,
        digest_hex=hashlib.sha256(data).hexdigest(),
    )


def _row(path: Path, line: int, row: Mapping[str, str | None]) -> dict[str, str]:
    code, name, *days = (row.get(column) or "" for column in ("code", "name", "from", "to"))
    try:
        first, last = (date.fromisoformat(day).isoformat() if day else "" for day in days)
    except ValueError as error:
        raise ValueError(f"{path}:{line}: a day is YYYY-MM-DD") from error
    if not code or (first and last and last < first):
        raise ValueError(f"{path}:{line}: needs a code, and from not after to")
    return {"code": code, "zh": name, "from": first, "to": last}


def _entries(name: str, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    entries: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        code = row["code"]
        if code in entries:
            raise ValueError(f"dictionary {name} states code {code} twice")
        entries[code] = MappingProxyType({key: value for key, value in row.items() if key != "code"})
    return MappingProxyType(entries)
