"""A record under its sender's names and codes -> the same under the national ones."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from engine.settlement.errors import Violation
from engine.settlement.fields import OPEN_DICTIONARIES, Field
from engine.settlement.sources.cleaning import clean, narrow, written
from engine.settlement.sources.codes import SHIPPED, CodeMap, Dictionaries
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.nodes import NODES, dictionary_of, national_name
from engine.settlement.sources.record import Raw, Record, UnmappedCode, others_of

_MOST_OF_A_CODE = 100
"""As long as a local code in a mapping file: FHIR's stand behind the address of their system."""
_MOST_DROPPED = 200
"""Names of one record that are counted each by itself."""
_MOST_REMEMBERED = 10_000
_EXACT_WHOLE = 10**15
_LONG_NUMBER = re.compile(r"[0-9]{9}")


def standardise(raw: Raw, mapping: SourceMapping, on: date, dictionaries: Dictionaries = SHIPPED) -> Record:
    """One record received on a day. Never raises on what a reader yields; for many, keep a Standardiser."""
    return Standardiser(mapping, on, dictionaries).record(raw)


class Standardiser:
    """One mapping on one day of receipt, for any number of records."""

    def __init__(self, mapping: SourceMapping, on: date, dictionaries: Dictionaries = SHIPPED) -> None:
        self.mapping, self.on = mapping, on
        self.codes = CodeMap(mapping.codes, on, dictionaries)
        self._meaning: dict[str, dict[str, Field | None]] = {}

    def record(self, raw: Raw) -> Record:
        """A settlement or part is `{node: row or rows}`; any other kind is the row of the node named like it,
        with what other nodes there are beside its fields."""
        work = _Work(self)
        body: dict[str, Any] = {}
        for node, rows in raw.nodes.items():
            if isinstance(rows, list | tuple):
                body[node] = [work.row(node, row, f"/{node}/{at}") for at, row in enumerate(rows)]
            else:
                body[node] = work.row(node, rows, _pointer(raw, node))
        if raw.kind == "settlement":
            body.setdefault("setlinfo", {})
        for node, row in body.items():
            work.fill(node, row)
        main = "setlinfo" if "setlinfo" in body else raw.kind
        work.hospital(main, body.get(main), _pointer(raw, main))
        if isinstance(body.get(raw.kind), dict):
            body = {**body.pop(raw.kind), **body}
        return Record(
            kind=raw.kind,
            place=raw.place,
            body=body,
            key=raw.key,
            closes=raw.closes,
            violations=(*(self._national(one) for one in raw.violations), *work.violations),
            unmapped=tuple(work.unmapped),
            dropped=work.dropped,
        )

    def field(self, node: str, local: str) -> Field | None:
        """What a local name stands for; None when the purpose does not list it."""
        known = self._meaning.setdefault(node, {})
        if local in known:
            return known[local]
        mapped = self.mapping.names.get(node, {}).get(local)
        ignored = local in self.mapping.ignore.get(node, frozenset())
        name = mapped or (None if ignored else national_name(node, local))
        meant = NODES[node].get(name) if name and node in NODES else None
        if len(known) < _MOST_REMEMBERED:
            known[local] = meant
        return meant

    def _national(self, violation: Violation) -> Violation:
        """A reader's violation, its pointer under the national name."""
        steps = violation.field.split("/")
        field = self.field(steps[1], steps[-1]) if len(steps) > 2 else None
        if field is None:
            return violation
        return Violation("/".join((*steps[:-1], field.name)), violation.rule, violation.message)


def _pointer(raw: Raw, node: str) -> str:
    return "" if node == raw.kind else f"/{node}"


def _shown(local: str, *, numbers: bool = False) -> str:
    """A local code or name, for whoever maps it; not where a slipped column put a person's number, unless
    such codes are long `numbers` themselves."""
    if not numbers and _LONG_NUMBER.search(local):
        return "(withheld: a long number)"
    return local[:_MOST_OF_A_CODE]


class _Work:
    """What comes to light while one record is read."""

    def __init__(self, standardiser: Standardiser) -> None:
        self._by = standardiser
        self.violations: list[Violation] = []
        self.unmapped: list[UnmappedCode] = []
        self.dropped: dict[str, int] = {}

    def row(self, node: str, row: Any, pointer: str) -> Any:
        """Under national names; what is no row at all stays as it is, for the rules to say so."""
        if not isinstance(row, Mapping):
            return row
        standard: dict[str, Any] = {}
        for local, value in row.items():
            field = self._by.field(node, local)
            if field is None:
                if written(value) != "":
                    self._drop(f"{node}/{_shown(local)}")
                continue
            place = f"{pointer}/{field.name}"
            cleaned = self._value(field, value, place)
            if cleaned is None:
                continue
            if standard.setdefault(field.name, cleaned) != cleaned:
                message = (
                    f"{local[:_MOST_OF_A_CODE]} and another name of the same field state different values"
                )
                self.violations.append(Violation(place, "source.name.disagree", message))
        return standard

    def _drop(self, name: str) -> None:
        if name not in self.dropped and len(self.dropped) >= _MOST_DROPPED:
            name = others_of(name)
        self.dropped[name] = self.dropped.get(name, 0) + 1

    def _value(self, field: Field, value: Any, place: str) -> Any:
        if type(value) is float and abs(value) >= _EXACT_WHOLE:
            message = "is a number of more than the 15 digits that a sheet keeps; write it as text"
            self.violations.append(Violation(place, "source.value.precision", message))
            return value
        cleaned = clean(value, field.check, self._by.mapping.amounts)
        name = dictionary_of(field)
        if cleaned is None or name is None:
            return cleaned
        text = written(cleaned)
        if text is None:
            return cleaned
        local = narrow(text)
        standard = self._by.codes.standard(name, local)
        if standard is None:
            message = f"is neither a code of the dictionary {name} nor mapped to one on {self._by.on}"
            self.violations.append(Violation(place, "source.code.unmapped", message))
            self.unmapped.append(UnmappedCode(name, _shown(local, numbers=name in OPEN_DICTIONARIES), place))
            return text
        return standard

    def fill(self, node: str, rows: Any) -> None:
        """What the mapping states where the source has nothing."""
        constants = self._by.mapping.constants.get(node)
        if constants is None:
            return
        for row in rows if isinstance(rows, list) else [rows]:
            if isinstance(row, dict):
                for name, value in constants.items():
                    row.setdefault(name, value)

    def hospital(self, node: str, row: Any, pointer: str) -> None:
        code = self._by.mapping.hospital
        if not isinstance(row, dict):
            return
        if "fixmedins_code" in NODES.get(node, {}) and row.setdefault("fixmedins_code", code) != code:
            message = f"is not {code}, whose mapping {self._by.mapping.source} this is"
            place = f"{pointer}/fixmedins_code"
            self.violations.append(Violation(place, "source.hospital.other", message))
