"""`autoclaim matching`: the operator's part in private matching. The engine that runs does the work."""

import json
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from api.cli.running import RunningEngine
from api.client import ApiError, Client

T = TypeVar("T")
EXIT_NO = 1
_TELL_EVERY_S = 5
app = typer.Typer(
    no_args_is_help=True, help="Private matching: publish the roll, rotate and withdraw its key."
)
_Home = Annotated[Path | None, typer.Option(help="The running engine's home [AUTOCLAIM_HOME].")]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


@app.command()
def publish(home: _Home = None, as_json: _Json = False) -> None:
    """Publish what has changed in the roll, under every epoch that stands; at first the whole roll.

    Exits 1 when it is being published already or an epoch is full, 2 when no engine runs.
    """
    _told(_published(home, Client.publish_roll), as_json)


@app.command()
def rotate(home: _Home = None, as_json: _Json = False) -> None:
    """Open the next epoch: another key on chain, and the whole roll under it. Earlier ones stand until they
    are withdrawn.

    Exits 1 when the roll is being published, 2 when no engine runs.
    """
    _told([_published(home, Client.rotate_roll)], as_json)


@app.command()
def withdraw(
    epoch: Annotated[int, typer.Argument(min=1, help="Whose key is good for nothing from now on.")],
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Withdraw an epoch, for good: nothing more is answered under it.

    Exits 1 when there is no such epoch or the roll is being published, 2 when no engine runs.
    """
    with RunningEngine.find(home).client() as client:
        _or_no(lambda: client.withdraw_epoch(epoch))
    typer.echo(json.dumps({"withdrawn": epoch}) if as_json else f"epoch {epoch} is withdrawn")


@app.command()
def admit(
    hospital: Annotated[str, typer.Argument(help="fixmedins_code of a registered hospital with a node.")],
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Print what a hospital's provider node has to be told.

    What is printed goes into the node's environment (docs/provider.md has the rest); a copy of this home's
    deployment.json goes into the node's home. Exits 1 when the hospital is not registered, 2 when no engine
    runs.
    """
    with RunningEngine.find(home).client() as client:
        offered = _or_no(lambda: client.match_offer(hospital))
    settings = {
        "HOSPITALS": offered["hospital_code"],
        "ROLL_DATASET": offered["roll_dataset"],
        "PURPOSES": json.dumps(offered["purposes"], ensure_ascii=False),
    }
    named = {f"AUTOCLAIM_PROVIDER_{name}": value for name, value in settings.items()}
    if as_json:
        typer.echo(json.dumps(named, ensure_ascii=False))
        return
    for name, value in named.items():
        typer.echo(f"{name}={shlex.quote(value)}")


@app.command()
def appoint(
    address: Annotated[str, typer.Argument(help="What `autoclaim provider key` prints at the node.")],
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Let a provider node register what it holds on chain. Those of AUTOCLAIM_PROVIDERS may from the start.

    It is announced on chain, for everybody to see; run again two days later, this carries it out.
    Exits 1 when the account holds another role or is none, 2 when no engine runs.
    """
    with RunningEngine.find(home).client() as client:
        done = _or_no(lambda: client.appoint_provider(address))
    if as_json:
        typer.echo(json.dumps(done))
    elif done["not_before"] is None:
        typer.echo(f"{address} is appointed")
    else:
        typer.echo(f"{address} is announced: run this again from {done['not_before']} on")


@app.command()
def status(home: _Home = None, as_json: _Json = False) -> None:
    """Epochs, their updates, and alarms about what providers ask. Exits 1 when there are alarms, 2 when no
    engine runs."""
    with RunningEngine.find(home).client() as client:
        epochs, alarms = client.match_epochs(), client.match_alarms()
    if as_json:
        typer.echo(json.dumps({**epochs, "alarms": alarms}))
    else:
        typer.echo(f"dataset {epochs['dataset']}")
        for one in epochs["items"]:
            stands = f"withdrawn {one['withdrawn_at']}" if one["withdrawn_at"] else "stands"
            last = one["updates"][-1] if one["updates"] else None
            told = f"update {last['update']} of {last['made_at']}" if last else "nothing published yet"
            typer.echo(f"epoch {one['epoch']:>4}  {stands}  {told}  key {one['public_key']}")
        for one in alarms:
            asked = f"{one['questions']} questions, {one['elements']} elements, {one['released']} released"
            typer.echo(f"{one['day']}  {one['provider']}  {one['code']} x{one['seen']}  {asked}")
    if alarms:
        raise typer.Exit(EXIT_NO)


def _published(home: Path | None, call: Callable[[Client], T]) -> T:
    """What the call publishes; meanwhile it is told how far it has come."""
    engine, done = RunningEngine.find(home), threading.Event()

    def tell() -> None:
        with engine.client() as asking:
            while not done.wait(_TELL_EVERY_S):
                made = asking.match_epochs()["publishing"]
                if made is not None:
                    typer.echo(f"{made} entries made", err=True)

    telling = threading.Thread(target=tell, daemon=True)
    with engine.client() as client:
        telling.start()
        try:
            return _or_no(lambda: call(client))
        finally:
            done.set()
            telling.join()


def _or_no(call: Callable[[], T]) -> T:
    try:
        return call()
    except ApiError as error:
        typer.echo(f"autoclaim matching: {error.detail} [{error.code}]", err=True)
        raise typer.Exit(EXIT_NO) from error


def _told(updates: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"items": updates}))
        return
    for one in updates:
        typer.echo(f"epoch {one['epoch']}, update {one['update']}: {one['entries']} entries, {one['digest']}")
