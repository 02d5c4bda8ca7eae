"""One deployed embedded chain and one Anvil for the whole room; a test that breaks things makes its own."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.chain.client import ChainClient
from engine.chain.errors import ChainUnavailable
from engine.chain.transport import HttpChain
from tests.chain.world import Clock, Consent, opened, settings
from tests.support.process import free_port, stop

PACKAGES = Path(__file__).parent / "anvil" / "node_modules" / "@foundry-rs"
INSTALL = "npm ci --prefix tests/chain/anvil"


@pytest.fixture(scope="session")
def embedded_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    folder = tmp_path_factory.mktemp("embedded")
    with opened(settings(folder, Clock())) as client:
        client.deploy_or_load(folder / "deployment.json")
        yield client


@pytest.fixture(scope="session")
def consent(embedded_client: ChainClient) -> Consent:
    return Consent(embedded_client)


@pytest.fixture(scope="session")
def anvil_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binaries = sorted(PACKAGES.glob("anvil-*/bin/anvil"))
    assert binaries, f"no Anvil here; install it: {INSTALL}"
    port = free_port()
    log = (tmp_path_factory.mktemp("anvil") / "anvil.log").open("wb")
    command = [str(binaries[0]), "--host", "127.0.0.1", "--port", str(port), "--silent"]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(process, url)
        yield url
    finally:
        stop(process)
        log.close()


@pytest.fixture(scope="session")
def anvil_client(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    folder = tmp_path_factory.mktemp("anvil-client")
    with opened(settings(folder, Clock(), anvil_url)) as client:
        fund(client)
        client.deploy_or_load(folder / "deployment.json")
        yield client


def fund(client: ChainClient) -> None:
    """Gas money from Anvil's faucet; a real network's operator does this."""
    for address in client.roles.values():
        client.request("anvil_setBalance", [address, hex(10**24)])


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
