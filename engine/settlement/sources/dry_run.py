"""What would become of a delivery: of each column and of each record, without keeping anything.

Nothing personal comes out: an example is shown of numbers, days and codes that are right and name nobody.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from engine.settlement.checks import BadValue, day, moment, money, price, quantity
from engine.settlement.errors import Violation
from engine.settlement.fields import PERSONAL_FIELDS, Field
from engine.settlement.sources.assembly import merge
from engine.settlement.sources.cleaning import clean, day_of, written
from engine.settlement.sources.nodes import dictionary_of
from engine.settlement.sources.record import Raw, Record
from engine.settlement.sources.standardise import Standardiser
from engine.settlement.sources.verdict import errors_of

_SHOWN_KINDS: Final = frozenset({money, quantity, price, moment, day})
_LOOKED_AT: Final = 200
"""Values of a column whose kind is looked at."""
_NUMBER: Final = re.compile(r"[-+¥￥]?[0-9０-９][0-9０-９,，.．]*元?")
_INDEX: Final = re.compile(r"/[0-9]+")


@dataclass(slots=True)
class Column:
    """One local name of a node, over all records. becomes: its national name, "" for none."""

    node: str
    local: str
    state: Literal["mapped", "ignored", "unknown"]
    becomes: str
    values: int = 0
    kinds: set[str] = field(default_factory=set)
    example: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One record and why it would be quarantined; accepted when nothing is wrong with it."""

    place: str
    kind: str
    violations: Sequence[Violation]


@dataclass(slots=True)
class Summary:
    """Counts over a delivery, complete once all its outcomes were taken."""

    records: int = 0
    accepted: int = 0
    quarantined: int = 0
    waiting: int = 0
    """Parts of stays of which the delivery does not hold the rest."""
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(rule, field without its row) -> how often it was broken."""
    unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(dictionary, local code) -> how often it came."""

    def add(self, place: str, kind: str, violations: Sequence[Violation]) -> Outcome:
        """Count one record."""
        self.records += 1
        self.accepted += not violations
        self.quarantined += bool(violations)
        self.rules.update((one.rule, _INDEX.sub("", one.field)) for one in violations)
        return Outcome(place, kind, violations)


class DryRun:
    """`outcomes` goes through a delivery; `columns` and `summary` say what was seen on the way."""

    def __init__(self, standardiser: Standardiser) -> None:
        self._by, self.mapping = standardiser, standardiser.mapping
        self.summary = Summary()
        self._open: dict[str, list[Record]] = {}
        self._columns: dict[tuple[str, str], Column] = {}

    def outcomes(self, raws: Iterable[Raw]) -> Iterator[Outcome]:
        """One by one, with memory bounded by one record and the parts of open stays. The parts of a stay come
        to one outcome. Raises SourceRefused as the reader does."""
        for raw in raws:
            record = self._by.record(raw)
            for node, rows in raw.nodes.items():
                for row in rows if isinstance(rows, list | tuple) else (rows,):
                    if isinstance(row, Mapping):
                        self._look(node, row)
            self.summary.unmapped.update((one.dictionary, one.local) for one in record.unmapped)
            whole = self._whole(record)
            if whole is not None:
                yield self.summary.add(whole.place, whole.kind, errors_of(whole))
        self.summary.waiting = sum(map(len, self._open.values()))

    def columns(self) -> list[Column]:
        """As they came, and after them those that the mapping names and nobody sent."""
        missing = [
            Column(node, local, "mapped", national)
            for node, names in self.mapping.names.items()
            for local, national in names.items()
            if (node, local) not in self._columns
        ]
        return [*self._columns.values(), *missing]

    def _whole(self, record: Record) -> Record | None:
        """The settlement that a part completes; None while the rest of its stay has not come."""
        if record.kind != "part" or errors_of(record):
            return record
        parts = self._open.setdefault(record.key, [])
        parts.append(record)
        if not any(part.closes for part in parts) or not any("feedetail" in part.body for part in parts):
            return None
        return merge(self._open.pop(record.key))

    def _look(self, node: str, row: Mapping[str, Any]) -> None:
        for local, value in row.items():
            column = self._columns.get((node, local))
            known = self._by.field(node, local)
            if column is None:
                ignored = local in self._by.mapping.ignore.get(node, ())
                column = Column(
                    node,
                    local,
                    "mapped" if known else "ignored" if ignored else "unknown",
                    known.name if known else "",
                )
                self._columns[node, local] = column
            if written(value) == "":
                continue
            column.values += 1
            if column.values <= _LOOKED_AT:
                column.kinds.add(_kind(value))
            if known and not column.example:
                column.example = self._example(known, value)

    def _example(self, known: Field, value: Any) -> str:
        """The cleaned value, if it is right for its field and can name nobody."""
        if known.name in PERSONAL_FIELDS or not (known.check in _SHOWN_KINDS or dictionary_of(known)):
            return ""
        shown = clean(value, known.check, self._by.mapping.amounts)
        if dictionary_of(known) and isinstance(shown, str):
            shown = self._by.codes.standard(dictionary_of(known) or "", shown)
        try:
            known.check(shown)
        except BadValue:
            return ""
        return str(shown)


def _kind(value: Any) -> str:
    if type(value) is not str:
        return "number" if type(value) is not bool else "flag"
    text = written(value) or ""
    if _NUMBER.fullmatch(text):
        return "number"
    return "day" if day_of(text) else "text"
