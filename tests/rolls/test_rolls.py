"""A roll is read line by line: good rows as coverage documents, bad ones with everything wrong named."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adjudication import Coverage
from engine.rolls import CSV_COLUMNS, Later, PolicyRow, RowError, read_roll
from engine.sandbox.population import csv_cells, generate

POLICY: dict[str, Any] = {
    "policy_no": "HHB2024-00000001",
    "product": "huhuibao",
    "edition": "2024",
    "person": {"cert_type": "01", "cert_no": "11010519491231002X", "name": "张三"},
    "effective": "2024-07-01",
    "expires": "2025-06-30",
    "pre_existing": ["malignant_tumour", "pulmonary_disease"],
    "continuous_years": 2,
    "claim_free_years": 1,
    "renewed": True,
    "payee": {"name": "张三", "account": "6229088643593662142", "bank": "示例浦江银行"},
    "family": "F-17",
}


def ndjson(*rows: Any) -> list[PolicyRow | RowError]:
    return list(read_roll([json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows], "ndjson"))


def csv(*lines: str, bom: bool = False) -> list[PolicyRow | RowError]:
    text = [line.encode() + b"\r\n" for line in lines]
    return list(read_roll([b"\xef\xbb\xbf" + text[0] if bom else text[0], *text[1:]], "csv"))


def wrong(rows: list[PolicyRow | RowError]) -> list[tuple[int, str, str]]:
    return [(row.line, row.field, row.rule) for row in rows if isinstance(row, RowError)]


def test_a_policy_of_ndjson_is_its_coverage_document() -> None:
    assert ndjson(POLICY) == [PolicyRow(1, POLICY)]


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("heads", [CSV_COLUMNS.keys(), CSV_COLUMNS.values()], ids=["english", "chinese"])
def test_csv_gives_the_same_document_as_ndjson(heads: Any, bom: bool) -> None:
    assert csv(",".join(heads), ",".join(csv_cells(POLICY)), bom=bom) == [PolicyRow(2, POLICY)]


def test_the_seeds_population_reads_the_same_in_both_forms() -> None:
    policies = list(generate().policies())
    rows = csv(",".join(CSV_COLUMNS), *(",".join(csv_cells(policy)) for policy in policies))
    assert [row.document for row in rows if isinstance(row, PolicyRow)] == policies
    assert [row.document for row in ndjson(*policies) if isinstance(row, PolicyRow)] == policies


def test_every_document_is_one_that_adjudication_reads() -> None:
    assert Coverage.parse(POLICY).claim_free_years == 1


def test_what_is_said_later_is_no_part_of_the_coverage() -> None:
    said = {
        "cancelled_on": "2025-01-10",
        "other_certificates": [{"cert_type": "08", "cert_no": "e 1234567"}],
        "other_names": ["张 山"],
    }
    later = Later(date(2025, 1, 10), (("08", "E1234567"),), ("张山",))
    assert ndjson(POLICY | said) == [PolicyRow(1, POLICY, later)]
    (row,) = csv(",".join(CSV_COLUMNS), ",".join(csv_cells(POLICY | {"cancelled_on": "2025-01-10"})))
    assert row == PolicyRow(2, POLICY, Later(date(2025, 1, 10)))
    assert "E1234567" not in repr(later)


def test_the_person_is_spelled_in_the_normalised_way() -> None:
    typed = {**POLICY, "person": {"cert_type": "01", "cert_no": "110105491231002", "name": "张　三"}}
    assert ndjson(typed) == [PolicyRow(1, POLICY)]


def test_what_may_be_left_out_has_its_documented_value() -> None:
    short = {k: POLICY[k] for k in ("policy_no", "product", "edition", "person", "effective", "expires")}
    (row,) = ndjson({**short, "pre_existing": []})
    assert isinstance(row, PolicyRow)
    assert row.document == {
        **short,
        "pre_existing": [],
        "continuous_years": 0,
        "claim_free_years": 0,
        "renewed": False,
    }


@pytest.mark.parametrize("name", ["policy_no", "product", "edition", "effective", "expires", "pre_existing"])
def test_a_required_field_is_missed(name: str) -> None:
    row = {key: value for key, value in POLICY.items() if key != name}
    assert wrong(ndjson(row)) == [(1, f"/{name}", "roll.field.required")]


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"pre_exisiting": []}, "/pre_exisiting", "roll.field.unknown"),
        ({"policy_no": "a/b"}, "/policy_no", "roll.field.identifier"),
        ({"policy_no": 5}, "/policy_no", "roll.field.type"),
        ({"effective": "2024-02-30"}, "/effective", "roll.field.date"),
        ({"effective": "20240701"}, "/effective", "roll.field.date"),
        ({"effective": "2025-07-01"}, "/expires", "roll.period"),
        ({"pre_existing": "x"}, "/pre_existing", "roll.field.type"),
        ({"pre_existing": ["A B"]}, "/pre_existing/0", "roll.field.class"),
        ({"continuous_years": -1}, "/continuous_years", "roll.field.range"),
        ({"continuous_years": True}, "/continuous_years", "roll.field.range"),
        ({"claim_free_years": "2"}, "/claim_free_years", "roll.field.range"),
        ({"renewed": "yes"}, "/renewed", "roll.field.type"),
        ({"person": None}, "/person", "roll.field.required"),
        ({"person": {**POLICY["person"], "name": ""}}, "/person/name", "roll.field.required"),
        ({"person": {**POLICY["person"], "name": "a\u0000b"}}, "/person/name", "roll.field.text"),
        ({"person": {**POLICY["person"], "tel": "1"}}, "/person/tel", "roll.field.unknown"),
        ({"person": {**POLICY["person"], "cert_no": "1"}}, "/person/cert_no", "roll.certificate"),
        ({"cancelled_on": "2025-07-01"}, "/cancelled_on", "roll.period"),
        ({"cancelled_on": "soon"}, "/cancelled_on", "roll.field.date"),
        ({"other_names": "x"}, "/other_names", "roll.field.type"),
        ({"other_names": ["张山", ""]}, "/other_names/1", "roll.field.required"),
        ({"other_certificates": [1]}, "/other_certificates/0", "roll.field.type"),
        (
            {"other_certificates": [{"cert_type": "01", "cert_no": "1"}]},
            "/other_certificates/0/cert_no",
            "roll.certificate",
        ),
        ({"payee": []}, "/payee", "roll.field.type"),
        ({"payee": {**POLICY["payee"], "account": "62-1"}}, "/payee/account", "roll.payee.account"),
        ({"payee": {"name": "a", "account": "12345678"}}, "/payee/bank", "roll.field.required"),
    ],
)
def test_a_field_against_its_rule_is_named(change: dict[str, Any], field: str, rule: str) -> None:
    assert wrong(ndjson({**POLICY, **change})) == [(1, field, rule)]


def test_everything_wrong_with_a_row_is_reported_and_the_others_are_read() -> None:
    rows = ndjson(POLICY, {**POLICY, "policy_no": "", "expires": "x"}, POLICY)
    assert [row.line for row in rows if isinstance(row, PolicyRow)] == [1, 3]
    assert wrong(rows) == [(2, "/policy_no", "roll.field.required"), (2, "/expires", "roll.field.date")]


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"\xff", "roll.line.encoding"),
        (b'{"a":1,"a":2}', "roll.line.json"),
        (b'{"a":NaN}', "roll.line.json"),
        (b"[]", "roll.line.json"),
        (b"{", "roll.line.json"),
        (b"[" * 60_000, "roll.line.json"),
        (b" " * 70_000, "roll.line.length"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_skipped(raw: bytes, rule: str) -> None:
    rows = list(read_roll([raw, b"\n", json.dumps(POLICY).encode()], "ndjson"))
    assert wrong(rows) == [(1, "", rule)]
    assert rows[-1] == PolicyRow(3, POLICY)


def test_a_row_of_csv_that_does_not_fit_the_header_is_named() -> None:
    good = ",".join(csv_cells(POLICY))
    rows = csv(",".join(CSV_COLUMNS), "a,b", '"open', good.replace(",2,1,", ",two,1,"), "", good)
    assert wrong(rows) == [
        (2, "", "roll.line.columns"),
        (3, "", "roll.line.csv"),
        (4, "/continuous_years", "roll.field.range"),
    ]
    assert rows[-1] == PolicyRow(6, POLICY)


def test_a_header_that_lacks_a_column_ends_the_reading() -> None:
    rows = csv("policy_no,产品,edition,cert_type,cert_no,name,生效日期,expires,expires,colour", "1,2")
    assert wrong(rows) == [
        (1, "/pre_existing", "roll.header"),
        (1, "/expires", "roll.header"),
        (1, "/colour", "roll.header"),
    ]


def test_an_unreadable_header_ends_the_reading() -> None:
    assert wrong(list(read_roll([b"\xff\n", b"a,b\n"], "csv"))) == [(1, "", "roll.line.encoding")]


def test_another_kind_of_roll_is_refused() -> None:
    with pytest.raises(ValueError, match="xlsx"):
        read_roll([], "xlsx")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=4), st.sampled_from(["ndjson", "csv"]))
def test_no_bytes_end_in_anything_but_rows(lines: list[bytes], kind: str) -> None:
    header = [",".join(CSV_COLUMNS).encode()] if kind == "csv" else []
    for row in read_roll([*header, *lines], kind):
        assert isinstance(row, PolicyRow | RowError)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, len(json.dumps(POLICY)) - 1),
    st.sampled_from([b"", b'"', b"9", b"{", b",", b"null", b"\xff", b"\\ud800"]),
)
def test_no_mutation_of_a_policy_ends_in_anything_but_rows(position: int, put: bytes) -> None:
    raw = json.dumps(POLICY).encode()
    for row in read_roll([raw[:position] + put + raw[position + 1 :]], "ndjson"):
        assert isinstance(row, PolicyRow | RowError)
