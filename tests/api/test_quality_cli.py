"""`autoclaim quality` reads a home's database, beside its engine or without one, and changes nothing."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api import scorecard_svg
from api.cli.main import app
from engine.pipeline.scorecard import scorecards
from engine.settlement.quality import QUALITY_RULES
from engine.store import quality
from engine.store.database import Database
from engine.store.quality import Of

OURS, THEIRS = "H31010100001", "H31010100002"
_DAY = date(2026, 3, 18)
_COUNTS = {
    ("records", "accepted"): 97,
    ("records", "quarantined"): 3,
    ("lag", "2"): 97,
    ("error", "consistent"): 3,
    ("rule", "settlement.identity.payer_split"): 3,
    ("rule", "settlement.once"): 1,
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Eight weeks of 50 records each, then a day of silence; and the day that the scorecards are of."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('quality') / 'engine.db'}")
    database.migrate()
    with database.transaction() as session:
        quality.add(session, {Of(_DAY, OURS, "native", "e"): _COUNTS})
        quality.add(session, {Of(_DAY, THEIRS, "his", "e"): {("records", "refused"): 2}})
        for week in range(1, 9):
            of = Of(date(2024, 5, 1) - timedelta(weeks=week), OURS, "native", "e")
            quality.add(session, {of: {("records", "accepted"): 50}})
    yield database
    database.close()


def run(database: Database, *arguments: object) -> Result:
    home = Path(database.url.removeprefix("sqlite:///")).parent
    return CliRunner().invoke(app, ["quality", *map(str, arguments), "--home", str(home)])


def test_every_rule_is_listed_a_line_each() -> None:
    printed = CliRunner().invoke(app, ["quality", "rules", "--json"])
    assert json.loads(printed.stdout)["rules"] == [asdict(rule) for rule in QUALITY_RULES.values()]
    lines = CliRunner().invoke(app, ["quality", "rules"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(QUALITY_RULES)


def test_a_day_on_which_nothing_came_says_so(database: Database) -> None:
    assert run(database, "scorecard", "--day", "2001-01-01").stdout == "nothing was received on 2001-01-01\n"


def test_the_scorecard_is_printed_written_and_drawn(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "day.svg"
    done = run(database, "scorecard", "--day", _DAY, "--json", "--svg", file)
    assert done.exit_code == 0, done.stderr
    with database.reading() as session:
        cards = scorecards(session, _DAY)
    told = json.loads(done.stdout)["scorecards"]
    assert told == json.loads(json.dumps([asdict(card) for card in cards], default=str))
    assert file.read_text(encoding="utf-8") == scorecard_svg.draw(cards, _DAY)
    printed = run(database, "scorecard", "--day", _DAY, "--hospital", OURS).stdout
    assert all(said in printed for said in ("97.00%", "settlement.identity.payer_split", "settlement.once"))
    assert THEIRS not in printed


def test_the_patrol_exits_1_when_there_is_something_to_look_into(database: Database, tmp_path: Path) -> None:
    day = date(2024, 5, 1)
    found = run(database, "patrol", "--day", day, "--json")
    (one,) = json.loads(found.stdout)["findings"]
    assert (found.exit_code, one["code"], one["numbers"]["median_before"]) == (1, "patrol.silent", 50)
    printed = run(database, "patrol", "--day", day)
    assert (printed.exit_code, "next: ask the hospital" in printed.stdout) == (1, True)
    file = tmp_path / "thresholds.json"
    file.write_text('{"silent_from": 60, "volume_score": 99}')
    told = run(database, "patrol", "--day", day, "--thresholds", file)
    assert (told.exit_code, told.stdout) == (0, f"nothing to look into of {day}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scorecard", "--day", "today"], "a day is YYYY-MM-DD"),
        (["patrol", "--thresholds", "none.json"], "No such file"),
        (["scorecard", "--svg", "none/day.svg"], "No such file"),
    ],
)
def test_what_cannot_be_done_says_why(database: Database, arguments: list[str], said: str) -> None:
    done = run(database, *arguments)
    assert (done.exit_code, said in done.stderr) == (2, True)


@pytest.mark.parametrize("text", ["[]", "{", '{"weeks": "8"}', '{"weeks": 0}', '{"unknown": 1}'])
def test_thresholds_that_are_none_are_refused(database: Database, tmp_path: Path, text: str) -> None:
    file = tmp_path / "thresholds.json"
    file.write_text(text)
    assert run(database, "patrol", "--thresholds", file).exit_code == 2


def test_a_home_without_a_database_is_not_given_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["quality", "scorecard", "--home", str(tmp_path)])
    assert (done.exit_code, "there is no database" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_an_earlier_version_is_left_as_it_is(tmp_path: Path) -> None:
    earlier = Database(f"sqlite:///{tmp_path / 'engine.db'}")
    earlier.migrate("0009")
    earlier.close()
    done = CliRunner().invoke(app, ["quality", "patrol", "--home", str(tmp_path)])
    assert (done.exit_code, "earlier version" in done.stderr) == (2, True)
