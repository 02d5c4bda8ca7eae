"""What is no table is refused cheaply and by a stable rule; a row that is wrong costs its settlement only."""

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.settlement.sources import table
from engine.settlement.sources.formats import READERS
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.record import Raw, SourceRefused
from engine.settlement.sources.standardise import Standardiser
from engine.settlement.sources.verdict import errors_of
from tests.settlement.sources import hospital_files as files
from tests.settlement.sources.hospital_files import CSV, DAY, EXCEL
from tests.settlement.sources.xls import xls

FLAT = {"key": "id", "columns": {"setlinfo": ["id", "total"], "feedetail": ["item"]}}
GOOD_CSV = files.csv_file(files.bodies(2, CSV))
GOOD_BOOK = files.workbook(files.bodies(2, EXCEL))


def read(data: bytes, layout: dict[str, Any] | None = None) -> list[Raw]:
    return list(READERS["table"](io.BytesIO(data), FLAT if layout is None else layout))


def refused(data: bytes, layout: dict[str, Any] | None = None) -> str:
    with pytest.raises(SourceRefused) as caught:
        read(data, layout)
    (violation,) = caught.value.violations
    return violation.rule


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "source.table.empty"),
        (b"\n\n", "source.table.header"),
        (b"no,total\n1,2\n", "source.table.header"),
        (b"id,item,item\n1,2,3\n", "source.table.column_twice"),
        (b"%PDF-1.7\n", "source.table.kind"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><table>", "source.table.kind"),
        (b"<?xml version='1.0'?><Workbook/>", "source.table.kind"),
        (b"\x1f\x8b\x08rest", "source.table.kind"),
        (b'{"setlinfo": {}}', "source.table.kind"),
        (b"id,total\n1,\x002\n", "source.text.nul"),
        ("id,total\n1,2\n".encode("utf-16-le"), "source.text.nul"),
        (b"id,total\n1,\xff\xff\n", "source.text.encoding"),
        (b"id,name\n1,\xc3\xa9\n", "source.text.encoding_unclear"),
        (b"id,total\n" + b"1" * (1 << 20) + b"2,3\n", "source.text.line"),
        (b"id,total\n1" + b"," * 500 + b"\n", "source.text.columns"),
        (b'id,total\n1,"2\n', "source.text.quoting"),
        (b'id,total\n1,"2"3\n', "source.text.quoting"),
        (b"PK\x03\x04" + b"\0" * 500, "source.workbook.unreadable"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 5000, "source.workbook.unreadable"),
    ],
)
def test_what_is_no_table_is_refused_by_a_stable_rule(data: bytes, rule: str) -> None:
    assert refused(data) == rule


def test_an_encoding_that_breaks_off_is_refused_after_what_could_be_read() -> None:
    data = "id,姓名\n0,x\n".encode() + b"1,x\n" * 100_000 + b"2,\xff\n"
    raws = READERS["table"](io.BytesIO(data), FLAT)
    assert next(raws).key == "0"
    with pytest.raises(SourceRefused, match=r"after line 9\d{4}; state table\.encoding"):
        list(raws)


class Endless(io.RawIOBase):
    """A head, then one byte without end; counts what is asked of it."""

    def __init__(self, head: bytes, byte: bytes) -> None:
        self.head, self.byte, self.asked = head, byte, 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "nobody may ask for everything"
        if self.head:
            head, self.head = self.head, b""
            return head
        self.asked += size
        return self.byte * size


@pytest.mark.parametrize(
    ("head", "byte", "rule"),
    [
        (b"", b"a", "source.text.line"),
        (b"id,total\n", b",", "source.text.line"),
        (b'id,total\n1,"', b"\n", "source.text.quoting"),
        (b"id,total\n" + b"1,2\n" * 100_000, b"\0", "source.text.nul"),
        (b"PK\x03\x04", b"a", "source.workbook.too_large"),
    ],
)
def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    head: bytes, byte: bytes, rule: str
) -> None:
    source = Endless(head, byte)
    with pytest.raises(SourceRefused) as caught:
        list(READERS["table"](source, FLAT))  # type: ignore[arg-type]
    assert caught.value.violations[0].rule == rule
    assert source.asked <= 65 << 20


def test_a_csv_file_is_read_as_it_goes() -> None:
    source = Endless(b"id,total\n" + b"".join(b"%d,2\n" % at for at in range(100_000)), b"\n")
    raws = READERS["table"](source, FLAT)  # type: ignore[arg-type]
    assert [next(raws).key for _ in range(90_000)][-1] == "89999"
    assert source.asked <= 1 << 20


def test_more_rows_than_a_table_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 3)
    assert len(read(b"id,total\n1,2\n2,3\n3,4\n")) == 3
    assert refused(b"id,total\n1,2\n2,3\n3,4\n4,5\n") == "source.table.rows"


