"""`autoclaim serve`: the engine, until it is told to stop."""

import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer
import uvicorn

from api.cli.processes import Child, ChildFailed, free_port
from api.cli.products import SEEDS
from engine.chain.errors import ChainError
from engine.chain.files import write_private
from engine.evidence.anchors import TrustStore
from engine.pipeline.settings import Settings

if TYPE_CHECKING:
    from api.http.partners import PartnerPort
    from engine.pipeline.context import Context

EXIT_CANNOT = 2
SEEDED = SEEDS.parent / "settlements" / "discharges.ndjson"


def serve(  # noqa: PLR0913 - a command's options are its arguments
    home: Annotated[Path | None, typer.Option(help="Where everything is kept [AUTOCLAIM_HOME].")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [AUTOCLAIM_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one [AUTOCLAIM_PORT].")] = None,
    sandbox_bank: Annotated[
        bool, typer.Option(help="Start the sandbox bank beside the engine, to try things against.")
    ] = False,
    sandbox_invoices: Annotated[
        bool, typer.Option(help="Start the sandbox invoice platform too; it has issued the seeds' invoices.")
    ] = False,
    *,
    partner_port: Annotated[
        int | None,
        typer.Option(help="For provider nodes, by mutual TLS; 0 takes a free one [AUTOCLAIM_PARTNER_PORT]."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="The engine's certificate there, PEM [AUTOCLAIM_PARTNER_TLS_CERT].")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key [AUTOCLAIM_PARTNER_TLS_KEY].")] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="The CA of providers' certificates [AUTOCLAIM_PARTNER_TLS_CA].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object once ready.")] = False,
) -> None:
    """Run the engine: API, chain, dispatcher. Everything else is set by AUTOCLAIM_… variables.

    The first start makes the keys, deploys the contracts and issues an operator's API key. At SIGHUP the
    partner port goes over to the certificate that its files hold by then.
    """
    log_as_json()
    # uvicorn raises the signal again after its graceful end: what is open must still be closed then.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda _number, _frame: sys.exit(0))
    settings = Settings()
    settings.home, settings.host = home or settings.home, host or settings.host
    settings.port = settings.port if port is None else port
    if settings.port == 0:
        settings.port = free_port()
    settings.partner_port = settings.partner_port if partner_port is None else partner_port
    if settings.partner_port == 0:
        settings.partner_port = free_port()
    settings.partner_tls_cert = tls_cert or settings.partner_tls_cert
    settings.partner_tls_key = tls_key or settings.partner_tls_key
    settings.partner_tls_ca = tls_ca or settings.partner_tls_ca
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    outside = [_bank(settings)] if sandbox_bank else []
    outside += [_invoices(settings)] if sandbox_invoices else []
    try:
        for one in outside:
            one.ensure()
        _run(settings, as_json)
    except (ChainError, ChildFailed, OSError, ValueError) as error:
        typer.echo(f"autoclaim serve: {error}", err=True)
        raise typer.Exit(EXIT_CANNOT) from error
    finally:
        for one in outside:
            one.end()


def _bank(settings: Settings) -> Child:
    bank_port = free_port()
    settings.bank_url = f"http://127.0.0.1:{bank_port}"
    settings.sandbox_bank_db = settings.in_home("bank.db")
    callback = f"http://{settings.host}:{settings.port}/v1/bank/callback"
    return bank_process(settings.home, bank_port, callback, settings.bank_secret)


def bank_process(home: Path, port: int, callback_url: str, secret_file: Path) -> Child:
    """The sandbox bank as a process of its own, with its database in `home`."""
    return Child(
        "sandbox bank",
        [
            "engine.sandbox.bank",
            *("--db", str(home / "bank.db"), "--port", str(port)),
            *("--callback-url", callback_url, "--secret-file", str(secret_file)),
        ],
        home / "bank.log",
        f"http://127.0.0.1:{port}/healthz",
        os.environ,
    )


def _invoices(settings: Settings) -> Child:
    port = free_port()
    settings.invoice_url = f"http://127.0.0.1:{port}"
    return invoice_process(settings.home, port, settings.invoice_secret, SEEDED)


def invoice_process(home: Path, port: int, secret_file: Path, settlements: Path | None = None) -> Child:
    """The sandbox invoice platform as a process of its own; it has issued the invoices of `settlements`."""
    issued = () if settlements is None else ("--settlements", str(settlements))
    return Child(
        "sandbox invoice platform",
        [
            "engine.sandbox.invoices",
            *("--db", str(home / "invoices.db"), "--port", str(port)),
            *("--secret-file", str(secret_file), *issued),
        ],
        home / "invoices.log",
        f"http://127.0.0.1:{port}/healthz",
        os.environ,
    )


def _run(settings: Settings, as_json: bool) -> None:
    from api.http.app import create_app
    from api.http.partners import PartnerPort
    from engine.pipeline.context import Context
    from engine.pipeline.dispatcher import Dispatcher

    ctx = Context.open(settings)
    dispatcher = Dispatcher(ctx)
    try:
        key_file = _operator_key(ctx)
        deployment = ctx.chain.deployment
        TrustStore.default().add_deployment(
            deployment.chain_id, deployment.addresses, source="autoclaim serve", at=ctx.clock()
        )
        app = create_app(ctx)
        partners = PartnerPort.of(app)
        if partners is not None:
            signal.signal(signal.SIGHUP, lambda _number, _frame: partners.renew())
        dispatcher.start()
        try:
            server = Server(
                uvicorn.Config(
                    app, host=settings.host, port=settings.port, log_config=None, access_log=False
                ),
                lambda: _say(settings, partners, key_file, as_json),
                partners,
            )
            server.run()
        finally:
            dispatcher.stop()
    finally:
        ctx.close()


class Server(uvicorn.Server):
    """Speaks once it listens."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], partners: "PartnerPort | None" = None
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._partners = partners

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What stands at the start stands to the end: no collection has to look through it again.
        gc.collect()
        gc.freeze()
        if self.started:
            if self._partners is not None:
                self.servers.append(await self._partners.listen(self.server_state))
            self._ready()


def _operator_key(ctx: "Context") -> Path:
    """The operator's API key, issued at the first start into a file that only its owner reads."""
    from engine.pipeline import parties
    from engine.store.api_keys import Role

    path = ctx.settings.in_home("operator.key")
    if not path.exists():
        _, token = parties.issue_key(ctx, Role.OPERATOR, "operator")
        write_private(path, token.encode())
    return path


def _say(settings: Settings, partners: "PartnerPort | None", key_file: Path, as_json: bool) -> None:
    url = f"http://{settings.host}:{settings.port}"
    ready: dict[str, Any] = {
        "url": url,
        "bank_url": settings.bank_url,
        "invoice_url": settings.invoice_url,
        "operator_key_file": str(key_file),
        "pid": os.getpid(),
    }
    if settings.sandbox_bank_db is not None:
        files = {"db": settings.sandbox_bank_db, "secret_file": settings.bank_secret}
        ready["sandbox_bank"] = {name: str(path.absolute()) for name, path in files.items()}
    if partners is not None:
        ready |= {"partner_url": partners.url, "partner_tls_pin": partners.pin}
    # For commands beside it (fsck, trigger): where this engine is.
    # Whole or not at all: other commands read it while an engine is started again.
    write_private(settings.in_home("serving.json"), json.dumps(ready).encode())
    if as_json:
        print(json.dumps(ready), flush=True)
        return
    chain = settings.chain_rpc_url or f"embedded, to be read at {url}/chain/rpc"
    print(
        f"autoclaim is ready\n"
        f"  API documentation  {url}/docs\n"
        f"  chain              {chain}\n"
        f"  provider nodes     {partners.url if partners else 'no port of their own'}\n"
        f"  bank               {settings.bank_url}\n"
        f"  invoices           {settings.invoice_url or 'not looked up'}\n"
        f"  operator's key     {key_file}\n"
        f"  everything kept in {settings.home}\n"
        f"Ctrl-C ends it; nothing is lost either way.",
        file=sys.stderr,
        flush=True,
    )


def log_as_json() -> None:
    """On stderr, a JSON object a line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
