"""Other programs as child processes: started, waited for, ended by their own pid."""

import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

_ENDS_WITHIN_S = 20
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_POLL_S = 0.05
_LAST_WORDS = 1000


class ChildFailed(Exception):
    """A child process did not come up; the message says where its log is."""


class Child:
    """`python -m …` with its output in a log file. `ensure` starts it again after it has died."""

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, health: str, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self._arguments = [sys.executable, "-m", *arguments]
        self._health = health
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ensure(self, within_s: float = 60) -> None:
        """Start unless it runs, and wait until it is healthy. Raises ChildFailed."""
        if not self.alive:
            self.restarts += self._process is not None
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                    self._arguments,
                    stdout=output,
                    stderr=output,
                    env=self._environment,
                    preexec_fn=_end_with_parent,  # noqa: PLW1509  one system call, nothing allocated
                )
        deadline = time.monotonic() + within_s
        with httpx.Client(timeout=2, trust_env=False) as http:
            while not self._healthy(http):
                if not self.alive or time.monotonic() > deadline:
                    said = f"its last words in {self.log}:\n{self._last_words()}"
                    raise ChildFailed(f"the {self.name} did not come up; {said}")
                time.sleep(_POLL_S)

    def end(self) -> None:
        """Ask it to end, and insist after a while."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:_LAST_WORDS] if lines else "none"

    def _healthy(self, http: httpx.Client) -> bool:
        try:
            return http.get(self._health).is_success
        except httpx.HTTPError:
            return False


def _end_with_parent() -> None:
    """Linux: a parent that is killed outright does not leave its children behind, holding ports and files."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
