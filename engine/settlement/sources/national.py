"""The national interface calls as JSON: what each says of a stay, a visit or a hospital's day.

A delivery holds one call, an array of calls or NDJSON. A call is the envelope {"infno", "msgid",
"fixmedins_code", "inf_time", "input"}, with its answer under "output" where the sender kept it, or a bare
input. What is no JSON (tab-separated lines) is the detail file of 3202, which may come in a zip.
docs/sources-wire.md has the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO, Final, NamedTuple

from engine.settlement.body import parse_body
from engine.settlement.errors import BodyRefused, Violation
from engine.settlement.sources.json_stream import CHUNK, json_objects
from engine.settlement.sources.record import Kind, Raw
from engine.settlement.sources.statement import read_statement
from engine.settlement.sources.zipped import SIGNATURE, unzipped
from engine.settlement.validation import is_visit

Row = Mapping[str, Any]


class Call(NamedTuple):
    """nodes: name in input or output -> node of the list."""

    kind: Kind
    title: str
    nodes: Mapping[str, str]
    closes: bool = False


_LIST = ("setlinfo", "payinfo", "opspdiseinfo", "diseinfo", "iteminfo", "oprninfo", "icuinfo")
_SETTLED = {"data": "setlinfo", "setlinfo": "setlinfo", "setldetail": "payinfo", "diseinfo": "diseinfo"}
_DETAILS = {"feedetail": "feedetail", "result": "feedetail"}
_SOLD = {"druginfo": "setlinfo", "drugdetail": "feedetail", "detlcutinfo": "feedetail"}
_TAKEN_BACK = {"data": "reversal"}

CALLS: Final[Mapping[str, Call]] = {
    "4101": Call("part", "医疗保障基金结算清单信息上传", {name: name for name in _LIST}, closes=True),
    "2301": Call("part", "住院费用明细上传", _DETAILS),
    "2204": Call("part", "门诊费用明细信息上传", _DETAILS),
    "2304": Call("part", "住院结算", _SETTLED),
    "2207": Call("part", "门诊结算", _SETTLED, closes=True),
    "2102": Call("part", "药店结算", {**_SETTLED, **_SOLD}, closes=True),
    # A pre-settlement settles nothing: its part says that it was asked, and holds no amount.
    "2303": Call("part", "住院预结算", {}),
    "2206": Call("part", "门诊预结算", {}),
    "2101": Call("part", "药店预结算", {}),
    "2305": Call("reversal", "住院结算撤销", _TAKEN_BACK),
    "2208": Call("reversal", "门诊结算撤销", _TAKEN_BACK),
    "2103": Call("reversal", "药店结算撤销", _TAKEN_BACK),
    "2601": Call("reversal", "冲正交易", _TAKEN_BACK),
    "3201": Call("reconciliation", "医药机构费用结算对总账", {"data": "reconciliation"}),
    "3202": Call(
        "reconciliation", "医药机构费用结算对明细账", {"data": "reconciliation", "detail": "statement"}
    ),
    "4501": Call("report", "临床检查报告记录", {"examinfo": "report", "iteminfo": "result"}),
    "4502": Call("report", "临床检验报告记录", {"labinfo": "report", "iteminfo": "result"}),
}
_MOST_OF_A_NAME = 40
_MOST_REMEMBERED = 100_000


def read_national(delivery: BinaryIO, layout: Mapping[str, Any]) -> Iterator[Raw]:
    """layout: "key" is the sender's name of mdtrt_id, "infno" the call that a bare input is of."""
    first = delivery.read(CHUNK)
    if first.startswith(SIGNATURE):
        first, delivery = unzipped(first, delivery), BytesIO()
    head = first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if head and head not in b"{[":
        yield read_statement(first, delivery)
        return
    reader = _Calls(str(layout.get("key", "mdtrt_id")), str(layout.get("infno", "")))
    for number, body in enumerate(json_objects(first, delivery), start=1):
        place = f"call {number}"
        try:
            call = parse_body(body)
        except BodyRefused as refused:
            yield Raw("settlement", place, {}, violations=refused.violations)
        else:
            yield from reader.read(call, place)


