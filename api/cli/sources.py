"""`autoclaim sources`: check mapping files, and try what a delivery would come to."""

import json
import sys
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from api.cli import sources_report
from api.cli.checking import EXIT_CANNOT, EXIT_NO, Report, checked, tell

if TYPE_CHECKING:
    from engine.settlement.sources.codes import Dictionaries
    from engine.settlement.sources.dry_run import DryRun, Outcome, Summary
    from engine.settlement.sources.mapping import SourceMapping

_PROGRESS_EVERY = 200

app = typer.Typer(no_args_is_help=True, help="Hospitals' data: check mapping files, try a delivery.")
_Dictionaries = Annotated[
    Path | None,
    typer.Option("--dictionaries", help="Folder of code lists: icd10.csv, icd9cm3.csv, med_list.csv, ..."),
]


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Mapping files (YAML).")],
    dictionaries: _Dictionaries = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Hold mapping files to the schema, the national fields and the dictionaries.

    Exits 0 when all are right, 1 when one is wrong, 2 when one cannot be read.
    """
    known = _dictionaries(dictionaries)
    from engine.settlement.sources.mapping import MappingInvalid

    reports = [checked(path, partial(_read, known), MappingInvalid) for path in files]
    tell(reports, sources_report.right_lines, as_json=as_json)


def _read(known: "Dictionaries", path: Path) -> Report:
    from engine.settlement.sources.mapping_file import load_mapping

    mapping = load_mapping(path, known)
    named = {"source": mapping.source, "hospital": mapping.hospital, "version": mapping.number}
    return {**named, "mapping_digest": mapping.digest_hex}


@app.command("try")
def try_out(
    file: Annotated[Path, typer.Argument(help="A delivery, as the hospital would send it.")],
    mappings: Annotated[
        list[Path] | None,
        typer.Option(
            "--mapping", "-m", help="Mapping file; once for each version. None: native JSON, NDJSON."
        ),
    ] = None,
    hospital: Annotated[str | None, typer.Option(help="fixmedins_code that every record must be of.")] = None,
    on: Annotated[str | None, typer.Option(help="Day of receipt, YYYY-MM-DD; today when not stated.")] = None,
    dictionaries: _Dictionaries = None,
    show: Annotated[int, typer.Option(min=0, help="How many quarantined records to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Read a file and keep nothing: what would become of each column and record.

    Without a mapping it is the linter for native settlements. Exits 0 when all would be accepted, 1 when
    one would be quarantined or the file refused, 2 when it could not be tried.
    """
    known, day = _dictionaries(dictionaries), _day(on)
    trying: DryRun | None = None
    if mappings:
        mapping = _mapping(mappings, day, known)
        if hospital not in (None, mapping.hospital):
            _cannot(f"--hospital {hospital}: the mapping {mapping.source} is of {mapping.hospital}")
        trying = _dry_run(mapping, day, known)
    try:
        with file.open("rb") as delivery:
            if trying is None:
                summary, outcomes = _linted(delivery, day, hospital, known)
            else:
                summary, outcomes = trying.summary, _outcomes(trying, delivery)
            shown, refusal = _taken(_with_progress(outcomes, delivery, file), show)
    except OSError as error:
        _cannot(f"{file}: {error.strerror or error}")
    report = sources_report.as_document(str(file), trying, summary, shown, refusal)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        sources_report.print_tried(report, Console())
    if refusal or summary.quarantined:
        raise typer.Exit(EXIT_NO)


def _linted(
    delivery: BinaryIO, day: date, hospital: str | None, known: "Dictionaries"
) -> "tuple[Summary, Iterator[Outcome]]":
    from engine.settlement.sources.native import Linter, try_native

    return try_native(delivery, Linter(day, hospital, known))


def _outcomes(trying: "DryRun", delivery: BinaryIO) -> "Iterator[Outcome]":
    from engine.settlement.sources.formats import READERS

    mapping = trying.mapping
    if mapping.format not in READERS:
        _cannot(f"no reader for the format {mapping.format}")
    return trying.outcomes(READERS[mapping.format](delivery, mapping.layout))


def _taken(outcomes: "Iterator[Outcome]", show: int) -> "tuple[list[Outcome], list[dict[str, str]]]":
    """The first records that would be quarantined, and why the file would be refused, if it would."""
    from engine.settlement.sources.record import SourceRefused

    shown: list[Outcome] = []
    try:
        for outcome in outcomes:
            if outcome.violations and len(shown) < show:
                shown.append(outcome)
    except SourceRefused as error:
        return shown, [{"field": v.field, "rule": v.rule, "message": v.message} for v in error.violations]
    return shown, []


def _dry_run(mapping: "SourceMapping", on: date, known: "Dictionaries") -> "DryRun":
    from engine.settlement.sources.dry_run import DryRun
    from engine.settlement.sources.standardise import Standardiser

    return DryRun(Standardiser(mapping, on, known))


def _mapping(paths: list[Path], on: date, known: "Dictionaries") -> "SourceMapping":
    from engine.settlement.sources.mapping import MappingBook, MappingInvalid
    from engine.settlement.sources.mapping_file import load_mapping

    try:
        holding = MappingBook.of([load_mapping(path, known) for path in paths]).holding(on)
    except MappingInvalid as error:
        _cannot(f"{error}\nsee what is wrong with `autoclaim sources check`")
    except OSError as error:
        _cannot(f"{error.filename}: {error.strerror or error}")
    if holding is None:
        _cannot(f"no version of the mapping holds on {on} yet; state another day with --on")
    return holding


def _dictionaries(folder: Path | None) -> "Dictionaries":
    from engine.settlement.sources.codes import SHIPPED, Dictionaries

    if folder is None:
        return SHIPPED
    if not folder.is_dir():
        _cannot(f"{folder}: is no folder")
    try:
        return Dictionaries.of_folder(folder)
    except (OSError, ValueError) as error:
        _cannot(str(error))


def _day(on: str | None) -> date:
    from engine.settlement.checks import SHANGHAI

    if on is None:
        return datetime.now(SHANGHAI).date()
    try:
        return date.fromisoformat(on)
    except ValueError:
        _cannot(f"--on {on}: a day is YYYY-MM-DD")


def _with_progress(outcomes: "Iterator[Outcome]", delivery: BinaryIO, file: Path) -> "Iterator[Outcome]":
    """Bytes read of the file, on a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(escape(file.name), total=file.stat().st_size)
        for count, outcome in enumerate(outcomes):
            if count % _PROGRESS_EVERY == 0:
                progress.update(task, completed=delivery.tell())
            yield outcome


def _cannot(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_CANNOT)
