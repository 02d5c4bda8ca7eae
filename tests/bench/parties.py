"""Two parties for a bench: an engine and a provider node, the real commands, each a process of its own, with
mutual TLS between them, and a chain that is neither's (Anvil)."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api import certificates
from api.cli.demo.players import enrol
from api.cli.products import SEEDS
from api.client import Client
from engine.pipeline.context import Context
from engine.pipeline.settings import Settings
from engine.provider.node import chain_account
from tests.e2e.two_parties import admit
from tests.support.anvil import FREE, running_anvil
from tests.support.process import Server, free_port, running_server

_PROGRAM = (sys.executable, "-m", "api.cli.main")


@dataclass
class Parties:
    """Where both keep everything, and how each is reached. Made by `two_parties`."""

    home: Path
    chain: str
    hospital: str

    def __post_init__(self) -> None:
        certificates.make(
            self.home / "tls", [["engine", "127.0.0.1"], ["node", "127.0.0.1"]], datetime.now(UTC)
        )
        self.node_home.mkdir()
        ports = free_port(), free_port(), free_port()
        self.engine_url, self.partner_url, self.node_url = (f"127.0.0.1:{port}" for port in ports)
        self._offer: dict[str, Any] = {}

    @property
    def node_home(self) -> Path:
        return self.home / "node"

    @property
    def engine_home(self) -> Path:
        return self.home / "engine"

    @property
    def node_key(self) -> str:
        """What the hospital's own systems send to the node."""
        return (self.node_home / "provider.key").read_text()

    def operator(self) -> Client:
        return Client(f"http://{self.engine_url}", (self.engine_home / "operator.key").read_text().strip())

    @contextmanager
    def engine(self) -> Iterator[Server]:
        files = certificates.identity(self.home / "tls", "engine")
        host, port = self.engine_url.split(":")
        command: list[str | Path] = [
            *_PROGRAM,
            "serve",
            "--sandbox-bank",
            "--home",
            self.engine_home,
            "--port",
            port,
        ]
        settings = {
            "HOST": host,
            "PARTNER_PORT": self.partner_url.split(":")[1],
            "PARTNER_TLS_CERT": str(files.certificate),
            "PARTNER_TLS_KEY": str(files.key),
            "PARTNER_TLS_CA": str(files.ca),
            "PROVIDERS": chain_account(self.node_home, os.urandom).address,
            "MATCH_ELEMENTS_A_DAY": str(10**7),
            "CHAIN_RPC_URL": self.chain,
            "CHAIN_GAS_PRICE_WEI": "0",
        }
        with _running(command, f"http://{self.engine_url}", self.home / "engine.log", "", settings) as server:
            yield server

    @contextmanager
    def engine_closed(self) -> Iterator[Context]:
        """What the engine keeps, opened in this process while the engine does not run."""
        home = Settings(home=self.engine_home, chain_rpc_url=self.chain, chain_gas_price_wei=0)
        ctx = Context.open(home)
        try:
            yield ctx
        finally:
            ctx.close()

    def enrol(self, policies: Sequence[dict[str, Any]]) -> None:
        """Every product of the seeds, the policies, everyone's consent, the roll published, the hospital
        registered with its node's keys. The engine runs."""
        pin = certificates.describe(certificates.identity(self.home / "tls", "node").certificate).pin
        url, key = f"http://{self.engine_url}", (self.engine_home / "operator.key").read_text()
        token = admit(url, key, self.hospital, str(self.node_home), pin)
        with self.operator() as operator:
            (self.node_home / f"insurer-{self.hospital}.key").write_text(token)
            with Client(url, operator.issue_key("insurer", "insurer")["token"]) as insurer:
                for path in sorted(SEEDS.glob("*.yaml")):
                    insurer.load_product(path.read_bytes())
                insurer.load_policies(b"".join(json.dumps(one).encode() + b"\n" for one in policies))
                for _ in enrol(insurer, policies):
                    pass
            operator.publish_roll()
            self._offer = operator.match_offer(self.hospital)

    @contextmanager
    def node(self) -> Iterator[Server]:
        files = certificates.identity(self.home / "tls", "node")
        engine = certificates.identity(self.home / "tls", "engine").certificate
        settings = {
            "HOME": str(self.node_home),
            "PORT": self.node_url.split(":")[1],
            "HOSPITALS": self.hospital,
            "INSURER_URL": f"https://{self.partner_url}",
            "INSURER_TLS_PIN": certificates.describe(engine).pin,
            "TLS_CERT": str(files.certificate),
            "TLS_KEY": str(files.key),
            "TLS_CA": str(files.ca),
            "CHAIN_RPC_URL": self.chain,
            "CHAIN_GAS_PRICE_WEI": "0",
            "DEPLOYMENT": str(self.engine_home / "deployment.json"),
            "ROLL_DATASET": self._offer["roll_dataset"],
            "PURPOSES": json.dumps(self._offer["purposes"]),
        }
        url, log = f"http://{self.node_url}", self.home / "node.log"
        with _running([*_PROGRAM, "provider", "serve"], url, log, "PROVIDER_", settings) as server:
            yield server


@contextmanager
def two_parties(home: Path, hospital: str) -> Iterator[Parties]:
    """Their homes under `home`, and the chain; neither runs yet."""
    with running_anvil(home / "anvil.log", *FREE) as chain:
        yield Parties(home, chain, hospital)


@contextmanager
def _running(
    command: Sequence[str | Path], url: str, log: Path, prefix: str, settings: dict[str, str]
) -> Iterator[Server]:
    environment = {f"AUTOCLAIM_{prefix}{name}": value for name, value in settings.items()}
    with running_server(command, health_url=f"{url}/healthz", log=log, environment=environment) as server:
        yield server