class _Calls:
    """The calls of one delivery, in its order."""

    def __init__(self, key: str, infno: str) -> None:
        self._key, self._infno = key, infno
        self._settled: dict[str, str] = {}
        """msgid of a settlement call -> its setl_id, for the 2601 that takes it back."""

    def read(self, call: Row, place: str) -> Iterator[Raw]:
        bare = "input" not in call and "infno" not in call
        infno = self._infno or _told_by(call) if bare else str(call.get("infno", ""))
        if infno == "native":
            yield _native(call, place)
            return
        meaning, given = CALLS.get(infno), call if bare else call.get("input")
        if meaning is None:
            message = f"is no call that is read: {infno[:_MOST_OF_A_NAME] or 'a bare input of no known form'}"
            yield _refused(place, Violation("/infno", "source.call.unknown", message))
        elif not isinstance(given, Mapping):
            yield _refused(place, Violation("/input", "source.call.input", "must be an object"))
        else:
            answer = call.get("output")
            answer = answer if isinstance(answer, Mapping) else {}
            envelope = {} if bare else call
            if meaning.kind == "part":
                yield from self._parts(infno, meaning, envelope, given, answer, place)
            else:
                yield self._whole(infno, meaning, envelope, given, answer, place)

    def _parts(
        self, infno: str, call: Call, envelope: Row, given: Row, answer: Row, place: str
    ) -> Iterator[Raw]:
        """A part for each stay of the input, and one of the answer: they are held together like any two."""
        sides = [(given, place)]
        if any(name in answer for name in call.nodes):
            sides = [(given, f"{place}, input"), (answer, f"{place}, output")]
        stays = self._stays(call, given) or self._stays(call, answer) or [""]
        for side, where in sides:
            nodes, violations = _nodes(call, side)
            info = nodes.get("setlinfo")
            # No list (4101) follows a visit's settlement.
            closes = call.closes or (infno == "2304" and is_visit(info or {}))
            last = side is sides[-1][0]
            if isinstance(info, Mapping):
                nodes["setlinfo"] = info = _of_envelope(info, envelope)
                self._remember(envelope, info)
            for stay, mine in _by_stay(nodes, stays, self._key).items():
                yield Raw(
                    "part",
                    where,
                    mine,
                    key=stay,
                    closes=closes and last,
                    violations=(*violations, *([] if stay else [self._no_key()])),
                )

    def _whole(self, infno: str, call: Call, envelope: Row, given: Row, answer: Row, place: str) -> Raw:
        nodes, violations = _nodes(call, given)
        main = nodes.setdefault(call.kind, {})
        key = next(iter(self._stays(call, given)), "")
        row: dict[str, Any] = dict(main) if isinstance(main, Mapping) else {}
        if call.kind == "report" and not key:
            violations = (*violations, self._no_key())
        if call.kind == "reversal":
            row, more = self._reversal(infno, call, envelope, row, answer)
            violations = (*violations, *more)
        else:
            row = {"infno": infno, **_of_envelope(row, envelope)}
        return Raw(call.kind, place, {**nodes, call.kind: row}, key=key, violations=violations)

    def _reversal(
        self, infno: str, call: Call, envelope: Row, data: Row, answer: Row
    ) -> tuple[dict[str, Any], list[Violation]]:
        row = {
            "reason": data.get("exp_content") or call.title,
            "reversed_at": envelope.get("inf_time"),
            "biz_sn": envelope.get("msgid"),
            **_of_envelope(data, envelope),
        }
        info = answer.get("setlinfo")
        if isinstance(info, Mapping) and "medfee_sumamt" in info:
            row["medfee_sumamt"] = info["medfee_sumamt"]
        row.pop("exp_content", None)
        if infno != "2601" or row.get("setl_id"):
            return row, []
        # 2601 names the message it takes back, and no settlement.
        setl_id = self._settled.get(str(row.get("omsgid")))
        if setl_id is not None:
            return {**row, "setl_id": setl_id}, []
        message = "names a message that settles nothing in this delivery; state the setl_id beside it"
        return row, [Violation("/omsgid", "source.reversal.message", message)]

    def _remember(self, envelope: Row, info: Row) -> None:
        msgid, setl_id = envelope.get("msgid"), info.get("setl_id")
        if isinstance(msgid, str) and isinstance(setl_id, str) and len(self._settled) < _MOST_REMEMBERED:
            self._settled[msgid] = setl_id

    def _stays(self, call: Call, side: Row) -> list[str]:
        rows = [row for name in (*call.nodes, "data") for row in _rows(side.get(name))]
        return list(dict.fromkeys(stay for row in rows if (stay := _stay_of(row, self._key))))

    def _no_key(self) -> Violation:
        return Violation(f"/{self._key[:_MOST_OF_A_NAME]}", "source.part.key", "names no stay that it is of")


