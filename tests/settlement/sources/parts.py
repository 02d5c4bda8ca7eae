"""What readers yield, taken to settlements: under the national names, and put together by stay."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from typing import Any

from engine.settlement.fields import LISTS, SETLINFO
from engine.settlement.sources.assembly import merge
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.mapping_file import load_mapping
from engine.settlement.sources.record import Raw, Record
from engine.settlement.sources.standardise import Standardiser
from tests.support.process import REPOSITORY

DAY = date(2026, 1, 5)
_FIELDS = {"setlinfo": SETLINFO, **{name: node.fields for name, node in LISTS.items()}}


def listed(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """What the purpose lists of a native settlement; nodes without a row are left out."""
    names = {node: {field.name for field in fields} for node, fields in _FIELDS.items()}

    def keep(node: str, row: Mapping[str, Any]) -> Any:
        return {name: row[name] for name in row if name in names[node] and row[name] != ""}

    return {
        node: [keep(node, row) for row in rows] if isinstance(rows, list) else keep(node, rows)
        for node, rows in nodes.items()
        if rows
    }


@cache
def seed_mapping(name: str) -> SourceMapping:
    return load_mapping(REPOSITORY / "seeds" / "sources" / f"{name}.yaml")


def records(raws: Iterable[Raw], mapping: SourceMapping) -> list[Record]:
    standardiser = Standardiser(mapping, DAY)
    return [standardiser.record(raw) for raw in raws]


def settlements(raws: Iterable[Raw], mapping: SourceMapping) -> list[Record]:
    """The stays that are closed, merged, in the order of their first part."""
    by_stay: dict[str, list[Record]] = {}
    for record in records(raws, mapping):
        if record.kind == "part":
            by_stay.setdefault(record.key, []).append(record)
    return [merge(parts) for parts in by_stay.values() if any(part.closes for part in parts)]
