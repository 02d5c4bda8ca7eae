"""HL7 v2 as it is sent (ER7): MLLP frames, batch files or plain messages to segments, fields and values.

hl7apy, the library for it, takes 10 ms a segment and changes escaped text, so that it serves the tests as a
second opinion only. The grammar is five separators, which MSH states.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from engine.settlement.sources.json_stream import CHUNK, refusal

MAX_SEGMENT_BYTES: Final = 256 * 1024
MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
_SPLIT = re.compile(rb"([\r\n]+|\x0b|\x1c)")
_CHARSETS: Final = {
    "": "ascii",
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
}
"""MSH-18 (table 0211, and what is written instead) -> codec. GB18030 reads what GBK and GB2312 wrote."""
_BATCH = (b"FHS", b"BHS", b"BTS", b"FTS")


class Malformed(Exception):
    """One message cannot be read; never leaves this room."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule, self.message = rule, message


class Separators(NamedTuple):
    field: str
    component: str
    repetition: str
    escape: str
    sub: str


class Message(NamedTuple):
    """segments: name and fields as they were written, MSH first; field 0 is the name, MSH-1 the separator."""

    separators: Separators
    codec: str
    segments: list[list[str]]


def framed_messages(delivery: BinaryIO) -> Iterator[bytes]:
    """The messages of a delivery, their segments ended by CR. Raises SourceRefused where they are not framed
    or counted as they should be: a cut-off delivery is noticed wherever its frame or its batch says so.
    """
    stream = _Stream()
    for piece, end in _pieces(delivery):
        if piece:
            yield from stream.segment(piece)
        if end == b"\x0b":
            stream.begin()
        elif end == b"\x1c":
            yield from stream.end()
    yield from stream.close()


