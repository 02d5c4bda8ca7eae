"""Reader of tables: CSV, row by row, and Excel.

One row is one line of the bill with its settlement repeated, or (Excel, `sheets`) settlements, lines and
diagnoses stand in a sheet each. What a hospital calls its columns comes with the layout.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, BinaryIO, Final

from engine.settlement.errors import Violation
from engine.settlement.fields import MAX_LINES
from engine.settlement.sources.cleaning import written
from engine.settlement.sources.record import Raw
from engine.settlement.sources.refusing import refuse
from engine.settlement.sources.table_layout import HEADER_WITHIN, Header, Plan, Row, header_of, plan_of, text
from engine.settlement.sources.table_text import text_rows
from engine.settlement.sources.workbook import MAX_BYTES, OLE2, ZIP, sheets

MAX_ROWS: Final = 5_000_000
_CHUNK: Final = 1 << 16
_TELLING: Final = 64
"""So many bytes tell what a file is."""
_NO_TABLE: Final = {
    b"%pdf": "a PDF",
    b"\x1f\x8b": "gzip",
    b"<!do": "HTML",
    b"<htm": "HTML",
    b"<tab": "HTML",
    b"<?xm": "XML",
    b"{": "JSON",
}
"""What is sent under the name of a table now and then: how it begins, in lower case."""


def read_table(delivery: BinaryIO, layout: Mapping[str, Any]) -> Iterator[Raw]:
    """A Reader. What the file is, its bytes say, and not its name."""
    chunks = iter(lambda: delivery.read(_CHUNK), b"")
    first = b""
    while len(first) < _TELLING and (chunk := next(chunks, b"")):
        first += chunk
    if not first:
        refuse("source.table.empty", "holds nothing")
    if first.startswith((ZIP, OLE2)):
        yield from _workbook(_all(chain((first,), chunks)), layout)
        return
    for start, what in _NO_TABLE.items():
        if first.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(start):
            refuse("source.table.kind", f"is {what}, whatever its name says; send CSV or Excel")
    rows = text_rows(chain((first,), chunks), layout)
    plan, rest = _planned(rows, layout, merged=False, sheet_of=None)
    yield from _stays(rest, plan, "line", layout)


def _all(chunks: Iterator[bytes]) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_BYTES:
            refuse("source.workbook.too_large", f"has more than {MAX_BYTES} bytes; send it as CSV")
    return bytes(data)


def _planned(
    rows: Iterator[Row], layout: Mapping[str, Any], merged: bool, sheet_of: str | None
) -> tuple[Plan, Iterator[Row]]:
    """The plan by the header, and the rows below it."""
    first: list[Row] = []
    for row in rows:
        first.append(row)
        if len(first) == HEADER_WITHIN:
            break
    header: Header | None = header_of([cells for _, cells in first], layout, merged)
    if header is None:
        message = f"none of the first {HEADER_WITHIN} rows names the column {layout['key']}"
        refuse("source.table.header", message)
    return plan_of(header, layout, sheet_of), chain(first[header.last + 1 :], rows)


# ------------------------------------------------------------------- settlement and line in one row


@dataclass(slots=True)
class _Stay:
    place: str
    key: str
    nodes: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)

    def raw(self) -> Raw:
        nodes = {node: rows for node, rows in self.nodes.items() if rows}
        return Raw("settlement", self.place, nodes, self.key, violations=tuple(self.violations))


def _stays(rows: Iterator[Row], plan: Plan, place: str, layout: Mapping[str, Any]) -> Iterator[Raw]:
    if not layout.get("parts", False):
        yield from (stay.raw() for stay in _stays_of(rows, plan, place))
        return
    # The file of the settlements closes: the other one then has all lines, or will bring them.
    closes = any(at != plan.key for at, _ in plan.nodes.get("setlinfo", ()))
    for stay in _stays_of(rows, plan, place):
        yield replace(stay.raw(), kind="part", closes=closes)


def _stays_of(rows: Iterator[Row], plan: Plan, place: str) -> Iterator[_Stay]:
    stay: _Stay | None = None
    seen: set[bytes] = set()
    for count, (number, cells) in enumerate(rows):
        if count == MAX_ROWS:
            refuse("source.table.rows", f"has more than {MAX_ROWS} rows; send it in parts")
        if plan.is_no_record(cells):
            continue
        key = plan.key_of(cells)
        if stay is None or not key or stay.key != key:
            if stay is not None:
                yield stay
            stay = _begun(key, cells, plan, f"{place} {number}")
            # Eight bytes a settlement, so that one cut in two is not taken for two.
            digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
            if key and digest in seen:
                _add(stay, "/setlinfo", "source.row.scattered", "has rows further up: they stand together")
            seen.add(digest)
        _add_row(stay, cells, plan)
    if stay is not None:
        yield stay


def _begun(key: str, cells: list[Any], plan: Plan, place: str) -> _Stay:
    stay = _Stay(
        place, key, {"setlinfo": plan.row("setlinfo", cells), **plan.grouped(cells), "feedetail": []}
    )
    if not key:
        _add(stay, "/setlinfo", "source.row.key", "does not say to which settlement the row belongs")
    return stay


def _add_row(stay: _Stay, cells: list[Any], plan: Plan) -> None:
    lines = stay.nodes["feedetail"]
    pointer = f"/feedetail/{len(lines)}"
    if any(written(cell) != "" for cell in cells[plan.width :]):
        _add(stay, pointer, "source.row.width", "has more cells than the header has columns")
    head = stay.nodes["setlinfo"]
    for name, value in plan.row("setlinfo", cells).items():
        if value != head.get(name) and text(value) not in ("", text(head.get(name))):
            message = "is stated differently in two rows of the settlement"
            _add(stay, f"/setlinfo/{name}", "source.row.disagree", message)
    line = plan.row("feedetail", cells)
    # One more than is allowed is enough for the rules to refuse the settlement.
    if len(lines) <= MAX_LINES and any(written(cell) != "" for cell in line.values()):
        lines.append(line)


def _add(stay: _Stay, pointer: str, rule: str, message: str) -> None:
    violation = Violation(pointer, rule, message)
    if violation not in stay.violations:
        stay.violations.append(violation)


# ------------------------------------------------------------------------------------- Excel


def _workbook(data: bytes, layout: Mapping[str, Any]) -> Iterator[Raw]:
    named = layout.get("sheets")
    if named is None:
        named_rows = sheets(data, [layout["sheet"]] if "sheet" in layout else [])
        name, first = next(named_rows, ("", None))
        numbered = (row for _, row in named_rows)
        plan, rest = _planned(chain((first,) if first else (), numbered), layout, merged=True, sheet_of=None)
        yield from _stays(rest, plan, f"sheet {name} row", layout)
        return
    # The settlements come last: by then all that belongs to them is known.
    order = sorted(named, key=lambda node: node == "setlinfo")
    held: dict[str, dict[str, list[dict[str, Any]]]] = {}
    by_sheet: dict[str, list[Row]] = {}
    for name, row in sheets(data, list(dict.fromkeys(named[node] for node in order))):
        by_sheet.setdefault(name, []).append(row)
    for node in order[:-1]:
        plan, rows = _planned(iter(by_sheet.get(named[node], ())), layout, merged=True, sheet_of=node)
        for _, cells in rows:
            if not plan.is_no_record(cells):
                belonging = held.setdefault(plan.key_of(cells), {})
                belonging.setdefault(node, []).append(plan.row(node, cells))
    plan, rows = _planned(iter(by_sheet.get(named["setlinfo"], ())), layout, merged=True, sheet_of="setlinfo")
    yield from _heads(rows, plan, held, named["setlinfo"])


def _heads(
    rows: Iterator[Row], plan: Plan, held: dict[str, dict[str, list[dict[str, Any]]]], sheet: str
) -> Iterator[Raw]:
    seen: set[str] = set()
    for number, cells in rows:
        if plan.is_no_record(cells):
            continue
        key = plan.key_of(cells)
        stay = _begun(key, cells, plan, f"sheet {sheet} row {number}")
        if any(written(cell) != "" for cell in cells[plan.width :]):
            _add(stay, "/setlinfo", "source.row.width", "has more cells than the header has columns")
        if key and key in seen:
            _add(stay, "/setlinfo", "source.row.scattered", "stands in two rows of the sheet")
        seen.add(key)
        for node, listed in held.pop(key, {}).items() if key else ():
            stay.nodes.setdefault(node, []).extend(listed)
        yield stay.raw()
    for key, nodes in held.items():
        stay = _Stay(f"sheet {sheet}", key, {"setlinfo": {}, **nodes})
        _add(stay, "/setlinfo", "source.row.orphan", "has rows in other sheets, and none in this one")
        yield stay.raw()
