"""HL7 v2 messages come to the settlement they were written from, or are refused with a stable reason."""

import io
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hl7apy.parser import parse_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.sandbox.population import generate
from engine.settlement import Violation, content_digest
from engine.settlement.sources.er7 import MAX_MESSAGE_BYTES, Separators, escape, parse, unescape
from engine.settlement.sources.hl7v2 import read_hl7v2
from engine.settlement.sources.hl7v2_ack import acknowledge
from engine.settlement.sources.record import Raw, SourceRefused
from engine.settlement.sources.verdict import errors_of
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.hl7 import USUAL, Writer, batch, mllp
from tests.settlement.sources.parts import listed, records, seed_mapping, settlements
from tests.settlement.sources.test_national import Endless

Native = dict[str, Any]
SEED = seed_mapping("example-hl7v2")
NATIVES = [
    d.body for d in generate(120, 40).settlements() if d.scenario not in ("identity_failure", "needs_review")
]
ODD = Separators("!", "*", "@", "?", "%")
AT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


def read(delivery: bytes, **layout: Any) -> list[Raw]:
    return list(read_hl7v2(io.BytesIO(delivery), layout))


def refused(delivery: bytes) -> str:
    with pytest.raises(SourceRefused) as error:
        read(delivery)
    return error.value.violations[0].rule


def rules(raw: Raw) -> list[str]:
    return [violation.rule for violation in raw.violations]


def mapping_for(native: Native) -> Any:
    return replace(SEED, hospital=native["setlinfo"]["fixmedins_code"])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(NATIVES),
    st.sampled_from(["UNICODE UTF-8", "GB 18030-2000"]),
    st.sampled_from([USUAL, ODD]),
    st.sampled_from([b"".join, mllp, batch]),
    st.integers(1, 40),
    st.booleans(),
)
def test_charges_and_discharge_come_to_the_settlement(
    native: Native, charset: str, signs: Separators, framing: Any, at_once: int, discharged_first: bool
) -> None:
    writer = Writer(charset, signs)
    lines = native["feedetail"]
    sent = [writer.charges(native, at, lines[at : at + at_once]) for at in range(0, len(lines), at_once)]
    sent.insert(0 if discharged_first else len(sent), writer.discharge(native, 99))
    (merged,) = settlements(read(framing(sent)), mapping_for(native))
    assert errors_of(merged) == []
    # HL7 states the birth date and no age.
    without_age = {name: value for name, value in native["setlinfo"].items() if name != "age"}
    assert content_digest(merged.body) == content_digest(listed({**native, "setlinfo": without_age}))


@pytest.mark.parametrize("signs", [USUAL, ODD])
def test_a_value_may_hold_every_separator(native: Native, signs: Separators) -> None:
    native["diseinfo"][0]["diag_name"] = "心|衰^&~\\F\\!*@?%"
    sent = Writer(separators=signs).charges(native) + Writer(separators=signs).discharge(native)
    (merged,) = settlements(read(sent), mapping_for(native))
    assert merged.body["diseinfo"][0]["diag_name"] == native["diseinfo"][0]["diag_name"]


def test_the_rows_of_the_next_of_kin_are_dropped_and_counted(native: Native) -> None:
    (merged,) = settlements(read(Writer().charges(native) + Writer().discharge(native)), mapping_for(native))
    assert (merged.dropped["setlinfo/NK1-2.1"], merged.dropped["setlinfo/NK1-2.2"]) == (1, 1)
    assert "NK1" not in str(merged.body)


def test_a_byte_of_gb18030_that_looks_like_a_separator_is_none(native: Native) -> None:
    # The second bytes of these are | ^ \ and ~.
    name = "".join(chr_of(byte) for byte in b"|^\\~")
    native["setlinfo"]["psn_name"] = name
    writer = Writer("GB 18030-2000")
    (merged,) = settlements(read(writer.charges(native) + writer.discharge(native)), mapping_for(native))
    assert merged.body["setlinfo"]["psn_name"] == name


def chr_of(second: int) -> str:
    return next(
        text
        for first in range(0xB0, 0xF8)
        if (text := bytes([first, second]).decode("gb18030", "ignore"))
        and len(text) == 1
        and not text.isascii()
    )


