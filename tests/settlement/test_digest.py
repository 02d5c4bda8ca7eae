"""Two submissions are the same settlement when only their spelling differs."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.settlement import content_digest, parse_body
from tests.settlement.conftest import PLAIN

Native = dict[str, Any]
_AMOUNTS = ["12.5", "12.50", "12.500", Decimal("12.5"), Decimal("12.50"), 12.5, "012.5"]


def respelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: respelled(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [respelled(item) for item in value]
    return value


def test_key_order_and_white_space_do_not_matter(native: Native) -> None:
    again = json.dumps(respelled(native), ensure_ascii=True, indent=3).encode()
    assert content_digest(parse_body(again)) == content_digest(native)


@pytest.mark.parametrize("spelling", _AMOUNTS)
def test_the_spelling_of_an_amount_does_not_matter(native: Native, spelling: object) -> None:
    native["setlinfo"]["medfee_sumamt"] = "12.50"
    expected = content_digest(native)
    native["setlinfo"]["medfee_sumamt"] = spelling
    assert content_digest(native) == expected


@pytest.mark.parametrize("other", ["12.51", "-12.5", "125", "1.25", "12.5x", "", None, "0012_5", "１2.50"])
def test_another_amount_is_other_content(native: Native, other: object) -> None:
    native["setlinfo"]["medfee_sumamt"] = "12.5"
    expected = content_digest(native)
    native["setlinfo"]["medfee_sumamt"] = other
    assert content_digest(native) != expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"certno": "0012"}, {"certno": "12"}),
        ({"certno": "12"}, {"certno": 12}),
        ({"a": 1}, {"a": True}),
        ({"a": ""}, {"a": None}),
        ({"a": None}, {}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ({"a": ["x"]}, {"a": "x"}),
        ({"a": {}}, {"a": []}),
    ],
)
def test_what_is_no_amount_is_compared_as_written(one: Native, other: Native) -> None:
    assert content_digest(one) != content_digest(other)


def test_the_order_of_lines_is_content(native: Native) -> None:
    expected = content_digest(native)
    native["feedetail"].reverse()
    assert content_digest(native) != expected


_LEAVES = [
    (node, index, name)
    for node, part in PLAIN.items()
    for index, row in enumerate(part if isinstance(part, list) else [part])
    for name in row
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_LEAVES), st.text(max_size=12))
def test_any_other_value_anywhere_is_other_content(leaf: tuple[str, int, str], value: str) -> None:
    node, index, name = leaf
    part = PLAIN[node]
    old = part[index][name] if isinstance(part, list) else part[name]
    if isinstance(part, list):
        changed: Any = [*part[:index], {**part[index], name: value}, *part[index + 1 :]]
    else:
        changed = {**part, name: value}
    same = value == old or (
        name != "feedetl_sn" and _as_number(value) is not None and _as_number(value) == _as_number(old)
    )
    if not same:
        assert content_digest({**PLAIN, node: changed}) != content_digest(PLAIN)


def _as_number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None
