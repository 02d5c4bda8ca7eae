"""What a provider signed itself is passed on, and nothing of anybody else; who becomes one, and when."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from engine.chain.artifacts import CATALOG, SCHEDULER
from engine.chain.client import ChainClient
from engine.chain.contracts import PROVIDER_ROLE
from engine.chain.errors import ContractRefused
from engine.chain.providers import ProvidersRpc
from engine.chain.sender import Call
from tests.chain.world import Clock, opened, settings, word

PROVIDER: LocalAccount = Account.from_key(b"\x0a" * 32)
STRANGER: LocalAccount = Account.from_key(b"\x0b" * 32)
DAY_S = 86_400


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[ChainClient]:
    folder: Path = tmp_path_factory.mktemp("providers")
    held = {PROVIDER_ROLE: [PROVIDER.address]}
    appointed = {CATALOG: held, SCHEDULER: held}
    with opened(replace(settings(folder, clock), appointed=appointed)) as client:
        client.deploy_or_load(folder / "deployment.json")
        yield client


def signed(client: ChainClient, account: LocalAccount, call: Call, **other: Any) -> str:
    nonce = int(client.request("eth_getTransactionCount", [account.address, "latest"]), 16)
    fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "gas": 1_000_000}
    what = {"chainId": client.chain_id, "nonce": nonce, "value": 0, "data": call.data, "to": call.to}
    return "0x" + bytes(account.sign_transaction(what | fees | other).raw_transaction).hex()


def sent(client: ChainClient, *params: Any) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": list(params)}
    answer: dict[str, Any] = json.loads(ProvidersRpc(client).handle(json.dumps(request).encode()))
    return answer


def registering(client: ChainClient, dataset: bytes) -> Call:
    return client.catalog.encode("register", dataset, 4, [word()])


def test_a_providers_transaction_is_mined_though_its_account_has_no_money(client: ChainClient) -> None:
    dataset = word()
    raw = signed(client, PROVIDER, registering(client, dataset))
    receipt = client.request("eth_getTransactionReceipt", [sent(client, raw)["result"]])
    assert receipt["status"] == "0x1"
    assert client.catalog.provider_of(dataset) == PROVIDER.address.lower()
    again = sent(client, signed(client, PROVIDER, registering(client, dataset)))["error"]
    assert (again["code"], again["data"][:2]) == (3, "0x"), "what the contract refuses comes with its data"


def test_of_all_that_is_not_a_providers_to_its_contracts_nothing_is_passed_on(client: ChainClient) -> None:
    call, before = registering(client, word()), client.block_number()
    grant = client.registry.encode("pause")
    refused = {
        signed(client, STRANGER, call): (-32003, "does not hold PROVIDER_ROLE of DataCatalog"),
        signed(client, PROVIDER, grant): (-32003, "not the data catalogue nor the task scheduler"),
        signed(client, PROVIDER, call, to=None): (-32003, "not the data catalogue nor the task scheduler"),
        signed(client, PROVIDER, call, gas=20_000_000): (-32003, "gas"),
        signed(client, PROVIDER, call, chainId=1): (-32000, "signed for chain id 1"),
        signed(client, PROVIDER, call)[:-2]: (-32000, "not a valid signed transaction"),
        "0xzz": (-32602, "0x-hex"),
        "": (-32602, "0x-hex"),
    }
    for raw, (code, words) in refused.items():
        error = sent(client, raw)["error"]
        assert (error["code"], words in error["message"]) == (code, True), error
    for params in ([], [7], ["0x00", "0x00"]):
        assert sent(client, *params)["error"]["code"] == -32602
    assert client.block_number() == before


def test_an_estimate_is_enough_and_a_refusal_has_its_data(client: ChainClient) -> None:
    def estimated(account: LocalAccount, call: Call) -> dict[str, Any]:
        of = {"from": account.address, "to": call.to, "data": "0x" + call.data.hex()}
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_estimateGas", "params": [of]}
        answer: dict[str, Any] = json.loads(ProvidersRpc(client).handle(json.dumps(request).encode()))
        return answer

    call = registering(client, word())
    gas = int(estimated(PROVIDER, call)["result"], 16)
    tx_hash = sent(client, signed(client, PROVIDER, call, gas=gas))["result"]
    used = int(client.request("eth_getTransactionReceipt", [tx_hash])["gasUsed"], 16)
    assert used <= gas <= used * 5 // 4
    assert estimated(STRANGER, call)["error"]["code"] == 3


def test_a_later_provider_is_announced_and_appointed_after_the_delay_or_announced_anew(
    client: ChainClient, clock: Clock
) -> None:
    account, catalog = Account.from_key(word()).address, client.catalog
    at = catalog.appoint(PROVIDER_ROLE, account)
    assert at is not None
    assert (catalog.appoint(PROVIDER_ROLE, account), catalog.has_role(PROVIDER_ROLE, account)) == (at, False)
    clock.advance(20 * DAY_S)
    anew = catalog.appoint(PROVIDER_ROLE, account)
    assert anew is not None, "nobody carried it out in time"
    assert (anew > at + DAY_S, catalog.has_role(PROVIDER_ROLE, account)) == (True, False)
    clock.advance(3 * DAY_S)
    assert catalog.appoint(PROVIDER_ROLE, account) is None
    assert catalog.has_role(PROVIDER_ROLE, account)
    assert catalog.appoint(PROVIDER_ROLE, account) is None


def test_an_account_with_another_role_becomes_no_provider(client: ChainClient, clock: Clock) -> None:
    pauser = client.roles["pauser"]
    assert client.catalog.appoint(PROVIDER_ROLE, pauser)
    clock.advance(3 * DAY_S)
    with pytest.raises(ContractRefused, match="AlreadyHoldsRole"):
        client.catalog.appoint(PROVIDER_ROLE, pauser)
