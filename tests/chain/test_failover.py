"""Two nodes of one chain: when one is away the other goes on, and nothing is lost, repeated or told twice."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.chain.client import ChainClient
from engine.chain.errors import ChainUnavailable, RpcError, WrongChain
from engine.chain.failover import AGAIN_AFTER_S, EndpointState, FailoverChain
from engine.chain.transport import HttpChain
from tests.chain.world import Clock, Consent, opened, settings
from tests.support.anvil import fund, running_anvil

SAME_GENESIS = ("--timestamp", "1767225600", "--preserve-historical-states")


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Line(HttpChain):
    """A line to a node that can be cut, also so that what was sent arrives and its answer does not."""

    cut = False
    lose_answers = 0

    def request(self, method: str, params: list[Any]) -> Any:
        if self.cut:
            raise ChainUnavailable("connection refused")
        return super().request(method, params)

    def send(self, raw_transactions: Any) -> Any:
        outcome = super().send(raw_transactions)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ChainUnavailable("connection reset")
        return outcome


class Pair:
    """Two nodes; the second has what the first had at the last `sync`."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.first, self.second = (Line(url) for url in urls)
        self.watch = Watch()
        self.chain = FailoverChain(
            [("first", self.first), ("second", self.second)], lambda: self.watch.seconds
        )

    def sync(self, source: HttpChain | None = None, target: HttpChain | None = None) -> None:
        state = (source or self.first).request("anvil_dumpState", [True])
        (target or self.second).request("anvil_loadState", [state])

    def states(self) -> list[str]:
        return [endpoint.state.value for endpoint in self.chain.endpoints()]

    def current(self) -> str:
        (name,) = [endpoint.name for endpoint in self.chain.endpoints() if endpoint.current]
        return name

    def rest(self) -> None:
        self.watch.seconds += AGAIN_AFTER_S


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[list[str]]:
    with ExitStack() as nodes:
        yield [
            nodes.enter_context(running_anvil(tmp_path / f"{name}.log", *SAME_GENESIS))
            for name in ("first", "second")
        ]


@pytest.fixture
def pair(urls: list[str]) -> Iterator[Pair]:
    pair = Pair(urls)
    yield pair
    pair.chain.close()


def mine(node: HttpChain, blocks: int = 1) -> None:
    node.request("anvil_mine", [hex(blocks)])


def test_reads_go_on_at_the_other_node(pair: Pair) -> None:
    mine(pair.first, 3)
    pair.sync()
    assert pair.chain.request("eth_blockNumber", []) == "0x3"
    pair.first.cut = True
    assert pair.chain.request("eth_blockNumber", []) == "0x3"
    assert (pair.states(), pair.current()) == (["away", "ready"], "second")
    pair.first.cut = False
    pair.rest()
    assert (pair.states(), pair.current()) == (["ready", "ready"], "second"), "no need to change back"


def test_a_node_that_is_behind_what_was_seen_is_not_asked(pair: Pair) -> None:
    pair.sync()
    mine(pair.first, 3)
    assert pair.chain.request("eth_blockNumber", []) == "0x3"
    pair.first.cut = True
    with pytest.raises(ChainUnavailable, match="first away, second lagging"):
        pair.chain.request("eth_getBalance", ["0x" + "11" * 20, "latest"])
    pair.first.cut = False
    pair.sync()
    pair.first.cut = True
    pair.rest()
    assert pair.chain.request("eth_blockNumber", []) == "0x3"
    assert pair.current() == "second"


def test_what_a_receipt_told_of_counts_as_seen(pair: Pair) -> None:
    pair.sync()
    assert pair.chain.request("eth_blockNumber", []) == "0x0"
    account = pair.first.request("eth_accounts", [])[0]
    sent = pair.first.request("eth_sendTransaction", [{"from": account, "to": account}])
    while pair.chain.request("eth_getTransactionReceipt", [sent]) is None:
        pass
    pair.first.cut = True
    with pytest.raises(ChainUnavailable, match="second lagging"):
        pair.chain.request("eth_getTransactionReceipt", [sent])


def test_the_node_that_is_asked_falling_behind_is_left_for_the_other(pair: Pair) -> None:
    mine(pair.first, 3)
    pair.sync()
    snapshot = pair.first.request("evm_snapshot", [])
    mine(pair.first, 2)
    pair.sync()
    assert pair.chain.request("eth_blockNumber", []) == "0x5"
    pair.first.request("evm_revert", [snapshot])
    assert pair.chain.request("eth_blockNumber", []) == "0x5"
    assert (pair.states(), pair.current()) == (["lagging", "ready"], "second")


def test_a_node_that_comes_back_as_another_chain_is_never_used(pair: Pair, tmp_path: Path) -> None:
    def same(chain: Any) -> None:
        if chain.request("eth_chainId", []) != "0x7a69":
            raise WrongChain("another chain")

    pair.second.cut = True
    pair.chain.admit(same)
    assert pair.states() == ["ready", "away"]
    pair.second.request = lambda method, params: "0x1"  # type: ignore[method-assign]
    pair.rest()
    assert pair.states() == ["ready", "wrong"]
    pair.first.cut = True
    with pytest.raises(ChainUnavailable, match="second wrong"):
        pair.chain.request("eth_chainId", [])


