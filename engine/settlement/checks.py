"""Reading one value: JSON value in, typed value out, or the rule it breaks.

Written for speed (a 25-line settlement has some 300 values), hence closures over compiled patterns.
"""

import re
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

from engine.money import Fen

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Fixed: China has had one offset and no summer time since 1991, and a slim machine has no tz data."""

Check = Callable[[Any], Any]

_MONEY = re.compile(r"(-?)([0-9]{1,14})(?:\.([0-9]{1,2})0*)?")
_QUANTITY = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,4}0*)?")
_PRICE = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,6}0*)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_NUMBER_TEXT = 40
_MAX_WHOLE = 10**20


class BadValue(Exception):
    """A value breaks a rule; never leaves this room."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        self.message = message


def _number_text(value: object) -> str:
    if type(value) is str:
        text = value
    elif type(value) is Decimal or type(value) is float:
        text = str(value)
    elif type(value) is int:
        text = str(value) if -_MAX_WHOLE < value < _MAX_WHOLE else "too long"
    else:
        raise BadValue("settlement.field.type", "must be a decimal string or a number")
    if len(text) > _MAX_NUMBER_TEXT:
        raise BadValue("settlement.field.length", f"a number has at most {_MAX_NUMBER_TEXT} characters")
    return text


def money(value: object) -> Fen:
    """Yuan -> fen; precision 16,2."""
    return _fen(_number_text(value))


@lru_cache(maxsize=8192)
def _fen(text: str) -> Fen:
    # Cached: a bill repeats its amounts from column to column, and most are 0.00.
    match = _MONEY.fullmatch(text)
    if match is None:
        raise BadValue(
            "settlement.money.precision", "must be yuan of at most 14 digits and two decimals, such as 12.50"
        )
    sign, yuan, cents = match.groups()
    fen = int(yuan) * 100 + (int(cents) * (10 if len(cents) == 1 else 1) if cents else 0)
    return Fen(-fen if sign else fen)


def quantity(value: object) -> Decimal:
    """Precision 16,4; negative in a refund line."""
    text = _number_text(value)
    if _QUANTITY.fullmatch(text) is None:
        raise BadValue("settlement.quantity.precision", "must have at most 12 digits and four decimals")
    return Decimal(text)


def price(value: object) -> Decimal:
    """Yuan, precision 16,6, never negative: the sign of a refund stands in its quantity."""
    text = _number_text(value)
    if _PRICE.fullmatch(text) is None:
        raise BadValue(
            "settlement.price.precision", "must be at least 0 with at most ten digits and six decimals"
        )
    return Decimal(text)


def whole(low: int, high: int) -> Check:
    """An integer in low..high, as a number or as digits."""

    def check(value: object) -> int:
        text = _number_text(value)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise BadValue("settlement.field.range", f"must be a whole number from {low} to {high}")
        return int(text)

    return check


def text(max_length: int) -> Check:
    """A printable text; full-width and rare characters are fine, control characters are not."""

    def check(value: object) -> str:
        if type(value) is not str:
            raise BadValue("settlement.field.type", "must be a string")
        if len(value) > max_length:
            raise BadValue("settlement.field.length", f"must not be longer than {max_length} characters")
        if _UNPRINTABLE.search(value):
            raise BadValue("settlement.field.characters", "must not hold control characters")
        return value

    return check


def coded(codes: Collection[str], dictionary: str) -> Check:
    """A code of a dictionary."""
    allowed = frozenset(codes)

    def check(value: object) -> str:
        if type(value) is not str:
            raise BadValue("settlement.field.type", "must be a string")
        if value not in allowed:
            raise BadValue("settlement.code.dictionary", f"must be a code of the dictionary {dictionary}")
        return value

    return check


def formed(pattern: str, rule: str, message: str) -> Check:
    """A string that a pattern matches whole."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if type(value) is not str:
            raise BadValue("settlement.field.type", "must be a string")
        if compiled.fullmatch(value) is None:
            raise BadValue(rule, message)
        return value

    return check


@lru_cache(maxsize=4096)
def _parse_moment(value: str) -> datetime | None:
    if _MOMENT.fullmatch(value) is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        local = parsed.replace(tzinfo=SHANGHAI) if parsed.tzinfo is None else parsed.astimezone(SHANGHAI)
    except (ValueError, OverflowError):
        return None
    return local if 1900 <= local.year <= 2100 else None


def moment(value: object) -> datetime:
    """A date (its first second) or a time; without an offset it is Shanghai time."""
    if type(value) is not str:
        raise BadValue("settlement.field.type", "must be a string")
    parsed = _parse_moment(value)
    if parsed is None:
        raise BadValue(
            "settlement.date.format", "must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, from 1900 to 2100"
        )
    return parsed


def day(value: object) -> date:
    """A date without a time."""
    if type(value) is not str:
        raise BadValue("settlement.field.type", "must be a string")
    parsed = _parse_moment(value) if _DAY.fullmatch(value) else None
    if parsed is None:
        raise BadValue("settlement.date.format", "must be YYYY-MM-DD, from 1900 to 2100")
    return parsed.date()
