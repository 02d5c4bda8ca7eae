"""docs/terms.md and the engine come to the same: every example of the page is adjudicated."""

from collections.abc import Callable
from fractions import Fraction
from math import floor

import pytest

from engine.adjudication import Decision
from engine.money import parse_yuan
from tests.terms.keys import schema_keys, used_keys
from tests.terms.worked_examples import PAGE, Example, decisions_of, examples, value_of

EXAMPLES = list(examples())


def fen(text: str) -> int:
    return parse_yuan(text.replace(",", ""))


_FIGURES: dict[str, Callable[[Decision, str], int]] = {
    "eligible": lambda decision, code: _benefit(decision, code)["eligible_fen"],
    "deductible": lambda decision, code: _benefit(decision, code)["deductible_fen"],
    "paid": lambda decision, code: _benefit(decision, code)["payable_fen"],
    "total": lambda decision, _: decision.payable_fen,
    "share": lambda decision, name: {
        one["name"]: one["payable_fen"] for one in decision.document()["co_insurers"]
    }[name],
}
"""What a row of this kind is in the decision, in fen. Rows of other kinds are steps between."""


def _benefit(decision: Decision, code: str) -> dict[str, int]:
    (found,) = [one for one in decision.document()["benefits"] if one["code"] == code]
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.heading)
def test_the_engine_comes_to_the_figures_of_the_page(example: Example) -> None:
    decisions = decisions_of(example)
    assert {row.bill for row in example.rows} == set(decisions), "each bill is worked out, and no other"
    for row in example.rows:
        decision = decisions[row.bill]
        if row.what == "outcome":
            found = (decision.outcome.value, {reason.code for reason in decision.reasons})
            assert found == (row.comes_to, {row.worked_out.strip("`")}), row
        elif row.what in _FIGURES:
            assert _FIGURES[row.what](decision, row.benefit) == fen(row.comes_to), row
    for bill, decision in decisions.items():
        paid = [row for row in example.rows if row.bill == bill and row.what == "paid"]
        assert sum(fen(row.comes_to) for row in paid) == decision.payable_fen, (
            "all that is paid is on the page"
        )
        assert paid or any(row.what == "outcome" for row in example.rows if row.bill == bill)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.heading)
def test_the_page_calculates_right(example: Example) -> None:
    for row in (row for row in example.rows if row.worked_out and row.what != "outcome"):
        assert floor(value_of(row.worked_out) * 100 + Fraction(1, 2)) == fen(row.comes_to), row


def test_every_block_of_the_page_belongs_to_an_example() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```yaml\n") == 2 * len(EXAMPLES)
    assert page.count("| bill | benefit | what |") == len(EXAMPLES)


def test_the_page_has_an_example_for_every_key_of_the_schema() -> None:
    """What no example uses, nobody has seen work."""
    used = {key for example in EXAMPLES for key in used_keys(example.authored)}
    assert schema_keys() - used == {"product", "edition", "clause"}
