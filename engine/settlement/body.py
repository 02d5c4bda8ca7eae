"""Bytes to one bounded JSON object, amounts exact: what json alone would let through is refused here."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.settlement.errors import BodyRefused, Violation

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 16
_MAX_NUMBER = 40
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class _Refusal(Exception):
    def __init__(self, rule: str, message: str) -> None:
        self.violation = Violation("", rule, message)


def parse_body(raw: bytes, max_bytes: int = MAX_BODY_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Read a body; JSON numbers with a fraction become Decimal. Raises BodyRefused with one violation."""
    try:
        return _parse(raw, max_bytes, max_depth)
    except _Refusal as refusal:
        raise BodyRefused([refusal.violation]) from refusal


def _parse(raw: bytes, max_bytes: int, max_depth: int) -> dict[str, Any]:
    if len(raw) > max_bytes:
        raise _Refusal("settlement.body.too_large", f"is {len(raw)} bytes; at most {max_bytes} are read")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refusal("settlement.body.encoding", f"is not UTF-8 at byte {error.start}") from error
    try:
        body = json.loads(
            text, parse_float=_number, parse_int=_whole, parse_constant=_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise _Refusal(
            "settlement.body.json", f"{error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    except RecursionError as error:
        raise _Refusal("settlement.body.nesting", f"nests deeper than {max_depth}") from error
    if not isinstance(body, dict):
        raise _Refusal("settlement.body.object", "must be one JSON object")
    _check_depth(body, max_depth)
    if "\\u" in text:
        _check_signs(body)
    return body


def _number(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER:
        raise _Refusal("settlement.body.number", f"holds a number of more than {_MAX_NUMBER} characters")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise _Refusal("settlement.body.number", "holds a number with an absurd exponent") from error
    if not -_MAX_NUMBER <= number.adjusted() <= _MAX_NUMBER:
        raise _Refusal("settlement.body.number", "holds a number beyond any precision of the list")
    return number


def _whole(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise _Refusal("settlement.body.number", f"holds a number of more than {_MAX_NUMBER} characters")
    return int(text)


def _constant(text: str) -> Any:
    raise _Refusal("settlement.body.number", f"holds {text}, which is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refusal("settlement.body.duplicate_key", f"names the key {twice[:40]!r} twice in one object")
    return read


def _check_depth(body: dict[str, Any], max_depth: int) -> None:
    level: list[Any] = [body]
    for _ in range(max_depth):
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return
    raise _Refusal("settlement.body.nesting", f"nests deeper than {max_depth}")


def _check_signs(body: dict[str, Any]) -> None:
    """What JSON can write and no database keeps."""
    try:
        again = json.dumps(body, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Refusal("settlement.body.encoding", "holds half of a surrogate pair") from error
    if _NUL.search(again):
        raise _Refusal("settlement.body.encoding", "holds a NUL character")
