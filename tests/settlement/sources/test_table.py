"""Tables as hospitals really send them become the settlements they were made of."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.settlement.sources.assembly import merge
from engine.settlement.sources.formats import READERS
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.record import Record
from engine.settlement.sources.standardise import Standardiser
from engine.settlement.sources.verdict import errors_of
from tests.settlement.sources import hospital_files as files
from tests.settlement.sources.hospital_files import CSV, DAY, EXCEL, MONEY, TIMES


def read(data: bytes, mapping: SourceMapping, **layout: Any) -> list[Record]:
    standardiser = Standardiser(mapping, DAY)
    raws = READERS[mapping.format](io.BytesIO(data), {**mapping.layout, **layout})
    return [standardiser.record(raw) for raw in raws]


def accepted(records: list[Record]) -> list[Mapping[str, Any]]:
    for record in records:
        assert errors_of(record) == [], record.place
    return [record.body for record in records]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("money", MONEY)
def test_a_csv_file_reads_back_however_its_amounts_and_times_are_written(money: str, time: str) -> None:
    made = files.bodies(3, CSV)
    assert accepted(read(files.csv_file(made, money=money, time=time), CSV)) == made


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_told_from_the_bytes(encoding: str, delimiter: str) -> None:
    made = files.bodies(2, CSV)
    data = files.csv_file(made, encoding=encoding, delimiter=delimiter, title=True, total=True)
    layout = {key: value for key, value in CSV.layout.items() if key != "encoding"}
    raws = READERS["table"](io.BytesIO(data), layout)
    assert accepted([Standardiser(CSV, DAY).record(raw) for raw in raws]) == made


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("money", MONEY)
def test_a_workbook_with_merged_headers_titles_and_totals_reads_back(money: str, time: str) -> None:
    made = files.bodies(3, EXCEL)
    assert accepted(read(files.workbook(made, money=money, time=time), EXCEL)) == made


def test_an_old_workbook_with_the_settlement_merged_over_its_lines_reads_back() -> None:
    made = files.bodies(3, CSV)
    records = read(files.old_workbook(made), CSV)
    assert accepted(records) == made
    assert records[0].place == "sheet 明细 row 4"


@given(
    st.lists(st.integers(0, 7), unique=True, min_size=1, max_size=4),
    st.sampled_from([*MONEY]),
    st.sampled_from([*TIMES]),
    st.sampled_from(["gb18030", "utf-8", "utf-16"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_the_same_settlements_in_any_shape_are_the_same_settlements(
    chosen: list[int], money: str, time: str, encoding: str, framed: bool, order: Any
) -> None:
    everything = files.bodies(8, CSV)
    made = [everything[at] for at in chosen]
    columns = files.csv_columns()
    order.shuffle(columns)
    data = files.csv_file(
        made, encoding=encoding, money=money, time=time, title=framed, total=framed, columns=columns
    )
    layout = {"encoding": encoding}
    assert accepted(read(data, CSV, **layout)) == made
    assert repr(read(data, CSV, **layout)) == repr(read(data, CSV, **layout))


def test_a_record_says_where_it_stands_and_what_was_dropped() -> None:
    made = files.bodies(2, CSV)
    data = files.csv_file(made, title=True).replace(b"\r\n", b"\n")
    first, second = read(data, CSV)
    assert first.place == "line 5"
    assert second.place == f"line {5 + len(made[0]['feedetail'])}"
    assert first.dropped == {}


@pytest.mark.parametrize("heads_first", [True, False])
def test_settlements_in_one_file_and_their_lines_in_another_are_the_same_settlements(
    heads_first: bool,
) -> None:
    made = files.bodies(2, CSV)
    lines = [CSV.layout["key"], *CSV.names["feedetail"]]
    heads = [name for name in files.csv_columns() if name not in CSV.names["feedetail"]]
    once = [{**body, "feedetail": body["feedetail"][:1]} for body in made]
    deliveries = [files.csv_file(once, columns=heads), files.csv_file(made, columns=lines)]
    parts = [one for data in deliveries for one in read(data, CSV, parts=True)]
    assert {part.kind for part in parts} == {"part"}
    assert [part.closes for part in parts] == [True, True, False, False]
    ordered = parts if heads_first else parts[::-1]
    whole = [merge([part for part in ordered if part.key == body["setlinfo"]["setl_id"]]) for body in made]
    assert [json.loads(json.dumps(body)) for body in accepted(whole)] == made


def test_a_header_of_two_rows_in_csv_is_read_like_the_merged_one() -> None:
    text = "结算号,费用,,备注\n,总额,现金,\nS-1,10.00,10.00,x\n"
    layout = {
        "key": "结算号",
        "header_rows": 2,
        "columns": {"setlinfo": ["结算号", "费用/总额", "费用/现金"]},
    }
    (raw,) = READERS["table"](io.BytesIO(text.encode()), layout)
    assert raw.nodes["setlinfo"] == {"结算号": "S-1", "费用/总额": "10.00", "费用/现金": "10.00"}
    assert raw.nodes["feedetail"] == [{"备注": "x"}]
