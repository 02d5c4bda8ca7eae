"""Where the header of a table is, what its columns are called, and to which node each belongs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.settlement.sources.cleaning import heading, narrow, written
from engine.settlement.sources.nodes import national_name
from engine.settlement.sources.refusing import refuse

HEADER_WITHIN: Final = 50
"""Titles and notes stand above the header in fewer rows."""
MAX_COLUMNS: Final = 500
SKIPPED: Final = ("合计", "总计", "小计", "制表", "审核")
Row = tuple[int, list[Any]]
"""Its number, from 1, and its cells."""


@dataclass(frozen=True, slots=True)
class Header:
    """last: index of its last row; headings: name of each column, "" for none; key: the key's column."""

    last: int
    headings: tuple[str, ...]
    key: int


def header_of(rows: Sequence[list[Any]], layout: Mapping[str, Any], merged: bool) -> Header | None:
    """The rows that name the key column, at its first part. merged: merged cells all hold their text."""
    key, height = heading(layout["key"]), layout.get("header_rows", 1)
    found: Header | None = None
    for top in range(len(rows) - height + 1):
        headings = _headings(rows[top : top + height], merged)
        if key in headings:
            at = headings.index(key)
            header = Header(top + height - 1, headings, at)
            # Of a name that is merged over the rows, a window one row too high sees the key as well.
            if at < len(rows[top]) and key.split("/")[0] == heading(text(rows[top][at])):
                return header
            found = found or header
    return found


def _headings(rows: Sequence[list[Any]], merged: bool) -> tuple[str, ...]:
    width = max(map(len, rows))
    texts = [[heading(text(cell)) for cell in row] + [""] * (width - len(row)) for row in rows]
    if not merged:
        for row in texts[:-1]:
            _spread(row, texts[-1])
    return tuple(_joined(parts) for parts in zip(*texts, strict=True))


def _spread(row: list[str], below: list[str]) -> None:
    """A merged cell is exported as its text and blanks after it: each column below goes on under the text."""
    last = ""
    for at, name in enumerate(row):
        if name:
            last = name
        elif below[at]:
            row[at] = last


def _joined(parts: Sequence[str]) -> str:
    kept: list[str] = []
    for part in parts:
        if part and part not in kept[-1:]:
            kept.append(part)
    return "/".join(kept)


def text(cell: Any) -> str:
    """What stands in a cell, in plain signs; "" for nothing or for a number that is not exact."""
    return narrow(written(cell) or "")


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each column: index -> name under which a node takes it."""

    width: int
    key: int
    nodes: Mapping[str, tuple[tuple[int, str], ...]]
    groups: tuple[tuple[str, tuple[tuple[int, str], ...], Mapping[str, str]], ...]
    """(node, its columns as (index, national name), constants) of each group."""
    skipped: tuple[str, ...]
    heading_of_key: str

    def is_no_record(self, cells: Sequence[Any]) -> bool:
        """A blank row, a total, a signature, or the header once more."""
        first = next((found for cell in cells if (found := text(cell))), "")
        key = self.key_of(cells)
        if not first or heading(key) == self.heading_of_key:
            return True
        return first.startswith(self.skipped) and key in ("", first)

    def key_of(self, cells: Sequence[Any]) -> str:
        return text(cells[self.key]) if self.key < len(cells) else ""

    def row(self, node: str, cells: Sequence[Any]) -> dict[str, Any]:
        """Of one row, what belongs to a node."""
        return {name: cells[at] for at, name in self.nodes.get(node, ()) if at < len(cells)}

    def grouped(self, cells: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
        """The rows of lists that stand in columns; a group with nothing written is no row."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for node, columns, constants in self.groups:
            row = {name: cells[at] for at, name in columns if at < len(cells)}
            if any(written(cell) != "" for cell in row.values()):
                rows.setdefault(node, []).append({**row, **constants})
        return rows


def plan_of(header: Header, layout: Mapping[str, Any], sheet_of: str | None) -> Plan:
    """sheet_of: the node that the sheet is of; None where a row holds settlement and line."""
    headings = header.headings
    groups = []
    grouped: set[str] = set()
    for group in layout.get("groups", ()) if sheet_of in (None, "setlinfo") else ():
        columns = {heading(local): name for local, name in group["columns"].items()}
        grouped |= columns.keys()
        places = tuple((at, columns[name]) for at, name in enumerate(headings) if name in columns)
        groups.append((group["node"], places, group.get("constants", {})))
    nodes: dict[str, list[tuple[int, str]]] = {}
    for at, name in enumerate(headings):
        if not name or (at == header.key and sheet_of not in (None, "setlinfo")):
            continue
        for node in [sheet_of] if sheet_of else _owners(name, layout["columns"], name in grouped):
            if name not in grouped or name in layout["columns"].get(node, ()):
                nodes.setdefault(node, []).append((at, name))
    for columns_of_node in nodes.values():
        names = [name for _, name in columns_of_node]
        for name in names:
            if names.count(name) > 1:
                refuse("source.table.column_twice", f"two columns are called {name}; give one another name")
    return Plan(
        width=len(headings),
        key=header.key,
        nodes={node: tuple(columns) for node, columns in nodes.items()},
        groups=tuple(groups),
        skipped=tuple(narrow(word) for word in layout.get("skip", SKIPPED)),
        heading_of_key=heading(layout["key"]),
    )


def _owners(name: str, columns: Mapping[str, Sequence[str]], grouped: bool) -> list[str]:
    """The nodes that name a column; of one that none names, the line takes what is national, or unknown."""
    owners = [node for node, names in columns.items() if name in names]
    if owners or grouped:
        return owners
    if national_name("feedetail", name) is None and national_name("setlinfo", name) is not None:
        return ["setlinfo"]
    return ["feedetail"]
