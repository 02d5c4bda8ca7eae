"""Several transactions of one role under way on a real node, and what befalls them there."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from engine.chain.errors import ChainUnavailable, FeeTooHigh, TransactionUnknown
from engine.chain.fees import FeePolicy
from engine.chain.sender import Call, Sender, SendPolicy, TxRef
from engine.chain.transport import HttpChain
from tests.chain.world import word
from tests.support.anvil import FREE, fund, running_anvil

TO = "0x" + "11" * 20
QUICK = SendPolicy(timeout_s=200, raise_after_s=10**6, elapsed=lambda: time.monotonic() * 20)
"""Twenty seconds of patience pass in one."""


class Node(HttpChain):
    """A line that loses the answers to the next so many sends, whether they arrive or not."""

    lose_answers = 0
    lose_sends = 0

    def send(self, raw_transactions: Any) -> Any:
        if self.lose_sends:
            self.lose_sends -= 1
            raise ChainUnavailable("connection refused")
        outcome = super().send(raw_transactions)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ChainUnavailable("connection reset")
        return outcome


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_anvil(tmp_path_factory.mktemp("anvil") / "anvil.log", "--no-mining") as url:
        yield url


@pytest.fixture
def node(url: str) -> Iterator[Node]:
    """Mines when told to."""
    node = Node(url)
    yield node
    node.request("anvil_dropAllTransactions", [])
    node.close()


@pytest.fixture
def account(url: str) -> LocalAccount:
    account: LocalAccount = Account.from_key(word())
    fund(url, [account.address])
    return account


def sender_of(node: HttpChain, account: LocalAccount, policy: SendPolicy = QUICK) -> Sender:
    return Sender(node, int(node.request("eth_chainId", []), 16), "recorder", account, policy)


class Sending:
    """Calls that are being sent, each by a thread of its own, begun in order."""

    def __init__(self, node: HttpChain, sender: Sender, pool: ThreadPoolExecutor) -> None:
        self._node, self._sender, self._pool = node, sender, pool

    def begin(self, *texts: str) -> list[Future[TxRef]]:
        started = []
        for text in texts:
            before = len(pooled(self._node, self._sender.address))
            started.append(self._pool.submit(self._sender.send, Call(TO, text.encode())))
            until(lambda before=before: len(pooled(self._node, self._sender.address)) > before)
        return started


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def until(true: Any) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


def pooled(node: HttpChain, address: str) -> dict[int, dict[str, Any]]:
    """Nonce -> transaction, of those that the node holds unmined."""
    content = node.request("txpool_content", [])
    of_address = {
        int(nonce): tx
        for kind in ("pending", "queued")
        for owner, by_nonce in content[kind].items()
        if owner.lower() == address.lower()
        for nonce, tx in by_nonce.items()
    }
    return dict(sorted(of_address.items()))


def mine(node: HttpChain) -> None:
    node.request("evm_mine", [])


def mined(node: HttpChain, address: str) -> list[str]:
    """What this account's transactions said, over all blocks."""
    head = int(node.request("eth_blockNumber", []), 16)
    blocks = [node.request("eth_getBlockByNumber", [hex(n), True]) for n in range(head + 1)]
    ours = [tx for block in blocks for tx in block["transactions"] if tx["from"].lower() == address.lower()]
    return [bytes.fromhex(tx["input"][2:]).decode() for tx in ours]


def done(sent: Sequence[Future[TxRef]]) -> list[TxRef]:
    return [one.result(timeout=60) for one in sent]


