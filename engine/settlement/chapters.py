"""The chapter of ICD-10 that a diagnosis stands in: coarse enough to be counted by without naming anybody."""

from bisect import bisect_right
from typing import Final

NONE: Final = "none"
_BEGINS: Final = (
    *(("A00", "I"), ("C00", "II"), ("D50", "III"), ("E00", "IV"), ("F00", "V"), ("G00", "VI")),
    *(("H00", "VII"), ("H60", "VIII"), ("I00", "IX"), ("J00", "X"), ("K00", "XI"), ("L00", "XII")),
    *(("M00", "XIII"), ("N00", "XIV"), ("O00", "XV"), ("P00", "XVI"), ("Q00", "XVII"), ("R00", "XVIII")),
    *(("S00", "XIX"), ("U00", "XXII"), ("V01", "XX"), ("Z00", "XXI")),
)
"""First category of each chapter, in the order of the codes (U stands before V)."""
_FIRSTS: Final = tuple(first for first, _ in _BEGINS)


def chapter(code: str | None) -> str:
    """Roman numeral of the chapter of an ICD-10 code; NONE where there is no diagnosis."""
    at = bisect_right(_FIRSTS, code[:3].upper()) if code else 0
    return _BEGINS[at - 1][1] if at else NONE
