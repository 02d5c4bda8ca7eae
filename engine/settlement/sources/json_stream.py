"""JSON objects out of a delivery, one at a time: an array of them, NDJSON, or one after the other.

Finds where each object ends and reads none of them, so that memory is bounded by one and a bad one does
not take its neighbours with it. In UTF-8 no byte of a longer character is a quote or a bracket.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from engine.settlement.body import MAX_BODY_BYTES
from engine.settlement.errors import Violation
from engine.settlement.sources.record import SourceRefused

CHUNK: Final = 1 << 16
_BOM: Final = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"[ \t\r\n]*+")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)


def refusal(rule: str, message: str) -> SourceRefused:
    """The delivery cannot be read on."""
    return SourceRefused([Violation("", rule, message)])


def json_objects(first: bytes, rest: BinaryIO) -> Iterator[bytes]:
    """The objects of `first` and what follows it. Raises SourceRefused where the sequence is broken."""
    window = _Window(first.removeprefix(_BOM), rest)
    in_array = window.sign() == b"["
    if in_array:
        window.at += 1
    while (sign := window.sign()) not in (b"", b"]"):
        if sign != b"{":
            raise refusal("source.json.object", f"holds {sign!r} where an object should begin")
        yield window.take_object()
        if in_array and window.sign() == b",":
            window.at += 1
            if window.sign() != b"{":
                raise refusal("source.json.object", "has no object after a comma")
        elif in_array and window.sign() not in (b"]", b""):
            raise refusal("source.json.object", "has no comma between two objects of the array")
    if in_array != (sign == b"]"):
        raise refusal("source.json.truncated", "ends before its array does" if in_array else "holds a lone ]")
    window.at += len(sign)
    if window.sign():
        raise refusal("source.json.object", "goes on after its array")


class _Window:
    """The part of the delivery that is looked at."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._bytes, self._rest, self.at = first, rest, 0

    def sign(self) -> bytes:
        """The next byte that is no white space, at which the window then stands; b"" at the end."""
        while True:
            blank = _BLANK.match(self._bytes, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self._bytes) or not self._more():
                return self._bytes[self.at : self.at + 1]

    def take_object(self) -> bytes:
        """From the brace at which it stands to the one that closes it."""
        depth, seen = 0, self.at
        while True:
            token = _TOKEN.search(self._bytes, seen)
            if token is None or token[0] == b'"':
                # Nothing more, or a string that goes on: look again from there with more before us.
                seen = (token.start() if token else len(self._bytes)) - self.at
                if not self._more():
                    raise refusal("source.json.truncated", "ends inside an object")
                seen += self.at
                continue
            seen = token.end()
            depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[0], 0)
            if depth == 0:
                taken = self._bytes[self.at : seen]
                self.at = seen
                return taken

    def _more(self) -> bool:
        kept = self._bytes[self.at :]
        if len(kept) > MAX_BODY_BYTES:
            raise refusal("source.json.too_large", f"holds an object of more than {MAX_BODY_BYTES} bytes")
        # As much again as is kept: what is long is copied and searched a few times only.
        read = self._rest.read(max(CHUNK, len(kept)))
        self._bytes, self.at = kept + read, 0
        return bool(read)
