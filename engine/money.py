"""Fen: integer money, and the one rounding.

1 yuan = 100 fen. A settlement states yuan with at most two decimals (national settlement list,
precision 16,2), so every amount is a whole number of fen and no float ever holds money.
"""

from decimal import Decimal, InvalidOperation
from typing import NewType

Fen = NewType("Fen", int)

ZERO = Fen(0)
_A_FEN = Decimal("0.01")
_MAX_FEN = 10**16
"""Precision 16,2 of the national list: 14 digits of yuan, two of fen."""
_MOST_DIGITS = 16
"""Refused by size before any arithmetic: 1E+9999999 is a short text and a long number."""


class MoneyError(ValueError):
    """An amount that is not a whole number of fen within precision 16,2."""


def parse_yuan(value: object) -> Fen:
    """Yuan as a decimal string, int, Decimal or JSON number -> fen. Raises MoneyError.

    A float is read by its shortest decimal form, which is what the sender wrote in JSON.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise MoneyError(f"not an amount in yuan: {value!r}")
    text = value.strip() if isinstance(value, str) else str(value)
    try:
        yuan = Decimal(text)
    except InvalidOperation as error:
        raise MoneyError(f"not an amount in yuan: {value!r}") from error
    if not yuan.is_finite():
        raise MoneyError(f"not a finite amount: {value!r}")
    if yuan.adjusted() > _MOST_DIGITS:
        raise MoneyError(f"beyond precision 16,2: {text[:40]!r}")
    if yuan and (yuan.adjusted() < -2 or yuan != yuan.quantize(_A_FEN)):
        raise MoneyError(f"more than two decimals: {value!r}")
    if abs(yuan) >= _MAX_FEN // 100:
        raise MoneyError(f"beyond precision 16,2: {value!r}")
    return Fen(int(yuan * 100))


def format_yuan(fen: int) -> str:
    """Fen -> yuan with two decimals and no grouping: 94400000 -> '944000.00'."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def portion(amount: int, numerator: int, denominator: int) -> Fen:
    """amount x numerator / denominator, half-up to the fen (0.125 yuan -> 0.13).

    The only place that rounds money. amount and numerator must not be negative.
    """
    if amount < 0 or numerator < 0 or denominator <= 0:
        raise MoneyError(f"portion of a negative: {amount} x {numerator} / {denominator}")
    return Fen((2 * amount * numerator + denominator) // (2 * denominator))
