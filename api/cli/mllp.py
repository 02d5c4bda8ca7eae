"""`autoclaim mllp`: the gateway in a hospital, between its HL7 v2 system and the engine."""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.as_hospital import ENGINE, ApiKeyFile, Hospital, KeyFile, Url, client_of
from api.cli.serve import log_as_json

if TYPE_CHECKING:
    from api.mllp import Gateway

EXIT_CANNOT = 2
_LAST_PORT = 65_535


def mllp(
    source: Annotated[str, typer.Option(help="The source (format hl7v2), whose mapping reads the messages.")],
    hospital: Hospital,
    key_file: KeyFile,
    api_key_file: ApiKeyFile,
    url: Url = ENGINE,
    listen: Annotated[
        str,
        typer.Option(
            help="ADDRESS:PORT, 0 for a free one. MLLP asks nobody who he is: let only your system reach it."
        ),
    ] = "127.0.0.1:2575",
    idle_s: Annotated[int, typer.Option(min=1, help="Seconds in which a whole message has to come.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object once ready.")] = False,
) -> None:
    """Take HL7 v2 messages over MLLP, deliver each to the engine, and answer when the engine has kept it.

    AA: kept. AE: kept in quarantine, with every rule it breaks. AR: refused. No answer, and the connection
    closed: the engine was not reached, nothing is kept, send it again. A message sent twice counts once.
    """
    import asyncio

    from api.mllp import Bounds, Gateway

    try:
        place = _place(listen)
        with client_of(hospital, key_file, api_key_file, url) as client:
            log_as_json()
            send, now = partial(client.deliver, source), partial(datetime.now, UTC)
            gateway = Gateway(send, Bounds(idle_s=idle_s), now, os.urandom)
            asyncio.run(_until_told(gateway, *place, as_json=as_json))
    except (OSError, ValueError) as error:
        typer.echo(f"autoclaim mllp: {error}", err=True)
        raise typer.Exit(EXIT_CANNOT) from error


def _place(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"--listen {listen}: give an address and a port, as in 127.0.0.1:2575")
    return host, int(port)


async def _until_told(gateway: "Gateway", host: str, port: int, *, as_json: bool) -> None:
    import asyncio

    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, told.set)

    def ready(taken: int) -> None:
        if as_json:
            print(json.dumps({"host": host, "port": taken, "pid": os.getpid()}), flush=True)
        else:
            print(f"autoclaim mllp listens on {host}:{taken}; Ctrl-C ends it.", file=sys.stderr, flush=True)

    await gateway.serve(host, port, told, ready)
