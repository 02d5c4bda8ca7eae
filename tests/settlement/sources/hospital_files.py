"""Files as hospitals send them, made of native settlements under the example mappings' own names."""

import copy
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

import xlsxwriter

from engine.sandbox.population import generate
from engine.settlement.fields import LISTS, SETLINFO
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.mapping_file import load_mapping
from tests.settlement.sources.xls import Cell, Merge, xls
from tests.support.process import REPOSITORY

DAY = date(2024, 9, 10)
CSV = load_mapping(REPOSITORY / "seeds" / "sources" / "example-csv.yaml")
EXCEL = load_mapping(REPOSITORY / "seeds" / "sources" / "example-excel.yaml")
Body = dict[str, Any]
Spell = Callable[[str], Any]

_KIND = {
    field.name: field.check.__name__
    for fields in (SETLINFO, *(node.fields for node in LISTS.values()))
    for field in fields
}


@cache
def _plain() -> tuple[Body, ...]:
    scenarios = ("plain_pay", "pre_existing", "nothing_payable")
    found = (one.body for one in generate().settlements() if one.scenario in scenarios)
    return tuple(islice((body for body in found if len(body["payinfo"]) == 1), 8))


def bodies(count: int, mapping: SourceMapping) -> list[Body]:
    """Native settlements of the mapping's hospital with what its files have a place for."""
    made = []
    for native in copy.deepcopy(_plain()[:count]):
        native["setlinfo"]["fixmedins_code"] = mapping.hospital
        made.append(_carried(native, mapping))
    return made


def _carried(native: Body, mapping: SourceMapping) -> Body:
    groups = mapping.layout["groups"]
    listed = {node: set(names.values()) for node, names in mapping.names.items()}
    for group in groups:
        listed.setdefault(group["node"], set()).update({*group["columns"].values(), *group["constants"]})
    listed["setlinfo"] |= {*mapping.constants["setlinfo"], "fixmedins_code"}
    body: Body = {}
    for node, names in listed.items():
        rows = native[node] if isinstance(native[node], list) else [native[node]]
        rows = [{key: _normal(key, row[key]) for key in row if key in names} for row in rows]
        body[node] = rows if node in LISTS else rows[0]
    body["diseinfo"] = body["diseinfo"][:2]
    return body


def _normal(name: str, value: str) -> str:
    """Quantities and prices without trailing zeros: the one spelling that cleaning gives them."""
    if _KIND[name] not in ("quantity", "price"):
        return value
    return format(Decimal(value).normalize(), "f")


def thousands(fen: str) -> str:
    return f"{Decimal(fen):,}"


def wide(spelled: str) -> str:
    return spelled.translate(str.maketrans("0123456789,.-:", "０１２３４５６７８９，．－："))


MONEY: dict[str, Spell] = {
    "plain": str,
    "thousands": thousands,
    "currency": lambda fen: f"￥{thousands(fen)}",
    "wide": lambda fen: wide(thousands(fen)),
    "unit": lambda fen: f"{fen}元",
    "number": float,
}
TIMES: dict[str, Spell] = {
    "iso": str,
    "slashes": lambda at: at.replace("-", "/"),
    "digits": lambda at: "".join(letter for letter in at if letter.isdigit()),
    "chinese": lambda at: datetime.fromisoformat(at).strftime("%Y年%m月%d日 %H:%M:%S"),
    "serial": lambda at: (
        (datetime.fromisoformat(at) - datetime.fromisoformat("1899-12-30")) / timedelta(days=1)
    ),
}


def local_rows(body: Body, mapping: SourceMapping, money: str, time: str) -> Iterator[dict[str, Any]]:
    """The rows of a flat table: each line of the bill with its settlement."""
    head = local(body["setlinfo"], "setlinfo", mapping, money, time) | grouped(body, mapping, money)
    for line in body["feedetail"]:
        yield head | local(line, "feedetail", mapping, money, time)


def local(row: Body, node: str, mapping: SourceMapping, money: str, time: str) -> dict[str, Any]:
    return {
        name: spelled(national, row[national], mapping, money, time)
        for name, national in mapping.names[node].items()
        if national in row
    }


def grouped(body: Body, mapping: SourceMapping, money: str) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    left = {node: list(body[node]) for node in ("diseinfo", "payinfo")}
    for group in mapping.layout["groups"]:
        if left[group["node"]]:
            row = left[group["node"]].pop(0)
            cells |= {
                name: spelled(national, row[national], mapping, money, "iso")
                for name, national in group["columns"].items()
            }
    return cells


def spelled(name: str, value: str, mapping: SourceMapping, money: str, time: str) -> Any:
    if _KIND[name] == "money":
        return MONEY[money](value)
    if _KIND[name] in ("moment", "day"):
        return TIMES[time](value)
    return _codes(mapping).get((name, value), value)


@cache
def _codes_of(dictionary: str) -> tuple[str, ...]:
    named = {
        "sex": ("gend",), "certificate_type": ("patn_cert_type",), "ward_type": ("ward_type",),
        "discharge_way": ("dscg_way",), "fee_category": ("med_chrgitm_type",), "flag": ("maindiag_flag",),
    }  # fmt: skip
    return named[dictionary]


