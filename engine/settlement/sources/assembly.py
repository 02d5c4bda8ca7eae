"""The parts of one stay, which came in several messages, as one settlement."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.settlement.digest import content_digest
from engine.settlement.errors import Violation
from engine.settlement.sources.record import Record

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "feedetail": ("feedetl_sn",),
    "payinfo": ("fund_pay_type",),
    "iteminfo": ("med_chrgitm",),
    "diseinfo": ("diag_type", "diag_code"),
    "oprninfo": ("oprn_oprt_code", "oprn_oprt_date"),
}
"""What says that two rows of a list are the same one. A row without it is the same as its equal only."""

_Key = tuple[str, ...]
_Stated = tuple[Any, str]
"""A value, and the place of the part that states it."""


def merge(parts: Sequence[Record]) -> Record:
    """Unite the parts of one stay: each field once, each row once, wherever and however often it was sent.

    A field that two parts state differently is a violation `source.parts_disagree`, which names the field
    and both places. Rows come in the order of their keys: the order of arrival is of no account. Corrections
    of 2301 (negative lines) are rows of their own and stay. Raises ValueError on parts of two stays.
    """
    if not parts or len({part.key for part in parts}) != 1:
        raise ValueError("merge takes the parts of one stay")
    work = _Merge()
    for part in parts:
        for node, value in part.body.items():
            work.add(part.place, node, value)
    body = {node: work.node(node) for node in sorted(work.fields.keys() | work.lists.keys())}
    for part in parts:
        work.take_over(part)
    dropped: dict[str, int] = {}
    for name, count in sorted(item for part in parts for item in part.dropped.items()):
        dropped[name] = dropped.get(name, 0) + count
    return Record(
        kind="settlement",
        place="; ".join(sorted({part.place for part in parts})),
        body=body,
        key=parts[0].key,
        closes=any(part.closes for part in parts),
        violations=tuple(sorted(work.violations, key=lambda one: (one.field, one.rule, one.message))),
        unmapped=tuple(sorted(work.unmapped, key=lambda one: (one.field, one.dictionary, one.local))),
        dropped=dropped,
    )


class _Merge:
    def __init__(self) -> None:
        self.fields: dict[str, dict[str, list[_Stated]]] = {}
        self.lists: dict[str, dict[_Key, dict[str, list[_Stated]]]] = {}
        self.violations: set[Violation] = set()
        self.unmapped: set[Any] = set()
        self._index: dict[str, dict[_Key, int]] = {}

    def add(self, place: str, node: str, value: Any) -> None:
        if isinstance(value, list):
            rows = self.lists.setdefault(node, {})
            for key, row in zip(_keys_of(node, value), value, strict=True):
                _state(rows.setdefault(key, {}), row, place)
        else:
            _state(self.fields.setdefault(node, {}), value, place)

    def node(self, node: str) -> Any:
        """What the parts come to. A node that is a list in one part and a row in another is a list."""
        if node not in self.lists:
            return self._unite(f"/{node}", self.fields[node])
        if node in self.fields:
            self.violations.add(
                Violation(f"/{node}", "source.parts_disagree", "is a list in some parts only")
            )
        rows = self.lists[node]
        ordered = sorted(rows)
        self._index[node] = {key: at for at, key in enumerate(ordered)}
        return [self._unite(f"/{node}/{at}", rows[key]) for at, key in enumerate(ordered)]

    def _unite(self, pointer: str, stated: Mapping[str, list[_Stated]]) -> Any:
        row = {name: self._one(f"{pointer}/{name}", name, stated[name]) for name in sorted(stated)}
        return row.get(_NO_ROW) if _NO_ROW in row else row

    def _one(self, pointer: str, name: str, stated: Sequence[_Stated]) -> Any:
        values = sorted(stated, key=lambda one: (_text(one[0]), one[1]))
        meanings: dict[bytes, str] = {}
        for value, place in values:
            if value != values[0][0]:
                meanings.setdefault(content_digest({name: values[0][0]}), values[0][1])
                meanings.setdefault(content_digest({name: value}), place)
        if len(meanings) > 1:
            message = f"differs between {' and '.join(sorted(meanings.values())[:2])}"
            self.violations.add(Violation(pointer, "source.parts_disagree", message))
        return values[0][0]

    def take_over(self, part: Record) -> None:
        """What was found in a part, where its rows stand now."""
        keys = {
            node: list(_keys_of(node, value)) for node, value in part.body.items() if isinstance(value, list)
        }
        for violation in part.violations:
            self.violations.add(replace(violation, field=self._moved(violation.field, keys)))
        for code in part.unmapped:
            self.unmapped.add(replace(code, field=self._moved(code.field, keys)))

    def _moved(self, pointer: str, keys: Mapping[str, list[_Key]]) -> str:
        steps = pointer.split("/")
        rows = keys.get(steps[1], []) if len(steps) > 2 else []
        if not rows or not steps[2].isdigit() or int(steps[2]) >= len(rows):
            return pointer
        steps[2] = str(self._index[steps[1]][rows[int(steps[2])]])
        return "/".join(steps)


_NO_ROW = ""
"""Stands for what is no object where a row should be: it is kept, for the rules to refuse."""


def _state(into: dict[str, list[_Stated]], row: Any, place: str) -> None:
    for name, value in (row if isinstance(row, Mapping) else {_NO_ROW: row}).items():
        into.setdefault(name, []).append((value, place))


def _keys_of(node: str, rows: Iterable[Any]) -> Iterator[_Key]:
    """Within a part only a line's number is unique; two equal payments of one fund are two."""
    times: dict[_Key, int] = {}
    for row in rows:
        names = _KEYS.get(node, ())
        parts = [row.get(name) for name in names] if isinstance(row, Mapping) else []
        key: _Key = tuple(map(_text, parts)) if parts and None not in parts[:1] else ("", _text(row))
        if node != "feedetail" or not parts or parts[0] is None:
            times[key] = times.get(key, 0) + 1
            key = (*key, f"{times[key]:06d}")
        yield key


def _text(value: Any) -> str:
    return value if type(value) is str else json.dumps(value, sort_keys=True, default=str)
