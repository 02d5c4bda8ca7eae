"""`autoclaim witness`: look at an engine's audit log from outside, and co-sign its checkpoint."""

import json
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from api.witness import Outcome

EXIT_NO, EXIT_CANNOT = 1, 2


class Kind(StrEnum):
    AUDITOR = "auditor"
    HOSPITAL = "hospital"


def witness(
    key_file: Annotated[Path, typer.Option(help="This witness's private key, hexadecimal, mode 0600.")],
    url: Annotated[str, typer.Option(help="The engine's API.")] = "http://127.0.0.1:8800",
    state: Annotated[
        Path, typer.Option(help="Where this witness keeps what it signed last. Guard it like the key.")
    ] = Path("witness.json"),
    api_key_file: Annotated[
        Path | None, typer.Option(help="API key for the engine; or in AUTOCLAIM_API_KEY.")
    ] = None,
    kind: Annotated[
        Kind, typer.Option("--as", help="An auditor reads every entry; of a hospital, others' are withheld.")
    ] = Kind.AUDITOR,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read the log from its first entry on, not only what is new.")
    ] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make the key file, print its address, and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check that the audit log only grew since it was signed last, work out its head, and co-sign it.

    Exits 0 when it was signed or is unchanged, 1 when it was rewritten or cut (nothing is signed then), 2
    when it could not be looked at.
    """
    import httpx

    from api.client import Client
    from api.witness import CannotCheck, Refusal, Witness

    account = _account(key_file, make=new_key, as_json=as_json)
    if new_key:
        typer.echo(json.dumps({"address": account.address}) if as_json else account.address)
        return
    try:
        with Client(url, _api_key(api_key_file, as_json=as_json)) as client:
            outcome = Witness(client, account, state, needs_all=kind is Kind.AUDITOR).run(whole=whole)
    except Refusal as refusal:
        _end(EXIT_NO, f"NOT SIGNED: {refusal}", "refused", as_json=as_json)
    except (CannotCheck, httpx.InvalidURL) as error:
        _end(EXIT_CANNOT, f"cannot check the log: {error}", "unchecked", as_json=as_json)
    if as_json:
        typer.echo(json.dumps({"outcome": "signed" if outcome.signed else "unchanged", **asdict(outcome)}))
    else:
        _say(outcome, kind)


def _account(path: Path, *, make: bool, as_json: bool) -> "LocalAccount":
    from eth_account import Account

    from engine.store.secret_file import read_or_make

    if not make and not path.exists():
        _end(EXIT_CANNOT, f"there is no key {path}: --new-key makes one", "unchecked", as_json=as_json)
    try:
        account: LocalAccount = Account.from_key(read_or_make(path, lambda: os.urandom(32).hex()))
    except (OSError, ValueError) as error:
        _end(EXIT_CANNOT, f"{path} holds no private key ({error})", "unchecked", as_json=as_json)
    return account


def _api_key(path: Path | None, *, as_json: bool) -> str:
    try:
        key = path.read_text() if path is not None else os.environ.get("AUTOCLAIM_API_KEY", "")
    except OSError as error:
        _end(EXIT_CANNOT, f"{path}: {error.strerror}", "unchecked", as_json=as_json)
    if not key.strip():
        _end(EXIT_CANNOT, "pass --api-key-file, or set AUTOCLAIM_API_KEY", "unchecked", as_json=as_json)
    return key.strip()


def _end(code: int, message: str, outcome: str, *, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"outcome": outcome, "error": message}, ensure_ascii=False))
    typer.echo(f"autoclaim witness: {message}", err=True)
    raise typer.Exit(code)


def _say(outcome: "Outcome", kind: Kind) -> None:
    read = f"{outcome.entries} entries read, {outcome.in_full} of them in full"
    typer.echo(f"{'ok':>6}  the log only grew: {outcome.size} entries, head {outcome.root} ({read})")
    if outcome.signed:
        typer.secho(f"SIGNED as {kind}: the checkpoint of {outcome.size} entries", fg="green", bold=True)
    else:
        typer.secho("NOTHING NEW to sign", bold=True)
