"""The first start deploys once, whatever interrupts it; later starts recognise what is there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.chain.artifacts import DEPLOY_ORDER, RESULTS, load_artifact
from engine.chain.client import ChainClient
from engine.chain.contracts import DEFAULT_ADMIN_ROLE
from engine.chain.embedded import EmbeddedChain
from engine.chain.errors import (
    ChainError,
    ChainUnavailable,
    DeploymentInvalid,
    TransactionUnknown,
    WrongChain,
)
from engine.chain.keys import ROLES
from engine.chain.transport import Chain, HttpChain
from tests.chain.conftest import fund
from tests.chain.faults import BrokenLine, answer_lost, never_arrived
from tests.chain.world import Clock, opened, settings


class Stopped(Exception):
    """The process ended here."""


def _stop_after(send: Any, raws: Any) -> Any:
    send(raws)
    raise Stopped


def _stop_before(send: Any, raws: Any) -> Any:
    raise Stopped


@pytest.mark.parametrize("stop", [_stop_before, _stop_after])
def test_a_deployment_that_stopped_anywhere_is_finished_by_the_next_start(stop: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "deployment.json"
    with opened(settings(tmp_path, Clock())) as client:
        assert isinstance(client.chain, EmbeddedChain)
        line = BrokenLine(client.chain)
        line.faults = [stop]
        _through(client, line)
        with pytest.raises(Stopped):
            client.deploy_or_load(manifest)
        assert not manifest.exists()
    with opened(settings(tmp_path, Clock())) as client:
        deployment = client.deploy_or_load(manifest)
        _check_finished(client)
        # Nothing was done twice: four creations, which appoint.
        assert _sent_by_the_deployer(client) == 4
        assert deployment.block == 1


def _through(client: ChainClient, line: Chain) -> None:
    client.chain = line
    for sender in client._senders.values():
        sender._chain = line


def _sent_by_the_deployer(client: ChainClient) -> int:
    return int(client.request("eth_getTransactionCount", [client.roles["deployer"], "latest"]), 16)


def _check_finished(client: ChainClient) -> None:
    for contract in (client.registry, client.catalog, client.scheduler, client.results):
        assert contract.has_role(DEFAULT_ADMIN_ROLE, client.roles["governor"])
        assert not contract.has_role(DEFAULT_ADMIN_ROLE, client.roles["deployer"])
    assert client.deployment.addresses == {
        "AuthorizationRegistry": client.registry.address,
        "DataCatalog": client.catalog.address,
        "TaskScheduler": client.scheduler.address,
        "MatchResultStore": client.results.address,
    }


class DyingHttp(HttpChain):
    """A node that the process stops talking to after so many transactions."""

    allowed = 0

    def send(self, raw_transactions: Any) -> Any:
        if self.allowed == 0:
            raise Stopped
        self.allowed -= 1
        return super().send(raw_transactions)


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_deployment_over_http_is_finished_after_any_transaction(
    allowed: int, anvil_url: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "deployment.json"
    chain_settings = settings(tmp_path, Clock(), anvil_url)
    object.__setattr__(chain_settings, "rng", _fresh_keys(allowed))
    with opened(chain_settings) as client:
        fund(anvil_url, client.roles.values())
        client.chain.close()
        dying = DyingHttp(anvil_url)
        dying.allowed = allowed
        _through(client, dying)
        with pytest.raises(Stopped):
            client.deploy_or_load(manifest)
    with opened(chain_settings) as client:
        client.deploy_or_load(manifest)
        _check_finished(client)
        assert _sent_by_the_deployer(client) == 4


def _fresh_keys(seed: int) -> Any:
    from random import Random

    return Random(1000 + seed).randbytes


@pytest.mark.parametrize("fault", [answer_lost, never_arrived])
def test_a_line_that_breaks_while_deploying_is_an_error_that_a_second_start_mends(
    fault: Any, tmp_path: Path
) -> None:
    manifest = tmp_path / "deployment.json"
    with opened(settings(tmp_path, Clock())) as client:
        assert isinstance(client.chain, EmbeddedChain)
        line = BrokenLine(client.chain)
        line.faults = [fault]
        _through(client, line)
        with pytest.raises((ChainUnavailable, TransactionUnknown)):
            client.deploy_or_load(manifest)
        client.deploy_or_load(manifest)
        _check_finished(client)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.json"
    with opened(settings(tmp_path, Clock())) as client:
        client.deploy_or_load(path)
    return path


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"chain_id": 1}, WrongChain, "chain id"),
        ({"genesis_hash": "0x" + "00" * 32}, WrongChain, "genesis"),
        ({"addresses": dict.fromkeys(DEPLOY_ORDER, "0x" + "11" * 20)}, WrongChain, "code"),
        ({"code_hashes": dict.fromkeys(DEPLOY_ORDER, "0x" + "11" * 32)}, WrongChain, "code"),
        ({"artifacts": {}}, DeploymentInvalid, "build"),
        ({"roles": {}}, DeploymentInvalid, "role keys"),
        ({"format": 2}, DeploymentInvalid, "format"),
        ({"surprise": 1}, DeploymentInvalid, "surprise"),
    ],
)
def test_a_manifest_of_another_deployment_is_refused(
    manifest: Path, change: dict[str, Any], error: type[ChainError], says: str
) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with opened(settings(manifest.parent, Clock())) as client, pytest.raises(error, match=says):
        client.deploy_or_load(manifest)


def test_a_manifest_that_is_no_manifest_is_refused(manifest: Path) -> None:
    for content in ("", "[]", '{"format": 1}'):
        manifest.write_text(content)
        with opened(settings(manifest.parent, Clock())) as client, pytest.raises(DeploymentInvalid):
            client.deploy_or_load(manifest)


def test_the_manifest_names_everything_and_only_its_owner_reads_it(manifest: Path) -> None:
    document = json.loads(manifest.read_text())
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert set(document["addresses"]) == set(document["transactions"]) == set(DEPLOY_ORDER)
    assert len(set(document["roles"].values())) == len(ROLES)
    with opened(settings(manifest.parent, Clock())) as client:
        for name, tx in document["transactions"].items():
            receipt = client.request("eth_getTransactionReceipt", [tx])
            assert receipt["contractAddress"] == document["addresses"][name].lower()


def test_a_manifest_of_contracts_that_do_not_know_each_other_is_refused(
    anvil_url: str, tmp_path: Path
) -> None:
    """Two deployments of one build: each contract is genuine, and the store answers to strangers."""
    made = []
    for number, name in enumerate(("one", "other")):
        chosen = settings(tmp_path / name, Clock(), anvil_url)
        object.__setattr__(chosen, "rng", _fresh_keys(1000 + number))
        with opened(chosen) as client:
            fund(anvil_url, client.roles.values())
            made.append(client.deploy_or_load(tmp_path / name / "deployment.json"))
    one, other = made
    mixed = {
        field: {**getattr(one, field), RESULTS: getattr(other, field)[RESULTS]}
        for field in ("addresses", "code_hashes", "transactions")
    }
    manifest = tmp_path / "one" / "deployment.json"
    replace(one, **mixed).write(manifest)
    with (
        opened(settings(tmp_path / "one", Clock(), anvil_url)) as client,
        pytest.raises(WrongChain, match=r"registry\(\) is"),
    ):
        client.deploy_or_load(manifest)


def test_contracts_are_there_only_after_deploying(tmp_path: Path) -> None:
    with (
        opened(settings(tmp_path, Clock())) as client,
        pytest.raises(DeploymentInvalid, match="deploy_or_load"),
    ):
        _ = client.deployment


def test_an_endpoint_with_another_chain_id_is_refused(anvil_url: str, tmp_path: Path) -> None:
    demanding = settings(tmp_path, Clock(), anvil_url)
    object.__setattr__(demanding, "chain_id", 1)
    with pytest.raises(WrongChain, match="31337"):
        ChainClient.open(demanding)


def test_an_endpoint_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ChainUnavailable, match="eth_chainId"):
        ChainClient.open(settings(tmp_path, Clock(), "http://127.0.0.1:9/"))


@pytest.mark.parametrize("name", DEPLOY_ORDER)
def test_bytecode_is_recognised_by_everything_but_its_immutables(name: str) -> None:
    artifact = load_artifact(name)
    assert artifact.matches(artifact.deployed_bytecode)
    assert not artifact.matches(b"")
    assert not artifact.matches(artifact.deployed_bytecode + b"\0")
    for at in (0, len(artifact.deployed_bytecode) // 2, len(artifact.deployed_bytecode) - 1):
        changed = bytearray(artifact.deployed_bytecode)
        changed[at] ^= 1
        assert not artifact.matches(bytes(changed))
