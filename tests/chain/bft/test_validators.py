"""Of four validators one may fail and two may not; whichever it is, nothing is recorded twice."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.chain.client import ChainClient
from engine.chain.contracts import Refusal, Result
from engine.chain.errors import ChainUnavailable, ContractRefused, TransactionUnknown
from engine.chain.events import ChainEvent
from engine.chain.sender import SendPolicy
from tests.chain.world import Clock, Consent, opened, settings
from tests.support.bft import BftNetwork, running_bft_network

pytestmark = [pytest.mark.bft, pytest.mark.timeout(240)]

PATIENCE_S = 7.0
"""What a client here waits for a block: many block times, and beyond the time after which it sends again."""


class World:
    """A network, and one engine's keys and deployment on it: a client of them at any validator."""

    def __init__(self, network: BftNetwork, folder: Path) -> None:
        self.network = network
        self._folder = folder
        with self._opened(0) as client:
            network.fund(client.roles.values())
            client.deploy_or_load(folder / "deployment.json")
            self.consent = Consent(client)

    @contextmanager
    def client(self, index: int) -> Iterator[ChainClient]:
        """A new one, as an engine that was just started has it."""
        with self._opened(index) as client:
            client.deploy_or_load(self._folder / "deployment.json")
            yield client

    def results(self, client: ChainClient, count: int = 1) -> list[Result]:
        self.consent.client = client
        return self.consent.results(count)

    def _opened(self, index: int) -> AbstractContextManager[ChainClient]:
        usual = settings(self._folder, Clock(), self.network.validators[index].url)
        return opened(replace(usual, send_policy=SendPolicy(timeout_s=PATIENCE_S)))


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_bft_network(tmp_path_factory.mktemp("validators")) as network:
        yield World(network, tmp_path_factory.mktemp("engine"))


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """All four run before each test, and again after it."""
    yield shared_world
    dead = [i for i, validator in enumerate(shared_world.network.validators) if validator.process is None]
    shared_world.network.start(*dead)


def recordings(client: ChainClient, results: list[Result]) -> list[ChainEvent]:
    """What the whole chain says about these claims."""
    keys = {"0x" + result.claim_key.hex() for result in results}
    events = client.events(0, client.block_number())
    return [e for e in events if e.name == "ResultRecorded" and e.args["claimKey"] in keys]


def transactions(client: ChainClient) -> int:
    """How many of the recorder's are in blocks."""
    return int(client.request("eth_getTransactionCount", [client.roles["recorder"], "latest"]), 16)


def test_all_validators_tell_the_same_history(world: World) -> None:
    with world.client(0) as client:
        results = world.results(client, 3)
        recorded = client.results.record_batch(world.consent.task, results)
        told = client.block_hash(recorded.block_number), recordings(client, results)
    for index in (1, 2, 3):
        world.network.wait_for_height(index, recorded.block_number)
        with world.client(index) as client:
            assert (client.block_hash(recorded.block_number), recordings(client, results)) == told
            assert all(client.results.commitment_of(result.claim_key) != bytes(32) for result in results)


def test_one_killed_validator_stops_nothing(world: World) -> None:
    with world.client(0) as client:
        world.network.kill(3)
        results = world.results(client)
        recorded = client.results.record_batch(world.consent.task, results)
        world.network.wait_for_height(0, recorded.block_number + 4)
        assert len(recordings(client, results)) == 1


def test_a_client_whose_validator_was_killed_goes_on_at_another(world: World) -> None:
    with world.client(0) as client:
        before = world.results(client)
        client.results.record_batch(world.consent.task, before)
        after = world.results(client)
        world.network.kill(0)
        with pytest.raises(ChainUnavailable):
            client.results.record_batch(world.consent.task, after)
    with world.client(1) as other:
        recorded = other.results.record_batch(world.consent.task, after)
        told = recordings(other, before + after)
        assert len(told) == 2
    world.network.start(0)
    world.network.wait_for_height(0, recorded.block_number)
    with world.client(0) as client:
        assert recordings(client, before + after) == told, "it caught up on what it missed"


def test_two_killed_validators_halt_the_chain_until_one_is_back(world: World) -> None:
    with world.client(0) as client:
        results = world.results(client)
        mined = transactions(client)
        world.network.kill(2, 3)
        with pytest.raises(TransactionUnknown) as unknown:
            client.results.record_batch(world.consent.task, results)
        halted = client.block_number()
        with pytest.raises(TransactionUnknown) as again:
            client.results.record_batch(world.consent.task, results)
        assert again.value.tx_hash == unknown.value.tx_hash
        assert client.block_number() == halted
        assert recordings(client, results) == []

        world.network.start(2)
        assert client.results.record_batch(world.consent.task, results).tx_hash == unknown.value.tx_hash
        assert len(recordings(client, results)) == 1
        assert transactions(client) == mined + 1


def test_what_a_halted_chain_was_sent_survives_the_validator_that_took_it(world: World) -> None:
    """A validator's pool of waiting transactions is in memory: the client hands the same bytes over again."""
    with world.client(0) as client:
        results = world.results(client)
        mined = transactions(client)
        world.network.kill(2, 3)
        with pytest.raises(TransactionUnknown) as unknown:
            client.results.record_batch(world.consent.task, results)
        world.network.kill(0, 1)
        with pytest.raises(ChainUnavailable):
            client.results.record_batch(world.consent.task, results)

        world.network.start(0, 1, 2, 3)
        assert client.results.record_batch(world.consent.task, results).tx_hash == unknown.value.tx_hash
        assert len(recordings(client, results)) == 1
        assert transactions(client) == mined + 1


def test_an_engine_restarted_during_the_halt_does_not_record_twice(world: World) -> None:
    """It forgot what it sent, and sends the results once more: the contract refuses the second."""
    with world.client(0) as client:
        results = world.results(client)
        world.network.kill(2, 3)
        with pytest.raises(TransactionUnknown):
            client.results.record_batch(world.consent.task, results)
    with world.client(0) as restarted:
        with pytest.raises(TransactionUnknown):
            restarted.results.record_batch(world.consent.task, results)
        world.network.start(2)
        with pytest.raises(ContractRefused) as refused:
            restarted.results.record_batch(world.consent.task, results)
        assert refused.value.error_args["reason"] == Refusal.ALREADY_RECORDED
        assert len(recordings(restarted, results)) == 1
