"""Values in the national spelling: one spelling for each meaning, and nothing guessed.

Hospitals write 1,234.5 and ¥１２３４．５０ and mean 1234.50; a date comes in five shapes, or as the number
of days by which Excel stores it. A value whose meaning is not certain (万元, 11/26/2026, 12.345 yuan) is
handed on as it is, so that the rules of the settlement refuse it by its field and rule.

Deterministic: the same value and version, the same spelling; what is clean stays as it is.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, Final

from engine.settlement.checks import BadValue, Check, day, moment, money, price, quantity
from engine.settlement.sources.mapping import Amounts

CLEANING_VERSION: Final = "cleaning/1"

_ABSENT = frozenset({"", "-", "--", "—", "——", "NULL", "\\N", "N/A"})
_MARGIN = " \t\r\n\v\f\u00a0\u2007\u202f\u3000\u200b\ufeff"
_GUARDED = re.compile(r'="([^"]*)"|\'([^\']*)')
"""How an export keeps Excel from reading a code as a number: ="0012" or '0012."""
_NUMBER = re.compile(
    r"(?P<first>[+-]?)(?P<sign>¥|RMB|CNY|)[ ]*(?P<second>-?)"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.(?P<part>[0-9]*))?[ ]*(?P<unit>元?)"
)
_MAX_NUMBER_TEXT = 64
_DATES = tuple(
    re.compile(rf"{written}(?:(?:[ T]+|(?<=日))(?P<time>[0-9].*))?")
    for written in (
        r"(?P<y>[0-9]{4})(?P<s>[-/.])(?P<m>[0-9]{1,2})(?P=s)(?P<d>[0-9]{1,2})",
        r"(?P<y>[0-9]{4})年(?P<m>[0-9]{1,2})月(?P<d>[0-9]{1,2})日",
    )
)
_DIGITS = re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?: ?(?P<time>[0-9]{4}(?:[0-9]{2})?))?")
_TIMES = (
    re.compile(r"(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:\.0{1,9})?)?"),
    re.compile(r"(?P<H>[0-9]{1,2})时(?P<M>[0-9]{1,2})分(?:(?P<S>[0-9]{1,2})秒)?"),
    re.compile(r"(?P<H>[0-9]{2})(?P<M>[0-9]{2})(?P<S>[0-9]{2})?"),
)
_SERIAL = re.compile(r"[1-9][0-9]{4}(?:\.[0-9]{1,20})?")
_EXCEL_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 - a calendar day, as a sheet holds it
_EXACT_WHOLE = 10**15
"""Excel keeps 15 digits of a number: a longer one has lost its end."""


def clean(value: Any, check: Check, amounts: Amounts = "yuan") -> Any:
    """The national spelling of a value that `check` will read; None when nothing was written.

    Cells of a sheet may be int or float, numbers of JSON int or Decimal, everything else is text. What
    cannot be cleaned is returned as it is.
    """
    text = written(value)
    if text is None:
        return value
    if len(text) <= 4 and narrow(text).upper() in _ABSENT:
        return None
    cleaned = _CLEANERS.get(check, _clean_words)(text, check, amounts)
    return value if cleaned is None else cleaned


def written(value: Any) -> str | None:
    """What stands in a cell, without margins; None where that is no text and no number of exact digits."""
    if value is None:
        return ""
    if type(value) is str:
        text = value.strip(_MARGIN)
        guarded = _GUARDED.fullmatch(text)
        return (guarded[1] or guarded[2] or "").strip(_MARGIN) if guarded else text
    if type(value) is float:
        text = repr(value)
        if abs(value) >= _EXACT_WHOLE or "e" in text or not text.strip("-")[0].isdigit():
            return None
        return text.removesuffix(".0")
    if type(value) is int:
        return str(value) if abs(value) < 10**20 else None
    if type(value) is Decimal and value.is_finite():
        text = str(value)
        return None if "E" in text else text
    return None


def narrow(text: str) -> str:
    """Full-width letters, digits and signs as the plain ones (NFKC)."""
    return unicodedata.normalize("NFKC", text).strip(_MARGIN).replace("\u2212", "-")


def heading(text: str) -> str:
    """A column's name, however it is spaced and whatever width its signs have."""
    return "".join(narrow(text).split())


@lru_cache(maxsize=8192)  # a bill repeats its amounts and days from row to row
def _clean_number(text: str, check: Check, amounts: Amounts) -> str | None:
    if len(text) > _MAX_NUMBER_TEXT:
        return None
    found = _NUMBER.fullmatch(narrow(text))
    if found is None or not (found["whole"] or found["part"]) or (found["first"] and found["second"]):
        return None
    is_money = check is not quantity
    if (found["sign"] or found["unit"]) and not (is_money and amounts == "yuan"):
        return None
    number = Decimal(f"{found['whole'].replace(',', '') or '0'}.{found['part'] or '0'}")
    if is_money and amounts == "fen":
        _, digits, exponent = number.as_tuple()
        number = Decimal((0, digits, int(exponent) - 2))
    if "-" in (found["first"], found["second"]) and number:
        number = number.copy_negate()  # unlike a minus, and like the line above, it never rounds
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    if check is money:
        whole, _, part = plain.partition(".")
        plain = f"{whole}.{part:0<2}"
    return plain if _passes(plain, check) else None


@lru_cache(maxsize=8192)
def _clean_moment(text: str, check: Check, _: Amounts) -> str | None:
    """YYYY-MM-DD, with a space and HH:MM:SS when that is not the day's first second."""
    plain = narrow(text)
    if len(plain) > _MAX_NUMBER_TEXT:
        return None
    found = _read_moment(plain)
    if found is None:
        # An offset or a fraction of a second: what the rules can read stays as it was written.
        return plain if _passes(plain, check) else None
    spelled = found.date().isoformat()
    if check is moment and found.time() != datetime.min.time():
        spelled = found.isoformat(" ")
    return spelled if _passes(spelled, check) else None


def _read_moment(plain: str) -> datetime | None:
    if _SERIAL.fullmatch(plain):
        seconds = (Decimal(plain) * 86400).quantize(Decimal(1), ROUND_HALF_UP)
        return _EXCEL_DAY_0 + timedelta(seconds=int(seconds))
    for shape in (*_DATES, _DIGITS):
        found = shape.fullmatch(plain)
        if found is not None:
            time = _read_time(found["time"])
            if time is None:
                return None
            try:
                return datetime(int(found["y"]), int(found["m"]), int(found["d"]), *time)  # noqa: DTZ001
            except ValueError:
                return None
    return None


def _read_time(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return 0, 0, 0
    for shape in _TIMES:
        found = shape.fullmatch(text)
        if found is not None:
            return int(found["H"]), int(found["M"]), int(found["S"] or 0)
    return None


def _clean_words(text: str, check: Check, _: Amounts) -> str:
    """Texts keep their spelling; a code written full-width becomes the plain one where only that is right."""
    if _passes(text, check):
        return text
    plain = narrow(text)
    return plain if _passes(plain, check) else text


def _passes(text: str, check: Check) -> bool:
    try:
        check(text)
    except BadValue:
        return False
    return True


_CLEANERS: Final[dict[Check, Callable[[str, Check, Amounts], str | None]]] = {
    money: _clean_number,
    quantity: _clean_number,
    price: _clean_number,
    moment: _clean_moment,
    day: _clean_moment,
}


def day_of(value: Any) -> date | None:
    """The calendar day that a value states in any of the shapes."""
    text = written(value)
    found = _read_moment(narrow(text)) if text else None
    return found.date() if found else None
