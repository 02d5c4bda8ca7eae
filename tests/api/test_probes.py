"""Alive, ready, in numbers; and the chain for everybody to read."""

import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from eth_account import Account
from prometheus_client.parser import text_string_to_metric_families
from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.types import Wei

from api.http.health import Readiness
from engine.chain.errors import ChainUnavailable
from engine.chain.failover import EndpointState, EndpointView
from engine.payout.signing import callback_signature
from tests.api.world import CALLBACK_SECRET, OURS, World, settlement
from tests.payout.bank_process import BankProcess


def _metrics(http: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = http.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_process_says_that_it_is_alive(world: World) -> None:
    with world.http() as http:
        assert http.get("/healthz").json() == {"status": "ok"}


def test_it_is_not_ready_while_the_bank_cannot_be_reached_and_says_which_part(world: World) -> None:
    with world.http() as http:
        response = http.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"] == {"database": "ok", "chain": "ok", "bank": "unavailable"}


def test_it_is_ready_when_database_chain_and_bank_answer(world: World, tmp_path: Path) -> None:
    bank = BankProcess(tmp_path)
    try:
        client = bank.client()
        assert set(Readiness(replace(world.ctx, bank=client)).check().values()) == {"ok"}
        client.close()
    finally:
        bank.end()


def test_metrics_count_calls_by_route_and_status_and_claims_by_state(world: World) -> None:
    with world.http(OURS) as http:
        route = frozenset({("method", "GET"), ("route", "/v1/settlements/{setl_id}"), ("status", "404")})
        counted = ("autoclaim_http_requests_total", route)
        accepted = ("autoclaim_claims", frozenset({("state", "accepted")}))
        before = _metrics(http)
        http.get("/v1/settlements/none-such")
        number = settlement()
        world.post_settlement(number, f"metrics-{number['setlinfo']['setl_id']}")
        after = _metrics(http)
    assert after[counted] == before.get(counted, 0) + 1
    assert after[accepted] == before[accepted] + 1
    assert after[("autoclaim_chain_head_block", frozenset())] == world.ctx.chain.block_number()
    assert after[("autoclaim_chain_lag_blocks", frozenset())] >= 0


def test_metrics_tell_of_each_endpoint_where_there_are_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [EndpointView("a:1", EndpointState.AWAY, False), EndpointView("b:2", EndpointState.READY, True)]
    monkeypatch.setattr(world.ctx.chain, "endpoints", lambda: known)
    with world.http() as http:
        found = _metrics(http)
    assert found[("autoclaim_chain_endpoint", frozenset({("endpoint", "a:1"), ("state", "away")}))] == 0
    assert found[("autoclaim_chain_endpoint", frozenset({("endpoint", "b:2"), ("state", "ready")}))] == 1


def test_metrics_answer_without_the_chain(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> int:
        raise ChainUnavailable("down")

    monkeypatch.setattr(world.ctx.chain, "block_number", down)
    with world.http() as http:
        names = {name for name, _ in _metrics(http)}
    assert "autoclaim_claims" in names
    assert "autoclaim_chain_head_block" not in names


def test_a_chain_that_does_not_answer_is_unavailable_and_not_a_defect(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> int:
        raise ChainUnavailable("down")

    monkeypatch.setattr(world.ctx.chain, "block_number", down)
    with world.http("auditor") as http:
        response = http.get("/v1/chain/events")
    assert (response.status_code, response.json()["code"]) == (503, "chain.unavailable")
    assert response.headers["retry-after"] == "5"


def test_an_auditors_own_client_reads_the_chain_and_cannot_write_to_it(world: World) -> None:
    web3 = Web3(Web3.HTTPProvider(f"{world.url}/chain/rpc"))
    deployment = world.ctx.chain.deployment
    assert web3.eth.chain_id == deployment.chain_id
    address = Web3.to_checksum_address(deployment.addresses["MatchResultStore"])
    assert len(web3.eth.get_code(address)) > 100
    with pytest.raises(Web3RPCError, match="read-only"):
        web3.eth.send_transaction({"to": address, "from": address, "gas": 50_000, "gasPrice": Wei(0)})


@pytest.mark.parametrize("stolen", ["nobody", OURS, "insurer", "operator"])
def test_no_api_key_writes_to_the_chain_but_only_the_signature_of_an_appointed_provider(
    world: World, stolen: str
) -> None:
    thief, chain = Account.create(), world.ctx.chain
    call = chain.catalog.encode("register", bytes(31) + b"1", 4, [bytes(31) + b"2"])
    fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "gas": 1_000_000, "value": 0}
    what = {"chainId": chain.chain_id, "nonce": 0, "to": call.to, "data": call.data}
    raw = "0x" + thief.sign_transaction(what | fees).raw_transaction.hex()
    request = {"jsonrpc": "2.0", "id": 7, "method": "eth_sendRawTransaction", "params": [raw]}
    with world.http(stolen) as http:
        answer = http.post("/chain/rpc", json=request).json()
    assert (answer["id"], answer["error"]["code"]) == (7, -32003)
    assert f"{thief.address.lower()} does not hold PROVIDER_ROLE" in answer["error"]["message"]
    assert int(chain.catalog.provider_of(bytes(31) + b"1"), 16) == 0


@pytest.mark.parametrize(
    ("secret", "age_s", "status"),
    [(CALLBACK_SECRET, 0, 204), (b"3" * 32, 0, 401), (CALLBACK_SECRET, 3600, 401)],
)
def test_only_the_banks_fresh_word_is_taken(world: World, secret: bytes, age_s: int, status: int) -> None:
    body = b'{"payout_id":"none","status":"settled","bank_ref":"B1","amount_fen":1}'
    timestamp = str(int(time.time()) - age_s)
    headers = {
        "Content-Type": "application/json",
        "Bank-Timestamp": timestamp,
        "Bank-Signature": callback_signature(secret, timestamp, body),
    }
    with world.http() as http:
        response = http.post("/v1/bank/callback", content=body, headers=headers)
    assert response.status_code == status, response.text
