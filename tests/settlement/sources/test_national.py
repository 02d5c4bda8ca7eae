"""The national interface calls: what each says, and what is no call is refused or quarantined."""

import io
import json
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.sandbox.population import generate
from engine.settlement import content_digest
from engine.settlement.body import MAX_BODY_BYTES
from engine.settlement.sources.national import CALLS, read_national
from engine.settlement.sources.record import Raw, SourceRefused
from engine.settlement.sources.verdict import errors_of
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.calls import call, of_settlement, of_visit, written
from tests.settlement.sources.parts import listed, records, seed_mapping, settlements

Native = dict[str, Any]
NATIVES = [d.body for d in generate(120, 40).settlements() if d.scenario != "identity_failure"]
NATIONAL = replace(seed_mapping("example-national"), hospital=PLAIN["setlinfo"]["fixmedins_code"])


def read(delivery: bytes, **layout: Any) -> list[Raw]:
    return list(read_national(io.BytesIO(delivery), layout))


def refused(delivery: bytes) -> str:
    with pytest.raises(SourceRefused) as error:
        read(delivery)
    (violation,) = error.value.violations
    return violation.rule


def rules(raw: Raw) -> list[tuple[str, str]]:
    return [(violation.field, violation.rule) for violation in raw.violations]


@pytest.mark.parametrize("shape", ["ndjson", "array", "pretty", "bom"])
def test_calls_of_a_stay_come_to_the_settlement_however_they_are_written(native: Native, shape: str) -> None:
    calls = of_settlement(native)
    delivery = {
        "ndjson": written(calls),
        "array": json.dumps(calls).encode(),
        "pretty": "\n\n".join(json.dumps(one, indent=2, ensure_ascii=False) for one in calls).encode(),
        "bom": b"\xef\xbb\xbf" + written(calls),
    }[shape]
    (merged,) = settlements(read(delivery), NATIONAL)
    assert errors_of(merged) == []
    assert content_digest(merged.body) == content_digest(listed(native))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(NATIVES), st.integers(1, 40), st.randoms(use_true_random=False))
def test_any_stay_comes_back_from_its_calls_in_any_order(native: Native, batch: int, rng: Random) -> None:
    calls = of_settlement(native, batch)
    rng.shuffle(calls)
    mapping = replace(NATIONAL, hospital=native["setlinfo"]["fixmedins_code"])
    (merged,) = settlements(read(written(calls)), mapping)
    assert errors_of(merged) == []
    rows = {node: value for node, value in merged.body.items() if value}
    assert content_digest(rows) == content_digest(listed(native))


def test_each_call_has_one_answer() -> None:
    kinds = {infno: (one.kind, one.closes) for infno, one in CALLS.items()}
    assert {infno for infno, (_, closes) in kinds.items() if closes} == {"4101", "2207", "2102"}
    assert {infno for infno, (kind, _) in kinds.items() if kind == "reversal"} == {
        "2305",
        "2208",
        "2103",
        "2601",
    }
    assert {infno for infno, (kind, _) in kinds.items() if kind == "reconciliation"} == {"3201", "3202"}
    assert {infno for infno, (kind, _) in kinds.items() if kind == "report"} == {"4501", "4502"}


def test_a_pre_settlement_settles_nothing_and_states_no_amount(native: Native) -> None:
    parts = read(written([one for one in of_settlement(native) if one["infno"] == "2303"]))
    assert [(part.kind, part.key, part.closes, part.nodes) for part in parts] == [
        ("part", native["setlinfo"]["mdtrt_id"], False, {})
    ]


def test_only_the_list_closes_a_stay(native: Native) -> None:
    parts = read(written(of_settlement(native)))
    assert [part.place for part in parts if part.closes] == [parts[-1].place]
    assert {part.key for part in parts} == {native["setlinfo"]["mdtrt_id"]}


@pytest.mark.parametrize(
    ("infno", "visit", "code"), [("2207", "11", "H31010100001"), ("2102", "41", "P31010600014")]
)
def test_a_visits_settlement_closes_it(native: Native, infno: str, visit: str, code: str) -> None:
    native["setlinfo"].update(med_type=visit, fixmedins_code=code)
    (merged,) = settlements(read(written(of_visit(native, infno))), replace(NATIONAL, hospital=code))
    assert merged.body["setlinfo"]["med_type"] == visit
    assert errors_of(merged) == []
    assert content_digest(merged.body["feedetail"]) == content_digest(native["feedetail"])


