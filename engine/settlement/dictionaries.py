"""The standard dictionaries: the coded values a settlement may hold, read from seeds/dictionaries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "seeds" / "dictionaries"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """entries maps a code to its row: "zh", "en" and whatever that dictionary adds."""

    name: str
    entries: Mapping[str, Mapping[str, Any]]

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self.entries)

    def codes_where(self, attribute: str, value: object) -> frozenset[str]:
        """The codes whose entry states attribute = value."""
        return frozenset(code for code, entry in self.entries.items() if entry.get(attribute) == value)


@cache
def dictionary(name: str, folder: Path = FOLDER) -> Dictionary:
    """Read seeds/dictionaries/<name>.json. Raises FileNotFoundError, ValueError on a repeated code."""
    document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    entries: dict[str, Mapping[str, Any]] = {}
    for row in document["entries"]:
        code = row["code"]
        if code in entries:
            raise ValueError(f"dictionary {name} states code {code} twice")
        entries[code] = MappingProxyType({key: value for key, value in row.items() if key != "code"})
    return Dictionary(name, MappingProxyType(entries))