def packed(change: Callable[[str, bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(GOOD_BOOK)) as good,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for name in good.namelist():
            made.writestr(name, change(name, good.read(name)))
    return out.getvalue()


def in_sheet(end: bytes) -> bytes:
    return packed(
        lambda name, data: data.replace(b"</sheetData>", end + b"</sheetData>") if "sheet1" in name else data
    )


def test_a_workbook_that_unpacks_to_more_than_a_workbook_is_refused_unread() -> None:
    assert refused(in_sheet(b" " * (40 << 20)), dict(EXCEL.layout)) == "source.workbook.bomb"


def test_a_workbook_whose_directory_lies_about_its_size_is_refused() -> None:
    data = bytearray(in_sheet(b" " * (40 << 20)))
    entry = -1
    while (entry := data.find(b"PK\x01\x02", entry + 1)) >= 0:
        if struct.unpack_from("<I", data, entry + 24)[0] > 40 << 20:
            struct.pack_into("<I", data, entry + 24, 4000)
    assert refused(bytes(data), dict(EXCEL.layout)) == "source.workbook.unreadable"


@pytest.mark.parametrize("cell", ["XFD1048576", "AA1048576"])
def test_two_cells_that_ask_for_a_grid_of_millions_are_refused(cell: str) -> None:
    row = f'<row r="1048576"><c r="{cell}"><v>1</v></c></row>'.encode()
    assert refused(in_sheet(row), dict(EXCEL.layout)) in {"source.workbook.bomb", "source.workbook.too_large"}


def test_one_cell_of_an_old_workbook_that_asks_for_a_hundred_gigabytes_is_refused() -> None:
    assert refused(xls("x", [(0, 0, "id"), (65535, 65535, 1.0)])) == "source.workbook.bomb"


def test_a_merge_over_a_whole_sheet_is_refused() -> None:
    data = packed(
        lambda name, data: (
            data.replace(b"</mergeCells>", b'<mergeCell ref="A1:XFD1048576"/></mergeCells>')
            if "sheet1" in name
            else data
        )
    )
    assert refused(data, dict(EXCEL.layout)) == "source.workbook.too_large"


def test_a_sheet_that_the_mapping_states_has_to_be_there() -> None:
    layout = {**EXCEL.layout, "sheets": {**EXCEL.layout["sheets"], "feedetail": "别处"}}
    assert refused(GOOD_BOOK, layout) == "source.workbook.sheet"


@pytest.mark.parametrize(
    ("text", "rule", "field"),
    [
        ("id,total,item\n,5,a\n1,2,b\n", "source.row.key", "/setlinfo"),
        ("id,total,item\n1,2,a,6\n", "source.row.width", "/feedetail/0"),
        ("id,total,item\n1,2,a\n1,3,b\n", "source.row.disagree", "/setlinfo/total"),
        ("id,total,item\n1,2,a\n2,2,a\n1,2,b\n", "source.row.scattered", "/setlinfo"),
    ],
)
def test_a_wrong_row_is_told_with_its_settlement(text: str, rule: str, field: str) -> None:
    told = [violation for raw in read(text.encode()) for violation in raw.violations]
    assert [(one.rule, one.field) for one in told] == [(rule, field)]


def test_lines_without_their_settlement_are_told_and_not_lost() -> None:
    made = files.bodies(2, EXCEL)
    data = files.workbook([made[0], {**made[1], "setlinfo": {}}], keys=["S-1", "S-2"])
    there, orphan = read(data, dict(EXCEL.layout))
    assert (there.key, there.violations) == ("S-1", ())
    assert [one.rule for one in orphan.violations] == ["source.row.orphan"]
    assert (orphan.key, len(orphan.nodes["feedetail"])) == ("S-2", len(made[1]["feedetail"]))


def test_totals_signatures_blank_rows_and_a_header_per_page_are_no_records() -> None:
    text = "title\n\nid,total,item\n1,2,a\nid,total,item\n\n1,2,b\n合计,4,\n,,\n制表人：x\n"
    (raw,) = read(text.encode())
    assert [row["item"] for row in raw.nodes["feedetail"]] == ["a", "b"]


def outcome(data: bytes, mapping: SourceMapping) -> None:
    standardiser = Standardiser(mapping, DAY)
    try:
        records = [standardiser.record(raw) for raw in READERS["table"](io.BytesIO(data), mapping.layout)]
    except SourceRefused:
        return
    for record in records:
        errors_of(record)


UNSTATED = replace(CSV, layout={key: value for key, value in CSV.layout.items() if key != "encoding"})
SEEDS = {
    "gb18030": (GOOD_CSV, CSV),
    "utf-8": (files.csv_file(files.bodies(2, CSV), encoding="utf-8-sig", title=True, total=True), UNSTATED),
    "utf-16": (files.csv_file(files.bodies(1, CSV), encoding="utf-16"), UNSTATED),
    "xlsx": (GOOD_BOOK, EXCEL),
    "xls": (files.old_workbook(files.bodies(1, CSV)), CSV),
}
edits = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(["set", "cut", "put", "copy"]), st.binary(min_size=1, max_size=6)
    ),
    min_size=1,
    max_size=6,
)


def mutated(data: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    for where, how, piece in changes:
        at = int(where * len(data))
        match how:
            case "set":
                data = data[:at] + piece + data[at + len(piece) :]
            case "cut":
                data = data[:at] + data[at + 50 * len(piece) :]
            case "put":
                data = data[:at] + piece + data[at:]
            case _:
                data = data[:at] + data[at // 2 : at] + data[at:]
    return data


@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=60, deadline=None)
@given(changes=edits)
def test_any_bytes_become_records_or_are_refused(seed: str, changes: list[tuple[float, str, bytes]]) -> None:
    data, mapping = SEEDS[seed]
    outcome(mutated(data, changes), mapping)