@pytest.mark.parametrize(("visit", "closes"), [("11", True), ("14", True), ("21", False), (None, False)])
def test_2304_closes_a_visit_and_no_stay(native: Native, visit: str | None, closes: bool) -> None:
    native["setlinfo"]["med_type"] = visit
    answer = {"setlinfo": native["setlinfo"], "setldetail": native["payinfo"]}
    (part,) = read(written([call("2304", native, answer)]))
    assert part.closes is closes
    assert part.nodes["payinfo"] == native["payinfo"]


@pytest.mark.parametrize("infno", ["2305", "2208", "2103"])
def test_a_cancellation_is_a_reversal(native: Native, infno: str) -> None:
    data = {"data": {"setl_id": "S-1", "mdtrt_id": "V-1", "psn_no": "0"}}
    (raw,) = read(written([call(infno, native, data, {"setlinfo": {"setl_id": "S-2", "medfee_sumamt": -5}})]))
    row = raw.nodes["reversal"]
    assert isinstance(row, dict)
    assert (raw.kind, raw.key, raw.violations) == ("reversal", "V-1", ())
    assert (row["setl_id"], row["medfee_sumamt"]) == ("S-1", -5)
    assert (row["reason"], row["reversed_at"]) == (CALLS[infno].title, native["setlinfo"]["setl_time"])
    (record,) = records([raw], NATIONAL)
    assert errors_of(record) == []
    assert row["biz_sn"] == "H31010100001" + "20251219110001"


def test_2601_takes_back_the_settlement_of_the_message_it_names(native: Native) -> None:
    calls = of_settlement(native, number=7)
    msgid = next(one["msgid"] for one in calls if one["infno"] == "2304")
    undo = call("2601", native, {"data": {"omsgid": msgid, "oinfno": "2304"}}, number=8)
    *_, raw = read(written([*calls, undo]))
    assert raw.kind == "reversal"
    assert raw.nodes["reversal"]["setl_id"] == native["setlinfo"]["setl_id"]
    (alone,) = read(written([undo]))
    assert rules(alone) == [("/omsgid", "source.reversal.message")]


def test_totals_of_a_day_and_type_are_a_reconciliation(native: Native) -> None:
    data = {"insutype": "310", "clr_type": "21", "stmt_begndate": "2025-12-19", "stmt_enddate": "2025-12-19"}
    sums = {"medfee_sumamt": "10.00", "fund_pay_sumamt": "4.00", "acct_pay": "0", "fixmedins_setl_cnt": "3"}
    (raw,) = read(written([call("3201", native, {"data": {**data, **sums}})]))
    assert raw.kind == "reconciliation"
    assert raw.nodes["reconciliation"] == {
        "infno": "3201",
        "fixmedins_code": native["setlinfo"]["fixmedins_code"],
        **data,
        **sums,
    }


def test_a_refund_stands_twice_in_the_detail_file() -> None:
    lines = [
        "S1\tV1\t0\t100.00\t60.00\t0\t0",
        "S2\tV2\t0\t50.00\t20.00\t0\t1",
        "S2\tV2\t0\t-50.00\t-20.00\t0\t1",
    ]
    (raw,) = read(("\r\n".join(lines) + "\r\n").encode())
    assert (raw.kind, raw.violations) == ("reconciliation", ())
    rows = raw.nodes["statement"]
    assert [(row["setl_id"], row["medfee_sumamt"]) for row in rows] == [
        ("S1", "100.00"),
        ("S2", "50.00"),
        ("S2", "-50.00"),
    ]
    (short,) = read(b"S1\tV1\t0\t100.00\n")
    assert rules(short) == [("/statement/0", "source.statement.columns")]


DETAIL = b"S1\tV1\t0\t100.00\t60.00\t0\t0\n"


