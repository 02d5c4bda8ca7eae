"""A real EVM node for tests: Anvil, from its npm package, as its own process on loopback."""

import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.chain.errors import ChainUnavailable
from engine.chain.transport import HttpChain
from tests.support.process import REPOSITORY, free_port, stop

PACKAGES = REPOSITORY / "tests" / "chain" / "anvil" / "node_modules" / "@foundry-rs"
INSTALL = "npm ci --prefix tests/chain/anvil"
FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
"""Options with which gas costs nothing, and the role keys need no money."""


@contextmanager
def running_anvil(log: Path, *options: str) -> Iterator[str]:
    """Its URL, while it runs. Fails, and says what to install, where there is none."""
    port = free_port()
    command = [str(program()), "--host", "127.0.0.1", "--port", str(port), "--silent", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_up(process, url)
            yield url
        finally:
            stop(process)


def program() -> Path:
    """Fails, and says what to install, where there is none."""
    binaries = sorted(PACKAGES.glob("anvil-*/bin/anvil"))
    assert binaries, f"no Anvil here; install it: {INSTALL}"
    return binaries[0]


def fund(url: str, addresses: Iterable[str]) -> None:
    """Gas money from Anvil's faucet; a real network's operator does this."""
    chain = HttpChain(url)
    try:
        for address in addresses:
            chain.request("anvil_setBalance", [address, hex(10**24)])
    finally:
        chain.close()


def _wait_until_up(process: "subprocess.Popen[bytes]", url: str) -> None:
    chain = HttpChain(url)
    try:
        for _ in range(400):
            assert process.poll() is None, "Anvil ended"
            try:
                chain.request("eth_chainId", [])
                return
            except ChainUnavailable:
                time.sleep(0.05)
    finally:
        chain.close()
    raise AssertionError("Anvil did not come up")