@pytest.mark.parametrize("charset", ["GB 18030-2000", "GB18030", "GBK"])
def test_a_charset_stated_after_chinese_text_is_found(native: Native, charset: str) -> None:
    native["setlinfo"]["fixmedins_code"] = chr_of(ord("|")) * 3
    message = parse(Writer(charset).discharge(native))
    assert (message.codec, message.segments[0][4]) == ("gb18030", native["setlinfo"]["fixmedins_code"])


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), st.sampled_from([USUAL, ODD]))
def test_what_is_escaped_comes_back(text: str, signs: Separators) -> None:
    message = parse(Writer(separators=signs).discharge(PLAIN))
    assert unescape(escape(text, signs), message) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\F\\S\\T\\R\\E\ ", "|^&~\\ "),
        (r"a\.br\b", "a b"),
        (r"\H\x\N\ ", "x "),
        (r"\XE7A4BA\例", "示例"),
        (r"\XFF\ ", r"\XFF\ "),
        (r"\X4100\ ", r"\X4100\ "),
        (r"\Z12\ ", r"\Z12\ "),
        ("a\\b", "a\\b"),
    ],
)
def test_an_escape_is_what_it_says(written: str, meant: str) -> None:
    assert unescape(written, parse(Writer().discharge(PLAIN))) == meant


def test_names_of_values_are_their_paths() -> None:
    (raw,) = read(
        b"MSH|^~\\&|A|H1|||20260101||ADT^A03|7|P|2.5\r"
        b'PID|1||a^^^^MR~b&c^^^^NI||X^Y||19700101|""\r'
        b"PV1|1|I" + b"|" * 17 + b"V1" + b"|" * 25 + b"202601011530+0900|20260102\r"
        b"IN1|1\rIN1|2\rDG1|1||I10\rDG1|2||I11\r"
    )
    stay = raw.nodes["setlinfo"]
    assert isinstance(stay, dict)
    assert {name: stay[name] for name in stay if name.startswith("PID-3")} == {
        "PID-3.1": "a",
        "PID-3.5": "MR",
        "PID-3[MR].1": "a",
        "PID-3[MR].5": "MR",
        "PID-3(2).1": "b",
        "PID-3(2).1.2": "c",
        "PID-3(2).5": "NI",
        "PID-3[NI].1": "b",
        "PID-3[NI].1.2": "c",
        "PID-3[NI].5": "NI",
    }
    assert (stay["PID-5"], stay["PID-7.1"], stay["IN1(2)-1.1"]) == ("X Y", "1970-01-01", "2")
    assert "PID-8.1" not in stay
    assert (stay["PV1-44.1"], stay["PV1-45.1"]) == ("2026-01-01 15:30:00+09:00", "2026-01-02")
    assert (stay["MSH-4.1"], stay["MSH-10.1"], raw.key, raw.closes) == ("H1", "7", "V1", True)
    assert [row["DG1-3.1"] for row in raw.nodes["diseinfo"]] == ["I10", "I11"]


@pytest.mark.parametrize("kind", ["discharge", "charges"])
def test_hl7apy_finds_the_same_values(native: Native, kind: str) -> None:
    native["feedetail"] = native["feedetail"][:3]
    native["setlinfo"].update(brdy="", adm_time="", dscg_time="")  # which are read as times
    sent = getattr(Writer(), kind)(native)
    (raw,) = read(sent)
    rows = {"DG1": "diseinfo", "PR1": "oprninfo", "FT1": "feedetail"}
    seen: dict[str, int] = {}
    nodes: Any = raw.nodes
    for segment in parse_message(sent.decode(), find_groups=False).children:
        name = segment.name
        if name not in ("PID", "PV1", "IN1", *rows):
            continue
        turn = seen[name] = seen.get(name, -1) + 1
        found = nodes[rows[name]][turn] if name in rows else nodes["setlinfo"]
        theirs = {
            f"{name}-{field}.{component}": getattr(
                getattr(segment, f"{name}_{field}".lower()), f"{name}_{field}_{component}".lower()
            ).to_er7()
            for field, component in PEER[name]
        }
        assert theirs == {where: found.get(where, "") for where in theirs}
        assert any(theirs.values())
    assert seen.keys() == {"PID", "PV1", *({"FT1"} if kind == "charges" else {"DG1", "PR1", "IN1"})}


PEER = {
    "PID": [(5, 1), (5, 2), (8, 1)],
    "PV1": [(2, 1), (10, 1), (19, 1), (36, 1)],
    "IN1": [(36, 1)],
    "DG1": [(3, 1), (3, 2), (3, 3), (6, 1), (15, 1)],
    "PR1": [(3, 1), (3, 2), (6, 1)],
    "FT1": [(2, 1), (6, 1), (7, 1), (7, 2), (10, 1)],
}


