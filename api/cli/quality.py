"""`autoclaim quality`: the rules as data, the scorecard of a day, the daily patrol."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api import scorecard_svg
from api.cli import homes, quality_report

if TYPE_CHECKING:
    from sqlmodel import Session

    from engine.pipeline.patrol import Thresholds

EXIT_NO, EXIT_CANNOT = 1, 2

app = typer.Typer(no_args_is_help=True, help="Quality of hospitals' data: rules, scorecard, daily patrol.")
_Json = Annotated[bool, typer.Option("--json", help="Print one object.")]
_Day = Annotated[str | None, typer.Option(help="Day of receipt in Shanghai, YYYY-MM-DD.")]
_Hospital = Annotated[str | None, typer.Option(help="One hospital's only: fixmedins_code.")]
_Home = Annotated[Path | None, typer.Option(help="The engine's home [AUTOCLAIM_HOME].")]
_DatabaseUrl = Annotated[
    str | None, typer.Option(help="sqlite:///file or postgresql://… [AUTOCLAIM_DATABASE_URL].")
]


@app.command()
def rules(as_json: _Json = False) -> None:
    """Every rule that a record is held to: id, severity, dimension, meaning."""
    from engine.settlement.quality import QUALITY_RULES

    listed = [asdict(rule) for rule in QUALITY_RULES.values()]
    if as_json:
        _print_json({"rules": listed})
    else:
        quality_report.print_rules(listed, quality_report.wide())


@app.command()
def scorecard(
    day: _Day = None,
    hospital: _Hospital = None,
    svg: Annotated[Path | None, typer.Option(help="Write the picture to this file, too.")] = None,
    home: _Home = None,
    database_url: _DatabaseUrl = None,
    as_json: _Json = False,
) -> None:
    """What came of the records of each source on a day (today when not stated). Reads only.

    Exits 0, or 2 when the database or the picture's file cannot be opened.
    """
    from engine.pipeline.scorecard import scorecards

    on = _day(day, _today())
    with _reading(home, database_url) as session:
        cards = scorecards(session, on, hospital)
    if svg is not None:
        try:
            svg.write_text(scorecard_svg.draw(cards, on), encoding="utf-8")
        except OSError as error:
            _cannot(f"{svg}: {error.strerror or error}")
    if as_json:
        _print_json({"day": on, "scorecards": [asdict(card) for card in cards]})
    else:
        quality_report.print_scorecards(on, cards, quality_report.wide())


@app.command()
def patrol(
    day: _Day = None,
    hospital: _Hospital = None,
    thresholds: Annotated[
        Path | None, typer.Option(help="JSON object of thresholds that differ from the defaults.")
    ] = None,
    home: _Home = None,
    database_url: _DatabaseUrl = None,
    as_json: _Json = False,
) -> None:
    """What a day's data is unlike and what is missing of it (yesterday when not stated). Reads only.

    Exits 0 when there is nothing to look into, 1 when there is, 2 when it could not be looked.
    """
    from engine.pipeline.patrol import patrol as look

    on, given = _day(day, _today() - timedelta(days=1)), _thresholds(thresholds)
    with _reading(home, database_url) as session:
        findings = look(session, on, given, hospital)
    if as_json:
        _print_json({"day": on, "findings": [asdict(one) for one in findings], "thresholds": asdict(given)})
    else:
        quality_report.print_findings(on, findings, quality_report.wide())
    raise typer.Exit(EXIT_NO if findings else 0)


@contextmanager
def _reading(home: Path | None, database_url: str | None) -> "Iterator[Session]":
    """A view of the database that `serve` keeps; it is never created or migrated from here."""
    from sqlalchemy.exc import DBAPIError

    from engine.store.database import Database

    url = database_url or homes.database_url(home or homes.home_of(os.environ), os.environ)
    file = url.removeprefix("sqlite:///")
    if file != url and not Path(file).is_file():
        _cannot(f"there is no database {file}; pass --home or --database-url")
    database = Database(url)
    try:
        with database.reading() as session:
            yield session
    except DBAPIError as error:
        _cannot(f"{error.orig}; a database of an earlier version is brought up to date by `autoclaim serve`")
    finally:
        database.close()


def _thresholds(file: Path | None) -> "Thresholds":
    from engine.pipeline.patrol import Thresholds

    if file is None:
        return Thresholds()
    try:
        given = json.loads(file.read_bytes())
    except OSError as error:
        _cannot(f"{file}: {error.strerror or error}")
    except ValueError as error:
        _cannot(f"{file}: is no JSON ({error})")
    known = asdict(Thresholds())
    if not isinstance(given, dict):
        _cannot(f"{file}: must be one JSON object")
    for name, value in given.items():
        if name not in known or type(value) not in (int, float) or value <= 0:
            _cannot(f"{file}: {name}: not a threshold above 0; there are {', '.join(known)}")
    return replace(Thresholds(), **{name: type(known[name])(value) for name, value in given.items()})


def _today() -> date:
    from engine.settlement.checks import SHANGHAI

    return datetime.now(SHANGHAI).date()


def _day(stated: str | None, otherwise: date) -> date:
    try:
        return date.fromisoformat(stated) if stated else otherwise
    except ValueError:
        _cannot(f"--day {stated}: a day is YYYY-MM-DD")


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def _cannot(message: str) -> NoReturn:
    typer.echo(f"autoclaim quality: {message}", err=True)
    raise typer.Exit(EXIT_CANNOT)