def _codes(mapping: SourceMapping) -> dict[tuple[str, str], str]:
    return {
        (name, rule.standard): rule.local
        for dictionary, rules in mapping.codes.items()
        for rule in rules
        if rule.first_day <= DAY <= rule.last_day
        for name in _codes_of(dictionary)
    }


def csv_columns(mapping: SourceMapping = CSV) -> list[str]:
    names = mapping.names
    groups = [column for group in mapping.layout["groups"] for column in group["columns"]]
    return [*names["setlinfo"], *groups, "床号", *names["feedetail"]]


def csv_file(
    settlements: Sequence[Body],
    *,
    encoding: str = "gb18030",
    money: str = "plain",
    time: str = "iso",
    delimiter: str = ",",
    title: bool = False,
    total: bool = False,
    columns: Sequence[str] | None = None,
) -> bytes:
    """One CSV file of several settlements, by the mapping example-csv."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    if title:
        writer.writerows([["示例静北中心医院（虚构）住院结算明细"], [], ["2024-09-10 至 2024-09-10"]])
    header = list(columns or csv_columns())
    writer.writerow(header)
    for body in settlements:
        for row in local_rows(body, CSV, money, time):
            writer.writerow([row.get(name, "") for name in header])
    if total:
        writer.writerows([["合计", *[""] * (len(header) - 2), "1,234.00"], ["制表人：某某", "审核人：某某"]])
    return out.getvalue().encode(encoding)


def old_workbook(settlements: Sequence[Body]) -> bytes:
    """By the mapping example-csv as .xls: one sheet, a title, the settlement merged over its lines."""
    columns = csv_columns()
    cells: list[tuple[int, int, Cell]] = [
        (0, 0, "住院结算明细"),
        *((2, at, name) for at, name in enumerate(columns)),
    ]
    merged: list[Merge] = [(0, 0, 0, 5)]
    top = 3
    for body in settlements:
        rows = list(local_rows(body, CSV, "number", "serial"))
        once = len(columns) - len(CSV.names["feedetail"])
        merged += [(top, top + len(rows) - 1, at, at) for at in range(once)]
        for number, row in enumerate(rows, start=top):
            shown = enumerate(columns) if number == top else enumerate(columns[once:], start=once)
            cells += [(number, at, row[name]) for at, name in shown if name in row]
        top += len(rows)
    cells.append((top, 0, "合计"))
    return xls("明细", cells, merged)


def workbook(
    settlements: Sequence[Body], *, money: str = "number", time: str = "serial", keys: Sequence[str] = ()
) -> bytes:
    """By the mapping example-excel: three sheets, a title, a header of two rows with merged cells, totals.

    keys: other numbers than the settlements' own. One without setlinfo has no row in the first sheet.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheets = {node: book.add_worksheet(name) for node, name in EXCEL.layout["sheets"].items()}
    key = EXCEL.layout["key"]
    group = next(iter(EXCEL.layout["groups"][0]["columns"]))
    rows: dict[str, list[dict[str, Any]]] = {node: [] for node in sheets}
    for at, body in enumerate(settlements):
        named = {key: keys[at] if keys else body["setlinfo"]["setl_id"]}
        if body["setlinfo"]:
            head = local(body["setlinfo"], "setlinfo", EXCEL, money, time)
            rows["setlinfo"].append(head | grouped(body, EXCEL, money) | named)
        for node in ("feedetail", "diseinfo"):
            rows[node] += [named | local(row, node, EXCEL, money, time) for row in body[node]]
    for node, sheet in sheets.items():
        names = [*EXCEL.names[node], *([group] if node == "setlinfo" else [key])]
        _sheet(book, sheet, names, rows[node])
    book.close()
    return out.getvalue()


def _sheet(book: Any, sheet: Any, names: list[str], rows: list[dict[str, Any]]) -> None:
    bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    sheet.merge_range(0, 0, 0, max(len(names) - 1, 1), "示例莘庄区中心医院（虚构）结算汇总", bold)
    parts = [name.split("/") for name in names]
    for at, (top, *below) in enumerate(parts):
        if not below:
            sheet.merge_range(2, at, 3, at, top)
            continue
        sheet.write(3, at, below[0])
        if at and parts[at - 1][0] == top:
            continue
        last = max(i for i in range(at, len(parts)) if all(p[0] == top for p in parts[at : i + 1]))
        if last > at:
            sheet.merge_range(2, at, 2, last, top)
        else:
            sheet.write(2, at, top)
    for number, row in enumerate(rows, start=4):
        for at, name in enumerate(names):
            value = row.get(name, "")
            if isinstance(value, float) and ("日期" in name):
                sheet.write_number(number, at, value, day)
            elif isinstance(value, float):
                sheet.write_number(number, at, value)
            else:
                sheet.write_string(number, at, value)
    sheet.write_string(len(rows) + 4, 0, "合计")
    sheet.write_string(len(rows) + 5, 0, "制表人：某某")
