"""What readers yield, taken to settlements: under national names already, and put together by stay."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.settlement.fields import LISTS, SETLINFO
from engine.settlement.sources.assembly import merge
from engine.settlement.sources.record import Raw, Record

_FIELDS = {"setlinfo": SETLINFO, **{name: node.fields for name, node in LISTS.items()}}


def listed(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """What the purpose lists of a native settlement or of a part."""
    names = {node: {field.name for field in fields} for node, fields in _FIELDS.items()}

    def keep(node: str, row: Any) -> Any:
        kept = names.get(node, set())
        return {name: row[name] for name in row if name in kept} if isinstance(row, Mapping) else row

    return {
        node: [keep(node, row) for row in rows] if isinstance(rows, list) else keep(node, rows)
        for node, rows in nodes.items()
    }


def record(raw: Raw) -> Record:
    return Record(raw.kind, raw.place, listed(raw.nodes), raw.key, raw.closes, raw.violations)


def settlements(raws: Iterable[Raw]) -> list[Record]:
    """The stays that are closed, merged, in the order of their first part."""
    by_stay: dict[str, list[Record]] = {}
    for raw in raws:
        if raw.kind == "part":
            by_stay.setdefault(raw.key, []).append(record(raw))
    return [merge(parts) for parts in by_stay.values() if any(part.closes for part in parts)]
