"""The patrol finds what a day is unlike, names the numbers, and says nothing of an ordinary day."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.pipeline.drift import deviation, shift
from engine.pipeline.patrol import Finding, Thresholds, patrol
from engine.store import quality
from engine.store.database import Database
from engine.store.deliveries import Delivery
from engine.store.quality import DayStatement, Of
from engine.store.tables import Hospital, Reversal, Settlement

DAY = date(2026, 3, 18)
CODE = "H31010100001"
NOW = datetime(2026, 3, 19, 1, tzinfo=UTC)
_MIX = {"01": 30, "03": 40, "09": 90, "08": 55}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'quality.db'}")
    database.migrate()
    yield database
    database.close()


def count(database: Database, day: date, counts: Mapping[tuple[str, str], int], hospital: str = CODE) -> None:
    with database.transaction() as session:
        quality.add(session, {Of(day, hospital, "native", "e"): counts})


def ordinary(number: int, lag: int = 2, mix: Mapping[str, int] = _MIX) -> dict[tuple[str, str], int]:
    """What a day of that many settlements is counted as."""
    return {
        ("records", "accepted"): number,
        ("lag", str(lag)): number,
        ("visit_type", "21"): number,
        ("diagnosis", "II"): number // 2,
        ("diagnosis", "IX"): number - number // 2,
        **{("fee_category", code): max(number * share // 100, 1) for code, share in mix.items()},
    }


def past(database: Database, weeks: int = 8, number: int = 100) -> None:
    """So many weeks before the day, with the noise of counting and quiet Sundays."""
    chance = Random(5)
    for back in range(1, 7 * weeks + 1):
        day = DAY - timedelta(days=back)
        of_the_day = number // 5 if day.weekday() == 6 else number
        count(database, day, ordinary(max(round(chance.gauss(of_the_day, of_the_day**0.5)), 1)))


def found(database: Database, **thresholds: Any) -> list[Finding]:
    with database.reading() as session:
        return patrol(session, DAY, replace(Thresholds(), **thresholds))


def test_an_ordinary_day_has_nothing_to_look_into(database: Database) -> None:
    past(database)
    count(database, DAY, ordinary(108))
    assert found(database) == []


@pytest.mark.parametrize(("number", "code"), [(40, "patrol.volume.low"), (190, "patrol.volume.high")])
def test_a_day_of_another_volume_is_found_with_its_numbers(
    database: Database, number: int, code: str
) -> None:
    past(database)
    count(database, DAY, ordinary(number))
    (one,) = found(database)
    assert (one.code, one.hospital_code, one.numbers["received"]) == (code, CODE, number)
    assert 85 <= one.numbers["median_before"] <= 115
    assert one.next_step


def test_a_day_is_held_against_the_same_weekday(database: Database) -> None:
    """A Sunday's volume is nothing on a Sunday and silence on a Wednesday."""
    past(database)
    count(database, DAY + timedelta(days=4), ordinary(21))
    with database.reading() as session:
        findings = patrol(session, DAY + timedelta(days=4))
    assert [one.code for one in findings if one.code.startswith("patrol.volume")] == []
    count(database, DAY, ordinary(21))
    assert [one.code for one in found(database)] == ["patrol.volume.low"]


def test_one_wild_day_in_the_past_hides_nothing(database: Database) -> None:
    past(database)
    count(database, DAY - timedelta(weeks=2), ordinary(100_000))
    count(database, DAY, ordinary(40))
    assert [one.code for one in found(database)] == ["patrol.volume.low"]


def test_a_hospital_that_falls_silent_is_found_and_a_new_one_is_not(database: Database) -> None:
    past(database)
    count(database, DAY - timedelta(days=3), ordinary(50), hospital="H31010100002")
    count(database, DAY, ordinary(40), hospital="H31010100003")
    assert [(one.code, one.hospital_code) for one in found(database)] == [("patrol.silent", CODE)]


def test_settlements_that_come_later_than_before_are_found(database: Database) -> None:
    past(database)
    count(database, DAY, ordinary(100, lag=9))
    (one,) = found(database)
    assert (one.code, one.numbers["lag_p50_days"], one.numbers["median_before"]) == ("patrol.lag", 9, 2)
    assert found(database, lag_score=20.0) == []


@pytest.mark.parametrize(
    ("what", "name"), [("fee_category", "14"), ("diagnosis", "XIX"), ("visit_type", "22")]
)
def test_codes_that_move_are_found_and_named(database: Database, what: str, name: str) -> None:
    past(database)
    counts = {key: seen for key, seen in ordinary(100).items() if key[0] != what}
    count(
        database,
        DAY,
        {**counts, (what, name): 100, ("visit_type", "21"): counts.get(("visit_type", "21"), 0)},
    )
    (one,) = found(database)
    assert one.code == f"patrol.mix.{what}"
    assert name in [moved["code"] for moved in one.numbers["moved"]]
    assert one.numbers["psi"] > one.numbers["by_chance"]


