"""What every command asks that speaks to the engine as a hospital: whose it is, its keys, and where."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.client import Client

Hospital = Annotated[str, typer.Option(help="fixmedins_code of the hospital whose data it is.")]
KeyFile = Annotated[
    Path, typer.Option(help="The signing key: its id (the hospital's code, if none) and 32 bytes as hex.")
]
ApiKeyFile = Annotated[Path, typer.Option(help="The hospital's API key (ak_…).")]
Url = Annotated[str, typer.Option(help="The engine's API.")]
ENGINE = "http://127.0.0.1:8800"


def client_of(hospital: str, key_file: Path, api_key_file: Path, url: str) -> "Client":
    """Raises OSError, ValueError where a file cannot be read or holds no key."""
    from api.client import Client
    from api.signing import HospitalSigner, load_key

    *named, secret = key_file.read_text("utf-8").split() or [""]
    try:
        key = load_key(bytes.fromhex(secret))
    except ValueError as error:
        raise ValueError(f"--key-file {key_file}: holds no key; give its id and 32 bytes as hex") from error
    signer = HospitalSigner(named[0] if named else hospital, key, lambda: datetime.now(UTC))
    return Client(url, api_key_file.read_text("utf-8").strip(), signer)
