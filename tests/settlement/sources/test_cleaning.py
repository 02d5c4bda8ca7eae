"""One spelling for each meaning, and nothing guessed."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.settlement.checks import BadValue, Check, day, moment, money, price, quantity, text
from engine.settlement.fields import LISTS, SETLINFO
from engine.settlement.sources.cleaning import clean, day_of, heading

CHECKS = tuple({f.check for fields in (SETLINFO, *(n.fields for n in LISTS.values())) for f in fields})
SEX = next(f.check for f in SETLINFO if f.name == "gend")


@pytest.mark.parametrize(
    ("written", "fen"),
    [
        ("1234.5", "1234.50"),
        ("1,234.50", "1234.50"),
        ("１，２３４．５０", "1234.50"),
        ("¥1,234.50", "1234.50"),
        ("￥ 1234.50", "1234.50"),
        ("1234.50元", "1234.50"),
        ("-¥12.5", "-12.50"),
        ("¥-12.5", "-12.50"),
        ("－12.5", "-12.50"),
        ("\u22120.10", "-0.10"),
        ("+3", "3.00"),
        (".5", "0.50"),
        ("007.10", "7.10"),
        ("-0.00", "0.00"),
        ("12.5000", "12.50"),
        (1234.5, "1234.50"),
        (0.1, "0.10"),
        (45.0, "45.00"),
        (7, "7.00"),
        (Decimal("7.1"), "7.10"),
        ('="12.50"', "12.50"),
        ("\t12.50\u3000", "12.50"),
    ],
)
def test_an_amount_is_spelled_one_way(written: Any, fen: str) -> None:
    assert clean(written, money) == fen


@pytest.mark.parametrize(
    "written",
    [
        *(
            "1.2万元",
            "1.2万",
            "12.345",
            "1,23.50",
            "1 234",
            "(12.50)",
            "12.50-",
            "$12",
            "--1",
            "1e5",
            "12,50",
        ),
        *("123456789012345", "12345678901234.0000000000000000000001", "٣", "¥", ".", "元", "9" * 10_000),
        *(0.1 + 0.2, 12.345, 1e300, float("nan"), float("inf"), 1e-7, True, 10**30, Decimal("1E+5")),
        *(["12.50"], {"value": 1}),
    ],
)
def test_what_is_no_certain_amount_is_handed_on_for_the_rules_to_refuse(written: Any) -> None:
    assert clean(written, money) is written
    with pytest.raises(BadValue):
        money(written)


def test_fen_become_yuan_and_nothing_else_does() -> None:
    assert clean("123450", money, "fen") == "1234.50"
    assert clean(5, money, "fen") == "0.05"
    assert clean("1250", price, "fen") == "12.5"
    assert clean("3", quantity, "fen") == "3"
    for stated in ("12.5", "12元", "¥12"):
        assert clean(stated, money, "fen") is stated


def test_a_quantity_with_a_unit_or_a_price_below_0_is_handed_on() -> None:
    assert clean("2盒", quantity) == "2盒"
    assert clean("2元", quantity) == "2元"
    assert clean("-2.50", price) == "-2.50"
    assert clean("1,000.2500", quantity) == "1000.25"


SHAPES = {
    "2026-11-26": "2026-11-26",
    "2026/11/26": "2026-11-26",
    "2026/1/6": "2026-01-06",
    "20261126": "2026-11-26",
    "2026年11月26日": "2026-11-26",
    "２０２６年１月６日": "2026-01-06",
    "46352": "2026-11-26",
    "2026-11-26 00:00:00": "2026-11-26",
    "2026/11/26 14:30": "2026-11-26 14:30:00",
    "2026-11-26T14:30:05": "2026-11-26 14:30:05",
    "2026-11-26 14:30:05.000": "2026-11-26 14:30:05",
    "20261126143000": "2026-11-26 14:30:00",
    "202611261430": "2026-11-26 14:30:00",
    "2026年11月26日 14时30分": "2026-11-26 14:30:00",
    "2026年11月26日14:30:00": "2026-11-26 14:30:00",
    "46352.604166666664": "2026-11-26 14:30:00",
}


@pytest.mark.parametrize("written", SHAPES)
def test_a_time_comes_in_many_shapes_and_is_spelled_one_way(written: str) -> None:
    assert clean(written, moment) == SHAPES[written]
    assert clean(written, day) == SHAPES[written][:10]
    assert day_of(written) == date.fromisoformat(SHAPES[written][:10])


def test_a_number_cell_may_hold_a_day() -> None:
    assert clean(46352, moment) == clean(46352.0, moment) == "2026-11-26"
    assert clean(20261126, moment) == "2026-11-26"
    assert clean(46352.604166666664, moment) == "2026-11-26 14:30:00"


@pytest.mark.parametrize(
    "written",
    [
        *("11/26/2026", "26.11.2026", "26-11-26", "2026-02-30", "2026-11/26", "20261301", "2026-11", "4635"),
        *("2026-11-26 25:00:00", "2026年11月", "461126", "9" * 10_000, "2026-11-26 下午2点"),
    ],
)
def test_what_is_no_certain_day_is_handed_on_for_the_rules_to_refuse(written: str) -> None:
    assert clean(written, moment) == written
    with pytest.raises(BadValue):
        moment(written)


def test_an_offset_is_kept_and_no_day_is_guessed_from_it() -> None:
    assert clean("2026-11-26T16:00:00Z", moment) == "2026-11-26T16:00:00Z"
    assert clean("2026-11-26T16:00:00Z", day) == "2026-11-26T16:00:00Z"


@pytest.mark.parametrize("written", [None, "", "  ", "-", "－", "--", "NULL", "null", "\\N", "\u3000", '=""'])
@pytest.mark.parametrize("check", [money, moment, text(10), SEX])
def test_nothing_written_is_absent(written: Any, check: Check) -> None:
    assert clean(written, check) is None


def test_a_text_keeps_its_spelling_and_a_code_loses_its_width() -> None:
    assert clean(" Ⅱ型（注射用） ", text(100)) == "Ⅱ型（注射用）"
    assert clean("１", SEX) == "1"
    assert clean(1.0, SEX) == clean(1, SEX) == clean("'1", SEX) == "1"
    assert clean("01", SEX) == "01"


def test_a_number_of_more_digits_than_a_sheet_keeps_is_no_text() -> None:
    assert clean(999_999_999_999_999.0, text(50)) == "999999999999999"
    assert type(clean(1_000_000_000_000_000.0, text(50))) is float


def test_a_heading_is_one_however_it_is_spaced() -> None:
    assert heading(" 金 额\n（元）") == heading("金额(元)") == "金额(元)"


values = st.one_of(
    st.text(max_size=60),
    st.floats(),
    st.integers(),
    st.decimals(),
    st.none(),
    st.dates().map(str),
    st.from_regex(r"\A[¥￥]?-?[0-9０-９]{1,3}([,，][0-9]{3}){0,3}(\.[0-9]{0,3})?元?\Z"),
)


@given(values, st.sampled_from(CHECKS))
def test_what_is_clean_stays_as_it_is(value: Any, check: Check) -> None:
    once = clean(value, check)
    assert repr(clean(once, check)) == repr(once)


@given(st.integers(-(10**14) + 1, 10**14 - 1), st.sampled_from(["{}", "¥{}", "{}元", ' ="{}" ']))
def test_an_amount_reads_back_from_any_way_of_writing_it(fen: int, shape: str) -> None:
    sign, yuan, part = "-" if fen < 0 else "", abs(fen) // 100, abs(fen) % 100
    spelled = f"{sign}{yuan}.{part:02d}"
    wide = str.maketrans("0123456789,.-", "０１２３４５６７８９，．－")
    for number in (spelled, f"{sign}{yuan:,}.{part:02d}", spelled.translate(wide)):
        assert clean(shape.format(number), money) == spelled
    if abs(fen) < 10**15 // 100:
        assert clean(float(spelled), money) == spelled


@given(st.integers(11_000 * 86_400, 73_000 * 86_400))
def test_a_moment_reads_back_from_every_shape(seconds: int) -> None:
    at = datetime.fromisoformat("1899-12-30") + timedelta(seconds=seconds)
    spelled = at.isoformat(" ") if at.time() != datetime.min.time() else at.date().isoformat()
    serial = seconds / 86_400
    written: list[Any] = [at.strftime("%Y/%m/%d %H:%M:%S"), at.strftime("%Y%m%d%H%M%S"), serial, str(serial)]
    written += [f"{at.year}年{at.month}月{at.day}日 {at.hour}时{at.minute}分{at.second}秒", at.isoformat()]
    assert {clean(one, moment) for one in written} == {spelled}
