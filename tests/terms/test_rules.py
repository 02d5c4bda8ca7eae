"""Every rule between the numbers of a product refuses by its id, on its line, with its reason."""

import copy
import json
import operator
import re
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from engine.terms import TermsInvalid, check_product, load_product, terms_from_document
from engine.terms.document import UNORDERED
from tests.terms.keys import schema_keys, used_keys
from tests.terms.worked_examples import PAGE

HERE = Path(__file__).parent
FULL = HERE / "every_feature.yaml"
ROOM = HERE.parents[1] / "engine" / "terms"
TEXT = FULL.read_text(encoding="utf-8")
AUTHORED: dict[str, Any] = YAML(typ="safe").load(TEXT)

CASES: list[dict[str, str]] = YAML(typ="safe").load((HERE / "broken_rules.yaml").read_text(encoding="utf-8"))


def changed(old: str, new: str, tmp_path: Path) -> Path:
    assert old in TEXT
    path = tmp_path / "product.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['rule']}: {case['new']}"[:60])
def test_a_broken_rule_is_named_with_its_line_and_reason(tmp_path: Path, case: dict[str, str]) -> None:
    path = changed(case["old"], case["new"], tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [(one.rule, lines[one.line - 1], one.message) for one in check_product(path)]
    assert any(
        rule == case["rule"] and case["at"] in line and case["reason"] in message
        for rule, line, message in found
    ), found


def test_reduction_by_cause_asks_for_the_conditions(tmp_path: Path) -> None:
    start, end = TEXT.index("conditions:\n"), TEXT.index("\nreduced_by:") + 1
    path = tmp_path / "product.yaml"
    path.write_text(TEXT[:start] + TEXT[end:], encoding="utf-8")
    (problem,) = check_product(path)
    assert (problem.rule, problem.line) == ("condition.missing", TEXT[:start].count("\n") + 1)


def test_every_rule_of_the_source_is_broken_here_and_stands_on_the_page() -> None:
    rules = {rule for name in ("rules", "benefit_rules", "findings") for rule in _ids(name)}
    rules |= {f"{name}.no_such_day" for name in ("period", "version", "item")}
    rules |= {f"{name}.out_of_order" for name in ("period", "item")} | {"condition.missing"}
    assert rules == {case["rule"] for case in CASES} - {"schema.unknown_key"} | {"condition.missing"}
    page = PAGE.read_text(encoding="utf-8")
    table = page[page.index("## What is refused") : page.index("## What the schema cannot say")]
    on_page = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", table))
    others = {rule for rule in on_page if rule.startswith(("schema.", "yaml.", "document."))}
    assert on_page - others == rules | _ids("book")


def _ids(module: str) -> set[str]:
    return set(re.findall(r'"([a-z_]+\.[a-z_]+)"', (ROOM / f"{module}.py").read_text(encoding="utf-8")))


def test_the_product_of_these_tests_is_right_and_uses_every_key_of_the_schema() -> None:
    assert check_product(FULL) == []
    assert used_keys(AUTHORED) == schema_keys()


def test_a_product_of_every_feature_and_its_document_are_one() -> None:
    terms = load_product(FULL)
    again = terms_from_document(terms.document)
    assert (again, again.digest_hex, again.canonical) == (terms, terms.digest_hex, terms.canonical)


def test_the_order_of_a_set_is_of_no_account_and_that_of_a_list_is(tmp_path: Path) -> None:
    digest = load_product(FULL).digest_hex
    path = tmp_path / "product.yaml"
    for place, key in list(_lists(AUTHORED, ())):
        product = copy.deepcopy(AUTHORED)
        _at(product, place).reverse()
        path.write_text(json.dumps(product, ensure_ascii=False, default=str), encoding="utf-8")
        if check_product(path):
            assert key == "steps", place  # ascending, so there is no other order
        else:
            columns = key == "base" and isinstance(_at(product, place)[0], str)
            assert (load_product(path).digest_hex == digest) == (key in UNORDERED or columns), place


def _lists(node: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every list with an order to lose: its place and its key."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, list) and len(value) > 1 and key != "uncertain":
            yield (*place, key), key
        if isinstance(value, list | dict):
            yield from _lists(value, (*place, key))


def _at(node: Any, place: tuple[Any, ...]) -> Any:
    return reduce(operator.getitem, place, node)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["conditions"][0]["diagnoses"].reverse(),
        lambda d: d["caps"][0]["over"].reverse(),
        lambda d: d["benefits"][2]["base"][1]["columns"].reverse(),
        lambda d: d["benefits"][0]["ratio"]["rows"][0].pop("pre_existing_bp"),
        lambda d: d["benefits"][0]["ratio"]["rows"][1].pop("pre_existing_bp"),
        lambda d: d["benefits"][2]["ratio"]["tiers"]["steps"][1].pop("pre_existing_bp"),
        lambda d: d["benefits"][0]["requires"].update(ward_types=[]),
        lambda d: d["deductibles"][0].update(per_stay=False),
        lambda d: d["deductibles"][1].update(family=False),
        lambda d: d.update(reduced_by="person"),
        lambda d: d["benefits"][1]["ratio"].update(not_public=False),
        lambda d: d["co_insurers"][0].update(share_bp=6000.0),
    ],
)
def test_one_promise_has_one_document(change: Callable[[dict[str, Any]], object]) -> None:
    """What could be written in two ways would have two digests."""
    document = load_product(FULL).document
    change(document)
    with pytest.raises(TermsInvalid):
        terms_from_document(document)


def test_a_day_that_the_calendar_does_not_have_is_told_though_nothing_quotes_it(tmp_path: Path) -> None:
    text = (HERE.parents[1] / "seeds" / "products" / "huhuibao-2024.yaml").read_text(encoding="utf-8")
    assert "period: {from: 2024-07-01," in text
    path = tmp_path / "product.yaml"
    path.write_text(text.replace("{from: 2024-07-01,", "{from: 2024-06-31,"), encoding="utf-8")
    assert [one.rule for one in check_product(path)] == ["period.no_such_day"]
