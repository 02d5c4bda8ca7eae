"""Product files: what is wrong is said with its place; what is right has one document and one digest."""

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from jsonschema import Draft202012Validator

from engine.terms import TermsInvalid, check_product, load_product, terms_from_document

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = sorted((ROOT / "seeds" / "products").glob("*.yaml"))
GOOD = """\
product: example
edition: "1"
name: {zh: 示例, en: Example}
clause: {zh: 示例, en: Example}
period: {from: 2024-07-01, to: 2025-06-30}
order_by: [settled_at, setl_id]
rounding: half_up_fen_once
aggregate_cap_yuan: 3000000
benefits:
  - code: B1
    name: {zh: 住院, en: Inpatient}
    clause: {zh: 住院, en: Inpatient}
    lines: {categories: ["03", "09"]}
    base: [own_pay, over_limit]
    deductible:
      amount_yuan: 20000
      ladder:
        by: claim_free_years
        steps:
          - {at_least: 2, amount_yuan: 11000}
          - {at_least: 3, amount_yuan: 10000}
    ratio: {standard: "0.70", pre_existing: "0.50"}
    cap_yuan: 1000000
    limits:
      - id: single-drug
        name: {zh: 单品药品, en: a drug}
        lines: {categories: ["09"]}
        within: year
        per_item: true
        paid_max_yuan: 300000
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "product.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def test_the_seeds_are_right_and_say_where_the_public_facts_end() -> None:
    assert [path.stem for path in PRODUCTS] == [
        "example-hospital-allowance",
        *(f"huhuibao-{year}" for year in range(2021, 2026)),
        "liuzhou",
        "puhui-beijing",
        "xihu-hangzhou",
        "zhaohuibao-liaocheng",
    ]
    for path in PRODUCTS:
        assert check_product(path) == []
        terms = load_product(path)
        assert path.stem in (terms.full_name, terms.product)
        assert terms.uncertain or terms.product.startswith("example-")


def test_an_invented_product_says_that_it_is_nobodys() -> None:
    for path in (path for path in PRODUCTS if path.stem.startswith("example-")):
        assert "NOBODY'S PRODUCT" in path.read_text(encoding="utf-8")
        assert "虚构" in load_product(path).name.zh


@pytest.mark.parametrize(
    ("edition", "aggregate", "deductible", "listed", "cart"),
    [
        ("2021", 2_300_000, [20_000], ["21种"], None),
        ("2022", 3_100_000, [20_000], ["25种", "15种"], "2种"),
        ("2023", 3_100_000, [16_000, 15_000, 14_000], ["36种", "15种"], "2种"),
        ("2024", 3_100_000, [12_000, 12_000, 11_000, 10_000], ["41种", "28种"], "3种"),
        ("2025", 3_100_000, [12_000, 12_000, 11_000, 10_000], ["48种", "28种"], "4种"),
    ],
)
def test_an_edition_has_its_published_numbers(
    edition: str, aggregate: int, deductible: list[int], listed: list[str], cart: str | None
) -> None:
    terms = load_product(ROOT / "seeds" / "products" / f"huhuibao-{edition}.yaml")
    benefits = {benefit.code: benefit for benefit in terms.benefits}
    assert terms.aggregate_cap_fen == aggregate * 100
    annual = benefits["B1"].deductible
    assert annual is not None
    assert [annual.for_years(years) for years in range(len(deductible))] == [d * 100 for d in deductible]
    assert annual.for_years(99) == deductible[-1] * 100
    caps = {code: (benefit.cap_fen or 0) // 100 for code, benefit in benefits.items()}
    expected = {"B1": 1_000_000, "B2": 1_000_000, "B3": 300_000, "B4": 300_000, "B5": 500_000}
    present = list(expected) if cart else ["B1", "B2", "B3"]
    assert caps == {code: expected[code] for code in present}
    ratios = {code: (b.ratio.rate.standard_bp, b.ratio.rate.pre_existing_bp) for code, b in benefits.items()}
    assert ratios["B1"] == (7000, 5000)
    assert {ratios[code] for code in ("B2", "B3", "B4") if code in ratios} == {(7000, 3000)}
    assert ratios.get("B5", (10_000, 10_000)) == (10_000, 10_000)
    for code, count in zip(("B2", "B4"), listed, strict=False):
        assert count in benefits[code].clause.zh
    if cart:
        assert cart in benefits["B5"].clause.zh
    lines = benefits["B1"].lines
    assert lines is not None
    assert ("05" in lines.categories) == (edition >= "2024")
    assert "01" not in lines.categories
    assert [part.columns for part in benefits["B1"].base] == [("over_limit", "own_pay")]


def test_the_schema_is_a_schema_and_editors_find_it_beside_the_files() -> None:
    beside = ROOT / "seeds" / "products" / "product.schema.json"
    schema = json.loads(beside.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert beside.read_bytes() == (ROOT / "engine" / "terms" / "product.schema.json").read_bytes()
    for path in PRODUCTS:
        assert path.read_text(encoding="utf-8").startswith(
            "# yaml-language-server: $schema=./product.schema.json"
        )


@pytest.mark.parametrize(
    ("old", "new", "rule", "line"),
    [
        ("rounding: half_up_fen_once", "rounding: bankers", "schema.enum", 7),
        ("    cap_yuan: 1000000", "    cap_yaun: 1000000", "schema.unknown_key", 23),
        ('standard: "0.70"', 'standard: "1.70"', "ratio.above_one", 22),
        ('pre_existing: "0.50"', 'pre_existing: "0.90"', "ratio.reduced_above_standard", 22),
        ('standard: "0.70"', "standard: 0.70", "schema.type", 22),
        ('standard: "0.70"', "not_public: true", "ratio.beside", 22),
        ("    cap_yuan: 1000000", "    cap_yuan: 10000", "cap.below_deductible", 23),
        ("    cap_yuan: 1000000", "    cap_yuan: 9000000", "cap.above_aggregate", 23),
        ("    cap_yuan: 1000000", '    cap_yuan: "1.005"', "schema.pattern", 23),
        ("    cap_yuan: 1000000", "    cap_yuan: -1", "schema.minimum", 23),
        ("    cap_yuan: 1000000\n", "    cap_yuan: 1\n    cap_yuan: 2\n", "yaml.repeated_key", 24),
        ("paid_max_yuan: 300000", "paid_max_yuan: 2000000", "limit.above_cap", 30),
        ("to: 2025-06-30", "to: 2024-06-30", "period.out_of_order", 5),
        ("to: 2025-06-30", 'to: "2025-06-31"', "period.no_such_day", 5),
        ('categories: ["03", "09"]', 'categories: ["03", "09", "03"]', "code.repeated", 13),
        ('categories: ["03", "09"]', "categories: [03, 09]", "schema.type", 13),
        ('categories: ["09"]', 'categories: ["08"]', "limit.outside_benefit", 27),
        ("{at_least: 3,", "{at_least: 1,", "ladder.out_of_order", 21),
        ("{at_least: 3,", "{at_least: 2,", "code.repeated", 21),
        ("3, amount_yuan: 10000}", "3, amount_yuan: 12000}", "ladder.not_descending", 21),
        ("    lines: {categories: [\"03\", \"09\"]}\n", "", "lines.missing", 23),
        ("        paid_max_yuan: 300000\n", "", "schema.one_of", 25),
        ("        per_item: true\n", "        item_code_prefix: {X: 10}\n", "limit.items_not_apart", 29),
        ("paid_max_yuan: 300000", "occasions_max: 1", "limit.occasions_scope", 30),
        ("edition: \"1\"\n", "", "schema.required", 1),
        ("order_by: [settled_at, setl_id]", "order_by: [arrival]", "schema.enum", 6),
        ("{at_least: 3,", "{at_least: 3.0,", "schema.type", 21),
        ("product: example", "product: [example", "yaml.syntax", 2),
    ],
)  # fmt: skip
def test_a_wrong_product_is_named_with_its_rule_and_line(
    write: Callable[[str], Path], old: str, new: str, rule: str, line: int
) -> None:
    assert old in GOOD
    problems = check_product(write(GOOD.replace(old, new, 1)))
    assert (rule, line) in [(problem.rule, problem.line) for problem in problems]
    with pytest.raises(TermsInvalid) as raised:
        load_product(write(GOOD.replace(old, new, 1)))
    assert list(raised.value.problems) == problems


def test_an_unknown_key_is_told_what_it_may_have_meant(write: Callable[[str], Path]) -> None:
    (problem,) = check_product(write(GOOD.replace("    cap_yuan:", "    cap_yaun:")))
    assert (problem.line, problem.column, problem.pointer) == (23, 5, "/benefits/0/cap_yaun")
    assert "did you mean cap_yuan" in problem.message


def test_all_problems_are_named_in_the_order_of_the_file(write: Callable[[str], Path]) -> None:
    text = GOOD.replace('"0.70"', '"1.70"').replace("cap_yuan: 1000000", "cap_yuan: 10000")
    assert [problem.rule for problem in check_product(write(text))] == [
        "ratio.above_one",
        "cap.below_deductible",
        "limit.above_cap",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "just words",
        "\x00",
        "a: &x [1]\nb: *x\n",
        "a: &a [*a]\n",
        "!!python/object:os.x {}",
        "[" * 50_000,
    ],
)
def test_what_is_no_product_is_a_problem_and_never_a_crash(write: Callable[[str], Path], text: str) -> None:
    assert check_product(write(text))


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "product.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert [problem.rule for problem in check_product(path)] == ["yaml.encoding"]


@pytest.mark.parametrize("path", PRODUCTS, ids=lambda path: path.stem)
def test_terms_and_their_document_are_one(path: Path) -> None:
    terms = load_product(path)
    document = json.loads(rfc8785.dumps(terms.document))
    again = terms_from_document(document)
    assert again == terms
    assert again.digest_hex == terms.digest_hex


def test_the_digest_depends_on_what_is_promised_and_not_on_how_it_is_written(
    write: Callable[[str], Path],
) -> None:
    digest = load_product(write(GOOD)).digest_hex
    reworded = GOOD.replace('["03", "09"]', '["09", "03"]').replace("20000\n", '"20000.00" # yuan\n')
    reworded += 'uncertain: ["a note"]\n'
    assert load_product(write(reworded)).digest_hex == digest
    assert (
        load_product(write(GOOD.replace("amount_yuan: 11000", 'amount_yuan: "11000.01"'))).digest_hex
        != digest
    )


def test_terms_cannot_be_changed_once_loaded(write: Callable[[str], Path]) -> None:
    terms = load_product(write(GOOD))
    with pytest.raises(FrozenInstanceError):
        terms.edition = "2"  # type: ignore[misc]
    terms.document["edition"] = "2"
    assert terms.document["edition"] == "1"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("order_by"),
        lambda d: d.update(extra=1),
        lambda d: d["benefits"][0].update(cap_fen=1.5),
        lambda d: d["benefits"][0].update(cap_fen=True),
        lambda d: d["benefits"][0]["ratio"].update(standard_bp=20_000),
        lambda d: d["benefits"][0]["ratio"].update(standard_bp=-1),
        lambda d: d["benefits"][0]["lines"].update(categories=["09", "03"]),
        lambda d: d["benefits"][0]["limits"][0].update(per_item=False),
        lambda d: d["benefits"][0]["deductible"]["ladder"]["steps"][0].update(at_least=2.0),
        lambda d: d.update(uncertain=["a note"]),
        lambda d: d.update(benefits="none"),
    ],
)
def test_a_document_that_is_not_canonical_terms_is_refused(
    write: Callable[[str], Path], change: Callable[[dict[str, Any]], object]
) -> None:
    document = load_product(write(GOOD)).document
    change(document)
    with pytest.raises(TermsInvalid):
        terms_from_document(document)
