"""`autoclaim remittance`: what came of a settlement that a hospital sent, as X12 835."""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

EXIT_NO, EXIT_CANNOT = 1, 2
_CONFLICT = 409


def remittance(
    setl_id: Annotated[str, typer.Argument(help="The hospital's number of the settlement.")],
    api_key_file: Annotated[Path, typer.Option(help="The hospital's API key (ak_…).")],
    url: Annotated[str, typer.Option(help="The engine's API.")] = "http://127.0.0.1:8800",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the 835 of one settlement, whichever way it was sent.

    Exits 0, 1 when there is none yet (and says what is missing), 2 when it could not be asked for.
    """
    import httpx

    from api.client import ApiError, Client

    try:
        with Client(url, api_key_file.read_text("utf-8").strip()) as client:
            written = client.remittance(setl_id).decode("ascii")
    except ApiError as error:
        exit_code = EXIT_NO if error.status == _CONFLICT else EXIT_CANNOT
        _end(f"{error.detail} [{error.code}]", exit_code, as_json)
    except (httpx.HTTPError, OSError, ValueError) as error:
        _end(f"cannot ask {url}: {error}", EXIT_CANNOT, as_json)
    typer.echo(json.dumps({"setl_id": setl_id, "x12": written}) if as_json else written, nl=as_json)


def _end(message: str, exit_code: int, as_json: bool) -> NoReturn:
    typer.echo(json.dumps({"error": message}) if as_json else f"autoclaim: {message}", err=not as_json)
    raise typer.Exit(exit_code)
