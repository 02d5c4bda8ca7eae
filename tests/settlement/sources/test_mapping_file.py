"""A clerk's mapping file is read, or every problem is told with file, line and rule."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.settlement.sources.codes import Dictionaries
from engine.settlement.sources.mapping import CodeRule, MappingBook, MappingInvalid, SourceMapping
from engine.settlement.sources.mapping_file import MAX_BYTES, check_mapping, load_mapping, load_mapping_text
from tests.support.process import REPOSITORY

SEEDS = REPOSITORY / "seeds" / "sources"
GOOD = """\
source: some-his
hospital: H31010100001
format: table
version: {number: 1, holds_from: 2024-01-01}
table: {key: 结算号}
names:
  setlinfo: {结算号: setl_id, 总费用: medfee_sumamt}
  feedetail: {金额: det_item_fee_sumamt}
ignore:
  setlinfo: [床号]
constants:
  setlinfo: {insuplc: "310000", med_type: "21"}
codes:
  sex:
    - {local: 男, standard: "1"}
    - {local: M, standard: "1", from: 2024-01-01, to: 2024-06-30}
"""


def load(text: str, dictionaries: Dictionaries | None = None) -> SourceMapping:
    return load_mapping_text(text.encode(), "some.yaml", dictionaries or Dictionaries())


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_seed_mapping_has_no_problem(path: Path) -> None:
    assert check_mapping(path) == []
    assert load_mapping(path).source == path.stem


def test_what_a_clerk_writes_is_what_the_mapping_holds() -> None:
    mapping = load(GOOD)
    assert (mapping.source, mapping.hospital, mapping.format) == ("some-his", "H31010100001", "table")
    assert (mapping.number, mapping.holds_from) == (1, date(2024, 1, 1))
    assert mapping.names["setlinfo"] == {"结算号": "setl_id", "总费用": "medfee_sumamt"}
    assert mapping.ignore == {"setlinfo": frozenset({"床号"})}
    assert mapping.constants == {"setlinfo": {"insuplc": "310000", "med_type": "21"}}
    assert mapping.codes["sex"] == (
        CodeRule("男", "1"),
        CodeRule("M", "1", date(2024, 1, 1), date(2024, 6, 30)),
    )
    assert mapping.layout["columns"] == {"setlinfo": ["结算号", "总费用", "床号"], "feedetail": ["金额"]}


def test_a_digest_changes_with_what_is_mapped_and_not_with_how_it_is_written() -> None:
    digest = load(GOOD).digest_hex
    assert load("# a note\n" + GOOD.replace('"21"}', "'21'}")).digest_hex == digest
    assert load(GOOD.replace('"21"}', '"22"}')).digest_hex != digest


REFUSED = {
    "schema.unknown_key": ("ignore:", "ignores:"),
    "schema.required": ("table: {key: 结算号}\n", "table: {header_rows: 1}\n"),
    "schema.pattern": ("H31010100001", "H310101"),
    "mapping.unknown_field": ("medfee_sumamt", "medfee_sumamount"),
    "mapping.unknown_node": ("  feedetail: {金额", "  feedetails: {金额"),
    "mapping.unknown_dictionary": ("  sex:", "  gender:"),
    "mapping.unknown_code": ('男, standard: "1"', '男, standard: "3"'),
    "mapping.bad_value": ('insuplc: "310000"', 'insuplc: "31"'),
    "mapping.name_twice": ("[床号]", "[总 费 用]"),
    "mapping.overlapping": ("local: 男", "local: Ｍ"),
    "mapping.other_format": ("names:\n", "fhir: {}\nnames:\n"),
    "mapping.no_place": ("  feedetail: {金额: det_item_fee_sumamt}", "  payinfo: {金额: fund_payamt}"),
    "code.out_of_order": ("to: 2024-06-30", "to: 2023-06-30"),
    "code.no_such_day": ("to: 2024-06-30", "to: 2024-06-31"),
    "version.no_such_day": ("holds_from: 2024-01-01", "holds_from: 2024-02-30"),
    "yaml.repeated_key": ("结算号: setl_id, 总费用: ", "结算号: setl_id, 结算号: "),
    "yaml.alias": (
        'setlinfo: {insuplc: "310000", med_type: "21"}',
        'setlinfo: &a {insuplc: "310000"}\n  reversal: *a',
    ),
    "yaml.syntax": ("names:\n", "names: {\n"),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_mistake_is_told_with_file_line_and_rule(rule: str) -> None:
    before, after = REFUSED[rule]
    assert before in GOOD
    with pytest.raises(MappingInvalid) as caught:
        load(GOOD.replace(before, after, 1))
    problem = caught.value.problems[0]
    assert (problem.path, problem.rule) == ("some.yaml", rule)
    assert problem.line > 0
    assert problem.message


def test_the_line_told_is_the_line_of_the_mistake() -> None:
    with pytest.raises(MappingInvalid) as caught:
        load(GOOD.replace("medfee_sumamt", "medfee_sum").replace('男, standard: "1"', '男, standard: "3"'))
    assert [(one.line, one.rule) for one in caught.value.problems] == [
        (7, "mapping.unknown_field"),
        (15, "mapping.unknown_code"),
    ]
    assert "did you mean medfee_sumamt?" in caught.value.problems[0].message


def test_a_file_beyond_any_mapping_is_not_parsed() -> None:
    with pytest.raises(MappingInvalid, match=r"yaml\.too_large"):
        load_mapping_text(b"#" * (MAX_BYTES + 1), "big.yaml")


def test_two_spellings_of_one_column_are_one_column() -> None:
    text = GOOD.replace("总费用: medfee", "总费用（元）: medfee_sumamt, 总费用(元) : medfee")
    with pytest.raises(MappingInvalid, match=r"the same column"):
        load(text)


def test_a_code_of_an_open_dictionary_is_held_to_the_list_that_the_operator_gives(tmp_path: Path) -> None:
    text = GOOD.replace("  sex:\n", '  icd10:\n    - {local: A1, standard: "C34.900"}\n  sex:\n')
    assert load(text).codes["icd10"] == (CodeRule("A1", "C34.900"),)
    with pytest.raises(MappingInvalid, match=r"unknown_code"):
        load(text.replace("C34.900", "lungs"))
    (tmp_path / "icd10.csv").write_text("code,name,from,to\nC34.901,x,,\n", "utf-8")
    listed = Dictionaries.of_folder(tmp_path)
    with pytest.raises(MappingInvalid, match=r"icd10 does not hold C34\.900"):
        load(text, listed)
    assert load(text.replace("C34.900", "C34.901"), listed)


def version(number: int, holds_from: str, source: str = "some-his") -> SourceMapping:
    text = GOOD.replace("number: 1, holds_from: 2024-01-01", f"number: {number}, holds_from: {holds_from}")
    return load(text.replace("some-his", source))


def test_of_several_versions_the_latest_that_holds_on_the_day_reads() -> None:
    book = MappingBook.of([version(2, "2024-05-01"), version(1, "2024-01-01"), version(3, "2024-05-01")])
    assert book.holding(date(2023, 12, 31)) is None
    held = [book.holding(day) for day in (date(2024, 1, 1), date(2024, 4, 30), date(2024, 5, 1))]
    assert [one.number if one else None for one in held] == [1, 1, 3]


@pytest.mark.parametrize(
    ("versions", "rule"),
    [
        ([], "book.empty"),
        ([version(1, "2024-01-01"), version(1, "2024-02-01")], "book.repeated"),
        ([version(1, "2024-02-01"), version(2, "2024-01-01")], "book.out_of_order"),
        ([version(1, "2024-01-01"), version(2, "2024-02-01", "other")], "book.other_source"),
    ],
)
def test_versions_that_are_no_book_are_refused(versions: list[SourceMapping], rule: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        MappingBook.of(versions)
    assert caught.value.problems[0].rule == rule


def test_no_bytes_are_anything_but_a_mapping_or_refused() -> None:
    @given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.text(max_size=4)), min_size=1, max_size=5))
    @settings(max_examples=150, deadline=None)
    def mutated(edits: list[tuple[int, str]]) -> None:
        text = GOOD
        for at, piece in edits:
            text = text[:at] + piece + text[at + 1 :]
        try:
            assert load_mapping_text(text.encode("utf-8", "replace"), "x").source
        except MappingInvalid as error:
            assert all(one.rule and one.line for one in error.problems)  # noqa: PT017 - either is right

    mutated()


@pytest.mark.parametrize(
    "text", ["", "3", "- a", "null", "{}", "? [a]\n: b", "a: !!python/object:x {}", "<<: 3"]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(MappingInvalid):
        load(text)