def test_several_transactions_share_a_block(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sent = Sending(node, sender_of(node, account), pool).begin("a", "b", "c", "d")
    assert list(pooled(node, account.address)) == [0, 1, 2, 3]
    mine(node)
    assert len({reference.block_number for reference in done(sent)}) == 1
    assert mined(node, account.address) == ["a", "b", "c", "d"]


def test_one_that_the_node_dropped_is_sent_again_and_holds_up_none_for_good(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sent = Sending(node, sender_of(node, account), pool).begin("a", "b", "c")
    first = pooled(node, account.address)[0]["hash"]
    node.request("anvil_dropTransaction", [first])
    assert pooled(node, account.address) == {}, "with those behind it"
    until(lambda: list(pooled(node, account.address)) == [0, 1, 2])
    mine(node)
    assert done(sent)[0].tx_hash == first, "the same bytes"
    assert mined(node, account.address) == ["a", "b", "c"]


def test_lost_answers_lose_none_and_repeat_none(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    node.lose_answers = 2
    sent = Sending(node, sender_of(node, account), pool).begin("a", "b", "c")
    mine(node)
    done(sent)
    assert mined(node, account.address) == ["a", "b", "c"]


def test_one_that_never_arrived_is_sent_before_those_behind_it(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sender = sender_of(node, account)
    node.lose_sends = 1
    lost = pool.submit(sender.send, Call(TO, b"a"))
    until(lambda: node.lose_sends == 0)
    behind = Sending(node, sender, pool).begin("b")
    until(lambda: list(pooled(node, account.address)) == [0, 1])
    mine(node)
    done([lost, *behind])
    assert mined(node, account.address) == ["a", "b"]


def test_unknown_ones_are_settled_in_order_before_another_goes(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sender = sender_of(node, account, replace(QUICK, timeout_s=10))
    for text in (b"a", b"b"):
        # Whoever sent the second did not wait for the first; both gave up.
        with pytest.raises(TransactionUnknown):
            sender._await(sender._launch(Call(TO, text), 50_000))
    node.request("anvil_dropAllTransactions", [])
    third = pool.submit(sender.send, Call(TO, b"c"))
    for _ in range(3):
        until(lambda: pooled(node, account.address))
        mine(node)
    done([third])
    assert mined(node, account.address) == ["a", "b", "c"]


def test_an_unknown_call_asked_for_again_is_the_one_that_was_sent(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sender = sender_of(node, account, replace(QUICK, timeout_s=10))
    with pytest.raises(TransactionUnknown) as unknown:
        sender.send(Call(TO, b"a"))
    again = pool.submit(sender.send, Call(TO, b"a"))
    mine(node)
    assert again.result(timeout=60).tx_hash == unknown.value.tx_hash
    assert mined(node, account.address) == ["a"]


def test_a_nonce_that_another_process_took_is_left_to_it(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    ours, theirs = (Sending(node, sender_of(node, account), pool) for _ in range(2))
    sent = [*ours.begin("a"), *theirs.begin("b"), *ours.begin("c"), *theirs.begin("d")]
    mine(node)
    done(sent)
    assert mined(node, account.address) == ["a", "b", "c", "d"]


def test_a_gap_that_another_process_left_is_filled(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    theirs = sender_of(node, account)._launch(Call(TO, b"theirs"), 50_000)
    ours = Sending(node, sender_of(node, account), pool)
    sent = ours.begin("a", "b")
    # The node drops those that come after it too; ours are handed over again, behind whatever fills the gap.
    node.request("anvil_dropTransaction", [theirs.bids[0].tx_hash])
    sent += ours.begin("c")
    until(lambda: list(pooled(node, account.address)) == [0, 1, 2])
    mine(node)
    done(sent)
    assert mined(node, account.address) == ["c", "a", "b"]


def test_one_that_nobody_waits_for_any_more_holds_up_none_behind_it(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sender = sender_of(node, account)
    sender._launch(Call(TO, b"a"), 50_000)
    sent = Sending(node, sender, pool).begin("b")
    node.request("anvil_dropAllTransactions", [])
    until(lambda: list(pooled(node, account.address)) == [0, 1])
    mine(node)
    done(sent)
    assert mined(node, account.address) == ["a", "b"]


def test_an_unknown_one_behind_a_gap_waits_for_the_call_that_fills_it(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sender_of(node, account)._launch(Call(TO, b"theirs"), 50_000)
    sender = sender_of(node, account)
    sender._launch(Call(TO, b"a"), 50_000).watched = False
    node.request("anvil_dropAllTransactions", [])
    sent = Sending(node, sender, pool).begin("b")
    assert list(pooled(node, account.address)) == [0]
    mine(node)
    done(sent)
    last = pool.submit(sender.send, Call(TO, b"c"))
    for nonce in (1, 2):
        until(lambda nonce=nonce: nonce in pooled(node, account.address))
        mine(node)
    done([last])
    assert mined(node, account.address) == ["b", "a", "c"]


def test_a_restart_takes_up_what_the_pool_holds_where_no_count_tells_of_it(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some nodes count mined transactions only: the same call is then the same bytes."""
    request = node.request

    def mined_only(method: str, params: list[Any]) -> Any:
        return request(method, ["latest" if one == "pending" else one for one in params])

    monkeypatch.setattr(node, "request", mined_only)
    stopped = sender_of(node, account)
    before = stopped._launch(Call(TO, b"a"), stopped._gas(Call(TO, b"a")))
    (found,) = pooled(node, account.address).values()
    again = pool.submit(sender_of(node, account).send, Call(TO, b"a"))
    time.sleep(0.2)
    mine(node)
    assert again.result(timeout=60).tx_hash == before.bids[0].tx_hash == found["hash"]
    assert mined(node, account.address) == ["a"]


def test_a_stuck_transaction_is_replaced_by_the_same_with_a_higher_bid(
    node: Node, account: LocalAccount, pool: ThreadPoolExecutor
) -> None:
    sending = Sending(node, sender_of(node, account, replace(QUICK, raise_after_s=5)), pool)
    (sent,) = sending.begin("a")
    first = pooled(node, account.address)[0]
    until(lambda: pooled(node, account.address)[0]["hash"] != first["hash"])
    second = pooled(node, account.address)[0]
    assert (second["nonce"], second["input"], second["gas"]) == (
        first["nonce"],
        first["input"],
        first["gas"],
    )
    assert int(second["maxFeePerGas"], 16) >= int(first["maxFeePerGas"], 16) * 9 / 8
    mine(node)
    assert sent.result(timeout=60).block_number
    assert mined(node, account.address) == ["a"]


def test_above_the_ceiling_nothing_is_sent(node: Node, account: LocalAccount) -> None:
    ceiling = replace(QUICK, fees=FeePolicy(max_fee=1))
    with pytest.raises(FeeTooHigh, match="ceiling is 1: nothing was sent"):
        sender_of(node, account, ceiling).send(Call(TO, b"dear"))
    assert pooled(node, account.address) == {}


def test_the_ceiling_bounds_every_bid(node: Node, account: LocalAccount, pool: ThreadPoolExecutor) -> None:
    base = int(node.request("eth_getBlockByNumber", ["latest", False])["baseFeePerGas"], 16)
    fees = FeePolicy(max_fee=base + 1, max_tip=1)
    sending = Sending(node, sender_of(node, account, replace(QUICK, raise_after_s=1, fees=fees)), pool)
    (sent,) = sending.begin("a")
    bid = pooled(node, account.address)[0]
    assert (int(bid["maxFeePerGas"], 16), int(bid["maxPriorityFeePerGas"], 16)) == (base + 1, 1)
    time.sleep(0.3)  # several times of raising
    assert pooled(node, account.address)[0]["hash"] == bid["hash"]
    mine(node)
    sent.result(timeout=60)


def test_a_fixed_price_is_bid_as_it_is(node: Node, account: LocalAccount, pool: ThreadPoolExecutor) -> None:
    policy = replace(QUICK, fees=FeePolicy(gas_price=3_000_000_000))
    (sent,) = Sending(node, sender_of(node, account, policy), pool).begin("a")
    bid = pooled(node, account.address)[0]
    assert (bid["type"], int(bid["gasPrice"], 16)) == ("0x0", 3_000_000_000)
    mine(node)
    sent.result(timeout=60)


@pytest.mark.parametrize("fees", [FeePolicy(gas_price=0), FeePolicy(max_fee=0), FeePolicy(max_tip=0)])
def test_where_gas_is_free_an_account_needs_nothing(fees: FeePolicy, tmp_path: Path) -> None:
    with running_anvil(tmp_path / "anvil.log", *FREE) as url:
        node = HttpChain(url)
        poor: LocalAccount = Account.from_key(word())
        sent = sender_of(node, poor, replace(QUICK, fees=fees)).send(Call(TO, b"free"))
        assert sent.block_number == 1
        node.close()
