"""A provider node as a process of its own before a real engine: two parties, two databases, one chain."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from typer.testing import CliRunner

from api.cli.main import app
from api.client import wait_until
from api.http.examples import POLICY
from api.provider.insurer import key_id
from api.signing import load_key
from engine.chain import eip712
from engine.pipeline import consent, parties, publishing
from engine.pipeline.matching import roll_dataset
from engine.provider.node import signing_key
from engine.provider.states import DischargeState
from engine.settlement.hospitals import Hospital
from tests.api.world import OURS, World, opened, serving, settlement
from tests.chain.world import word
from tests.support.process import REPOSITORY, free_port, stop

PRODUCT = REPOSITORY / "seeds" / "products" / "huhuibao-2024.yaml"
STRANGER = {"certno": "440524188001010014", "psn_name": "测试乙"}
AT_REST = {
    *("nobodys", "doubtful", "no_consent", "accepted", "turned_down"),
}


class Parties:
    """The engine, with one insured person who has consented, and the home of a provider node."""

    def __init__(self, world: World, home: Path) -> None:
        self.world = world
        self.home = home
        self.dataset = word()
        self.authorization_id = ""

    def enrol(self) -> None:
        insured, ctx = Account.create(), self.world.ctx
        with self.world.client("insurer") as insurer, self.world.client("nobody") as person:
            insurer.load_product(PRODUCT.read_bytes())
            insurer.load_policies(json.dumps(POLICY).encode())
            prepared = insurer.prepare_authorization(POLICY["policy_no"], insured.address)
            self.authorization_id = prepared["authorization_id"]
            signature = "0x" + eip712.sign(prepared["typed_data"], insured).hex()
            person.grant([(self.authorization_id, signature)])
        scope = bytes.fromhex(consent.scope_id(ctx, "huhuibao")[2:])
        ctx.chain.catalog.register(self.dataset, 4, [scope])
        publishing.publish(ctx, lambda *_: None)
        public = load_key(signing_key(self.home, os.urandom)).public_key().public_bytes_raw()
        hospital = Hospital(OURS, "Hospital", 3, "310000", "ordinary", ("ordinary",))
        parties.register_hospital(ctx, hospital, key_id(OURS), public)
        (self.home / f"insurer-{OURS}.key").write_text(self.world.tokens[OURS])

    def environment(self, insurer_url: str) -> dict[str, str]:
        ctx = self.world.ctx
        purpose = {"purpose": consent.PURPOSE, "recipient": ctx.settings.recipient, "product": "huhuibao"}
        return {
            "HOME": str(self.home),
            "HOSPITALS": OURS,
            "INSURER_URL": insurer_url,
            "CHAIN_RPC_URL": f"{self.world.url}/chain/rpc",
            "DEPLOYMENT": str(ctx.settings.in_home("deployment.json")),
            "DATASET": "0x" + self.dataset.hex(),
            "ROLL_DATASET": "0x" + roll_dataset(ctx.settings.recipient).hex(),
            "PURPOSES": json.dumps([purpose]),
            "FOLLOW_S": "0.5",
        }

    @contextmanager
    def node(self, insurer_url: str | None = None) -> Iterator["Node"]:
        settings = self.environment(insurer_url or self.world.url)
        environment = {f"AUTOCLAIM_PROVIDER_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "api.cli.main", "provider", "serve", "--port", "0", "--json"]
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **environment}, cwd=REPOSITORY
            )
        assert process.stdout is not None
        with process.stdout as output:
            line = output.readline()
        assert line, (self.home / "log").read_text()
        node = Node(process, json.loads(line)["url"], (self.home / "provider.key").read_text())
        try:
            yield node
        finally:
            node.http.close()
            stop(process)


class Node:
    def __init__(self, process: subprocess.Popen[bytes], url: str, key: str) -> None:
        self.process = process
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)

    def send(self, native: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return self.http.post("/v1/settlements", content=json.dumps(native), headers=headers)

    def state(self, native: dict[str, Any]) -> str:
        path = f"/v1/settlements/{OURS}/{native['setlinfo']['setl_id']}"
        return str(self.http.get(path).raise_for_status().json()["state"])

    def rests(self, native: dict[str, Any]) -> str:
        def ask() -> str | None:
            state = self.state(native)
            return state if state in AT_REST else None

        return wait_until(ask, timeout_s=60, every_s=0.02)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    folder = tmp_path_factory.mktemp("two")
    with opened(folder / "engine") as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            parties = Parties(world, folder / "node")
            parties.enrol()
            yield parties


@pytest.fixture(scope="module")
def node(two: Parties) -> Iterator[Node]:
    with two.node() as node:
        yield node


def settlements_of(two: Parties) -> dict[str, str]:
    """What the engine holds of the hospital, and how far it has come."""
    with two.world.http(OURS) as http:
        items = http.get("/v1/settlements", params={"limit": 500}).raise_for_status().json()["items"]
    return {item["setl_id"]: item["state"] for item in items}


def test_a_matched_discharge_becomes_a_claim_and_an_unmatched_one_nothing(two: Parties, node: Node) -> None:
    mine, nobodys = settlement(), settlement(**STRANGER)
    for native in (mine, nobodys):
        assert node.send(native).status_code == 202
    assert (node.rests(mine), node.rests(nobodys)) == ("accepted", "nobodys")
    assert settlements_of(two) == {mine["setlinfo"]["setl_id"]: "matched"}
