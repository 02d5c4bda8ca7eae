"""What was sent and not answered is looked for on chain before anything else is sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from engine.chain.errors import ContractRefused, RpcError, TransactionUnknown
from engine.chain.sender import Call, Sender, SendPolicy
from tests.chain.faults import BrokenLine, answer_lost, never_arrived
from tests.chain.test_embedded import ALICE, BOB, CHAIN_ID, CREATION, REVERTING, signed, start
from tests.chain.world import Clock

FIRST = Call(BOB.address, b"first")
SECOND = Call(BOB.address, b"second")


class Watch:
    """Time passes by waiting only."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def elapsed(self) -> float:
        return self.seconds


@pytest.fixture
def line(tmp_path: Path) -> Iterator[BrokenLine]:
    chain = start(tmp_path / "chain.db", Clock())
    yield BrokenLine(chain)
    chain.close()


@pytest.fixture
def sender(line: BrokenLine) -> Sender:
    return _sender(line, ALICE)


def _sender(line: BrokenLine, account: LocalAccount, chain_id: int = CHAIN_ID) -> Sender:
    watch = Watch()
    policy = SendPolicy(timeout_s=12, sleep=watch.wait, elapsed=watch.elapsed)
    return Sender(line, chain_id, "recorder", account, policy)


def _mined(line: BrokenLine) -> list[str]:
    head = int(line.request("eth_blockNumber", []), 16)
    blocks = [line.request("eth_getBlockByNumber", [hex(n), True]) for n in range(head + 1)]
    return [tx["input"] for block in blocks for tx in block["transactions"]]


def test_a_lost_answer_is_found_on_chain_and_nothing_is_sent_twice(line: BrokenLine, sender: Sender) -> None:
    line.faults = [answer_lost]
    assert sender.send(FIRST).block_number == 1
    assert len(line.sent) == 1
    sender.send(SECOND)
    assert _mined(line) == ["0x" + b"first".hex(), "0x" + b"second".hex()]


def test_what_never_arrived_is_sent_again_as_the_same_bytes(line: BrokenLine, sender: Sender) -> None:
    line.faults = [never_arrived, never_arrived]
    sender.send(FIRST)
    assert len(line.sent) == 3
    assert len({raw for raws in line.sent for raw in raws}) == 1
    assert _mined(line) == ["0x" + b"first".hex()]


def test_a_silent_chain_ends_in_an_unknown_transaction(line: BrokenLine, sender: Sender) -> None:
    line.faults = [never_arrived] * 20
    with pytest.raises(TransactionUnknown) as unknown:
        sender.send(FIRST)
    assert (unknown.value.nonce, unknown.value.role) == (0, "recorder")
    assert _mined(line) == []


def test_an_unknown_call_asked_for_again_is_mined_once(line: BrokenLine, sender: Sender) -> None:
    line.faults = [never_arrived] * 3
    with pytest.raises(TransactionUnknown) as unknown:
        sender.send(FIRST)
    line.faults = [answer_lost]
    assert sender.send(FIRST).tx_hash == unknown.value.tx_hash
    assert _mined(line) == ["0x" + b"first".hex()]


def test_another_call_settles_the_unknown_one_first(line: BrokenLine, sender: Sender) -> None:
    line.faults = [never_arrived] * 3
    with pytest.raises(TransactionUnknown):
        sender.send(FIRST)
    sender.send(SECOND)
    assert _mined(line) == ["0x" + b"first".hex(), "0x" + b"second".hex()]


def test_an_unknown_call_whose_nonce_was_taken_is_given_up(line: BrokenLine, sender: Sender) -> None:
    line.faults = [never_arrived] * 3
    with pytest.raises(TransactionUnknown):
        sender.send(FIRST)
    line.chain.send([signed(ALICE, 0, BOB.address, b"other")])
    sender.send(SECOND)
    assert _mined(line) == ["0x" + b"other".hex(), "0x" + b"second".hex()]


def test_an_unknown_call_that_turns_out_refused_is_told_to_whoever_asks_again(
    line: BrokenLine, sender: Sender
) -> None:
    """Never mined, because the chain refuses it: its own caller waits in vain, another call goes through."""
    line.faults = [never_arrived]
    with pytest.raises((ContractRefused, TransactionUnknown)):
        sender.send(Call(None, REVERTING))
    line.chain.send([signed(ALICE, 0, BOB.address, b"other")])
    sender.send(SECOND)
    assert _mined(line)[-1] == "0x" + b"second".hex()


def test_a_nonce_that_someone_else_used_is_read_again(line: BrokenLine, sender: Sender) -> None:
    sender.send(FIRST)
    line.chain.send([signed(ALICE, 1, BOB.address, b"other")])
    sender.send(SECOND)
    assert _mined(line)[-1] == "0x" + b"second".hex()


def test_a_refusal_leaves_the_nonce_for_the_next(line: BrokenLine, sender: Sender) -> None:
    with pytest.raises(ContractRefused, match="Unknown") as refused:
        sender.send(Call(None, REVERTING))
    assert refused.value.error_args == {"data": "0x" + (0xFE).to_bytes(32, "big").hex()}
    assert sender.send(FIRST).block_number == 1


def test_a_group_is_one_block_and_stops_at_the_first_refusal(line: BrokenLine, sender: Sender) -> None:
    assert {ref.block_number for ref in sender.send_group([FIRST, SECOND, Call(None, CREATION)])} == {1}
    with pytest.raises(ContractRefused):
        sender.send_group([FIRST, Call(None, REVERTING), SECOND])
    assert _mined(line).count("0x" + b"first".hex()) == 2
    assert _mined(line).count("0x" + b"second".hex()) == 1


def test_what_a_node_refuses_without_a_contract_is_no_contracts_refusal(line: BrokenLine) -> None:
    with pytest.raises(RpcError, match="signed for chain id 1"):
        _sender(line, ALICE, chain_id=1).send(FIRST)
