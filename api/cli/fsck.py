"""`autoclaim fsck`: database against chain against bank, by a reader that shares no code with them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli import homes
from engine.money import format_yuan

if TYPE_CHECKING:
    import httpx

    from engine.fsck import Report, Sources, Transport

EXIT_NO, EXIT_CANNOT = 1, 2
_TIMEOUT_S = 30.0
_ENDS_WITHIN_S = 20
_LABELS = {
    "accepted": "settlements accepted",
    "recorded": "results on chain",
    "paid": "payouts made",
    "confirmed": "payouts confirmed on chain",
    "returned": "payouts returned",
    "blocks": "blocks read",
    "access_log": "access log entries",
    "checkpoint": "of them co-signed on chain",
    "database_fen": "paid, says the database",
    "bank_fen": "paid, says the bank",
    "bank_ahead_fen": "paid for claims in flight",
    "confirmed_fen": "confirmed",
}


def fsck(
    home: Annotated[Path | None, typer.Option(help="The engine's home [AUTOCLAIM_HOME].")] = None,
    rpc: Annotated[
        str | None, typer.Option(help="JSON-RPC endpoint of the chain [AUTOCLAIM_CHAIN_RPC_URL].")
    ] = None,
    bank_url: Annotated[str | None, typer.Option(help="The bank's API [AUTOCLAIM_BANK_URL].")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="sqlite:///file or postgresql://… [AUTOCLAIM_DATABASE_URL].")
    ] = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="Nothing may be in flight: what is counts as a difference.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Compare database, chain and bank: nothing lost, nothing twice, sums equal. Reads only.

    Beside a running engine or without one. Exits 0 when all three agree, 1 when they differ, 2 when one
    of them could not be read.
    """
    from engine.fsck import CannotCheck, check

    where = home or homes.home_of(os.environ)
    given = _Given(where, rpc, bank_url, database_url)
    try:
        with ExitStack() as stack:
            report = check(_sources(given, stack), _now, settled=settled, progress=_progress)
    except CannotCheck as error:
        _cannot(str(error), as_json=as_json)
    if as_json:
        print(json.dumps(_document(report), ensure_ascii=False, indent=2))
    else:
        _render(report)
    raise typer.Exit(0 if report.clean else EXIT_NO)


class _Given:
    """Where things are: options first, then the environment, then what `serve` wrote into its home."""

    def __init__(self, home: Path, rpc: str | None, bank_url: str | None, database_url: str | None) -> None:
        self.home = home
        self.serving = homes.serving(home)
        env = os.environ
        # Of several endpoints one is enough to read by.
        self.rpc = rpc or env.get("AUTOCLAIM_CHAIN_RPC_URL", "").split(",")[0].strip() or None
        self.bank_url = bank_url or env.get("AUTOCLAIM_BANK_URL") or self.serving.get("bank_url")
        self.database_url = database_url or homes.database_url(home, env)
        self.bank_key = Path(env.get("AUTOCLAIM_BANK_KEY_FILE") or home / "bank.secret")
        self.manifest = home / "deployment.json"


def _sources(given: _Given, stack: ExitStack) -> "Sources":
    import httpx

    from engine.fsck import Bank, BankKey, CannotCheck, Sources

    if not given.manifest.exists():
        raise CannotCheck(f"{given.home} is no engine's home: it has no deployment.json; pass --home")
    # No proxy from the environment may stand between this reader and what it reads.
    client = stack.enter_context(httpx.Client(trust_env=False, timeout=_TIMEOUT_S))
    chain = _chain(given, client, stack)
    key = BankKey.load(given.bank_key)
    bank = Bank(_bank_url(given, client, stack), key, client, _now)
    return Sources(given.database_url, chain, given.manifest, bank)


