"""One person, one pseudonym under one key; without the key it tells nothing."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from engine.matching.pseudonym import Pseudonymiser

CERTIFICATE = ("01", "11010519491231002X")


def test_the_same_person_always_has_the_same_one() -> None:
    assert Pseudonymiser(b"k" * 32).of(*CERTIFICATE) == Pseudonymiser(b"k" * 32).of(*CERTIFICATE)


def test_another_key_gives_another_one() -> None:
    assert Pseudonymiser(b"k" * 32).of(*CERTIFICATE) != Pseudonymiser(b"l" * 32).of(*CERTIFICATE)


def test_it_is_no_bare_hash_of_what_can_be_enumerated() -> None:
    pseudonym = Pseudonymiser(b"k" * 32).of(*CERTIFICATE)
    for spelled in ("".join(CERTIFICATE), CERTIFICATE[1], "\x1f".join(CERTIFICATE)):
        assert pseudonym != hashlib.sha256(spelled.encode()).hexdigest()


def test_it_is_what_is_stated() -> None:
    """HMAC-SHA256 (RFC 2104), worked out here from its definition."""
    key, message = b"k" * 32, b"01\x1f11010519491231002X"
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\x00")) for pad in (0x36, 0x5C))
    expected = hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).hexdigest()
    assert Pseudonymiser(key).of(*CERTIFICATE) == expected


KINDS = st.from_regex(r"[0-9]{2,6}", fullmatch=True)
NUMBERS = st.from_regex(r"[0-9A-Z]{1,20}", fullmatch=True)


@given(st.tuples(KINDS, NUMBERS), st.tuples(KINDS, NUMBERS))
def test_two_certificates_never_share_one(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Nor by where the kind ends and the number begins: "01" "23" is not "012" "3"."""
    pseudonymiser = Pseudonymiser(b"k" * 32)
    assert (pseudonymiser.of(*one) == pseudonymiser.of(*other)) is (one == other)
