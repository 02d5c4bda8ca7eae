"""The one byte form, and the digests over it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evidence.canonical import canonical_bytes, commitment, digest
from engine.evidence.errors import NotCanonical

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_keys_are_sorted_by_utf16_and_nothing_is_padded() -> None:
    """RFC 8785 section 3.2.3, its own example: the emoji sorts before U+FB33, as UTF-16 has it."""
    doc = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}
    expected = '{"\\r":2,"1":4,"\x80":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    assert canonical_bytes(doc) == expected.encode()


@given(_JSON)
def test_a_document_has_one_form_whatever_the_order_of_its_keys(doc: object) -> None:
    def backwards(value: object) -> object:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(list(value))}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    try:
        expected = canonical_bytes(doc)
    except NotCanonical:
        with pytest.raises(NotCanonical):
            canonical_bytes(backwards(doc))
        return
    assert canonical_bytes(backwards(doc)) == expected


@pytest.mark.parametrize("value", [0.0, 1.5, float("nan"), float("inf")])
def test_a_float_is_refused_and_its_place_named(value: float) -> None:
    with pytest.raises(NotCanonical, match="/benefits/1/ratio"):
        canonical_bytes({"benefits": [{}, {"ratio": value}]})


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {1: "x"}, {"a": b"x"}])
def test_what_json_readers_disagree_on_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical_bytes({"v": value})


def test_a_commitment_is_the_digest_under_its_salt() -> None:
    salt, doc = bytes(range(32)), {"amount_fen": 1}
    assert digest(doc) == hashlib.sha256(b'{"amount_fen":1}').digest()
    assert commitment(salt, doc) == hashlib.sha256(salt + digest(doc)).digest()


@pytest.mark.parametrize("salt", [b"", b"\0" * 31, b"\0" * 33])
def test_a_salt_that_could_be_guessed_is_refused(salt: bytes) -> None:
    with pytest.raises(NotCanonical):
        commitment(salt, {})
