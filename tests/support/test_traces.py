"""The search that the leak test stands on finds a value however it is written, and nothing where none is."""

import os
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from hashlib import sha256

import pytest

from tests.support.traces import Known, Search, amount, certificate, day, encoded, hashes, text, word

NAME, NUMBER, BORN, FEN = "测试甲", "11010519491231002X", date(1949, 12, 31), 31_415_926
KNOWN = (
    text("name", NAME),
    certificate("certificate", "01", NUMBER),
    day("birth date", BORN),
    amount("amount", FEN),
)
NOISE = os.urandom(5_000_000)


def forms() -> Iterator[tuple[bytes, str]]:
    """Each value in every form, and the finding that it makes."""
    for what, values in (("name", [NAME]), ("certificate", [NUMBER]), ("amount", ["314159.26", "31415926"])):
        for value in values:
            yield from ((form, f"{what}: {how}") for how, form in (*encoded(value), *hashes(value.encode())))
    for joined in (f"01{NUMBER}", f"01\x1f{NUMBER}", f'{{"cert_no":"{NUMBER}","cert_type":"01"}}'):
        yield from ((form, f"certificate: {how}") for how, form in hashes(joined.encode()))
    yield from ((form, f"amount: {how}") for how, form in word(FEN))
    yield from ((form, f"amount: word, {how}") for how, form in hashes(FEN.to_bytes(32)))
    for written in ("1949-12-31", "19491231", "1949/12/31", "1949年12月31日"):
        yield written.encode(), "birth date: as it is"


def planted() -> dict[bytes, str]:
    distinct: dict[bytes, str] = {}
    for form, finding in forms():
        distinct.setdefault(form, finding)
    return distinct


def test_a_planted_value_is_found_in_every_encoding_and_every_bare_hash() -> None:
    search, around = Search(KNOWN), NOISE[:99] + b'"'
    for form, finding in planted().items():
        assert finding in search.found(around + form + around[::-1])


def test_a_value_is_found_where_two_of_the_pieces_meet_that_are_looked_through() -> None:
    search, meet = Search(KNOWN), 1 << 22
    for before in (0, 4, 5, 8):
        data = NOISE[: meet - before] + NAME.encode() + NOISE[meet:]
        assert search.found(data) == {"name: as it is"}


def test_a_hash_that_is_cut_short_is_found() -> None:
    search = Search(KNOWN)
    whole = sha256(NUMBER.encode())
    for cut in (whole.digest()[:20], whole.hexdigest()[:32].encode(), b64encode(whole.digest())[:24]):
        assert len(search.found(b"\x00" + cut)) == 1


@pytest.mark.parametrize("beside", [b"131415926", b"314159265", b"x31415926", b"0.31415926", b"0x1df5e760"])
def test_a_number_inside_a_longer_one_is_none(beside: bytes) -> None:
    assert Search(KNOWN).found(beside) == set()


def test_what_was_never_there_is_not_found() -> None:
    others = Search([text("name", "测试乙"), certificate("certificate", "01", "440524188001010014")])
    data = NOISE + b"".join(planted())
    assert others.found(data) == set()
    assert Search(KNOWN).found(NOISE) == set()
    assert Search([Known("nothing", ())]).found(NOISE) == set()
