"""A provider node as a process of its own before a real engine: two parties, two databases, one chain."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from eth_account import Account
from sqlalchemy import func
from sqlmodel import select
from typer.testing import CliRunner

from api import certificates
from api.cli.main import app
from api.cli.serve import Server
from api.client import wait_until
from api.http.examples import POLICY
from api.http.partners import PartnerPort
from api.provider.insurer import key_id
from api.signing import load_key
from engine.chain import eip712
from engine.chain.artifacts import REGISTRY
from engine.chain.contracts import abi_of
from engine.errors import Unavailable
from engine.pipeline import decide, parties, publishing
from engine.provider.node import signing_key
from engine.provider.states import ON_THE_WAY, DischargeState
from engine.settlement.hospitals import Hospital
from engine.store import claims
from engine.store.matching import MatchQuestion
from engine.store.settlements import by_setl_id
from engine.store.tables import Settlement
from tests.api.world import OURS, World, opened, settlement
from tests.support.process import REPOSITORY, free_port, stop
from tests.support.relay import Relay

PRODUCT = REPOSITORY / "seeds" / "products" / "huhuibao-2024.yaml"
STRANGER = {"certno": "440524188001010014", "psn_name": "测试乙"}
ENGINE, NODE = "127.0.0.1", "node"
_LOOKS_FOR_CONSENT = (
    abi_of(REGISTRY)[0].call_data("liveness", (bytes(32), bytes(32), bytes(32), 0))[:4].hex().encode()
)
AT_REST = set(DischargeState) - set(ON_THE_WAY)


class Parties:
    """The engine, with one insured person who has consented, and the home of a provider node."""

    def __init__(self, world: World, home: Path) -> None:
        self.world = world
        self.home = home
        certificates.make(home, [[ENGINE], [NODE]], datetime.now(UTC))
        self.port = PartnerPort(world.app, certificates.identity(home, ENGINE), ENGINE, free_port())
        self.offered: dict[str, Any] = {}
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
        publishing.publish(ctx)
        public = load_key(signing_key(self.home, os.urandom)).public_key().public_bytes_raw()
        hospital = Hospital(OURS, "Hospital", 3, "310000", "ordinary", ("ordinary",))
        pin = certificates.describe(certificates.identity(self.home, NODE).certificate).pin
        parties.register_hospital(ctx, hospital, key_id(OURS), public, pin)
        with self.world.client("operator") as operator:
            self.offered = operator.match_offer(OURS)
            assert operator.match_offer(OURS) == self.offered
        (self.home / f"insurer-{OURS}.key").write_text(self.world.tokens[OURS])

    def environment(self, chain_url: str) -> dict[str, str]:
        ctx, identity = self.world.ctx, certificates.identity(self.home, NODE)
        settings = {
            "HOME": str(self.home),
            "HOSPITALS": OURS,
            "INSURER_URL": self.port.url,
            "INSURER_TLS_PIN": self.port.pin,
            "TLS_CERT": str(identity.certificate),
            "TLS_KEY": str(identity.key),
            "TLS_CA": str(identity.ca),
            "CHAIN_RPC_URL": f"{chain_url}/chain/rpc",
            "DEPLOYMENT": str(ctx.settings.in_home("deployment.json")),
            "ROLL_DATASET": self.offered["roll_dataset"],
            "PURPOSES": json.dumps(self.offered["purposes"]),
            "FOLLOW_S": "0.5",
        }
        return {f"AUTOCLAIM_PROVIDER_{name}": value for name, value in settings.items()}


class Holding(Relay):
    """Between a node and its chain endpoint: while it holds, no look for consent goes on."""

    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.holds = False
        self.has_held = threading.Event()

    def passes(self, data: bytes) -> bool:
        if self.holds and _LOOKS_FOR_CONSENT in data:
            self.has_held.set()
            return False
        return True


class Node:
    """The provider's process, which can be killed and started again; it reads the chain by way of a relay."""

    def __init__(self, two: Parties) -> None:
        self._home = two.home
        self._port = free_port()
        self.relay = Holding(two.world.url)
        self._environment = two.environment(self.relay.url)
        self._process = self._started()
        headers = {"Authorization": f"Bearer {(self._home / 'provider.key').read_text()}"}
        url = f"http://127.0.0.1:{self._port}"
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "api.cli.main", "provider", "serve"]
        command += ["--port", str(self._port), "--json"]
        environment = {**os.environ, **self._environment}
        with (self._home / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=REPOSITORY
            )
        assert process.stdout is not None
        with process.stdout as output:
            line = output.readline()
        if not line:
            stop(process)
            pytest.fail((self._home / "log").read_text())
        return process

    def kill_and_start(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()
        self._process = self._started()

    def decides_from_now_on(self) -> None:
        """Started again, with every purpose in the mode in which settlements stay."""
        purposes = json.loads(self._environment["AUTOCLAIM_PROVIDER_PURPOSES"])
        changed = json.dumps([{**one, "mode": "decision"} for one in purposes])
        self._environment["AUTOCLAIM_PROVIDER_PURPOSES"] = changed
        self.kill_and_start()

    def end(self) -> None:
        self.http.close()
        stop(self._process)
        self.relay.close()
        assert self._process.returncode == 0, (self._home / "log").read_text()

    def send(self, native: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return self.http.post("/v1/settlements", content=json.dumps(native), headers=headers)

    def view(self, native: dict[str, Any]) -> dict[str, Any]:
        path = f"/v1/settlements/{OURS}/{native['setlinfo']['setl_id']}"
        viewed: dict[str, Any] = self.http.get(path).raise_for_status().json()
        return viewed

    def rests(self, native: dict[str, Any]) -> str:
        def ask() -> str | None:
            state = self.view(native)["state"]
            return state if state in AT_REST else None

        return wait_until(ask, timeout_s=60, every_s=0.02)


@contextmanager
def served(two: Parties) -> Iterator[str]:
    """The engine as `serve` runs it, with the partner port beside its own; its own URL."""
    ready, port = threading.Event(), free_port()
    server = Server(uvicorn.Config(two.world.app, port=port, log_level="critical"), ready.set, two.port)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20), "uvicorn did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    folder = tmp_path_factory.mktemp("two")
    home = ["--home", str(folder / "node")]
    address = json.loads(CliRunner().invoke(app, ["provider", "key", "--json", *home]).stdout)["address"]
    with opened(folder / "engine", providers=address) as (ctx, clock):
        world = World(ctx, clock)
        two = Parties(world, folder / "node")
        with served(two) as world.url:
            two.enrol()
            yield two


@pytest.fixture(scope="module")
def node(two: Parties) -> Iterator[Node]:
    node = Node(two)
    yield node
    node.end()


def claims_of(two: Parties) -> dict[str, str]:
    """What the engine holds of the hospital: settlement number -> state of its claim."""
    with two.world.http(OURS) as http:
        items = http.get("/v1/settlements", params={"limit": 500}).raise_for_status().json()["items"]
    return {item["setl_id"]: item["state"] for item in items}


def questions(two: Parties) -> int:
    with two.world.ctx.database.reading() as session:
        return session.exec(select(func.count()).select_from(MatchQuestion)).one()


def test_a_matched_discharge_becomes_a_claim_and_of_an_unmatched_one_the_insurer_has_a_count(
    two: Parties, node: Node
) -> None:
    mine, nobodys = settlement(), settlement(**STRANGER)
    before = questions(two)
    for native in (mine, nobodys):
        assert node.send(native).status_code == 202
    assert (node.rests(mine), node.rests(nobodys)) == ("accepted", "nobodys")
    assert claims_of(two) == {mine["setlinfo"]["setl_id"]: "matched"}
    assert questions(two) == before + 2
    kept = b"".join(path.read_bytes() for path in two.world.ctx.settings.home.glob("*.db*"))
    assert mine["setlinfo"]["setl_id"].encode() in kept, "what is released is found like this"
    for text in (*STRANGER.values(), nobodys["setlinfo"]["setl_id"], *list(POLICY["person"].values())[1:]):
        assert text.encode() not in kept


def test_a_node_is_spoken_to_with_its_own_key_and_says_every_rule_that_is_broken(node: Node) -> None:
    broken = settlement(dscg_time="2025-13-01", certno="nobody's")
    answer = node.send(broken)
    assert (answer.status_code, answer.json()["code"]) == (422, "settlement.invalid")
    assert {error["field"] for error in answer.json()["errors"]} >= {
        "/setlinfo/dscg_time",
        "/setlinfo/certno",
    }
    assert "nobody's" not in answer.text
    without = httpx.post(f"{node.http.base_url}/v1/settlements", json=broken, trust_env=False)
    other = node.http.get("/v1/status", headers={"Authorization": "Bearer another"})
    assert [without.json()["code"], other.json()["code"]] == ["auth.missing", "auth.invalid"]
    unknown = node.http.get(f"/v1/settlements/{OURS}/none")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "settlement.unknown")


