"""Reading coverage and history documents: every broken rule with its field, or the value."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from engine.settlement.errors import Violation

_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_MAX_INTEGER = 2**53 - 1
"""RFC 8785: beyond it JSON readers disagree on what a number is."""


class DocumentInvalid(ValueError):
    """A coverage or history document breaks rules; `violations` holds all of them.

    Fields are JSON pointers into the document; no message repeats a value.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)
        super().__init__("; ".join(f"{v.field or '/'}: {v.message} [{v.rule}]" for v in self.violations))


class Reader:
    """Takes keys out of one JSON object and remembers what is wrong with them."""

    def __init__(
        self, node: object, name: str, field: str = "", found: list[Violation] | None = None
    ) -> None:
        self.name = name
        self.field = field
        self.violations = [] if found is None else found
        self.node: Mapping[str, Any] = {}
        if isinstance(node, Mapping):
            self.node = node
        else:
            self.refuse("", "type", "is not a JSON object")

    def refuse(self, key: str, rule: str, message: str) -> None:
        field = f"{self.field}/{key}" if key else self.field
        self.violations.append(Violation(field, f"{self.name}.{rule}", message))

    def only(self, *keys: str) -> None:
        """A misspelt key would silently change the money, so an unknown one is refused."""
        for key in sorted(set(map(str, self.node)) - set(keys)):
            self.refuse(key, "unknown_key", f"is not a key of a {self.name}; known: {', '.join(keys)}")

    def child(self, key: str) -> "Reader":
        if key not in self.node:
            self.refuse(key, "required", "is missing")
            return Reader({}, self.name, f"{self.field}/{key}", [])
        return Reader(self.node[key], self.name, f"{self.field}/{key}", self.violations)

    def text(self, key: str) -> str:
        value = self.node.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.refuse(key, "required" if value is None else "type", "is not a non-empty text")
        return ""

    def count(self, key: str, default: int | None = None) -> int:
        value = self.node.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INTEGER:
            return value
        self.refuse(key, "required" if value is None else "type", "is not a whole number from 0")
        return 0

    def integer(self, key: str, default: int) -> int:
        value = self.node.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER:
            return value
        self.refuse(key, "type", "is not a whole number")
        return default

    def flag(self, key: str) -> bool:
        value = self.node.get(key, False)
        if not isinstance(value, bool):
            self.refuse(key, "type", "is not true or false")
        return value is True

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.node.get(key)
        if isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        self.refuse(key, "required" if value is None else "type", "is not a list of texts")
        return ()

    def day(self, key: str) -> date:
        value = self.node.get(key)
        try:
            day = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
        except ValueError:
            day = None
        if day is None or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            self.refuse(key, "required" if value is None else "date", "is not a calendar day YYYY-MM-DD")
            return date.min
        return day

    def instant(self, key: str) -> datetime:
        value = self.node.get(key)
        try:
            instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.refuse(
                key, "required" if value is None else "date", "is not an RFC 3339 time with its offset"
            )
            return datetime.min.replace(tzinfo=UTC)
        return instant
