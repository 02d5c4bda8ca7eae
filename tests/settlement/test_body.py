"""Bytes that are not one bounded JSON object are refused with their rule, never with a traceback."""

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.settlement import (
    BodyRefused,
    IdentityMissing,
    Settlement,
    content_digest,
    identity_of,
    parse_body,
    validate,
)
from engine.settlement.body import MAX_BODY_BYTES
from tests.settlement.conftest import PLAIN

RAW = json.dumps(PLAIN, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b" " * (MAX_BODY_BYTES + 1), "settlement.body.too_large"),
        (b'{"a":"\xff"}', "settlement.body.encoding"),
        (b'{"a":"\\ud800"}', "settlement.body.encoding"),
        (b'{"a":"\\\\\\u0000"}', "settlement.body.encoding"),
        (b"{", "settlement.body.json"),
        (b"", "settlement.body.json"),
        (b'{"a":1} x', "settlement.body.json"),
        (b'{"a":{"b":1,"b":1}}', "settlement.body.duplicate_key"),
        (b'{"a":NaN}', "settlement.body.number"),
        (b'{"a":-Infinity}', "settlement.body.number"),
        (b'{"a":1e999999999999999999999}', "settlement.body.number"),
        (b'{"a":' + b"9" * 5000 + b"}", "settlement.body.number"),
        (b'{"a":' + b"[" * 17 + b"]" * 17 + b"}", "settlement.body.nesting"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "settlement.body.nesting"),
        (b"[1]", "settlement.body.object"),
        (b"null", "settlement.body.object"),
    ],
)
def test_a_body_that_is_no_bounded_json_object_names_its_rule(raw: bytes, rule: str) -> None:
    with pytest.raises(BodyRefused) as caught:
        parse_body(raw)
    assert [v.rule for v in caught.value.violations] == [rule]


def test_amounts_survive_as_exact_decimals() -> None:
    body = parse_body(b'{"a": 0.1, "b": 12.50, "c": 7}')
    assert body == {"a": Decimal("0.1"), "b": Decimal("12.50"), "c": 7}
    assert str(body["b"]) == "12.50"


def test_a_backslash_before_what_looks_like_a_nul_is_text() -> None:
    assert parse_body(rb'{"a":"\\u0000\u00e9"}') == {"a": "\\u0000é"}


def test_a_body_of_the_deepest_allowed_nesting_is_read() -> None:
    assert parse_body(b'{"a":' + b"[" * 15 + b"]" * 15 + b"}")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    position=st.integers(0, len(RAW) - 1),
    cut=st.integers(0, 3),
    put=st.one_of(
        st.binary(max_size=4),
        st.sampled_from(
            [b"-", b"0", b"9", b"e9", b'"', b",", b"{", b"[", b"null", b"true", b"1e400", b"\\u0000"]
        ),
    ),
)
def test_no_mutation_of_a_valid_body_ends_in_anything_but_a_verdict(
    position: int, cut: int, put: bytes
) -> None:
    raw = RAW[:position] + put + RAW[position + cut :]
    try:
        native = parse_body(raw)
    except BodyRefused:
        return
    content_digest(native)
    if validate(native):
        return
    Settlement.parse(native)
    with contextlib.suppress(IdentityMissing):
        identity_of(native)


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.decimals()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(
    node=st.sampled_from(sorted(PLAIN)),
    field=st.sampled_from(
        sorted(
            {
                name
                for part in PLAIN.values()
                for row in (part if isinstance(part, list) else [part])
                for name in row
            }
        )
    ),
    value=_json,
)
def test_no_value_in_any_field_ends_in_anything_but_a_verdict(node: str, field: str, value: object) -> None:
    part = PLAIN[node]
    changed = {**part, field: value} if isinstance(part, dict) else [{**part[0], field: value}, *part[1:]]
    native = {**PLAIN, node: changed}
    content_digest(native)
    if not validate(native):
        Settlement.parse(native)


@settings(max_examples=200, deadline=None)
@given(node=st.sampled_from(sorted(PLAIN)), value=_json)
def test_no_value_in_place_of_a_node_ends_in_anything_but_a_verdict(node: str, value: object) -> None:
    validate({**PLAIN, node: value})
