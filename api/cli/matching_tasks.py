"""`autoclaim matching task`: a provider's list against the roll, ordered and watched."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.running import RunningEngine
from api.client import ApiError, Client

EXIT_NO = 1
_DIGEST_OF_NEITHER = "neither"
app = typer.Typer(no_args_is_help=True, help="Match a provider's list against the roll, by a task on chain.")
_Home = Annotated[Path | None, typer.Option(help="The running engine's home [AUTOCLAIM_HOME].")]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
_TaskId = Annotated[str, typer.Argument(help="0x and 64 digits.")]


@app.command("open")
def open_task(  # noqa: PLR0913 - a command's options are its arguments
    provider: Annotated[str, typer.Argument(help="The node's address: `autoclaim provider key` prints it.")],
    hospitals: Annotated[str, typer.Argument(help="H…,H…: whose discharges.")],
    product: Annotated[str, typer.Option(help="Under whose policies is released.")],
    since: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day of discharge.")],
    until: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Last day of discharge.")],
    most: Annotated[int, typer.Option(min=1, help="Blinded elements at most; a person takes two.")],
    engine: Annotated[str, typer.Option(help="voprf, or rr22 with the extra psi-scale.")] = "voprf",
    *,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Open a task. The same again is the same task, until that has ended.

    Exits 1 when it is refused, 2 when no engine runs.
    """
    order = {
        "provider": provider.lower(),
        "hospitals": hospitals.split(","),
        "product": product,
        "from": since,
        "until": until,
        "most": most,
        "engine": engine,
    }
    _told(home, lambda client: client.open_match_task(order), as_json)


@app.command("list")
def list_tasks(home: _Home = None, as_json: _Json = False) -> None:
    """Every task, the newest first. Exits 1 when one is disputed, 2 when no engine runs."""
    with RunningEngine.find(home).client() as client:
        tasks = client.match_tasks()
    if as_json:
        typer.echo(json.dumps({"items": tasks}, ensure_ascii=False))
    else:
        for task in tasks:
            typer.echo(_line(task))
        if not tasks:
            typer.echo("no task yet: `autoclaim matching task open --help` says how to order one", err=True)
    if any(task["state"] == "disputed" for task in tasks):
        raise typer.Exit(EXIT_NO)


@app.command()
def show(task_id: _TaskId, home: _Home = None, as_json: _Json = False) -> None:
    """One task, with both parties' counts. Exits 1 when there is none, 2 when no engine runs."""
    _told(home, lambda client: client.match_task(task_id), as_json)


@app.command()
def cancel(task_id: _TaskId, home: _Home = None, as_json: _Json = False) -> None:
    """Take back a task that no node is at. Exits 1 when one is, or it has ended, 2 when no engine runs."""
    _told(home, lambda client: client.cancel_match_task(task_id), as_json)


@app.command()
def resolve(
    task_id: _TaskId,
    digest: Annotated[str, typer.Argument(help="The committed digest that is right, or `neither`.")],
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """The arbiter's word on a disputed task. With a digest, what was handed over becomes claims; with
    neither, the task has failed, and the provider may be asked anew.

    Exits 1 when it is not disputed or nobody committed to the digest, 2 when no engine runs.
    """
    said = None if digest == _DIGEST_OF_NEITHER else digest
    _told(home, lambda client: client.resolve_match_task(task_id, said), as_json)


def _told(home: Path | None, call: Callable[[Client], dict[str, Any]], as_json: bool) -> None:
    with RunningEngine.find(home).client() as client:
        try:
            task = call(client)
        except ApiError as error:
            typer.echo(f"autoclaim matching task: {error.detail} [{error.code}]", err=True)
            raise typer.Exit(EXIT_NO) from error
    if as_json:
        typer.echo(json.dumps(task, ensure_ascii=False))
        return
    typer.echo(_line(task))
    for side, counts, digest in (
        ("ours", task["ours"], task["our_digest"]),
        ("theirs", task["theirs"], task["their_digest"]),
    ):
        told = "not told yet" if counts is None else _counts(counts)
        typer.echo(f"  {side:<6}  {told}  {digest or 'not committed'}")


def _line(task: dict[str, Any]) -> str:
    asked = task["document"]
    spent = f"{task['spent']} of {asked['most']} elements"
    window = f"{asked['product']} {asked['from']}..{asked['until']} {asked['engine']}"
    return f"{task['task_id']}  {task['state']}  {window}  {spent}  {task['claims']} claims"


def _counts(counts: dict[str, Any]) -> str:
    return f"{counts['elements']} elements, {counts['discharges']} discharges, {counts['released']} released"
