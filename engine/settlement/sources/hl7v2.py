"""HL7 v2 messages: a discharge closes its stay, charges are a part of it, an observation is a report.

HL7 has no field for what the national list adds; the Z segments that carry it (ZST, ZIT, ZPY, ZFT) are in
docs/sources-wire.md. Local names are "PID-5.1": segment, field, component; ".2" behind them a subcomponent,
"(2)" a repetition or a second segment of a kind, and "PID-3[NI].1" an identifier by its type.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from engine.settlement.errors import Violation
from engine.settlement.sources.er7 import Malformed, Message, framed_messages, parse, unescape
from engine.settlement.sources.record import Kind, Raw

Row = dict[str, str]

_KINDS: Final[Mapping[str, Kind]] = {
    "ADT^A03": "part",
    "DFT^P03": "part",
    "ADT^A13": "reversal",
    "ORU^R01": "report",
}
_ROWS: Final = {"DG1": "diseinfo", "PR1": "oprninfo", "FT1": "feedetail", "ZIT": "iteminfo", "ZPY": "payinfo"}
"""Segments that are rows of a list; all others are of the stay itself. ZFT adds to the FT1 before it."""
_TIMES: Final = frozenset(
    {"EVN-2.1", "EVN-6.1", "PID-7.1", "PV1-44.1", "PV1-45.1", "DG1-5.1", "PR1-5.1", "FT1-4.1", "OBR-7.1"}
    | {"OBR-22.1", "OBX-14.1", "ZST-6.1", "ZST-7.1", "ZST-8.1"}
)
_TIME = re.compile(
    r"(?P<day>[0-9]{8})(?:(?P<h>[0-9]{2})(?:(?P<m>[0-9]{2})(?:(?P<s>[0-9]{2})(?:\.[0-9]{1,4})?)?)?)?"
    r"(?P<offset>[+-][0-9]{4})?"
)
_CREDITED: Final = ("FT1-10.1", "FT1-11.1", "ZFT-3.1", "ZFT-4.1", "ZFT-5.1", "ZFT-6.1")
_NULL: Final = '""'
_OF_MSH: Final = frozenset({"MSH-4.1", "MSH-7.1", "MSH-10.1"})
_MOST_OF_A_KEY: Final = 40


def read_hl7v2(delivery: BinaryIO, layout: Mapping[str, Any]) -> Iterator[Raw]:
    """layout: "key" is where a message says of which visit it is (PV1-19.1), "charset" what MSH-18 means
    when it is empty (ASCII)."""
    key, charset = str(layout.get("key", "PV1-19.1")), str(layout.get("charset", ""))
    for number, whole in enumerate(framed_messages(delivery), start=1):
        place = f"message {number}"
        try:
            yield _read(parse(whole, charset), place, key)
        except Malformed as error:
            yield Raw("settlement", place, {}, violations=(Violation("", error.rule, error.message),))


def _read(message: Message, place: str, key: str) -> Raw:
    kind = message_type(message)
    meaning = _KINDS.get(kind)
    if meaning is None:
        broken = Violation("/MSH-9", "source.hl7.message", "is no message type that is read")
        return Raw("settlement", place, {}, violations=(broken,))
    stay, rows, violations = _nodes(message, report=meaning == "report")
    visit = stay.get(key, "")
    if not visit or len(visit) > _MOST_OF_A_KEY:
        violations.append(Violation(f"/{key}", "source.part.key", "names no stay that it is of"))
    nodes: dict[str, Any] = {"setlinfo" if meaning == "part" else meaning: stay, **rows}
    if meaning == "reversal":
        # A discharge that is cancelled takes back the settlement it brought about.
        nodes = {"reversal": {"reason": "ADT^A13 取消出院", **stay}}
    closes = kind == "ADT^A03"
    return Raw(meaning, place, nodes, key=visit, closes=closes, violations=tuple(violations))


def message_type(message: Message) -> str:
    """MSH-9 without its structure: "ADT^A03"."""
    fields = message.segments[0]
    parts = (fields[9] if len(fields) > 9 else "").split(message.separators.component)
    return "^".join(parts[:2])


def _nodes(message: Message, report: bool) -> tuple[Row, dict[str, list[Row]], list[Violation]]:
    stay: Row = {}
    rows: dict[str, list[Row]] = {}
    violations: list[Violation] = []
    times: dict[str, int] = {}
    for fields in message.segments:
        name = fields[0]
        node = _ROWS.get(name) or ("result" if report and name == "OBX" else None)
        if node is not None:
            rows.setdefault(node, []).append(_values(fields, name, message))
        elif name == "ZFT" and rows.get("feedetail"):
            rows["feedetail"][-1].update(_values(fields, name, message))
        elif name == "MSH":
            stay |= {
                where: text for where, text in _values(fields, name, message).items() if where in _OF_MSH
            }
        else:
            times[name] = times.get(name, 0) + 1
            stay |= _values(fields, name if times[name] == 1 else f"{name}({times[name]})", message)
    for at, row in enumerate(rows.get("feedetail", ())):
        wrong = _sign_of_credit(row)
        if wrong is not None:
            violations.append(Violation(f"/feedetail/{at}/FT1-6.1", "source.hl7.transaction", wrong))
    return stay, rows, violations


def _sign_of_credit(row: Row) -> str | None:
    """A credit (FT1-6 CD) is written without signs, a line of the list has them."""
    kind = row.get("FT1-6.1", "CG")
    if kind == "CG":
        return None
    if kind != "CD":
        return "is neither a charge (CG) nor a credit (CD)"
    amounts = [name for name in _CREDITED if row.get(name, "").strip("+-0.")]
    if any(row[name].startswith("-") for name in amounts):
        return "is a credit whose amounts are negative: which way it counts cannot be told"
    row.update({name: "-" + row[name].removeprefix("+") for name in amounts})
    return None


def _values(fields: list[str], name: str, message: Message) -> Row:
    """Every value of a segment that is not empty, under its local name."""
    values: Row = {}
    signs = message.separators
    for at, field in enumerate(fields[1:], start=1):
        if field in ("", _NULL) or (name == "MSH" and at < 3):
            continue
        for turn, repetition in enumerate(field.split(signs.repetition), start=1):
            where = f"{name}-{at}" if turn == 1 else f"{name}-{at}({turn})"
            parts = _components(repetition, where, message)
            values |= parts
            if where.startswith("PID-3") and (kind := parts.get(f"{where}.5")):
                values |= {f"PID-3[{kind}]{rest.removeprefix(where)}": text for rest, text in parts.items()}
    if name == "PID" and "PID-5.1" in values:
        values["PID-5"] = _full_name(values["PID-5.1"], values.get("PID-5.2", ""))
    return values


def _components(repetition: str, where: str, message: Message) -> Row:
    signs = message.separators
    values: Row = {}
    for at, component in enumerate(repetition.split(signs.component), start=1):
        for sub, text in enumerate(component.split(signs.sub), start=1):
            if text:
                path = f"{where}.{at}" if sub == 1 else f"{where}.{at}.{sub}"
                plain = unescape(text, message)
                values[path] = _iso(plain) if path in _TIMES else plain
    return values


def _full_name(family: str, given: str) -> str:
    """XPN has a name in two; a Chinese one is written without a space."""
    return f"{family} {given}".strip() if (family + given).isascii() else family + given


def _iso(text: str) -> str:
    """YYYYMMDD[HH[MM[SS]]][+ZZZZ] -> as the list writes it; anything else stays."""
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    day, offset = found["day"], found["offset"]
    spelled = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    if found["h"] is None:
        return spelled
    spelled += f" {found['h']}:{found['m'] or '00'}:{found['s'] or '00'}"
    return spelled if offset in (None, "+0800") else f"{spelled}{offset[:3]}:{offset[3:]}"
