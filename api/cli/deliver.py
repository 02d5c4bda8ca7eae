"""`autoclaim deliver`: a hospital's clerk sends a file, of any length, and can go on where it broke off."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.as_hospital import ENGINE, ApiKeyFile, Hospital, KeyFile, Url, client_of

if TYPE_CHECKING:
    from api.client import Client
    from api.delivering import Delivered, Send

EXIT_NO, EXIT_CANNOT = 1, 2
_ATTEMPTS = 5


def deliver(
    file: Annotated[Path, typer.Argument(help="The file. A record a line (.ndjson) may have any length.")],
    hospital: Hospital,
    key_file: KeyFile,
    api_key_file: ApiKeyFile,
    source: Annotated[
        str, typer.Option(help="The source, whose mapping reads it; without one, native settlements.")
    ] = "",
    url: Url = ENGINE,
    receipt: Annotated[
        Path | None, typer.Option(help="What has been delivered; FILE.receipt if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send a file and keep a receipt. Run it again after a break: what was kept is not sent twice.

    Exits 0 when every record was accepted, 1 when some were not (the receipt names each with its rules), 2
    when it could not be sent to its end.
    """
    import httpx

    from api.client import ApiError
    from api.delivering import CannotDeliver, Receipt, is_by_lines, pieces
    from api.delivering import deliver as send_all

    kept = receipt or file.with_name(file.name + ".receipt")
    try:
        to_engine = client_of(hospital, key_file, api_key_file, url)
        size = file.stat().st_size
        of = {"file": file.name, "size": size, "to": url, "hospital": hospital, "source": source}
        with file.open("rb") as opened, to_engine as client, _progress(size) as announce:
            cut = pieces(opened, by_lines=is_by_lines(file))
            done = send_all(cut, Receipt(kept, of), _sender(client, source), announce)
    except (CannotDeliver, OSError, ValueError) as error:
        _end(f"cannot deliver {file}: {error}", as_json)
    except (ApiError, httpx.HTTPError) as error:
        _end(f"stopped: {error}\nWhat was kept stands in {kept}; run the same command to go on.", as_json)
    _say(done, kept, as_json)
    if any(done.records[outcome] for outcome in ("quarantined", "refused")):
        raise typer.Exit(EXIT_NO)


def _sender(client: "Client", source: str) -> "Send":
    """One piece, tried again while the line is down: the engine knows what it holds."""
    import time

    import httpx

    def send(raw: bytes) -> list[dict[str, Any]]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return list(_answers(client, source, raw))
            except httpx.TransportError:
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(2**attempt / 4)
        raise AssertionError("the last attempt returns or raises")

    return send


def _answers(client: "Client", source: str, raw: bytes) -> Iterator[dict[str, Any]]:
    if source:
        _receipt, *records, last = client.deliver(source, raw)
        yield from records
        if last.get("refused"):
            yield {"outcome": "refused", "place": "the rest of it", "errors": last["refused"]}
        return
    for answer in client.post_settlements(line for line in raw.splitlines() if line.strip()):
        accepted, kept = answer["status"] == 202, answer.get("quarantine_id") is not None
        outcome = "accepted" if accepted else "quarantined" if kept else "refused"
        yield {**answer, "outcome": outcome}


def _progress(size: int) -> Any:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Iterator[Any]:
        columns = (TextColumn("delivered"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("", total=size)
            yield lambda number: progress.advance(task, number)

    return shown()


def _say(done: "Delivered", receipt: Path, as_json: bool) -> None:
    found = {"records": dict(done.records), "pieces": done.pieces, "sent": done.sent, "receipt": str(receipt)}
    if as_json:
        typer.echo(json.dumps(found))
        return
    counts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(done.records.items())) or "nothing"
    typer.echo(f"{counts}; {done.pieces} piece(s), {done.sent} of them sent now; receipt {receipt}")


def _end(message: str, as_json: bool) -> NoReturn:
    typer.echo(json.dumps({"error": message}) if as_json else f"autoclaim: {message}", err=not as_json)
    raise typer.Exit(EXIT_CANNOT)
