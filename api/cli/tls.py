"""`autoclaim tls`: certificates to try mutual TLS with, and what a certificate says."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from api.certificates import Described

EXIT_CANNOT = 2
app = typer.Typer(no_args_is_help=True, help="Certificates for mutual TLS between an engine and a provider.")


@app.command()
def make(
    home: Annotated[Path, typer.Option(help="Folder for the CA, the certificates and the keys.")],
    name: Annotated[
        list[str],
        typer.Option(help="A party's host or address; once a party. Further names of it after commas."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a private CA and certificates of it, to try things with. What is there and fits stays.

    NAME.crt and NAME.key for each party, ca.crt for both. An expired certificate is issued anew for the same
    key, so its pin stays. Whoever has ca.key can certify anyone: keep it away from what you rely on.
    """
    from api import certificates

    try:
        made = certificates.make(home, [one.split(",") for one in name], datetime.now(UTC))
    except (OSError, ValueError) as error:
        _cannot("make", error)
    if as_json:
        parts = [_json(one.described) | {"key": str(one.key), "is_new": one.is_new} for one in made]
        print(json.dumps({"ca": parts[0], "certificates": parts[1:]}, ensure_ascii=False))
        return
    for one in made:
        until = f"{one.described.expires:%Y-%m-%d}"
        print(f"{one.described.file}  {'made' if one.is_new else 'kept'}, in force until {until}")
        print(f"  pin {one.described.pin}")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A certificate in PEM.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show a certificate's pin (what the other party registers), its names, and until when it is good."""
    from api import certificates

    try:
        described = certificates.describe(file)
    except (OSError, ValueError) as error:
        _cannot("show", error)
    if as_json:
        print(json.dumps(_json(described), ensure_ascii=False))
        return
    begins, expires = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (described.begins, described.expires))
    expired = ", expired" if described.expires < datetime.now(UTC) else ""
    print(
        f"pin          {described.pin}\n"
        f"fingerprint  {described.fingerprint}\n"
        f"subject      {described.subject}\n"
        f"issuer       {described.issuer}\n"
        f"names        {', '.join(described.names) or 'none'}\n"
        f"in force     {begins} to {expires} UTC{expired}"
    )


def _json(described: "Described") -> dict[str, Any]:
    times = {"begins": described.begins.isoformat(), "expires": described.expires.isoformat()}
    return asdict(described) | times


def _cannot(command: str, error: Exception) -> NoReturn:
    typer.echo(f"autoclaim tls {command}: {error}", err=True)
    raise typer.Exit(EXIT_CANNOT) from error
