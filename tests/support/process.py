"""Starting this project's own programs for a test, and making sure that they end."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]


class ProcessFailed(RuntimeError):
    """The program ended or stayed silent before it was healthy; carries what it printed."""


@dataclass
class Server:
    """A program that has answered its health check."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """Everything that it has written so far, on either stream."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9, and wait until it is gone: the crash that the durability tests mean."""
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_server(
    command: Sequence[str | Path],
    *,
    health_url: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path = REPOSITORY,
    timeout_s: float = 60.0,
) -> Iterator[Server]:
    """Run `command` until the block ends; enter once GET `health_url` answers 2xx.

    `environment` is laid over this process's own; `log` receives both streams, appended, so that
    a restart in the same test can be read as one story. Raises ProcessFailed.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server(process, health_url, log)
    try:
        _wait_until_healthy(server, timeout_s)
        yield server
    finally:
        stop(process)


def _wait_until_healthy(server: Server, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while True:
            if server.process.poll() is not None:
                raise ProcessFailed(f"ended with {server.process.returncode}:\n{server.output()}")
            try:
                if client.get(server.url).is_success:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise ProcessFailed(f"not healthy after {timeout_s} s at {server.url}:\n{server.output()}")
            time.sleep(0.05)


def stop(
    process: subprocess.Popen[bytes] | subprocess.Popen[str], *, gently: str = "TERM", timeout_s: float = 15.0
) -> None:
    """End one process by its pid: the signal first, and kill -9 if it does not go."""
    if process.poll() is None:
        process.send_signal(signal.Signals[f"SIG{gently}"])
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
