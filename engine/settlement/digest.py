"""When two submissions are the same settlement: same fields, same values, however spelled."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.settlement.fields import NUMERIC_FIELDS


def content_digest(native: Mapping[str, Any]) -> bytes:
    """sha256 over a canonical spelling: key order, white space, and 12.5 / "12.5" / "12.50" of an amount
    do not matter; any other difference does. Never leaves the engine: it covers personal fields.
    """
    return hashlib.sha256(_spell(native).encode("utf-8", "surrogatepass")).digest()


def _spell(value: Any, amount: bool = False) -> str:
    if isinstance(value, Mapping):
        members = (f"{json.dumps(key)}:{_spell(value[key], key in NUMERIC_FIELDS)}" for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_spell(item) for item in value]) + "]"
    if isinstance(value, str):
        return (_spell_number(value) if amount else None) or json.dumps(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return _spell_number(str(value)) or json.dumps(str(value))


def _spell_number(text: str) -> str | None:
    """Sign, significant digits and exponent, so that equal numbers and only they are spelled alike."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not text.isascii():
        return None
    sign, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).lstrip("0")
    stripped = significant.rstrip("0")
    if not stripped:
        return "0"
    return f"{'-' if sign else ''}{stripped}e{int(exponent) + len(significant) - len(stripped)}"
