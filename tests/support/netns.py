"""Machines of a test's own: network namespaces on one wire, and nothing else in reach of them.

Each has its own loopback, address and ports; what listens on the loopback of one cannot be reached from
another, and none reaches the machine that the test runs on. Needs root and `ip` (iproute2).
"""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.process import REPOSITORY

_NETWORK = "10.77.0"
_IP_S = 20
CALL_S = 60


class NetworkFailed(RuntimeError):
    """`ip` said no, or something could not be run in a namespace; carries what it printed."""


@dataclass(frozen=True)
class Machine:
    """One namespace, and its address on the wire."""

    namespace: str
    address: str

    def command(self, *command: str | Path) -> list[str]:
        """The same command, run here; for `subprocess`. Its process is the command's own: `ip` becomes it."""
        return ["ip", "netns", "exec", self.namespace, *(str(part) for part in command)]

    def call(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """What a function of an importable module answers when called here, in a process of its own.

        Arguments and answer are JSON. Raises NetworkFailed with what it printed when it fails, or takes
        longer than CALL_S.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        here = self.command(sys.executable, "-m", __name__, name, json.dumps(arguments))
        try:
            done = subprocess.run(
                here, cwd=REPOSITORY, capture_output=True, text=True, timeout=CALL_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise NetworkFailed(f"{name} did not end within {CALL_S} s in {self.namespace}") from error
        if done.returncode:
            raise NetworkFailed(f"{name} in {self.namespace}:\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def machines(*names: str) -> Iterator[list[Machine]]:
    """One machine a name, all on one wire, until the block ends; then whatever still runs there is killed.

    Raises NetworkFailed, saying what is needed, where namespaces cannot be made.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise NetworkFailed("network namespaces need root and iproute2: sudo make netns")
    with ExitStack() as at_the_end:

        def namespace(name: str) -> str:
            made = f"autoclaim-{os.getpid()}-{name}"
            _ip("netns", "add", made)
            at_the_end.callback(_remove, made)
            _ip("-n", made, "link", "set", "lo", "up")
            return made

        switch = namespace("switch")
        _ip("-n", switch, "link", "add", "wire", "type", "bridge")
        _ip("-n", switch, "link", "set", "wire", "up")
        joined = []
        for number, name in enumerate(names, start=1):
            machine = Machine(namespace(name), f"{_NETWORK}.{number}")
            _join(machine, switch, f"port{number}")
            joined.append(machine)
        yield joined


def _join(machine: Machine, switch: str, port: str) -> None:
    there = ("peer", "name", port, "netns", switch)
    _ip("link", "add", "wire", "netns", machine.namespace, "type", "veth", *there)
    _ip("-n", switch, "link", "set", port, "master", "wire", "up")
    _ip("-n", machine.namespace, "address", "add", f"{machine.address}/24", "dev", "wire")
    _ip("-n", machine.namespace, "link", "set", "wire", "up")


def _remove(namespace: str) -> None:
    for pid in _ip("netns", "pids", namespace).split():
        os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "delete", namespace)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=_IP_S, check=False)
    if done.returncode:
        raise NetworkFailed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _call(name: str, arguments: str) -> None:
    """What `Machine.call` starts in the namespace."""
    module, _, function = name.partition(":")
    answer = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    _call(*sys.argv[1:])