def test_a_node_that_is_killed_between_question_and_release_asks_no_second_time(
    two: Parties, node: Node
) -> None:
    native, before = settlement(), questions(two)
    node.relay.holds = True
    node.send(native)
    assert node.relay.has_held.wait(30)
    node.relay.holds = False
    assert native["setlinfo"]["setl_id"] not in claims_of(two)
    node.kill_and_start()
    assert node.rests(native) == "accepted"
    assert claims_of(two)[native["setlinfo"]["setl_id"]] == "matched"
    assert questions(two) == before + 1


def test_how_a_node_stands_is_told_in_counts(two: Parties, node: Node) -> None:
    doubtful = settlement(psn_name="测试丙")
    node.send(doubtful)
    assert node.rests(doubtful) == "doubtful"

    def run(command: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["provider", command, "--json", "--home", str(two.home)])
        said = [line for line in done.stdout.splitlines() if '"event"' not in line]  # the engine logs here
        return done.exit_code, json.loads(said[0])

    (told, counts), (doubts, reasons) = run("status"), run("doubtful")
    assert (told, doubts) == (0, 1)
    assert counts == node.http.get("/v1/status").json()
    assert (counts["discharges"]["doubtful"], counts["alarms"]) == (1, [])
    assert reasons == {"match.name_differs": 1}
    path = f"/v1/settlements/{OURS}/{doubtful['setlinfo']['setl_id']}/ruling"
    ruled = node.http.post(path, json={"is_insured": False, "who": "the registrar"})
    assert (ruled.status_code, node.rests(doubtful)) == (200, "nobodys")


