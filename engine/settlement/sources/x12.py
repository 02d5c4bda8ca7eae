"""X12 837I (005010X223A2), institutional claims: each is a settlement, a void one takes a settlement back.

pyx12 finds the loop of every segment by the guide's map and says which segments the guide does not have or
misses. Local names are "2300/DTP[434]-03": loop, segment, its qualifier, element; ".2" behind them a
component. What the national list adds stands in K3 as NAME=VALUE; docs/sources-wire.md has the table.
"""

import codecs
import io
import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, BinaryIO, Final

from pyx12.error_handler import errh_null
from pyx12.errors import EngineError, X12Error, X12PathError
from pyx12.params import params
from pyx12.segment import Segment
from pyx12.x12context import X12ContextReader

from engine.settlement.errors import Violation
from engine.settlement.sources.json_stream import CHUNK, refusal
from engine.settlement.sources.record import Raw, SourceRefused

MAX_SEGMENT_CHARACTERS: Final = 64 * 1024
MAX_CLAIM_SEGMENTS: Final = 60_000
GUIDE: Final = "005010X223A2"
Row = dict[str, str]

_QUALIFIED: Final = frozenset({"AMT", "DTP", "NM1", "QTY", "REF"})
_DIAGNOSES: Final = {"ABK": 3, "ABF": 3, "BK": 3, "BF": 3}
_OPERATIONS: Final = {"BBR": 0, "BBQ": 0, "BR": 2, "BQ": 2}
"""Qualifier of HI -> after how many characters X12 leaves the point of a code out."""
_LEVELS: Final = {"20": "2000A", "22": "2000B", "23": "2000C"}
_SIX: Final = Decimal("0.000001")


def read_x12(delivery: BinaryIO, layout: Mapping[str, Any]) -> Iterator[Raw]:
    """layout: "charset" of the delivery, UTF-8 when not stated. Raises SourceRefused where a delivery is no
    interchange, is cut off, or is of another guide."""
    text = _Text(delivery, str(layout.get("charset", "utf-8")))
    reader = _Claims()
    for node in _nodes(text):
        text.read_so_far += 1
        found = (*node.err_isa, *node.err_gs, *node.err_st, *node.err_seg)
        faults = [_fault(node.seg_data, *fault[:2]) for fault in found]
        yield from reader.segment(node.cur_path.split("/")[-2], node.seg_data, faults)
    text.check_all_was_read()
    yield from reader.end()


