"""Fen: what is an amount, and the one rounding."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.money import MoneyError, format_yuan, parse_yuan, portion


@pytest.mark.parametrize(
    ("stated", "fen"),
    [
        *(("0.10", 10), (12.5, 1250), ("12.500", 1250), ("-3.25", -325)),
        *((7, 700), ("0", 0), (Decimal("1.01"), 101)),
    ],
)
def test_yuan_of_two_decimals_are_whole_fen(stated: object, fen: int) -> None:
    assert parse_yuan(stated) == fen


@pytest.mark.parametrize(
    "stated",
    [
        *("0.005", "1e30", "1E+9999999", "1e-99999999999", "NaN", "Infinity"),
        *("", "十元", True, None, "1,000.00", [1]),
    ],
)
def test_what_is_no_amount_is_refused(stated: object) -> None:
    with pytest.raises(MoneyError):
        parse_yuan(stated)


@given(st.integers(-(10**15), 10**15))
def test_what_is_written_is_read_again(fen: int) -> None:
    assert parse_yuan(format_yuan(fen)) == fen


def test_half_a_fen_goes_up() -> None:
    assert portion(25, 1, 2) == 13  # 0.125 yuan -> 0.13
    assert portion(94_400_000 * 10_000, 1, 10_000) == 94_400_000


@given(st.integers(0, 10**14), st.integers(0, 10_000))
def test_a_portion_is_within_half_a_fen(amount: int, points: int) -> None:
    assert abs(portion(amount, points, 10_000) * 10_000 - amount * points) * 2 <= 10_000


def test_a_portion_of_a_negative_is_refused() -> None:
    with pytest.raises(MoneyError):
        portion(-1, 1, 2)
