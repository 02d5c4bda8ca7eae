"""`autoclaim provider`: the node at a hospital or a bureau, and how it stands."""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.processes import free_port
from api.cli.serve import Server, log_as_json

if TYPE_CHECKING:
    from ssl import SSLContext

    from engine.provider.node import Node
    from engine.provider.settings import ProviderSettings
    from engine.store.database import Database

EXIT_NO, EXIT_CANNOT = 1, 2
Home = Annotated[Path | None, typer.Option(help="Where the node keeps everything [AUTOCLAIM_PROVIDER_HOME].")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

app = typer.Typer(
    no_args_is_help=True,
    help="A provider node: settlements stay here, and only what a purpose lists of a matched person leaves.",
)


@app.command()
def serve(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [AUTOCLAIM_PROVIDER_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one [AUTOCLAIM_PROVIDER_PORT].")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the node: takes settlements, asks who is insured, releases what may be.

    It is set by AUTOCLAIM_PROVIDER_… variables; those that have no default are named where they are missing.
    """
    from engine.chain.errors import ChainError
    from engine.provider.settings import ProviderSettings
    from engine.store.vault import VaultError

    try:
        settings = ProviderSettings.read(home=home, host=host, port=port)
        settings.port = settings.port or free_port()
        _run(settings, as_json=as_json)
    except (ChainError, VaultError, OSError, ValueError) as error:
        typer.echo(f"autoclaim provider serve: {error}", err=True)
        raise typer.Exit(EXIT_CANNOT) from error


@app.command()
def status(home: Home = None, as_json: AsJson = False) -> None:
    """How many discharges stand where, and what raised an alarm. Exit 1 where something did."""
    from engine.provider import reports

    counted = reports.status(_database(home))
    if as_json:
        print(json.dumps(counted))
    else:
        for state, count in counted["discharges"].items():
            print(f"{count:>9}  {state}")
        for name in ("waiting_again", "refused", "questions", "answered"):
            print(f"{counted[name]:>9}  {name.replace('_', ' ')}")
        for alarm in counted["alarms"]:
            print(f"ALARM {alarm['code']} x{alarm['seen']} (last {alarm['last_at']}): {alarm['detail']}")
    if counted["alarms"]:
        raise typer.Exit(EXIT_NO)


@app.command()
def key(home: Home = None, as_json: AsJson = False) -> None:
    """Print who the node is on chain: an address, for the insurer to appoint.

    Its key is made at the first call, in home/chain.json.
    """
    from engine.chain.errors import KeystoreInvalid
    from engine.provider.node import chain_account
    from engine.provider.settings import ProviderHome

    where = ProviderHome() if home is None else ProviderHome(home=home)
    try:
        address = chain_account(where.home, os.urandom).address
    except (KeystoreInvalid, OSError, ValueError) as error:
        typer.echo(f"autoclaim provider key: {error}", err=True)
        raise typer.Exit(EXIT_CANNOT) from error
    print(json.dumps({"address": address}) if as_json else address)


@app.command()
def doubtful(home: Home = None, as_json: AsJson = False) -> None:
    """How many discharges wait for a person here, by reason. Exit 1 where any does."""
    from engine.provider import reports

    counted = reports.doubtful(_database(home))
    if as_json:
        print(json.dumps(counted))
    else:
        for reason, count in counted.items():
            print(f"{count:>9}  {reason}")
    if counted:
        raise typer.Exit(EXIT_NO)


def _database(home: Path | None) -> "Database":
    from engine.errors import Unavailable
    from engine.provider.node import opened
    from engine.provider.settings import ProviderHome

    where = ProviderHome() if home is None else ProviderHome(home=home)
    if where.database_url is None and not (where.home / "provider.db").exists():
        raise Unavailable(
            f"no provider node has been started in {where.home}: run `autoclaim provider serve` first",
            code="provider.no_home",
        )
    return opened(where.database)


def _run(settings: "ProviderSettings", *, as_json: bool) -> None:
    import uvicorn

    from api.provider.app import create_app
    from api.provider.insurer import HttpInsurer
    from engine.chain.transport import HttpChain
    from engine.provider.chain import ProviderChain
    from engine.provider.node import Node, chain_account, signing_key
    from engine.provider.worker import Worker

    now, key = partial(datetime.now, UTC), signing_key(settings.home, os.urandom)
    insurer = HttpInsurer(settings.insurer_url, _api_keys(settings, key), key, now, _tls(settings))
    log_as_json()
    # uvicorn raises the signal again after its graceful end: what is open must still be closed then.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda _number, _frame: sys.exit(0))
    account = chain_account(settings.home, os.urandom)
    chain = ProviderChain(HttpChain(settings.chain_rpc_url), settings, account, now)
    node = Node.open(settings, insurer, chain, now, os.urandom)
    worker = Worker(node)
    try:
        worker.start()
        config = uvicorn.Config(
            create_app(node), host=settings.host, port=settings.port, log_config=None, access_log=False
        )
        Server(config, lambda: _say(node, as_json=as_json), None).run()
    finally:
        worker.stop()
        node.close()


def _tls(settings: "ProviderSettings") -> "SSLContext | None":
    """Raises ValueError for files that hold no certificate, key or CA."""
    from api.tls import Identity, client_context

    if settings.tls_cert is None or settings.tls_key is None or settings.tls_ca is None:
        return None
    identity = Identity(settings.tls_cert, settings.tls_key, settings.tls_ca)
    return client_context(identity, lambda pin: pin == settings.insurer_tls_pin)


def _api_keys(settings: "ProviderSettings", key: bytes) -> dict[str, str]:
    """Raises ValueError that says what a missing one is to be exchanged for."""
    from api.provider.insurer import key_id
    from api.signing import load_key

    keys = {}
    for code in settings.hospital_codes:
        path = settings.home / f"insurer-{code}.key"
        if not path.exists():
            public = load_key(key).public_key().public_bytes_raw().hex()
            raise ValueError(
                f"{path} is missing: have the insurer register the key id {key_id(code)} of {code} with the "
                f"public key {public}, and put there the API key that it issues for the hospital"
            )
        keys[code] = path.read_text("utf-8").strip()
    return keys


def _say(node: "Node", *, as_json: bool) -> None:
    settings = node.settings
    ready: dict[str, Any] = {
        "url": f"http://{settings.host}:{settings.port}",
        "key_file": str(settings.home / "provider.key"),
        "pid": os.getpid(),
    }
    if as_json:
        print(json.dumps(ready), flush=True)
        return
    print(
        f"autoclaim provider is ready\n"
        f"  for                {settings.hospitals}\n"
        f"  settlements to     {ready['url']}/v1/settlements\n"
        f"  with the key in    {ready['key_file']}\n"
        f"  asks               {settings.insurer_url}\n"
        f"  the chain          {settings.chain_rpc_url}\n"
        f"  where it is        {node.chain.address}\n"
        f"  everything kept in {settings.home}\n"
        f"Ctrl-C ends it; nothing is lost either way.",
        file=sys.stderr,
        flush=True,
    )