def _nodes(text: "_Text") -> Iterator[Any]:
    """What pyx12 makes of the segments. On broken envelopes it raises its own errors, and what its lists and
    dictionaries do."""
    try:
        yield from X12ContextReader(params(), errh_null(), text).iter_segments()
    except SourceRefused:
        raise
    except (X12Error, EngineError, X12PathError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise refusal("source.x12.unreadable", f"is no interchange of {GUIDE}") from error


_MISSING: Final = "3"


def _fault(segment: Segment, code: str, text: str) -> str:
    """pyx12's text, where it is the guide's alone: others repeat what stands in the segment."""
    if code == _MISSING:
        return text
    name = str(segment.get_seg_id())
    known = name if re.fullmatch(r"[A-Z][A-Z0-9]{1,2}", name) else "of another name"
    return f"a segment {known} is not where the guide has it"


class _Text(io.TextIOBase):
    """What pyx12 reads from: decoded as it goes, no segment without an end, and every one counted."""

    def __init__(self, delivery: BinaryIO, charset: str) -> None:
        self._delivery = delivery
        self._decode = codecs.getincrementaldecoder(charset)()
        self._terminator = ""
        self._since_end = self._segments = 0
        self._head = self._ready = ""
        self._ended = False
        self.read_so_far = 0

    def read(self, size: int | None = -1) -> str:
        wanted = size if size and size > 0 else CHUNK
        while len(self._ready) < wanted and not self._ended:
            chunk = self._delivery.read(CHUNK)
            self._ended = not chunk
            try:
                more = self._decode.decode(chunk, final=self._ended)
            except UnicodeDecodeError as error:
                message = f"is not the charset of its mapping: {error.reason}"
                raise refusal("source.encoding", message) from error
            if "\0" in more:
                raise refusal("source.encoding", "holds a NUL character")
            self._count(more)
            self._ready += more
        text, self._ready = self._ready[:wanted], self._ready[wanted:]
        return text

    def _count(self, text: str) -> None:
        if not self._terminator:
            self._head += text
            if len(self._head) < _ISA_LENGTH:
                return
            text, self._terminator = self._head, self._head[_ISA_LENGTH - 1]
        *ended, rest = text.split(self._terminator)
        self._segments += len(ended)
        self._since_end = len(rest.strip("\r\n")) + (0 if ended else self._since_end)
        if self._since_end > MAX_SEGMENT_CHARACTERS:
            message = f"has a segment of more than {MAX_SEGMENT_CHARACTERS} characters"
            raise refusal("source.x12.too_large", message)

    def check_all_was_read(self) -> None:
        """pyx12 stops at an empty segment, and leaves an unended one out."""
        while self.read():
            pass
        if self.read_so_far != self._segments or self._since_end:
            raise refusal("source.x12.truncated", "has segments beyond an empty one or without an end")


_ISA_LENGTH: Final = 106


class _Claims:
    """The claims of one delivery, by the loops their segments stand in."""

    def __init__(self) -> None:
        self._above: dict[str, Row] = {}
        """HL level -> what it states, for every claim below it."""
        self._claim: _Claim | None = None
        self._level = ""
        self._number = 0
        self._open: list[str] = []

    def segment(self, loop: str, segment: Segment, faults: list[str]) -> Iterator[Raw]:
        name = str(segment.get_seg_id())
        if name in ("ISA", "GS", "ST"):
            self._open.append(name)
            if name == "GS" and segment.get_value("GS08") != GUIDE:
                raise refusal("source.x12.guide", f"is not of {GUIDE}")
        if name in ("IEA", "GE", "SE", "HL", "CLM"):
            yield from self._flush()
        if name in _ENDS and (not self._open or self._open.pop() != _ENDS[name]):
            raise refusal("source.x12.truncated", f"has {name} without {_ENDS[name]}")
        if name == "HL":
            self._level = _LEVELS.get(str(segment.get_value("HL03")), "")
            for level in (level for level in (*self._above,) if level >= self._level):
                del self._above[level]
        if name == "CLM":
            self._number += 1
            above = {
                where: text for level in sorted(self._above) for where, text in self._above[level].items()
            }
            self._claim = _Claim(f"claim {self._number}", above)
        if self._claim is not None:
            self._claim.segment(loop, name, segment, faults)
        elif self._level:
            self._above.setdefault(self._level, {}).update(_values(loop, name, segment))
            if faults:
                self._above[self._level][f"{loop}/faults"] = faults[0]

    def _flush(self) -> Iterator[Raw]:
        claim, self._claim = self._claim, None
        if claim is not None:
            yield claim.raw()

    def end(self) -> Iterator[Raw]:
        if self._open:
            raise refusal("source.x12.truncated", f"ends without the end of {self._open[-1]}")
        yield from self._flush()


_ENDS: Final = {"SE": "ST", "GE": "GS", "IEA": "ISA"}


class _Claim:
    def __init__(self, place: str, above: Row) -> None:
        self._place = place
        self._stay = {where: text for where, text in above.items() if not where.endswith("/faults")}
        self._rows: dict[str, list[Row]] = {}
        self._violations = [
            Violation("", "source.x12.segment", text)
            for where, text in above.items()
            if where.endswith("/faults")
        ]
        self._segments = 0

    def segment(self, loop: str, name: str, segment: Segment, faults: list[str]) -> None:
        self._segments += 1
        if self._segments > MAX_CLAIM_SEGMENTS:
            raise refusal("source.x12.too_large", f"has a claim of more than {MAX_CLAIM_SEGMENTS} segments")
        self._violations += [Violation("", "source.x12.segment", fault) for fault in faults]
        if name in ("LX", "SBR"):
            self._rows.setdefault("feedetail" if name == "LX" else "payinfo", []).append({})
        if name == "HI":
            self._codes(segment)
            return
        node = "feedetail" if loop.startswith("24") else "payinfo" if loop[:3] in ("232", "233") else ""
        into = self._rows[node][-1] if self._rows.get(node) else self._stay
        into.update(_named(loop, segment) if name == "K3" else _values(loop, name, segment))

    def _codes(self, segment: Segment) -> None:
        for at in range(1, len(segment) + 1):
            qualifier, code, form, when = (_text(segment, f"HI{at:02d}-{part}") for part in range(1, 5))
            node = "diseinfo" if qualifier in _DIAGNOSES else "oprninfo" if qualifier in _OPERATIONS else ""
            if not node:
                continue
            point = (_DIAGNOSES | _OPERATIONS)[qualifier]
            row = {"HI-1": qualifier, "HI-2": _pointed(code, point), "HI-4": _day(when) if form else ""}
            self._rows.setdefault(node, []).append({where: text for where, text in row.items() if text})

    def raw(self) -> Raw:
        stay = self._stay
        through, hour = stay.get("2300/DTP[434]-03.2"), stay.get("2300/DTP[096]-03", "")
        if through and re.fullmatch(r"[0-9]{4}", hour):
            stay["2300/DTP[096]-03"] = f"{through} {hour[:2]}:{hour[2:]}:00"
        for row in self._rows.get("feedetail", ()):
            _price(row)
        frequency, key = stay.get("2300/CLM-05.3", ""), stay.get("2300/CLM-01", "")
        if frequency == "8":
            nodes: dict[str, Any] = {"reversal": {"reason": "837I void (CLM05-3 = 8)", **stay}}
            return Raw("reversal", self._place, nodes, key=key, violations=tuple(self._violations))
        if frequency != "1":
            message = "is neither an original claim (1) nor a void one (8)"
            self._violations.append(Violation("/setlinfo/2300~1CLM-05.3", "source.x12.frequency", message))
        nodes = {"setlinfo": stay, **self._rows}
        return Raw("settlement", self._place, nodes, key=key, violations=tuple(self._violations))


def _values(loop: str, name: str, segment: Segment) -> Row:
    """Every element of a segment that is not empty, under its local name."""
    if name == "CAS":
        return _adjustments(loop, segment)
    qualifier = f"[{_text(segment, f'{name}01')}]" if name in _QUALIFIED else ""
    where = f"{loop}/{name}{qualifier}"
    values: Row = {}
    for _, at, part, text in segment.values_iterator():
        if text and (qualifier == "" or at != "01"):
            values[f"{where}-{at}" + (f".{part}" if part else "")] = text
    if name == "DTP":
        values = _dates(where, _text(segment, "DTP02"), _text(segment, "DTP03"))
    elif name == "DMG" and _text(segment, "DMG01") == "D8":
        values[f"{where}-02"] = _day(values.get(f"{where}-02", ""))
    elif name == "NM1" and f"{where}-03" in values:
        names = values[f"{where}-03"], values.get(f"{where}-04", "")
        values[where] = (" " if "".join(names).isascii() else "").join(names).strip()
    return values


def _adjustments(loop: str, segment: Segment) -> Row:
    """CAS holds up to six reasons of one group: "2430/CAS[PR-96]" is the amount."""
    group, values = _text(segment, "CAS01"), {}
    for at in range(2, 20, 3):
        reason, amount = _text(segment, f"CAS{at:02d}"), _text(segment, f"CAS{at + 1:02d}")
        if reason and amount:
            values[f"{loop}/CAS[{group}-{reason}]"] = amount
    return values


def _named(loop: str, segment: Segment) -> Row:
    pairs = (pair.partition("=") for pair in _text(segment, "K301").split(";"))
    return {f"{loop}/K3[{name}]": text for name, _, text in pairs if name and text}


def _dates(where: str, form: str, text: str) -> Row:
    if form == "RD8":
        first, _, last = text.partition("-")
        return {f"{where}-03.1": _day(first), f"{where}-03.2": _day(last)}
    return {f"{where}-03": _day(text) if form in ("D8", "DT") else text} if text else {}


def _day(text: str) -> str:
    """YYYYMMDD[HHMM] as the list writes it; anything else stays."""
    if re.fullmatch(r"[0-9]{8}(?:[0-9]{4})?", text) is None:
        return text
    day = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return f"{day} {text[8:10]}:{text[10:]}:00" if len(text) > 8 else day


def _pointed(code: str, after: int) -> str:
    return f"{code[:after]}.{code[after:]}" if after and len(code) > after and "." not in code else code


def _price(row: Row) -> None:
    """837I has no unit price: it is the line's charge by its quantity, to the six decimals of the list."""
    try:
        amount, quantity = Decimal(row["2400/SV2-03"]), Decimal(row["2400/SV2-05"])
        price = (amount / quantity).quantize(_SIX, ROUND_HALF_UP)
    except (KeyError, InvalidOperation, ZeroDivisionError):
        return
    row["2400/price"] = format(price, "f")


def _text(segment: Segment, reference: str) -> str:
    return segment.get_value(reference) or ""