@pytest.mark.parametrize(("kind", "amount"), [("CG", "-10.00"), ("CD", "10.00"), ("CD", "+10.00")])
def test_a_credit_is_a_negative_line(kind: str, amount: str) -> None:
    sign = "-" if kind == "CG" else ""
    (raw,) = read(
        message(f"FT1|1|2||20260101||{kind}|X|||{sign}1|{amount}|10.00", "ZFT|1|09|0.00|0|0|" + amount)
    )
    row: Any = raw.nodes["feedetail"][0]
    assert {name: row[name] for name in ("FT1-10.1", "FT1-11.1", "FT1-12.1", "ZFT-3.1", "ZFT-6.1")} == {
        "FT1-10.1": "-1",
        "FT1-11.1": "-10.00",
        "FT1-12.1": "10.00",
        "ZFT-3.1": "0.00",
        "ZFT-6.1": "-10.00",
    }
    assert raw.violations == ()


def message(*segments: str, kind: str = "DFT^P03") -> bytes:
    head = f"MSH|^~\\&|HIS|H1|A|B|20260101||{kind}|M1|P|2.5||||||UNICODE UTF-8"
    visit = "PV1|1|I" + "|" * 17 + "V1"
    return "\r".join([head, visit, *segments, ""]).encode()


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (message("FT1|1|2||20260101||PY|X|||1|10.00"), "source.hl7.transaction"),
        (message("FT1|1|2||20260101||CD|X|||-1|10.00"), "source.hl7.transaction"),
        (message(kind="ADT^A01"), "source.hl7.message"),
        (message().replace(b"|V1", b""), "source.part.key"),
        (message().replace(b"|V1", b"|" + b"V" * 41), "source.part.key"),
        (message("ZZ|1"), "source.hl7.segment"),
        (message().replace(b"^~\\&", b"^~"), "source.hl7.separators"),
        (message().replace(b"^~\\&", b"^^\\&"), "source.hl7.separators"),
        (message().replace(b"^~\\&", b"^~a&"), "source.hl7.separators"),
        (b"MSH\r", "source.hl7.separators"),
        (message("PID|1\0"), "source.encoding"),
        (message().replace(b"UNICODE UTF-8", b"KLINGON"), "source.hl7.charset"),
        (message("PID|\xff").replace("ÿ".encode(), b"\xff"), "source.hl7.charset"),
        (message("PID|é").replace(b"UNICODE UTF-8", b""), "source.hl7.charset"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_read_does_not_take_its_neighbours_with_it(sent: bytes, rule: str) -> None:
    broken, good = read(sent + message())
    assert rule in rules(broken)
    assert (good.kind, good.key, good.violations) == ("part", "V1", ())


@pytest.mark.parametrize(
    ("delivery", "rule"),
    [
        (b"PID|1\r", "source.hl7.framing"),
        (b"\x0b" + message(), "source.hl7.truncated"),
        (b"\x0b\x1c\r", "source.hl7.framing"),
        (b"\x0b\x0b", "source.hl7.framing"),
        (b"\x0b" + message() + message() + b"\x1c\r", "source.hl7.framing"),
        (message() + b"\x1c\r", "source.hl7.framing"),
        (batch([message()]).replace(b"BTS|1", b"BTS|2"), "source.hl7.batch_count"),
        (batch([message()]).replace(b"FTS|1", b"FTS|3"), "source.hl7.batch_count"),
        (batch([message()]).replace(b"FTS|1\r", b""), "source.hl7.truncated"),
        (batch([message()]).replace(b"BHS", b"FHS"), "source.hl7.framing"),
        (b"BTS|0\r", "source.hl7.framing"),
        (b"\x00\x01\x02", "source.hl7.framing"),
    ],
)
def test_a_broken_delivery_is_refused(delivery: bytes, rule: str) -> None:
    assert refused(delivery) == rule


@pytest.mark.parametrize("more", [b"x", b"PID|1\r", b"\\"])
def test_two_gigabytes_are_refused_after_a_few_megabytes(more: bytes) -> None:
    delivery = Endless(b"MSH|^~\\&|", more)
    with pytest.raises(SourceRefused) as error:
        list(read_hl7v2(delivery, {}))
    assert error.value.violations[0].rule == "source.hl7.too_large"
    assert delivery.given < 2 * MAX_MESSAGE_BYTES


def test_an_empty_msh_18_is_ascii_unless_the_mapping_says_otherwise(native: Native) -> None:
    sent = Writer("").discharge(native)
    (broken,) = read(sent)
    assert rules(broken) == ["source.hl7.charset"]
    (raw,) = read(sent, charset="GB 18030-2000")
    assert raw.nodes["setlinfo"]["PID-5"] == native["setlinfo"]["psn_name"]


def test_a_cancelled_discharge_takes_its_settlement_back(native: Native) -> None:
    sent = Writer().message(("ADT", "A13"), native, 8, [*Writer().patient(native), "ZST|S-1"])
    (raw,) = read(sent)
    (record,) = records([raw], mapping_for(native))
    assert (record.kind, record.key, errors_of(record)) == ("reversal", native["setlinfo"]["mdtrt_id"], [])
    assert (record.body["setl_id"], record.body["biz_sn"]) == ("S-1", "M00000008")
    assert record.body["reversed_at"] == native["setlinfo"]["setl_time"]


def test_an_observation_is_a_report_of_its_stay(native: Native) -> None:
    lines = [
        *Writer().patient(native),
        "OBR|1||R-7|C1^血常规" + "|" * 18 + "20251206",
        "OBX|1|NM|WBC^白细胞||5.1|10^9/L",
    ]
    (record,) = records(read(Writer().message(("ORU", "R01"), native, 1, lines)), mapping_for(native))
    assert (record.kind, record.key, record.body["rpotc_no"]) == (
        "report",
        native["setlinfo"]["mdtrt_id"],
        "R-7",
    )
    assert record.body["rpt_date"] == "2025-12-06"
    assert record.body["result"] == [
        {
            "exam_item_detl_code": "WBC",
            "exam_item_detl_name": "白细胞",
            "exam_rslt_val": "5.1",
            "exam_unt": "10",
        }
    ]


@pytest.mark.parametrize("signs", [USUAL, ODD])
def test_an_answer_echoes_the_message_and_names_each_rule(native: Native, signs: Separators) -> None:
    asked = Writer("GB 18030-2000", signs).discharge(native, 12)
    answer = parse(
        acknowledge(asked, "AE", "ACK|1", AT, [Violation("/setlinfo/certno", "source.x", "示例 ^")])
    )
    assert (answer.separators, answer.codec) == (signs, "gb18030")
    head, accepted, error = answer.segments
    assert head[3:7] == ["AUTOCLAIM", "POOL", "HIS", native["setlinfo"]["fixmedins_code"]]
    assert head[9].split(signs.component) == ["ACK", "A03", "ACK"]
    assert unescape(head[10], answer) == "ACK|1"
    assert accepted == ["MSA", "AE", "M00000012"]
    assert (error[5], unescape(error[8], answer)) == ("source.x", "/setlinfo/certno: 示例 ^")


@pytest.mark.parametrize("facility", ["H31011500005", chr_of(ord("|")) * 3])
def test_a_charset_that_is_not_stated_hides_no_control_id(native: Native, facility: str) -> None:
    native["setlinfo"]["fixmedins_code"] = facility
    head, msa = acknowledge(Writer("").discharge(native, 13) + b"NTE|\xff\r", "AA", "1", AT).split(b"\r")[:2]
    assert msa == b"MSA|AA|M00000013"
    assert facility in head.decode("gb18030")


def test_what_cannot_be_read_is_answered_too() -> None:
    answer = acknowledge(b"\0", "AR", "1", AT, [Violation("", "source.encoding", "holds a NUL character")])
    assert answer.split(b"\r")[1] == b"MSA|AR|"
    assert b"|source.encoding|" in answer


BYTES = Writer("GB 18030-2000").charges(PLAIN) + batch([Writer().discharge(PLAIN)])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_bytes_changed_anywhere_end_as_records_or_refused(data: st.DataObject) -> None:
    broken = bytearray(BYTES)
    signs = [
        b"",
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\x0b",
        b"\x1c",
        b"\x00",
        b"\xff",
        b"MSH",
        b"BTS",
        b"CD",
    ]
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(broken) - 1))
        cut = data.draw(st.sampled_from([0, 1, 3, 40]))
        broken[at : at + cut] = data.draw(st.sampled_from(signs))
    with suppress(SourceRefused):
        settlements(read(bytes(broken)), mapping_for(PLAIN))
    acknowledge(bytes(broken), "AE", "1", AT)
