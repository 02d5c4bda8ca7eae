"""An engine and its provider nodes, each on a machine of its own, and a wire between: `make netns`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest

from api import certificates
from api.http.examples import POLICY
from api.tls import Identity
from engine.pipeline.consent import PURPOSE
from engine.pipeline.settings import Settings
from engine.provider.node import chain_account
from engine.sandbox.population import PAYING_HOSPITALS
from tests.api.world import settlement
from tests.e2e.on_the_wire import ask, chain_answers, knock
from tests.e2e.two_parties import admit, claims_of, discharge, enrol
from tests.support import anvil
from tests.support.netns import Machine, machines
from tests.support.process import REPOSITORY, stop

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]
PORT, PARTNER_PORT, CHAIN_PORT = 8800, 8443, 8545
EAST, WEST = PAYING_HOSPITALS[:2]
STRANGER = {"certno": "440524188001010014", "psn_name": "测试乙"}


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
        machine.call(chain_answers, url=url)
        yield url


@contextmanager
def engine(
    machine: Machine, folder: Path, tls: Path, chain_url: str, providers: str
) -> Iterator[dict[str, Any]]:
    """`autoclaim serve` with its sandbox bank: its API on its own loopback, the partner port on the wire."""
    files = certificates.identity(tls, machine.address)
    settings = {
        "partner_host": machine.address,
        "partner_tls_cert": str(files.certificate),
        "partner_tls_key": str(files.key),
        "partner_tls_ca": str(files.ca),
        "chain_rpc_url": chain_url,
        "chain_gas_price_wei": "0",
        "providers": providers,
        "trust": str(folder / "trusted.json"),
    }
    serve = (sys.executable, "-m", "api.cli.main", "serve", "--home", folder / "engine", "--port", str(PORT))
    log, partner_port = folder / "engine.log", ("--partner-port", str(PARTNER_PORT))
    with running(machine, log, *serve, "--sandbox-bank", "--json", *partner_port, **settings) as output:
        ready = output.readline()
        assert ready, log.read_text()[-2000:]
        yield json.loads(ready)


@dataclass
class Party:
    """A provider: its hospital, its machine, and the home of its node."""

    code: str
    machine: Machine
    home: Path
    files: Identity
    token: str = ""

    @property
    def address(self) -> str:
        """On chain."""
        return chain_account(self.home, os.urandom).address

    @property
    def pin(self) -> str:
        return certificates.describe(self.files.certificate).pin


@contextmanager
def node(party: Party, ready: dict[str, Any], chain_url: str, roll: str, manifest: Path) -> Iterator[str]:
    """`autoclaim provider serve`, on its own loopback; its URL there."""
    (party.home / f"insurer-{party.code}.key").write_text(party.token)
    purpose = {"purpose": PURPOSE, "recipient": Settings().recipient, "product": POLICY["product"]}
    settings = {
        "home": str(party.home),
        "hospitals": party.code,
        "insurer_url": ready["partner_url"],
        "insurer_tls_pin": ready["partner_tls_pin"],
        "tls_cert": str(party.files.certificate),
        "tls_key": str(party.files.key),
        "tls_ca": str(party.files.ca),
        "chain_rpc_url": chain_url,
        "deployment": str(manifest),
        "chain_gas_price_wei": "0",
        "roll_dataset": roll,
        "purposes": json.dumps([purpose]),
        "follow_s": "0.5",
    }
    command = (sys.executable, "-m", "api.cli.main", "provider", "serve", "--port", "8810", "--json")
    log = party.home / "log"
    named = {f"provider_{name}": value for name, value in settings.items()}
    with running(party.machine, log, *command, **named) as output:
        said = output.readline()
        assert said, log.read_text()[-2000:]
        yield json.loads(said)["url"]


def test_two_nodes_and_an_engine_on_machines_of_their_own_settle_what_is_insured(tmp_path: Path) -> None:
    tls, home = tmp_path / "tls", tmp_path / "engine"
    with machines("chain", "engine", "east", "west") as (public, insurer, east, west), ExitStack() as open_:
        certificates.make(tls, [[insurer.address], ["east"], ["west"]], datetime.now(UTC))
        url = open_.enter_context(chain(public, tmp_path))
        nodes = [
            Party(code, machine, tmp_path / name, certificates.identity(tls, name))
            for code, machine, name in ((EAST, east, "east"), (WEST, west, "west"))
        ]
        providers = ",".join(party.address for party in nodes)
        ready = open_.enter_context(engine(insurer, tmp_path, tls, url, providers))
        operator = {"url": ready["url"], "operator_key": Path(ready["operator_key_file"]).read_text()}
        roll = insurer.call(enrol, **operator)
        for party in nodes:
            party.token = insurer.call(
                admit, **operator, code=party.code, node_home=str(party.home), tls_pin=party.pin
            )
        _reach_it(tls, ready, insurer, nodes)
        for party in nodes:
            at = open_.enter_context(node(party, ready, url, roll, home / "deployment.json"))
            mine, nobodys = (
                settlement(fixmedins_code=party.code),
                settlement(fixmedins_code=party.code, **STRANGER),
            )
            key = (party.home / "provider.key").read_text()
            rested = party.machine.call(discharge, url=at, key=key, natives=[mine, nobodys])
            assert rested == ["accepted", "nobodys"]
            held = insurer.call(claims_of, url=ready["url"], token=party.token)
            assert held == {mine["setlinfo"]["setl_id"]: "confirmed"}


def _reach_it(tls: Path, ready: dict[str, Any], insurer: Machine, nodes: list[Party]) -> None:
    """Each node gets to the partner port, as itself; nobody gets anywhere else."""
    for party, other in (nodes, reversed(nodes)):

        def asks(token: str, party: Party = party) -> dict[str, Any]:
            answer: dict[str, Any] = party.machine.call(
                ask,
                url=f"{ready['partner_url']}/v1/match/epochs",
                files=[str(file) for file in party.files],
                engine_pin=ready["partner_tls_pin"],
                token=token,
            )
            return answer

        assert asks(party.token)["status"] == 200
        assert asks(other.token)["code"] == "partner.certificate"
        knocks = partial(party.machine.call, knock)
        assert "refused" in knocks(url=f"{ready['partner_url']}/healthz", ca=str(tls / "ca.crt"))
        ordinary = f"http://{insurer.address}:{PORT}/healthz"
        assert "refused" in knocks(url=ordinary), "the engine's API is on its own loopback"
        assert "refused" in knocks(url=f"http://127.0.0.1:{PORT}/healthz"), "which is no node's"
