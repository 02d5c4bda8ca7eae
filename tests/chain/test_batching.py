"""However long the list and however small the blocks: every item goes once, and a refused one is named."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.chain.batching import Part, in_parts
from engine.chain.client import ChainClient
from engine.chain.contracts import Refusal, Result
from engine.chain.errors import ContractRefused, RpcError, TooMuchGas, TransactionUnknown
from engine.chain.sender import TxRef
from tests.chain.world import Clock, Consent, opened, settings
from tests.support.anvil import fund, running_anvil

SMALL_BLOCK = 1_000_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    """A node whose blocks hold some thirty results."""
    folder = tmp_path_factory.mktemp("small-blocks")
    with running_anvil(folder / "anvil.log") as url, opened(settings(folder, Clock(), url)) as client:
        fund(url, client.roles.values())
        client.deploy_or_load(folder / "deployment.json")
        client.request("evm_setBlockGasLimit", [hex(SMALL_BLOCK)])
        yield client


@pytest.fixture(scope="module")
def consent(client: ChainClient) -> Consent:
    return Consent(client)


def results_of(consent: Consent, count: int) -> list[Result]:
    return [result for _ in range(count // 4) for result in consent.results(4)]


def parts_tile(parts: Sequence[Part], count: int) -> bool:
    ends = [0, *(part.stop for part in parts)]
    return [part.start for part in parts] == ends[:-1] and ends[-1] == count


def test_a_list_too_long_for_a_block_goes_in_parts_that_fit_their_share(
    client: ChainClient, consent: Consent
) -> None:
    results = results_of(consent, 60)
    parts = in_parts(results, lambda some: client.results.record_batch(consent.task, some))
    assert len(parts) > 1
    assert parts_tile(parts, 60)
    for part in parts:
        assert isinstance(part.outcome, TxRef)
        assert part.outcome.gas_used <= SMALL_BLOCK // 2
    assert all(client.results.is_recorded(result.claim_key) for result in results)


def test_a_refused_item_is_named_by_its_place_in_the_whole_list(
    client: ChainClient, consent: Consent
) -> None:
    results = results_of(consent, 40)
    client.registry.revoke_for(results[33].authorization_id)
    parts = in_parts(results, lambda some: client.results.record_batch(consent.task, some))
    (refused,) = [part for part in parts if isinstance(part.outcome, ContractRefused)]
    assert isinstance(refused.outcome, ContractRefused)
    assert refused.outcome.error_args == {
        "index": 33,
        "claimKey": "0x" + results[33].claim_key.hex(),
        "reason": Refusal.AUTHORIZATION_REVOKED,
    }
    for at, result in enumerate(results):
        assert client.results.is_recorded(result.claim_key) is not (refused.start <= at < refused.stop)


def test_grants_of_one_person_go_in_the_order_that_they_were_signed_in(
    client: ChainClient, consent: Consent
) -> None:
    grants, deadline, signatures = consent.signed(24)
    parts = in_parts(
        list(zip(grants, signatures, strict=True)),
        lambda some: client.registry.grant_batch(
            [grant for grant, _ in some], deadline, [signature for _, signature in some]
        ),
        at_once=1,
    )
    assert len(parts) > 1
    assert all(isinstance(part.outcome, TxRef) for part in parts), parts


# How lists are taken apart


class Node:
    """Mines at most so many items a transaction, and says no as it is told to."""

    def __init__(self, most: int, refusal: Exception) -> None:
        self.most, self.refusal = most, refusal
        self.mined: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> TxRef:
        if len(items) > self.most:
            raise self.refusal
        self.mined.append(list(items))
        return TxRef("0x", len(self.mined), 21_000)


@pytest.mark.parametrize(
    "refusal",
    [
        ContractRefused("OutOfGas"),
        RpcError(-32000, "gas required exceeds allowance (30000000)"),
        RpcError(-32000, "exceeds block gas limit"),
        RpcError(-32000, "oversized data: transaction size 140000, limit 131072"),
        TooMuchGas(3_000_000, 1_000_000),
    ],
)
@pytest.mark.parametrize("most", [1, 7, 50])
def test_whatever_a_node_says_to_too_much_it_is_split(refusal: Exception, most: int) -> None:
    node = Node(most, refusal)
    parts = in_parts(range(100), node)
    assert parts_tile(parts, 100)
    assert sorted(item for mined in node.mined for item in mined) == list(range(100))


def test_what_one_item_alone_is_refused_for_is_raised() -> None:
    with pytest.raises(TooMuchGas):
        in_parts(range(3), Node(0, TooMuchGas(2, 1)))


def test_an_unknown_part_is_raised_after_the_others_were_tried() -> None:
    seen: list[int] = []

    def send(items: Sequence[int]) -> TxRef:
        if len(items) > 10:
            raise ContractRefused("OutOfGas")
        seen.extend(items)
        if 0 in items:
            raise TransactionUnknown("0x", 1, "recorder")
        return TxRef("0x", 1, 1)

    with pytest.raises(TransactionUnknown):
        in_parts(range(40), send)
    assert sorted(seen) == list(range(40))


def test_nothing_is_sent_for_nothing() -> None:
    assert in_parts([], Node(0, TooMuchGas(2, 1))) == []


def test_a_call_that_would_take_more_than_its_share_of_a_block_is_not_sent(
    client: ChainClient, consent: Consent
) -> None:
    results, before = results_of(consent, 24), client.block_number()
    with pytest.raises(TooMuchGas) as refused:
        client.results.record_batch(consent.task, results)
    assert refused.value.allowed == SMALL_BLOCK // 2 < refused.value.needed
    assert client.block_number() == before


def test_threads_of_one_role_each_get_their_own_answer(client: ChainClient, consent: Consent) -> None:
    results = results_of(consent, 12)
    with ThreadPoolExecutor(6) as pool:
        sent = list(pool.map(lambda one: client.results.record_batch(consent.task, [one]), results))
    assert len({one.tx_hash for one in sent}) == 12
    for one, result in zip(sent, results, strict=True):
        events = client.events_of(client.results, one.block_number, one.block_number, "ResultRecorded")
        keys = [event.args["claimKey"] for event in events if event.tx_hash == one.tx_hash]
        assert keys == ["0x" + result.claim_key.hex()]
