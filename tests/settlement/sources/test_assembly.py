"""The parts of a stay come to one settlement, whatever the order they arrive in."""

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sandbox.population import generate
from engine.settlement import Violation, content_digest
from engine.settlement.sources.assembly import merge
from engine.settlement.sources.record import Record, UnmappedCode
from tests.settlement.conftest import PLAIN

BODIES = [discharge.body for discharge in generate(120, 60).settlements()]


def part(place: str, body: dict[str, Any], **more: Any) -> Record:
    return Record("part", place, copy.deepcopy(body), key="V", **more)


@st.composite
def parts_of(draw: st.DrawFn) -> tuple[dict[str, Any], list[Record]]:
    """A settlement, and it in parts that overlap: fields of setlinfo and rows may come twice."""
    native = draw(st.sampled_from(BODIES))
    rng = random.Random(draw(st.integers(0, 2**32)))
    bodies: list[dict[str, Any]] = [{} for _ in range(draw(st.integers(1, 5)))]

    def some() -> list[dict[str, Any]]:
        return rng.sample(bodies, rng.randint(1, min(2, len(bodies))))

    for name, value in native["setlinfo"].items():
        for body in some():
            body.setdefault("setlinfo", {})[name] = value
    for node in (name for name in native if name != "setlinfo"):
        for row in native[node]:
            for body in some():
                body.setdefault(node, []).append(row)
    parts = [part(f"call {at}", body) for at, body in enumerate(bodies)]
    rng.shuffle(parts)
    return native, parts


@settings(max_examples=60, deadline=None)
@given(parts_of())
def test_parts_come_to_the_settlement_they_were_cut_from(cut: tuple[dict[str, Any], list[Record]]) -> None:
    native, parts = cut
    merged = merge(parts)
    assert merged.violations == ()
    # The sandbox writes rows in the order of their keys.
    assert content_digest(merged.body) == content_digest(
        {node: rows for node, rows in native.items() if rows}
    )


@settings(max_examples=60, deadline=None)
@given(parts_of(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_of_no_account(cut: Any, rng: random.Random) -> None:
    _, parts = cut
    # Some rows of one part are made to differ, so that conflicts are of the same order too.
    for row in (row for row in parts[0].body.get("feedetail", []) if rng.random() < 0.3):
        row["cnt"] = "77"
    again = rng.sample(parts, len(parts))
    assert repr(merge(again)) == repr(merge(parts))


def test_two_values_of_a_field_are_a_violation_with_both_places() -> None:
    one, two = {"setlinfo": {"psn_name": "甲", "gend": "1"}}, {"setlinfo": {"psn_name": "乙", "gend": "1"}}
    merged = merge([part("call 1", one), part("call 3", two), part("call 2", one)])
    assert merged.violations == (
        Violation("/setlinfo/psn_name", "source.parts_disagree", "differs between call 1 and call 3"),
    )
    assert merged.body["setlinfo"]["gend"] == "1"


def test_a_message_never_repeats_a_value() -> None:
    merged = merge([part("a", {"setlinfo": {"certno": "123"}}), part("b", {"setlinfo": {"certno": "456"}})])
    assert not {"123", "456"} & set(merged.violations[0].message.split())


def test_amounts_that_differ_in_spelling_only_agree() -> None:
    one, two = {"setlinfo": {"medfee_sumamt": "12.5"}}, {"setlinfo": {"medfee_sumamt": "12.50"}}
    assert merge([part("a", one), part("b", two)]).violations == ()
    two["setlinfo"]["medfee_sumamt"] = "12.51"
    assert merge([part("a", one), part("b", two)]).violations != ()


def test_a_row_repeated_is_kept_once_and_a_changed_one_is_a_violation() -> None:
    row = {"feedetl_sn": "2", "cnt": "1", "pric": "3"}
    first = {"feedetail": [{"feedetl_sn": "1", "cnt": "1"}, row]}
    merged = merge([part("a", first), part("b", {"feedetail": [row]})])
    assert (merged.body["feedetail"], merged.violations) == ([{"feedetl_sn": "1", "cnt": "1"}, row], ())
    changed = merge([part("a", first), part("b", {"feedetail": [{**row, "cnt": "9"}]})])
    assert changed.violations == (
        Violation("/feedetail/1/cnt", "source.parts_disagree", "differs between a and b"),
    )
    within = merge([part("a", {"feedetail": [row, row, {**row, "pric": "4"}]})])
    assert [violation.field for violation in within.violations] == ["/feedetail/0/pric"]


def test_a_correction_is_a_line_of_its_own() -> None:
    charged = {"feedetl_sn": "1", "cnt": "3", "det_item_fee_sumamt": "30.00"}
    back = {"feedetl_sn": "2", "cnt": "-1", "det_item_fee_sumamt": "-10.00"}
    merged = merge([part("b", {"feedetail": [back]}), part("a", {"feedetail": [charged]})])
    assert merged.body["feedetail"] == [charged, back]


def test_columns_of_one_line_may_come_in_two_parts() -> None:
    given_, answer = {"feedetl_sn": "1", "cnt": "3"}, {"feedetl_sn": "1", "fulamt_ownpay_amt": "0.00"}
    merged = merge([part("input", {"feedetail": [given_]}), part("output", {"feedetail": [answer]})])
    assert merged.body["feedetail"] == [{**given_, **answer}]


def test_two_equal_payments_of_one_part_are_two() -> None:
    pay = {"fund_pay_type": "310100", "fund_payamt": "5.00"}
    assert merge([part("a", {"payinfo": [pay, pay]}), part("b", {"payinfo": [pay]})]).body["payinfo"] == [
        pay,
        pay,
    ]


def test_what_was_found_in_a_part_is_told_of_where_its_row_stands_now() -> None:
    bad = Violation("/feedetail/0/med_list_codg", "source.code.unmapped", "is not mapped")
    code = UnmappedCode("med_list", "x", "/feedetail/0/med_list_codg")
    late = part(
        "b", {"feedetail": [{"feedetl_sn": "2"}]}, violations=(bad,), unmapped=(code,), dropped={"a/b": 2}
    )
    merged = merge([late, part("a", {"feedetail": [{"feedetl_sn": "1"}]}, dropped={"a/b": 1})])
    assert [violation.field for violation in merged.violations] == ["/feedetail/1/med_list_codg"]
    assert [one.field for one in merged.unmapped] == ["/feedetail/1/med_list_codg"]
    assert merged.dropped == {"a/b": 3}


def test_what_is_no_row_stays_for_the_rules_to_refuse() -> None:
    merged = merge([part("a", {"setlinfo": {"a": 1}, "feedetail": ["x", None]})])
    assert sorted(map(str, merged.body["feedetail"])) == ["None", "x"]
    mixed = merge([part("a", {"feedetail": {"a": 1}}), part("b", {"feedetail": [{"feedetl_sn": "1"}]})])
    assert [violation.rule for violation in mixed.violations] == ["source.parts_disagree"]


def test_parts_of_two_stays_are_never_united() -> None:
    with pytest.raises(ValueError, match="one stay"):
        merge([part("a", {}), Record("part", "b", {}, key="other")])
    with pytest.raises(ValueError, match="one stay"):
        merge([])


def test_the_same_settlement_comes_of_a_whole_and_of_itself_twice() -> None:
    once, twice = merge([part("a", PLAIN)]), merge([part("a", PLAIN), part("b", PLAIN)])
    assert content_digest(once.body) == content_digest(twice.body) == content_digest(PLAIN)
