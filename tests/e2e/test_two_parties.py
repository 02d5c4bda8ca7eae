"""An engine and its provider nodes, each on a machine of its own, and a wire between: `make netns`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

from api import certificates
from engine.sandbox.population import PAYING_HOSPITALS
from tests.e2e.two_parties import admit, ask, has_code, knock
from tests.support import anvil
from tests.support.netns import Machine, machines
from tests.support.process import REPOSITORY, stop

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]
PORT, PARTNER_PORT, CHAIN_PORT = 8800, 8443, 8545
EAST, WEST = PAYING_HOSPITALS[:2]


@contextmanager
def running(machine: Machine, log: Path, *command: str | Path, **settings: str) -> Iterator[IO[bytes]]:
    """A program on a machine, until the block ends: what it prints. settings: AUTOCLAIM_… variables."""
    named = {f"AUTOCLAIM_{name.upper()}": value for name, value in settings.items()}
    with log.open("wb") as talk:
        process = subprocess.Popen(
            machine.command(*command),
            cwd=REPOSITORY,
            env={**os.environ, **named},
            stdout=subprocess.PIPE,
            stderr=talk,
        )
    assert process.stdout is not None
    try:
        with process.stdout as output:
            yield output
    finally:
        stop(process)


@contextmanager
def chain(machine: Machine, folder: Path) -> Iterator[str]:
    """A node of a chain that is neither party's; its JSON-RPC."""
    at = ("--host", machine.address, "--port", str(CHAIN_PORT))
    with running(machine, folder / "anvil.log", anvil.program(), *at, "--silent", *anvil.FREE):
        url = f"http://{machine.address}:{CHAIN_PORT}"
        machine.call(has_code, chain_url=url)
        yield url


@contextmanager
def engine(machine: Machine, folder: Path, tls: Path, chain_url: str) -> Iterator[dict[str, Any]]:
    """`autoclaim serve` with its sandbox bank: its API on its own loopback, the partner port on the wire."""
    files = certificates.identity(tls, machine.address)
    settings = {
        "partner_host": machine.address,
        "partner_tls_cert": str(files.certificate),
        "partner_tls_key": str(files.key),
        "partner_tls_ca": str(files.ca),
        "chain_rpc_url": chain_url,
        "chain_gas_price_wei": "0",
        "trust": str(folder / "trusted.json"),
    }
    serve = (sys.executable, "-m", "api.cli.main", "serve", "--home", folder / "engine", "--port", str(PORT))
    log, partner_port = folder / "engine.log", ("--partner-port", str(PARTNER_PORT))
    with running(machine, log, *serve, "--sandbox-bank", "--json", *partner_port, **settings) as output:
        ready = output.readline()
        assert ready, log.read_text()[-2000:]
        yield json.loads(ready)


def test_two_nodes_reach_engine_and_chain_on_other_machines_and_nothing_else(tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    with machines("chain", "engine", "east", "west") as (public, insurer, east, west):
        certificates.make(tls, [[insurer.address], ["east"], ["west"]], datetime.now(UTC))
        with chain(public, tmp_path) as url, engine(insurer, tmp_path, tls, url) as ready:
            assert ready["partner_url"] == f"https://{insurer.address}:{PARTNER_PORT}"
            _reach_it(tls, ready, insurer, {EAST: east, WEST: west})
            manifest = json.loads((tmp_path / "engine" / "deployment.json").read_text())
            for node in (east, west):
                assert node.call(has_code, chain_url=url, address=manifest["addresses"]["DataCatalog"])


def _reach_it(tls: Path, ready: dict[str, Any], insurer: Machine, nodes: dict[str, Machine]) -> None:
    operator_key = Path(ready["operator_key_file"]).read_text()
    name = dict(zip(nodes, ("east", "west"), strict=True))
    files = {code: certificates.identity(tls, name[code]) for code in nodes}
    tokens = {
        code: insurer.call(
            admit,
            url=ready["url"],
            operator_key=operator_key,
            code=code,
            tls_pin=certificates.describe(files[code].certificate).pin,
        )
        for code in nodes
    }

    def asks(code: str, path: str, of: str, token: str) -> dict[str, Any]:
        shown = [str(file) for file in files[of]]
        answer: dict[str, Any] = nodes[code].call(
            ask,
            url=ready["partner_url"] + path,
            files=shown,
            engine_pin=ready["partner_tls_pin"],
            token=token,
        )
        return answer

    for code, node in nodes.items():
        (other,) = nodes.keys() - {code}
        assert asks(code, "/v1/match/epochs", of=code, token=tokens[code])["status"] == 200
        assert asks(code, "/v1/match/epochs", of=code, token=tokens[other])["code"] == "partner.certificate"
        assert "refused" in node.call(knock, url=ready["partner_url"] + "/healthz", ca=str(tls / "ca.crt"))
        ordinary = f"http://{insurer.address}:{PORT}/healthz"
        assert "refused" in node.call(knock, url=ordinary), "the engine's API is on its own loopback"
        assert "refused" in node.call(knock, url=f"http://127.0.0.1:{PORT}/healthz"), "which is no node's"