def test_a_node_that_decides_itself_sends_a_decision_and_shows_the_settlement_when_it_is_demanded(
    two: Parties, node: Node
) -> None:
    ctx = two.world.ctx
    with ctx.database.transaction() as session:
        for claim in claims.unbatched(session, ("matched",), 100):
            claim.batch_id = "before"
    decide.decide_batch(ctx, "before")
    node.decides_from_now_on()
    native = settlement()
    node.send(native)
    assert node.rests(native) == "accepted"

    def kept() -> Settlement:
        with ctx.database.reading() as session:
            found = by_setl_id(session, OURS, native["setlinfo"]["setl_id"])
        assert found is not None
        return found[0]

    assert (kept().withheld is None, kept().document_sealed) == (False, b"")
    with two.world.http(OURS) as http, two.world.client("insurer") as insurer:
        claim_id = http.get(f"/v1/settlements/{kept().setl_id}").json()["claim_id"]
        assert insurer.demand_disclosure(claim_id) == {"claim_id": claim_id}
    wait_until(lambda: kept().withheld is None or None, timeout_s=60, every_s=0.05)
    assert len(kept().document_sealed) > 1000
    with two.world.client("operator") as operator:
        assert operator.match_alarms() == []


def test_consent_withdrawn_on_chain_releases_nothing_though_the_insurers_entry_still_names_it(
    two: Parties, node: Node
) -> None:
    two.world.ctx.chain.registry.revoke_for(two.authorization_id)
    native, before = settlement(), claims_of(two)
    node.send(native)
    assert node.rests(native) == "no_consent"
    assert node.view(native)["reason"] == "consent.revoked", "the node's own finding, not the insurer's"
    assert claims_of(two) == before


def test_what_keeps_a_node_from_starting_is_named(two: Parties, tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    settings = two.environment(two.world.url)
    unpinned = {name: value for name, value in settings.items() if not name.endswith("TLS_PIN")}
    plain = settings | {"AUTOCLAIM_PROVIDER_INSURER_URL": "http://insurer.example"}
    unset = CliRunner().invoke(app, ["provider", "serve", *home])
    unregistered = CliRunner().invoke(app, ["provider", "serve", *home], env=settings)
    assert (unset.exit_code, unregistered.exit_code) == (2, 2)
    assert "AUTOCLAIM_PROVIDER_INSURER_URL: is not set" in unset.stderr
    assert "insurer_tls_pin" in CliRunner().invoke(app, ["provider", "serve", *home], env=unpinned).stderr
    assert "must be https" in CliRunner().invoke(app, ["provider", "serve", *home], env=plain).stderr
    public = load_key(signing_key(tmp_path, os.urandom)).public_key().public_bytes_raw().hex()
    assert key_id(OURS) in unregistered.stderr
    assert public in unregistered.stderr
    nowhere = CliRunner().invoke(app, ["provider", "status", *home])
    assert isinstance(nowhere.exception, Unavailable)
