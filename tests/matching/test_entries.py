"""An entry of one size for all: it opens for whoever may ask about the person, and tells others nothing."""

import os
import random
import zlib
from dataclasses import replace
from datetime import date

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.matching.entries import ENTRY_BYTES, InsuredUnder, Payload, empty_entry, open_entry, seal_entry
from engine.matching.errors import EntryInvalid, PayloadTooLarge
from engine.matching.voprf import Output

EPOCH = 3
PERSON = Output(b"t" * 16, b"k" * 32)
POLICY = InsuredUnder(
    handle="5a" * 32,
    product="huhuibao-2025",
    effective=date(2025, 7, 1),
    expires=date(2026, 6, 30),
    cancelled_on=date(2025, 12, 31),
    authorization="0x" + "a1" * 32,
    subject="0x" + "b2" * 32,
    scope="0x" + "c3" * 32,
    subject_salt="d4" * 32,
)
PAYLOAD = Payload((b"n" * 16, b"m" * 16), (POLICY, replace(POLICY, product="泉城保 2025", cancelled_on=None)))
WITHOUT_CONSENT = Payload((), (replace(POLICY, authorization=None, subject=None, subject_salt=None),))


def _policies(count: int) -> tuple[InsuredUnder, ...]:
    """As incompressible as real ones: every digit by chance, but the same chance each time."""
    chance = random.Random(6)
    return tuple(
        replace(
            POLICY,
            handle=chance.randbytes(32).hex(),
            effective=date(2015 + year, 7, 1),
            authorization="0x" + chance.randbytes(32).hex(),
            subject="0x" + chance.randbytes(32).hex(),
            scope="0x" + chance.randbytes(32).hex(),
            subject_salt=chance.randbytes(32).hex(),
        )
        for year in range(count)
    )


@pytest.mark.parametrize("payload", [PAYLOAD, WITHOUT_CONSENT, Payload((), ())])
def test_who_may_ask_about_the_person_reads_what_was_sealed(payload: Payload) -> None:
    entry = seal_entry(PERSON, EPOCH, payload, os.urandom)
    assert open_entry(PERSON, EPOCH, entry) == payload
    assert len(entry) == ENTRY_BYTES
    assert entry[:16] == PERSON.tag


def test_whoever_is_in_it_or_nobody_is_an_entry_has_one_size_and_says_nothing() -> None:
    entries = [
        *(seal_entry(PERSON, EPOCH, payload, os.urandom) for payload in (PAYLOAD, PAYLOAD, Payload((), ()))),
        empty_entry(PERSON.tag, os.urandom),
        empty_entry(None, os.urandom),
    ]
    assert {len(entry) for entry in entries} == {ENTRY_BYTES}
    # No two have eight bytes in common behind the tag: neither plain text nor a nonce that comes again.
    pieces = [entry[start : start + 8] for entry in entries for start in range(16, ENTRY_BYTES, 8)]
    assert len(set(pieces)) == len(pieces)


def test_four_policies_fit_and_what_does_not_is_named_by_its_size() -> None:
    names = (b"n" * 16,)
    four = Payload(names, _policies(4))
    assert open_entry(PERSON, EPOCH, seal_entry(PERSON, EPOCH, four, os.urandom)) == four
    with pytest.raises(PayloadTooLarge, match=r"take 1[0-9]{3} bytes in an entry, which holds 978$"):
        seal_entry(PERSON, EPOCH, Payload(names, _policies(7)), os.urandom)
    with pytest.raises(PayloadTooLarge, match=r"which holds 8192$"):
        seal_entry(PERSON, EPOCH, Payload(names, (replace(POLICY, product="p" * 9000),)), os.urandom)


def test_an_entry_is_bound_to_person_tag_and_epoch() -> None:
    entry = seal_entry(PERSON, EPOCH, PAYLOAD, os.urandom)
    elsewhere = b"u" * 16
    for output, epoch, moved in (
        (PERSON, EPOCH + 1, entry),
        (PERSON._replace(key=b"l" * 32), EPOCH, entry),
        (PERSON, EPOCH, elsewhere + entry[16:]),
        (PERSON._replace(tag=elsewhere), EPOCH, elsewhere + entry[16:]),
        (PERSON, EPOCH, entry[:-1] + bytes([entry[-1] ^ 1])),
        (PERSON, EPOCH, entry[:-1]),
        (PERSON, EPOCH, entry[:20]),
        (PERSON, EPOCH, empty_entry(PERSON.tag, os.urandom)),
    ):
        with pytest.raises(EntryInvalid):
            open_entry(output, epoch, moved)


def _sealed(plain: bytes) -> bytes:
    """What only the insurer could seal, of whatever it pleases."""
    bound = PERSON.tag + EPOCH.to_bytes(4)
    return PERSON.tag + bytes(12) + AESGCM(PERSON.key).encrypt(bytes(12), plain.ljust(980, b"\x00"), bound)


def _deflated(text: bytes) -> bytes:
    deflated = zlib.compress(text, 9)
    return len(deflated).to_bytes(2) + deflated


GOOD = '{"name_tags":[],"policies":[{"handle":"%s","product":"p","effective":"2025-07-01",' % ("5a" * 32)
HOSTILE = {
    "nothing": b"",
    "no deflated stream": b"\x00\x04none",
    "longer than it is": b"\xff\xff" + _deflated(b"{}")[2:],
    "cut short": (10).to_bytes(2) + _deflated(b'{"name_tags":[],"policies":[]}')[2:],
    "a bomb": _deflated(b" " * 500_000 + b'{"name_tags":[],"policies":[]}'),
    "a bomb behind a payload": _deflated(b'{"name_tags":[],"policies":[]}' + b" " * 500_000),
    "no JSON": _deflated(b"{"),
    "nesting without end": _deflated(b"[" * 8000),
    "no object": _deflated(b"[]"),
    "no policies": _deflated(b'{"name_tags":[]}'),
    "policies of text": _deflated(b'{"name_tags":[],"policies":"abc"}'),
    "a short name tag": _deflated(b'{"name_tags":["aa"],"policies":[]}'),
    "a numeric name tag": _deflated(b'{"name_tags":[7],"policies":[]}'),
    "no scope": _deflated((GOOD + '"expires":"2026-06-30"}]}').encode()),
    "a scope of nothing": _deflated((GOOD + '"expires":"2026-06-30","scope":null}]}').encode()),
    "a scope out of form": _deflated((GOOD + '"expires":"2026-06-30","scope":"0x1"}]}').encode()),
    "no date": _deflated((GOOD + '"expires":"soon","scope":"0x' + "c3" * 32 + '"}]}').encode()),
}


@pytest.mark.parametrize("plain", HOSTILE.values(), ids=HOSTILE)
def test_what_opens_and_is_no_payload_is_refused(plain: bytes) -> None:
    with pytest.raises(EntryInvalid, match="holds no payload"):
        open_entry(PERSON, EPOCH, _sealed(plain))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("handle", "5A" * 32),
        ("authorization", "a1" * 32),
        ("subject", "0x"),
        ("scope", ""),
        ("subject_salt", "d4"),
    ],
)
def test_what_a_policy_says_has_the_form_that_the_chain_is_asked_in(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must be"):
        replace(POLICY, **{field: value})
