"""What a known value may leave behind in bytes, however it is written or hashed, and the search for it.

A text is looked for in every encoding that a program may give it, and as the bare hash of each way to spell
it, the hash in turn in every encoding; of a hash the first bytes only, so that one cut short is found too.
Nothing salted or keyed is looked for: that nobody can enumerate.
"""

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any
from urllib.parse import quote

import numpy as np
from eth_utils.crypto import keccak

_KEY = 6
"""Bytes by which a trace is found first, its last ones. What is shorter occurs by chance, and is left out."""
_WORD = 32
_WRITTEN_AS_NUMBER = re.compile(r"[0-9]+(\.[0-9]{2})?")
_LONG_ENOUGH = 12
_CUT = 16
_LARGE = 1 << 24
"""Of a word that holds less, nearly all is zeros, as are many bytes of any file."""
_PIECE = 1 << 22
_NOT_BESIDE = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

HASHES: dict[str, Callable[[bytes], bytes]] = {
    **{
        name: lambda data, name=name: hashlib.new(name, data, usedforsecurity=False).digest()  # type: ignore[misc]
        for name in (
            *("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "sm3"),
            *("blake2b", "blake2s"),
        )
    },
    "blake2b of 32 bytes": lambda data: hashlib.blake2b(data, digest_size=32).digest(),
    "keccak": keccak,
}


@dataclass(frozen=True, slots=True)
class Known:
    """A value that is looked for. what: names it in a finding; hashed: further spellings, whose hash tells of
    it; words: numbers that stand for it, as a contract is given them."""

    what: str
    texts: tuple[str, ...]
    hashed: tuple[bytes, ...] = ()
    words: tuple[int, ...] = ()


def text(what: str, value: str) -> Known:
    return Known(what, (value,), (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode()))


def certificate(what: str, kind: str, number: str) -> Known:
    """As sent and in capitals, alone and with its type."""
    joined = [f"{kind}{by}{number}" for by in ("", "\x1f", ":", "|", "-", "_", "/", ",", " ", "\x00")]
    documents = [
        json.dumps(document, sort_keys=True, separators=by)
        for document in ({"cert_no": number, "cert_type": kind}, {"certno": number, "patn_cert_type": kind})
        for by in ((",", ":"), (", ", ": "))
    ]
    spelled = [f'"{number}"', number.lower(), *joined, *documents]
    return Known(what, (number, number.lower()), tuple(one.encode() for one in spelled))


def day(what: str, on: date) -> Known:
    return Known(what, (f"{on}", f"{on:%Y%m%d}", f"{on:%Y/%m/%d}", f"{on.year}年{on.month}月{on.day}日"))


def amount(what: str, fen: int) -> Known:
    """Yuan with decimals, fen, and the word of a contract; but not what is too short to tell from chance."""
    yuan = f"{fen // 100}.{fen % 100:02}"
    digits = [form for form, least in ((yuan, 7), (str(fen), 7), (f"{fen:#x}", 9)) if len(form) >= least]
    hashed = (yuan, f"{yuan}元", f"¥{yuan}", f"{fen // 100}", f"{fen}", f"{fen:#x}", f'"{yuan}"')
    words = (fen,) if fen >= _LARGE else ()
    return Known(what, tuple(digits), tuple(one.encode() for one in hashed), words)


def encoded(value: str) -> Iterator[tuple[str, bytes]]:
    """(how, bytes): each way in which a program may write a text down."""
    plain = value.encode()
    yield "as it is", plain
    for codec in ("gb18030", "utf-16-le", "utf-16-be"):
        yield codec, value.encode(codec)
    escaped = json.dumps(value)[1:-1]
    yield "escaped", escaped.encode()
    yield "escaped in capitals", re.sub(r"(?<=\\u)....", lambda digits: digits[0].upper(), escaped).encode()
    yield "in a URL", quote(value, safe="").encode()
    yield "hex", plain.hex().encode()
    yield "hex in capitals", plain.hex().upper().encode()
    for before, encode in product(range(3), _BASE64):
        # Whatever stands before and after it: only the characters that are its own.
        ours = encode(bytes(before) + plain)
        yield f"base64 after {before}", ours[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


def hashes(value: bytes) -> Iterator[tuple[str, bytes]]:
    """(how, bytes): each bare hash of it, in each encoding."""
    for name, function in HASHES.items():
        cut = function(value)[:_CUT]
        yield name, cut
        yield f"{name}, hex", cut.hex().encode()
        yield f"{name}, hex in capitals", cut.hex().upper().encode()
        for encode in _BASE64:
            yield f"{name}, base64", encode(cut[: _CUT // 3 * 3])


def word(value: int) -> Iterator[tuple[str, bytes]]:
    """(how, bytes): a number of 32 bytes, big-endian, as a contract is given it."""
    whole = value.to_bytes(_WORD)
    yield "a word", whole
    yield "a word, hex", whole.hex().encode()


_BASE64: tuple[Callable[[bytes], bytes], ...] = (base64.b64encode, base64.urlsafe_b64encode)


@dataclass(frozen=True, slots=True)
class _Trace:
    finding: str
    pattern: bytes
    alone: bool
    """A short number: only where no letter, digit or decimal point makes it part of something longer."""


class Search:
    """For many values at once, in one pass over the bytes."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._traces: defaultdict[bytes, list[_Trace]] = defaultdict(list)
        distinct: dict[bytes, _Trace] = {}
        for trace in (trace for one in known for trace in _traces(one) if len(trace.pattern) >= _KEY):
            if distinct.setdefault(trace.pattern, trace) is trace:
                self._traces[trace.pattern[-_KEY:]].append(trace)
        keys = np.frombuffer(b"".join(key + bytes(2) for key in self._traces), "<u8")
        self._keys = np.sort(keys)
        self._last = np.zeros(1 << 24, bool)
        """By the last three bytes of a trace: whether it is worth looking any closer."""
        self._last[keys >> 24] = True

    def found(self, data: bytes) -> set[str]:
        """What of the known is in there, and how it is written."""
        findings: set[str] = set()
        for start in range(0, len(data), _PIECE):
            piece = np.frombuffer(data[start : start + _PIECE + _KEY - 1], np.uint8)
            for end in start + self._ends(piece):
                for trace in self._traces[data[end - _KEY : end]]:
                    if trace.finding not in findings and _stands(trace, data, int(end)):
                        findings.add(trace.finding)
        return findings

    def _ends(self, piece: "np.ndarray[Any, np.dtype[np.uint8]]") -> "np.ndarray[Any, np.dtype[np.int64]]":
        if len(piece) < _KEY:
            return np.zeros(0, np.int64)
        last = [piece[at : len(piece) - _KEY + 1 + at].astype(np.uint32) for at in range(3, _KEY)]
        starts = np.flatnonzero(self._last[last[0] | last[1] << 8 | last[2] << 16])
        keys = np.zeros(len(starts), np.uint64)
        for at in range(_KEY):
            keys |= piece[starts + at].astype(np.uint64) << np.uint64(8 * at)
        return starts[np.isin(keys, self._keys)] + _KEY


def _traces(one: Known) -> Iterator[_Trace]:
    for value in one.texts:
        short = _WRITTEN_AS_NUMBER.fullmatch(value) is not None and len(value) < _LONG_ENOUGH
        for how, pattern in encoded(value):
            alone = value.startswith("0x") or (short and pattern == value.encode())
            yield _Trace(f"{one.what}: {how}", pattern, alone)
    spelled = (*(value.encode() for value in one.texts), *one.hashed)
    words = tuple(number.to_bytes(_WORD) for number in one.words)
    for kind, values in (("", spelled), ("word, ", words)):
        for how, pattern in (form for value in values for form in hashes(value)):
            yield _Trace(f"{one.what}: {kind}{how}", pattern, alone=False)
    for number in one.words:
        for how, pattern in word(number):
            yield _Trace(f"{one.what}: {how}", pattern, alone=False)


def _stands(trace: _Trace, data: bytes, end: int) -> bool:
    start = end - len(trace.pattern)
    if start < 0 or data[start:end] != trace.pattern:
        return False
    if not trace.alone:
        return True
    before, after = data[start - 1 : start], data[end : end + 1]
    return before != b"." and not {*before, *after} & _NOT_BESIDE
