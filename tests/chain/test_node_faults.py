"""What only a real node does: mine a revert, lose a connection, reorganise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.chain.client import ChainClient
from engine.chain.errors import ChainUnavailable, ContractRefused
from engine.chain.sender import Call, Sender
from engine.chain.transport import HttpChain
from tests.chain.conftest import fund
from tests.chain.world import Clock, Consent, opened, settings, word


class Node(HttpChain):
    """The node behind a line that loses the answer to a send, or a client that does not estimate."""

    lose_answers = 0
    estimates = True

    def request(self, method: str, params: list[Any]) -> Any:
        if method == "eth_estimateGas" and not self.estimates:
            return hex(1_000_000)
        return super().request(method, params)

    def send(self, raw_transactions: Any) -> Any:
        outcome = super().send(raw_transactions)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ChainUnavailable("connection reset")
        return outcome


@pytest.fixture
def node(anvil_client: ChainClient, anvil_url: str) -> Iterator[Node]:
    """The shared client, its recorder and revoker sending through `Node`."""
    node = Node(anvil_url)
    senders = [anvil_client._senders[role] for role in ("recorder", "revoker")]
    usual = [_swap(sender, node) for sender in senders]
    yield node
    for sender, chain in zip(senders, usual, strict=True):
        _swap(sender, chain)
    node.close()


def _swap(sender: Sender, chain: Any) -> Any:
    usual, sender._chain = sender._chain, chain
    return usual


@pytest.fixture
def consent(anvil_client: ChainClient) -> Consent:
    return Consent(anvil_client)


def test_a_transaction_mined_as_reverted_is_a_refusal_with_its_reason(
    anvil_client: ChainClient, node: Node
) -> None:
    node.estimates = False
    unknown, before = word(), anvil_client.block_number()
    with pytest.raises(ContractRefused, match="UnknownAuthorization") as refused:
        anvil_client.registry.revoke_for(unknown)
    assert refused.value.error_args == {"id": "0x" + unknown.hex()}
    assert anvil_client.block_number() == before + 1, "it was mined"
    node.estimates = True


def test_a_lost_answer_over_http_records_once(
    anvil_client: ChainClient, node: Node, consent: Consent
) -> None:
    results = consent.results(2)
    node.lose_answers = 1
    recorded = anvil_client.results.record_batch(consent.task, results)
    events = anvil_client.events(recorded.block_number, anvil_client.block_number())
    assert [event.name for event in events] == ["ResultRecorded"] * 2
    anvil_client.results.record_batch(consent.task, consent.results(1))


def test_an_event_read_before_a_reorganisation_is_told_by_its_block_hash(
    anvil_client: ChainClient, consent: Consent
) -> None:
    recorded = anvil_client.results.record_batch(consent.task, consent.results(1))
    (event,) = anvil_client.events(recorded.block_number, recorded.block_number)
    assert anvil_client.block_hash(event.block_number) == event.block_hash
    anvil_client.request("anvil_reorg", [2, []])
    assert anvil_client.block_hash(event.block_number) != event.block_hash


def test_what_a_reorganisation_undid_is_sent_again_as_the_same_bytes(
    anvil_client: ChainClient, consent: Consent
) -> None:
    results = consent.results(1)
    recorded = anvil_client.results.record_batch(consent.task, results)
    anvil_client.request("anvil_reorg", [1, []])
    assert not anvil_client.results.is_recorded(results[0].claim_key), "the node forgot it with its nonce"
    assert anvil_client.results.record_batch(consent.task, results).tx_hash == recorded.tx_hash
    anvil_client.results.record_batch(consent.task, consent.results(1))
    head = anvil_client.block_number()
    keys = [event.args.get("claimKey") for event in anvil_client.events(recorded.block_number, head)]
    assert keys.count("0x" + results[0].claim_key.hex()) == 1


def test_another_call_after_a_reorganisation_leaves_no_nonce_to_two_payloads(
    anvil_client: ChainClient, consent: Consent
) -> None:
    first, second = consent.results(1), consent.results(1)
    recorded = anvil_client.results.record_batch(consent.task, first)
    anvil_client.request("anvil_reorg", [1, []])
    anvil_client.results.record_batch(consent.task, second)
    again = anvil_client.request("eth_getTransactionReceipt", [recorded.tx_hash])
    assert again["status"] == "0x1"
    assert anvil_client.results.is_recorded(first[0].claim_key)
    assert anvil_client.results.is_recorded(second[0].claim_key)


def test_confirmed_means_so_many_blocks_on_top(anvil_url: str, tmp_path: Path) -> None:
    deep = settings(tmp_path, Clock(), anvil_url)
    object.__setattr__(deep, "confirmations", 3)
    with opened(deep) as client:
        assert client.confirmed_block() == client.block_number() - 3
    object.__setattr__(deep, "confirmations", 10**9)
    with opened(deep) as client:
        assert client.confirmed_block() == -1


def test_an_account_without_gas_money_is_told_by_the_node(anvil_url: str, tmp_path: Path) -> None:
    poor = settings(tmp_path, Clock(), anvil_url)
    with opened(poor) as client:
        client.request("anvil_setBalance", [client.roles["deployer"], "0x0"])
        with pytest.raises(Exception, match=r"(?i)insufficient funds"):
            client._senders["deployer"].send(Call(None, b"\x00"))
        fund(anvil_url, client.roles.values())
