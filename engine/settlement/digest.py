"""When two submissions are the same settlement: same fields, same values, however spelled."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from engine.settlement.fields import NUMERIC_FIELDS

_NUMBER = "\ud800"
"""Marks a number among strings: half a surrogate pair, which no accepted body can hold."""


def content_digest(native: Mapping[str, Any]) -> bytes:
    """sha256 over a canonical spelling: key order, white space, and 12.5 / "12.5" / "12.50" of an amount
    do not matter; any other difference does. Never leaves the engine: it covers personal fields.
    """
    return hashlib.sha256(json.dumps(_canonical(native), sort_keys=True).encode()).digest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: (_amount(member) if key in NUMERIC_FIELDS else member)
            if type(member) is str
            else _canonical(member)
            for key, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _amount(str(value))
    return value


@lru_cache(maxsize=8192)
def _amount(text: str) -> str:
    """Sign, significant digits and exponent, so that equal numbers and only they are spelled alike."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    sign, digits, exponent = number.as_tuple()
    # Decimal reads more than JSON writes: other scripts' digits, underscores, spaces, NaN.
    if not isinstance(exponent, int) or not _PLAIN.issuperset(text):
        return text
    significant = "".join(map(str, digits)).lstrip("0")
    stripped = significant.rstrip("0")
    if not stripped:
        return _NUMBER + "0"
    return f"{_NUMBER}{'-' if sign else ''}{stripped}e{exponent + len(significant) - len(stripped)}"


_PLAIN = frozenset("0123456789.+-eE")
