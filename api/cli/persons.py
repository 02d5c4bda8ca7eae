"""`autoclaim erase` and `autoclaim retention`: what is forgotten of a person, and what is due to be."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.running import RunningEngine
from api.client import ApiError

EXIT_NO = 1
_Home = Annotated[Path | None, typer.Option(help="The running engine's home [AUTOCLAIM_HOME].")]


def erase(
    cert_type: Annotated[str, typer.Option("--person", help="The certificate's type; 01 is an ID card.")],
    home: _Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Erase a person, for good. The certificate's number is asked for, or read as a line of standard input:
    on a command line it would stay in the shell's history.

    Exits 1 when nothing is kept of them or something is under way (the message says what to do first), 2 when
    no engine runs.
    """
    engine = RunningEngine.find(home)
    if sys.stdin.isatty():
        cert_no = typer.prompt("certificate number", hide_input=True, err=True)
    else:
        cert_no = sys.stdin.readline().strip()
    with engine.client() as client:
        try:
            erased = client.erase_person(cert_type, cert_no)
        except ApiError as error:
            typer.echo(f"autoclaim erase: {error.detail} [{error.code}]", err=True)
            raise typer.Exit(EXIT_NO) from error
    if as_json:
        typer.echo(json.dumps(erased))
        return
    typer.echo("erased: " + ", ".join(f"{count} {kind}" for kind, count in erased.items()))


def retention(
    home: _Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """What has been kept for longer than the settings say. Exits 1 when something is due, 2 when no engine
    runs."""
    with RunningEngine.find(home).client() as client:
        items = client.retention()["items"]
    if as_json:
        typer.echo(json.dumps({"items": items}))
    else:
        for item in items:
            oldest = f", the oldest since {item['oldest']}" if item["oldest"] else ""
            typer.echo(f"{item['kind']:<22} kept {item['kept_days']:>5} days  {item['due']:>8} due{oldest}")
    if any(item["due"] for item in items):
        raise typer.Exit(EXIT_NO)