def test_a_handful_of_settlements_has_no_mix(database: Database) -> None:
    past(database, number=12)
    counts = {key: seen for key, seen in ordinary(10).items() if key[0] != "diagnosis"}
    count(database, DAY, {**counts, ("diagnosis", "XIX"): 10})
    assert found(database) == []


def test_chance_alone_is_a_finding_once_in_many_days() -> None:
    """2,000 days of 60 settlements drawn from one mix of 14 codes: the usual bound alone would cry wolf."""
    chance = Random(11)
    weights = [1 / (rank + 1) for rank in range(14)]
    codes = [f"{one:02}" for one in range(14)]

    def drawn(number: int) -> dict[str, int]:
        sample = chance.choices(codes, weights, k=number)
        return {code: sample.count(code) for code in codes}

    before = drawn(1500)
    shifts = [shift(drawn(60), before, (60, 1500)) for _ in range(2000)]
    assert sum(one.psi >= max(0.25, one.chance) for one in shifts) <= 20
    assert sum(one.psi >= 0.25 for one in shifts) > 200


def test_a_deviation_is_measured_by_its_median_and_spread() -> None:
    one = deviation(30, [10, 12, 11, 9, 500], 1)
    assert (one.median, one.spread) == (11, 1.48)
    assert one.score == pytest.approx(12.82, abs=0.01)
    assert deviation(12, [10, 10, 10], 2).score == 1


def states(database: Database, settlements: int, clearing: str = "21", insurance: str = "") -> None:
    with database.transaction() as session:
        if session.get(Hospital, CODE) is None:
            session.add(Hospital(code=CODE, name="H", grade=3, area="310000", kind="o", wards=["ordinary"]))
            session.flush()
            session.add(
                Delivery(
                    delivery_id="dlv",
                    hospital_code=CODE,
                    source="his",
                    body_digest="",
                    size=0,
                    body_sealed=b"",
                    received_at=NOW,
                )
            )
            session.flush()
        statement = DayStatement(
            hospital_code=CODE,
            begins=DAY,
            ends=DAY,
            clearing_type=clearing,
            insurance_type=insurance,
            settlements=settlements,
            source="his",
            delivery_id="dlv",
            received_at=NOW,
        )
        quality.state_day(session, statement)


def settled(database: Database, number: int, visit_type: str = "21", received: int = 0) -> None:
    """So many, settled on the day and received days later."""
    count(database, DAY + timedelta(days=received), {("settled", f"{DAY}/{visit_type}"): number})


def test_what_a_hospital_counts_and_did_not_send_is_missing(database: Database) -> None:
    settled(database, 5)
    settled(database, 3, received=2)
    settled(database, 50, visit_type="11")
    states(database, 10)
    (one,) = found(database)
    assert (one.code, one.numbers["stated"], one.numbers["accepted"]) == ("patrol.missing", 10, 8)
    assert found(database, statement_least=3) == []
    settled(database, 2, received=1)
    assert found(database) == []


def test_more_than_a_hospital_counts_is_found_unless_it_counts_for_one_insurance_only(
    database: Database,
) -> None:
    settled(database, 8)
    states(database, 5, insurance="310")
    assert found(database) == []
    states(database, 5)
    assert [one.code for one in found(database)] == ["patrol.unstated"]


def test_the_insurances_of_a_type_are_counted_together(database: Database) -> None:
    settled(database, 8)
    for insurance, number in (("310", 5), ("390", 3)):
        states(database, number, insurance=insurance)
    assert found(database) == []
    states(database, 4, insurance="390")
    assert [one.numbers["stated"] for one in found(database)] == [9]


def test_what_was_taken_back_stands_twice_in_a_statement_and_is_not_missing(database: Database) -> None:
    settled(database, 1)
    states(database, 2)
    assert [one.code for one in found(database)] == ["patrol.missing"]
    with database.transaction() as session:
        of_the_day = datetime.combine(DAY, datetime.min.time(), UTC) - timedelta(hours=7)
        session.add(
            Settlement(
                id=1,
                hospital_code=CODE,
                setl_id="S",
                reference="E",
                content_digest="",
                body_sealed=b"",
                document_sealed=b"",
                admitted_on=DAY,
                discharged_on=DAY,
                settled_at=of_the_day,
                received_at=NOW,
            )
        )
        session.flush()
        session.add(Reversal(settlement_id=1, body_sealed=b"", reason_digest="", received_at=NOW))
    assert found(database) == []


def test_a_type_that_no_visits_stand_for_is_not_compared(database: Database) -> None:
    states(database, 10, clearing="51")
    assert found(database) == []


def test_one_hospital_may_be_looked_at_alone(database: Database) -> None:
    past(database)
    with database.reading() as session:
        assert patrol(session, DAY, hospital_code="H31010100002") == []
        assert [one.code for one in patrol(session, DAY, hospital_code=CODE)] == ["patrol.silent"]