def _chain(given: _Given, client: "httpx.Client", stack: ExitStack) -> "Transport":
    """A given endpoint; else the stopped engine's own file; else the running engine's endpoint."""
    from engine.fsck import CannotCheck, http_transport

    if given.rpc:
        return http_transport(given.rpc, client)
    file = given.home / "chain.db"
    offered = given.serving.get("url")
    locked = file.exists()
    if locked:
        from engine.chain.backend import ChainSpec
        from engine.chain.embedded import EmbeddedChain
        from engine.chain.errors import ChainError, ChainLocked
        from engine.chain.rpc import ReadOnlyRpc

        try:
            embedded = EmbeddedChain(file, ChainSpec(_chain_id(given.manifest)), time.time)
        except ChainLocked:
            pass  # the engine runs: it offers its chain itself
        except (ChainError, OSError) as error:
            raise CannotCheck(f"{file}: {error}") from error
        else:
            stack.callback(embedded.close)
            return ReadOnlyRpc(embedded).handle
    if offered and _answers(f"{offered}/healthz", client):
        return http_transport(f"{offered}/chain/rpc", client)
    why = f"{file} is in use, and no engine answers" if locked else f"there is no {file}"
    raise CannotCheck(f"{why}: pass the chain's endpoint as --rpc URL")


def _chain_id(manifest: Path) -> int:
    from engine.fsck import CannotCheck

    try:
        return int(json.loads(manifest.read_bytes())["chain_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotCheck(f"{manifest}: not a deployment manifest ({error})") from error


def _bank_url(given: _Given, client: "httpx.Client", stack: ExitStack) -> str:
    """The bank's, or that of this home's sandbox bank, started for the time of the check."""
    from engine.fsck import CannotCheck

    if given.bank_url and _answers(given.bank_url, client):
        return given.bank_url
    sandbox = given.serving.get("sandbox_bank")
    if sandbox:
        return stack.enter_context(_sandbox_bank(Path(sandbox["db"]), Path(sandbox["secret_file"])))
    at = given.bank_url or "no known address"
    raise CannotCheck(f"the bank does not answer at {at}: start it, or pass --bank-url URL")


def _answers(url: str, client: "httpx.Client") -> bool:
    import httpx

    try:
        client.get(url, timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return True


@contextmanager
def _sandbox_bank(database: Path, secret_file: Path) -> Iterator[str]:
    from engine.fsck import CannotCheck

    if not database.exists():
        raise CannotCheck(f"the bank does not answer, and its database {database} is not there")
    command = [sys.executable, "-m", "engine.sandbox.bank", "--db", str(database), "--port", "0"]
    with subprocess.Popen(  # noqa: S603  our own interpreter and module
        [*command, "--secret-file", str(secret_file)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ready = process.stdout.readline() if process.stdout else ""
            if not ready:
                raise CannotCheck(f"the sandbox bank does not start on {database}")
            yield str(json.loads(ready)["url"])
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _now() -> datetime:
    return datetime.now(UTC)


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"{what} …", err=True)


def _cannot(message: str, *, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps({"clean": None, "error": message}, ensure_ascii=False))
    typer.echo(f"autoclaim fsck: {message}", err=True)
    raise typer.Exit(EXIT_CANNOT)


def _document(report: "Report") -> dict[str, Any]:
    return {
        "clean": report.clean,
        "differences": [
            {"code": d.code, "subject": d.subject, "detail": d.detail} for d in report.differences
        ],
        "in_flight": len(report.in_flight),
        "counts": {**report.counts, "claims": report.claims_by_state},
    }


def _render(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, label in _LABELS.items():
        count = report.counts[name]
        table.add_row(label, f"{format_yuan(count)} yuan" if name.endswith("_fen") else str(count))
    for state, count in report.claims_by_state.items():
        table.add_row(f"  claims {state.replace('_', ' ')}", str(count))
    table.add_row("in flight", str(len(report.in_flight)))
    out.print(table)
    for d in report.differences:
        out.print(f"[bold red]{d.code}[/]  {d.subject}  {d.detail}")
    if report.clean:
        out.print("CLEAN: database, chain and bank agree", style="bold green")
    else:
        out.print(f"{len(report.differences)} DIFFERENCES; docs/fsck.md says what to do", style="bold red")
