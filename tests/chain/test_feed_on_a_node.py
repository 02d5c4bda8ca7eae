"""The feed over a real node that reorganises at random, with a client that sends again what is undone."""

from collections.abc import Iterator
from random import Random

import pytest

from engine.chain.client import ChainClient
from engine.chain.events import ChainEvent
from engine.chain.feed import Block, Position, next_step
from tests.chain.world import Clock, opened, settings, word
from tests.support.anvil import fund, running_anvil

CONFIRMATIONS = 2


class Catalogue:
    """The catalogue's events: the smallest that can be made at will."""

    def __init__(self, client: ChainClient) -> None:
        self._client = client

    def confirmed_block(self) -> int:
        return self._client.confirmed_block()

    def hash_at(self, number: int) -> str | None:
        return self._client.hash_at(number)

    def events(self, from_block: int, to_block: int) -> list[ChainEvent]:
        return self._client.events_of(self._client.catalog, from_block, to_block, "DatasetRegistered")


class Reader:
    def __init__(self, client: ChainClient) -> None:
        self._source, self._start = Catalogue(client), client.deployment.block
        self.position = Position(self._start)
        self.held: dict[tuple[int, int], ChainEvent] = {}
        self.withdrawn = 0

    def read(self) -> bool:
        step = next_step(self._source, self._start, self.position, self._below)
        if step is None:
            return False
        for at in [
            at for at in self.held if step.withdrawn_from is not None and at[0] >= step.withdrawn_from
        ]:
            del self.held[at]
            self.withdrawn += 1
        for event in step.events:
            assert event.position not in self.held, "given twice"
            self.held[event.position] = event
        self.position = step.position
        return True

    def _below(self, number: int) -> Block | None:
        below = [one for at, one in self.held.items() if at[0] < number]
        return Block(below[-1].block_number, below[-1].block_hash) if below else None


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    folder = tmp_path_factory.mktemp("forking")
    with running_anvil(folder / "anvil.log") as url:
        on_node = settings(folder, Clock(), url)
        object.__setattr__(on_node, "confirmations", CONFIRMATIONS)
        with opened(on_node) as client:
            fund(url, client.roles.values())
            client.deploy_or_load(folder / "deployment.json")
            client.request("anvil_mine", [hex(20)])
            yield client


@pytest.mark.parametrize("seed", range(6))
def test_what_is_given_and_not_withdrawn_is_what_the_chain_holds(client: ChainClient, seed: int) -> None:
    random, reader, registered = Random(seed), Reader(client), []
    while reader.read():
        pass
    bottom = client.block_number()
    for _ in range(40):
        move = random.choice(["register", "register", "mine", "reorganise", "read", "read"])
        if move == "register":
            registered.append(word())
            client.catalog.register(registered[-1], 1, [word()])
        elif move == "mine":
            client.request("anvil_mine", [hex(random.randint(1, 3))])
        elif move == "reorganise" and client.block_number() > bottom:
            depth = random.randint(1, min(8, client.block_number() - bottom))
            client.request("anvil_reorg", [depth, []])
        else:
            reader.read()
    # Whatever the last reorganisation undid is there again once the same role sends the next.
    registered.append(word())
    client.catalog.register(registered[-1], 1, [word()])
    client.request("anvil_mine", [hex(CONFIRMATIONS)])
    while reader.read():
        pass
    canonical = Catalogue(client).events(client.deployment.block, client.confirmed_block())
    assert list(reader.held.values()) == canonical
    mine = {"0x" + one.hex() for one in registered}
    of_mine = [event.args["datasetId"] for event in canonical if event.args["datasetId"] in mine]
    assert sorted(of_mine) == sorted(mine), "each is on chain once, whatever was undone in between"


def test_the_reorganisations_of_these_tests_reach_what_was_given(client: ChainClient) -> None:
    """That the test above withdraws at all."""
    reader = Reader(client)
    client.catalog.register(word(), 1, [word()])
    client.request("anvil_mine", [hex(CONFIRMATIONS)])
    while reader.read():
        pass
    client.request("anvil_reorg", [CONFIRMATIONS + 1, []])
    while reader.read():
        pass
    assert reader.withdrawn == 1