def test_a_refusal_by_the_node_is_an_answer(pair: Pair) -> None:
    with pytest.raises(RpcError):
        pair.chain.request("eth_getBalance", ["nonsense", "latest"])
    assert pair.states() == ["ready", "ready"]


def test_what_may_have_been_done_is_not_done_again_elsewhere(pair: Pair) -> None:
    before = pair.second.request("eth_blockNumber", [])
    pair.first.cut = True
    pair.chain.endpoints()
    pair.first.cut = False
    pair.rest()
    pair.chain.endpoints()
    pair.first.cut = True
    with pytest.raises(ChainUnavailable):
        pair.chain.request("evm_mine", [])
    assert pair.second.request("eth_blockNumber", []) == before


def test_only_the_name_of_an_endpoint_is_shown() -> None:
    chain = FailoverChain.of_urls(["http://user:secret@127.0.0.1:9/v3/key"], Watch())
    assert [endpoint.name for endpoint in chain.endpoints()] == ["127.0.0.1:9"]
    chain.close()


# The client over both


@pytest.fixture
def client(pair: Pair, tmp_path: Path) -> Iterator[ChainClient]:
    both = settings(tmp_path, Clock(), ",".join(pair.urls))
    with opened(both) as client:
        fund(pair.urls[0], client.roles.values())
        pair.sync()
        client.deploy_or_load(tmp_path / "deployment.json")
        client.chain.close()
        pair.chain.admit(lambda chain: client._verify(chain, client.deployment), client.deployment.block)
        client.chain = pair.chain
        for sender in client._senders.values():
            sender._chain = pair.chain
        for contract in (client.registry, client.catalog, client.scheduler, client.results):
            contract._chain = pair.chain
        yield client


def recorded(client: ChainClient, node: HttpChain) -> list[str]:
    """Claim keys that this node's chain holds, each as often as it was recorded."""
    topics = client.results.abi.topics("ResultRecorded", {})
    query = {"address": client.results.address, "fromBlock": "0x0", "topics": topics}
    return [log["topics"][1] for log in node.request("eth_getLogs", [query])]


def test_a_transaction_lost_with_its_node_is_sent_by_the_other_as_the_same_bytes(
    client: ChainClient, pair: Pair
) -> None:
    consent = Consent(client)
    (result,) = consent.results(1)
    pair.sync()
    send = pair.first.send

    def dies(raws: Any) -> Any:
        pair.first.cut = True
        pair.rest()
        raise ChainUnavailable("connection reset")

    pair.first.send = dies  # type: ignore[method-assign]
    client.results.record_batch(consent.task, [result])
    assert recorded(client, pair.second) == ["0x" + result.claim_key.hex()]
    pair.first.send, pair.first.cut = send, False  # type: ignore[method-assign]
    assert recorded(client, pair.first) == []


def test_a_transaction_whose_answer_was_lost_is_found_at_the_node_that_took_it(
    client: ChainClient, pair: Pair
) -> None:
    """The one that took it is not the one asked next; nothing is sent a second time."""
    consent = Consent(client)
    (result,) = consent.results(1)
    pair.sync()
    pair.rest()
    assert pair.states() == ["ready", "ready"]
    pair.first.lose_answers = 1
    heard: list[Any] = []
    pair.second.send = lambda raws: heard.append(raws) or []  # type: ignore[func-returns-value,method-assign]
    # Away until it is looked at again, and by then it has mined the transaction.
    looked = threading.Timer(0.3, pair.rest)
    looked.start()
    client.results.record_batch(consent.task, [result])
    looked.join()
    assert heard == []
    assert recorded(client, pair.first) == ["0x" + result.claim_key.hex()]


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_start_is_refused_while_any_endpoint_is_of_another_chain(
    urls: list[str], wrong: int, tmp_path: Path
) -> None:
    with running_anvil(tmp_path / "other.log", "--timestamp", "1700000000") as other:
        named = [urls[0], urls[0]]
        named[wrong] = other
        with pytest.raises(WrongChain, match="genesis"), opened(settings(tmp_path, Clock(), ",".join(named))):
            pass


def test_a_start_is_refused_while_any_endpoint_has_other_contracts(
    client: ChainClient, pair: Pair, tmp_path: Path
) -> None:
    """The same genesis and as many blocks, and not these contracts."""
    mine(pair.second, client.block_number() + 1)
    urls = ",".join(pair.urls)
    with opened(settings(tmp_path, Clock(), urls)) as again, pytest.raises(WrongChain, match="not the one"):
        again.deploy_or_load(tmp_path / "deployment.json")


def test_an_endpoint_that_is_away_at_the_start_is_no_hindrance(
    client: ChainClient, pair: Pair, tmp_path: Path
) -> None:
    urls = f"http://127.0.0.1:9,{pair.urls[0]}"
    with opened(settings(tmp_path, Clock(), urls)) as again:
        again.deploy_or_load(tmp_path / "deployment.json")
        assert [endpoint.state for endpoint in again.endpoints()] == [
            EndpointState.AWAY,
            EndpointState.READY,
        ]
        assert again.block_number() == client.block_number()