def _pieces(delivery: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Segments, each with what ends it. In GB18030 no byte of a longer character is one of the ends."""
    rest = b""
    while chunk := delivery.read(CHUNK):
        *whole, rest = _SPLIT.split(rest + chunk)
        if len(rest) > MAX_SEGMENT_BYTES:
            raise refusal("source.hl7.too_large", f"has a segment of more than {MAX_SEGMENT_BYTES} bytes")
        yield from zip(whole[::2], whole[1::2], strict=True)
    yield rest, b""


class _Stream:
    def __init__(self) -> None:
        self._open: list[bytes] = []
        self._size = 0
        self._in_frame = False
        self._counts = {b"BHS": 0, b"FHS": 0}
        self._open_batches: list[bytes] = []

    def begin(self) -> None:
        if self._in_frame or self._open:
            raise refusal("source.hl7.framing", "has a frame inside a message")
        self._in_frame = True

    def segment(self, piece: bytes) -> Iterator[bytes]:
        if piece[:3] in _BATCH:
            yield from self._flush()
            self._batch(piece)
            return
        if piece.startswith(b"MSH"):
            if self._in_frame and self._open:
                raise refusal("source.hl7.framing", "has two messages in one frame")
            yield from self._flush()
        elif not self._open:
            raise refusal("source.hl7.framing", "has a segment before its MSH")
        self._open.append(piece)
        self._size += len(piece) + 1
        if self._size > MAX_MESSAGE_BYTES:
            raise refusal("source.hl7.too_large", f"has a message of more than {MAX_MESSAGE_BYTES} bytes")

    def end(self) -> Iterator[bytes]:
        if not self._in_frame or not self._open:
            raise refusal("source.hl7.framing", "ends a frame that holds no message")
        self._in_frame = False
        yield from self._flush()

    def close(self) -> Iterator[bytes]:
        if self._in_frame:
            raise refusal("source.hl7.truncated", "ends inside a frame")
        yield from self._flush()
        if self._open_batches:
            raise refusal("source.hl7.truncated", "ends before its batch does")

    def _flush(self) -> Iterator[bytes]:
        if self._open:
            whole = b"\r".join(self._open)
            self._open, self._size = [], 0
            self._counts[b"BHS"] += 1
            yield whole

    def _batch(self, piece: bytes) -> None:
        kind, separator = piece[:3], piece[3:4]
        if kind in self._counts:
            if kind in self._open_batches:
                raise refusal("source.hl7.framing", f"has {kind.decode()} twice")
            self._counts[kind] = 0
            self._open_batches.append(kind)
            return
        opened = b"BHS" if kind == b"BTS" else b"FHS"
        if not self._open_batches or self._open_batches.pop() != opened:
            raise refusal("source.hl7.framing", f"has {kind.decode()} without its header")
        stated = piece[4:].split(separator)[0].strip() if separator else b""
        if stated and stated != b"%d" % self._counts[opened]:
            message = f"{kind.decode()}-1 does not state the {self._counts[opened]} that came"
            raise refusal("source.hl7.batch_count", message)
        if opened == b"BHS":
            self._counts[b"FHS"] += 1


def parse(whole: bytes, default_charset: str = "") -> Message:
    """One message's bytes, segments ended by CR. Raises Malformed."""
    if b"\0" in whole:
        raise Malformed("source.encoding", "holds a NUL character")
    head = whole.split(b"\r", 1)[0]
    codec = _codec(head, default_charset)
    try:
        lines = whole.decode(codec).split("\r")
    except UnicodeDecodeError as error:
        raise Malformed(
            "source.hl7.charset", f"is not {codec}, as MSH-18 says, at byte {error.start}"
        ) from error
    separators = _separators(lines[0])
    segments = [line.split(separators.field) for line in lines if line]
    # MSH-1 is the separator itself.
    segments[0][1:1] = [separators.field]
    for fields in segments:
        if re.fullmatch(r"[A-Z][A-Z0-9]{2}", fields[0]) is None:
            raise Malformed("source.hl7.segment", "has a segment without a name of three characters")
    return Message(separators, codec, segments)


def _codec(head: bytes, default_charset: str) -> str:
    """The charset that MSH-18 states. A second byte of GB18030 may look like a bar; then it is no UTF-8."""
    for codec in ("utf-8", "gb18030"):
        try:
            text = head.decode(codec)
        except UnicodeDecodeError:
            continue
        fields = text.split(text[3:4] or "|")
        stated = fields[17].strip().upper() if len(fields) > 17 else ""
        meant = _CHARSETS.get(stated or default_charset.upper())
        if meant is not None:
            return meant
        break
    raise Malformed("source.hl7.charset", "states a charset in MSH-18 that is not read")


def _separators(head: str) -> Separators:
    field, encoding = head[3:4], head[4:].split(head[3:4] or "|", maxsplit=1)[0]
    if not 4 <= len(encoding) <= 5 or len({field, *encoding}) != 1 + len(encoding):
        raise Malformed("source.hl7.separators", "does not state its separators in MSH-1 and MSH-2")
    if any(sign.isalnum() or sign.isspace() for sign in (field, *encoding)):
        raise Malformed("source.hl7.separators", "has a letter, a digit or a space for a separator")
    return Separators(field, *encoding[:4])


def unescape(text: str, message: Message) -> str:
    r"""\F\ \S\ \R\ \E\ \T\ are the separators, \X..\ bytes in the message's charset, \.br\ and highlights
    a space and nothing. Any other sequence stays as it was written."""
    signs = message.separators
    if signs.escape not in text:
        return text
    plain = {"F": signs.field, "S": signs.component, "R": signs.repetition, "E": signs.escape, "T": signs.sub}
    plain.update({".br": " ", "H": "", "N": ""})

    def meant(found: re.Match[str]) -> str:
        code = found[1]
        if code in plain:
            return plain[code]
        if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", code):
            try:
                spelled = bytes.fromhex(code[1:]).decode(message.codec)
            except UnicodeDecodeError:
                return found[0]
            return found[0] if "\0" in spelled else spelled
        return found[0]

    escape = re.escape(signs.escape)
    return re.sub(f"{escape}([^{escape}]*){escape}", meant, text)


def escape(text: str, separators: Separators) -> str:
    """The reverse, for what is sent."""
    marks = {
        separators.escape: "E",
        separators.field: "F",
        separators.component: "S",
        separators.repetition: "R",
        separators.sub: "T",
    }
    escaped = "".join(
        f"{separators.escape}{marks[sign]}{separators.escape}" if sign in marks else sign for sign in text
    )
    return f"{separators.escape}.br{separators.escape}".join(re.split(r"[\r\n]+", escaped))
