"""Machines of a test's own reach each other by wire, and nothing else; and nothing is left of them."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from api.client import wait_until
from tests.support.netns import Machine, NetworkFailed, machines

pytestmark = pytest.mark.netns
LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], 7000)) as listener:
    print("listening", flush=True)
    while True:
        listener.accept()[0].close()
"""


def connect(address: str) -> str:
    """Called on a machine: "connected", or why not."""
    try:
        socket.create_connection((address, 7000), timeout=5).close()
    except OSError as error:
        return type(error).__name__
    return "connected"


def sleep_on() -> None:
    """Called on a machine: leaves a process behind that nobody waits for."""
    subprocess.Popen(
        ["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def fail() -> None:
    raise ValueError("for a reason")


def _listening(machine: Machine, address: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        machine.command(sys.executable, "-c", LISTEN, address), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


def test_a_machine_is_reached_by_its_address_and_not_by_another_ones_loopback() -> None:
    with machines("one", "two") as (one, two):
        listening = [_listening(one, one.address), _listening(one, "127.0.0.1")]
        assert two.call(connect, address=one.address) == "connected"
        assert one.call(connect, address="127.0.0.1") == "connected"
        assert two.call(connect, address="127.0.0.1") == "ConnectionRefusedError"
        assert two.call(connect, address="192.0.2.1") == "OSError", "no way out: network unreachable"
    for process in listening:
        with process:
            assert process.wait(10) < 0, "killed with its machine"


def test_nothing_is_left_when_the_block_ends_however_it_ends() -> None:
    with suppress(ZeroDivisionError), machines("one") as (one,):
        one.call(sleep_on)
        [left] = subprocess.check_output(["ip", "netns", "pids", one.namespace], text=True).split()
        raise ZeroDivisionError
    assert f"autoclaim-{os.getpid()}-" not in subprocess.check_output(["ip", "netns", "list"], text=True)
    wait_until(lambda: not _runs(left), timeout_s=10)


def _runs(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # dead, and not yet asked after by its parent


def test_what_fails_on_a_machine_says_why() -> None:
    with machines("one") as (one,), pytest.raises(NetworkFailed, match="ValueError: for a reason"):
        one.call(fail)


def test_without_root_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NetworkFailed, match="sudo make netns"), machines("one"):
        pass