def _native(call: Row, place: str) -> Raw:
    nodes, violations = _nodes(Call("settlement", "", {name: name for name in (*_LIST, "feedetail")}), call)
    return Raw("settlement", place, nodes, violations=violations)


def _refused(place: str, violation: Violation) -> Raw:
    return Raw("settlement", place, {}, violations=(violation,))


def _told_by(bare: Row) -> str:
    """Which call an input without its envelope is of, where its nodes leave no doubt."""
    if "setlinfo" in bare and "feedetail" in bare:
        return "native"
    if "setlinfo" in bare:
        return "2304" if "setldetail" in bare else "4101"
    return "2301" if "feedetail" in bare else ""


def _nodes(call: Call, side: Row) -> tuple[dict[str, Any], tuple[Violation, ...]]:
    nodes: dict[str, Any] = {}
    violations: list[Violation] = []
    for name, node in call.nodes.items():
        value = side.get(name)
        is_list = node not in ("setlinfo", call.kind)
        if value is None:
            continue
        if is_list and isinstance(value, Mapping):
            value = [value]  # vendors write a list of one as its one row
        if is_list and isinstance(value, list):
            nodes[node] = [*nodes.get(node, []), *value]
        elif not is_list and isinstance(value, Mapping):
            row = nodes.setdefault(node, {})
            for field in sorted(row.keys() & value.keys()):
                if row[field] != value[field]:
                    message = f"differs from what stands before {name}"
                    violations.append(Violation(f"/{node}/{field}", "source.parts_disagree", message))
            nodes[node] = {**row, **value}
        else:
            what = "a list" if is_list else "an object"
            violations.append(Violation(f"/{name}", "source.call.node", f"must be {what}"))
    return nodes, tuple(violations)


def _by_stay(nodes: Row, stays: Sequence[str], key: str) -> dict[str, dict[str, Any]]:
    """A call may carry the details of several stays; rows that name none are of the only one."""
    only = stays[0] if len(stays) == 1 else ""
    by_stay: dict[str, dict[str, Any]] = {stay: {} for stay in stays}
    for node, rows in nodes.items():
        if node != "feedetail":
            by_stay.setdefault(only, {})[node] = rows
            continue
        for row in rows:
            stay = (_stay_of(row, key) if isinstance(row, Mapping) else "") or only
            by_stay.setdefault(stay, {}).setdefault("feedetail", []).append(row)
    return by_stay


def _of_envelope(row: Row, envelope: Row) -> dict[str, Any]:
    """What the envelope states for the whole call, where the row does not state it itself."""
    code = envelope.get("fixmedins_code")
    return {"fixmedins_code": code, **row} if code is not None else dict(row)


def _rows(value: Any) -> list[Row]:
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, Mapping)]


def _stay_of(row: Row, key: str) -> str:
    value = row.get(key)
    text = str(value) if type(value) is str or type(value) is int else ""
    return text if len(text) <= _MOST_OF_A_NAME else ""
