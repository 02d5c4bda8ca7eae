"""Every rule has a side of quality, and the ones that need the time of receipt have it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.settlement import Settlement
from engine.settlement.chapters import chapter
from engine.settlement.quality import QUALITY_RULES
from engine.settlement.rules import DIMENSIONS, RULES
from engine.settlement.sources.rules import SOURCE_RULES
from engine.settlement.timeliness import check_timely, lag_days
from tests.house.source import python_files, text

_RULE_ID = re.compile(r'"((?:settlement|source)(?:\.[a-z0-9_]+){1,3})"')


def settled(native: dict[str, Any]) -> Settlement:
    native["setlinfo"] |= {
        "dscg_time": "2025-12-19 09:00:00",
        "setl_begn_date": "2025-12-12",
        "setl_end_date": "2025-12-19",
        "setl_time": "2025-12-19 23:30:00",
    }
    return Settlement.parse(native)


def received(day: int, hour: int = 12) -> datetime:
    """That day of December 2025 and what follows, at an hour in Shanghai."""
    return datetime(2025, 12, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour - 8)


def broken(settlement: Settlement, at: datetime) -> list[str]:
    return [violation.rule for violation in check_timely(settlement, at)]


def test_the_list_holds_every_rule_of_both_tables_once() -> None:
    assert len(QUALITY_RULES) == len(RULES) + len(SOURCE_RULES)
    assert {rule.dimension for rule in QUALITY_RULES.values()} == set(DIMENSIONS)
    assert all(rule.meaning for rule in QUALITY_RULES.values())


def test_a_rule_that_is_named_anywhere_stands_in_the_list() -> None:
    """Whatever is said of a record is counted by it."""
    named = {
        (str(path), rule)
        for path in python_files("engine/settlement")
        for rule in _RULE_ID.findall(text(path))
        if path.name != "rules.py" and not rule.endswith(".json")
    }
    assert len(named) > 50
    assert {one for one in named if one[1] not in QUALITY_RULES} == set()


@pytest.mark.parametrize(
    ("day", "rules"),
    [
        (19, []),
        (26, []),
        (27, ["settlement.timely.settlement"]),
        (34, ["settlement.timely.settlement"]),
        (35, ["settlement.timely.discharge", "settlement.timely.settlement"]),
        (18, ["settlement.timely.future", "settlement.timely.future"]),
    ],
)
def test_what_is_late_or_from_the_future_is_said(native: dict[str, Any], day: int, rules: list[str]) -> None:
    settlement = settled(native)
    assert broken(settlement, received(day)) == rules
    assert lag_days(settlement, received(day)) == day - 19
    assert all(QUALITY_RULES[rule].severity == "warning" for rule in rules)


def test_the_day_of_receipt_is_the_one_in_shanghai(native: dict[str, Any]) -> None:
    settlement = settled(native)
    assert broken(settlement, received(26, hour=23)) == []
    assert broken(settlement, received(27, hour=0)) == ["settlement.timely.settlement"]


def test_a_city_may_want_it_sooner(native: dict[str, Any]) -> None:
    sooner = {"settlement.timely.discharge": 0, "settlement.timely.settlement": 0}
    assert len(check_timely(settled(native), received(20), sooner)) == 2


@pytest.mark.parametrize(
    ("code", "roman"),
    [
        ("A00.000", "I"),
        ("B99.x00", "I"),
        ("C34.900", "II"),
        ("D48.900", "II"),
        ("D50.000", "III"),
        ("H59.900", "VII"),
        ("H60.000", "VIII"),
        ("I63.900", "IX"),
        ("T98.300", "XIX"),
        ("U07.100", "XXII"),
        ("Y98.x00", "XX"),
        ("Z51.100", "XXI"),
        (None, "none"),
    ],
)
def test_a_diagnosis_stands_in_its_chapter(code: str | None, roman: str) -> None:
    assert chapter(code) == roman