def zipped(*files: bytes, packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for number, file in enumerate(files):
            # Of a fixed time: two workers that collect these tests must come to the same bytes.
            info = zipfile.ZipInfo(f"{number}.txt", date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = packed
            archive.writestr(info, file)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_detail_file_may_come_in_a_zip(packed: int) -> None:
    assert read(zipped(DETAIL, packed=packed)) == read(DETAIL)


def bomb(claimed: int) -> bytes:
    """34 MiB in some 34 KiB, that says what it likes of itself."""
    true = (34 << 20).to_bytes(4, "little")
    return zipped(bytes(34 << 20)).replace(true, claimed.to_bytes(4, "little"))


LONG_DIRECTORY = b"PK\x03\x04" + bytes(5_000) + b"PK\x05\x06" + struct.pack("<4HIIH", 0, 0, 0, 0, 5_000, 4, 0)
"""A list of files that is not read, for its length: it would be found to be none."""


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (bomb(34 << 20), "source.statement.too_large"),
        (bomb(1_000), "source.zip.unreadable"),
        (zipped(), "source.zip.entries"),
        (zipped(DETAIL, DETAIL), "source.zip.entries"),
        (LONG_DIRECTORY, "source.zip.entries"),
        (zipped(DETAIL, packed=zipfile.ZIP_BZIP2), "source.zip.unreadable"),
        (zipped(DETAIL).replace(b"\x14\x00\x00\x00", b"\x14\x00\x01\x00"), "source.zip.unreadable"),
        (zipped(DETAIL)[:-5], "source.zip.unreadable"),
        (zipped(DETAIL)[:40], "source.zip.unreadable"),
        (zipped(zipped(DETAIL)), "source.encoding"),
    ],
    ids=range(10),
)
def test_a_zip_is_held_to_its_bounds(sent: bytes, rule: str) -> None:
    # An empty archive begins with its end.
    assert refused(sent if sent.startswith(b"PK\x03\x04") else b"PK\x03\x04" + sent) == rule


def test_a_zip_with_any_byte_changed_is_read_or_refused() -> None:
    whole = zipped(DETAIL)
    for at in range(4, len(whole)):
        for byte in (0, 1, 0x7F, 0xFF):
            with suppress(SourceRefused):
                read(whole[:at] + bytes([byte]) + whole[at + 1 :])


@pytest.mark.parametrize(("infno", "node"), [("4501", "examinfo"), ("4502", "labinfo")])
def test_a_report_belongs_to_its_stay(native: Native, infno: str, node: str) -> None:
    info = {"mdtrt_id": "V-1", "rpotc_no": "R1", "rpt_date": "2025-12-06"}
    (raw,) = read(written([call(infno, native, {node: info, "iteminfo": [{"exam_rslt_val": "5.1"}]})]))
    assert (raw.kind, raw.key) == ("report", "V-1")
    assert raw.nodes["report"]["rpotc_no"] == "R1"
    assert raw.nodes["result"] == [{"exam_rslt_val": "5.1"}]
    (lost,) = read(written([call(infno, native, {node: {"rpotc_no": "R1"}})]))
    assert rules(lost) == [("/mdtrt_id", "source.part.key")]


def test_a_bare_input_is_told_by_its_nodes(native: Native) -> None:
    whole, listed, details = (
        native,
        {name: rows for name, rows in native.items() if name != "feedetail"},
        {"feedetail": [{"mdtrt_id": "V-1", **row} for row in native["feedetail"]]},
    )
    settled = {"setlinfo": native["setlinfo"], "setldetail": native["payinfo"]}
    raws = read(written([whole, listed, details, settled]))
    assert [(raw.kind, raw.closes) for raw in raws] == [
        ("settlement", False),
        ("part", True),
        ("part", False),
        ("part", False),
    ]
    assert raws[0].nodes == native
    assert rules(*read(b'{"data": {}}')) == [("/infno", "source.call.unknown")]
    (told,) = read(b'{"data": {"setl_id": "S"}}', infno="2305")
    assert told.kind == "reversal"


def test_the_sender_may_have_another_name_for_the_stay() -> None:
    (raw,) = read(b'{"feedetail": [{"jzid": 12, "feedetl_sn": "1"}]}', key="jzid")
    assert raw.key == "12"


