"""What the outside world's processes have in common: how each starts, is found, and ends."""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn


class AnnouncingServer(uvicorn.Server):
    """Says where it listens once it does: one line of JSON on stdout."""

    def __init__(self, config: uvicorn.Config, ready: Mapping[str, str]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        sys.stdout.write(json.dumps(self._ready) + "\n")
        sys.stdout.flush()


def end_when_asked() -> None:
    """uvicorn raises the signal again after its graceful end; an asked-for end is no failure."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda _number, _frame: sys.exit(0))


def issue(path: Path, secrets: Mapping[str, str]) -> None:
    """Write a secrets file, mode 0600. Raises OSError."""
    # Linked into place whole, so that a client polling for it never reads half a file.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(secrets, file)
    draft.rename(path)