def test_details_of_several_stays_are_parts_of_each() -> None:
    rows = [{"mdtrt_id": key, "feedetl_sn": sn} for key, sn in (("B", "1"), ("A", "1"), ("B", "2"))]
    raws = read(written([{"feedetail": rows}]))
    assert [(raw.key, len(raw.nodes["feedetail"])) for raw in raws] == [("B", 2), ("A", 1)]


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ('{"infno": "9001", "input": {}}', ("/infno", "source.call.unknown")),
        ('{"infno": "4101", "input": []}', ("/input", "source.call.input")),
        ('{"infno": "4101"}', ("/input", "source.call.input")),
        ('{"setlinfo": []}', ("/setlinfo", "source.call.node")),
        ('{"setlinfo": {"mdtrt_id": "V"}, "diseinfo": "x"}', ("/diseinfo", "source.call.node")),
        ('{"feedetail": [{"feedetl_sn": "1"}]}', ("/mdtrt_id", "source.part.key")),
        ('{"feedetail": [{"mdtrt_id": "' + "V" * 41 + '"}]}', ("/mdtrt_id", "source.part.key")),
        ('{"infno": "2304", "input": {"data": {"mdtrt_id": "V", "a": 1}, "setlinfo": {"a": 2}}}',
         ("/setlinfo/a", "source.parts_disagree")),
        ('{"a": 1, "a": 2}', ("", "settlement.body.duplicate_key")),
        ('{"a": NaN}', ("", "settlement.body.number")),
        ('{"a": ' + "[" * 10_000 + "]" * 10_000 + "}", ("", "settlement.body.nesting")),
        ('{"a": }', ("", "settlement.body.json")),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_read_does_not_take_its_neighbours_with_it(
    native: Native, text: str, violation: tuple[str, str]
) -> None:
    broken, good = read(text.encode() + b"\n" + written([native]))
    assert violation in rules(broken)
    assert (good.kind, good.violations) == ("settlement", ())


@pytest.mark.parametrize(
    ("delivery", "rule"),
    [
        (b'[{"a": 1}', "source.json.truncated"),
        (b'[{"a": 1}, {"b"', "source.json.truncated"),
        (b'{"a": "x', "source.json.truncated"),
        (b'{"a": 1}]', "source.json.truncated"),
        (b'[{"a": 1} {"b": 2}]', "source.json.object"),
        (b'[{"a": 1},]', "source.json.object"),
        (b"[1]", "source.json.object"),
        (b'[{"a": 1}] {}', "source.json.object"),
        (b"\x00\x01", "source.encoding"),
        (b"S1\t\xff", "source.encoding"),
        (b"a\nb\n" * 200, "source.statement.columns"),
    ],
)
def test_a_broken_delivery_is_refused(delivery: bytes, rule: str) -> None:
    assert refused(delivery) == rule


class Endless(io.RawIOBase):
    """A delivery of two gigabytes that nobody stores; counts what was asked of it."""

    def __init__(self, first: bytes, more: bytes) -> None:
        self._first, self._more, self.given = first, more, 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "reads without a bound"
        if self.given > 2 << 30:
            return b""
        taken = self._first or (self._more * (size // len(self._more)))[:size]
        self._first = b""
        self.given += len(taken)
        return taken


@pytest.mark.parametrize(
    ("first", "more", "rule"),
    [
        (b'{"a": "', b"x", "source.json.too_large"),
        (b'{"a": "', b"\\\\", "source.json.too_large"),
        (b'{"a": ', b"[", "source.json.too_large"),
        (b'{"a": [', b'"",', "source.json.too_large"),
        (b"x", b"x", "source.statement.too_large"),
        (b"x", b"x\n", "source.statement.too_large"),
        (b"PK\x03\x04", b"x", "source.zip.too_large"),
    ],
)
def test_an_object_of_two_gigabytes_is_refused_after_a_few_megabytes(
    first: bytes, more: bytes, rule: str
) -> None:
    delivery = Endless(first, more)
    with pytest.raises(SourceRefused) as error:
        list(read_national(delivery, {}))
    assert error.value.violations[0].rule == rule
    assert delivery.given < 16 * MAX_BODY_BYTES + (1 << 20)


def test_amounts_stay_exact() -> None:
    (raw,) = read(b'{"feedetail": [{"mdtrt_id": "V", "cnt": 0.1, "pric": 1.10}]}')
    assert [str(raw.nodes["feedetail"][0][name]) for name in ("cnt", "pric")] == ["0.1", "1.10"]


SEED = written(
    [*of_settlement(PLAIN), *of_visit(PLAIN, "2102"), call("2305", PLAIN, {"data": {"setl_id": "S"}})]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_bytes_changed_anywhere_end_as_records_or_refused(data: st.DataObject) -> None:
    broken = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(broken) - 1))
        cut = data.draw(st.sampled_from([0, 1, 3, 40]))
        broken[at : at + cut] = data.draw(
            st.sampled_from([b"", b'"', b"{", b"}", b"]", b"\x00", b"\xff", b",", b"9", b"\\"])
        )
    with suppress(SourceRefused):
        settlements(read(bytes(broken)), NATIONAL)
