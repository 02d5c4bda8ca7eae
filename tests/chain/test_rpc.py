"""The read-only endpoint: its envelope by hand, its methods with an unmodified web3 over real HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, Web3RPCError

from engine.chain.artifacts import load_artifact
from engine.chain.client import ChainClient
from engine.chain.proofs import encode_header
from engine.chain.rpc import ReadOnlyRpc
from tests.chain.world import Consent, word
from tests.support.process import free_port


@pytest.fixture(scope="module")
def rpc(embedded_client: ChainClient) -> ReadOnlyRpc:
    return ReadOnlyRpc(embedded_client, max_bytes=10_000, max_batch=3, max_log_blocks=1000, max_proof_slots=2)


def ask(rpc: ReadOnlyRpc, method: str, *params: Any) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return json.loads(rpc.handle(json.dumps(request).encode()))


def code_of(answer: dict[str, Any]) -> int:
    code: int = answer["error"]["code"]
    return code


# ------------------------------------------------------------------------------------- the envelope


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 9000, -32700),
        (b"[]", -32600),
        (b"1", -32600),
        (b'{"id": 1}', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "eth_chainId"}', -32600),
        (b'{"jsonrpc": "2.0", "id": [], "method": "eth_chainId"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [1]}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": []}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_fly"}', -32601),
        (b" " * 10_001, -32005),
    ],
)
def test_a_bad_request_gets_its_code(rpc: ReadOnlyRpc, payload: bytes, code: int) -> None:
    assert code_of(json.loads(rpc.handle(payload))) == code


def test_a_batch_answers_in_order_and_stays_silent_on_notifications(rpc: ReadOnlyRpc) -> None:
    calls: list[Any] = [
        {"jsonrpc": "2.0", "id": "a", "method": "eth_blockNumber"},
        {"jsonrpc": "2.0", "method": "eth_blockNumber"},
        7,
    ]
    answers = json.loads(rpc.handle(json.dumps(calls).encode()))
    assert [answer["id"] for answer in answers] == ["a", None]
    assert rpc.handle(json.dumps(calls[1:2]).encode()) == b""
    assert rpc.handle(json.dumps(calls[1]).encode()) == b""
    assert code_of(json.loads(rpc.handle(json.dumps(calls * 2).encode()))) == -32005


@pytest.mark.parametrize(
    "method",
    [
        "eth_sendRawTransaction", "eth_sendTransaction", "eth_sign", "personal_unlockAccount", "evm_mine",
        "anvil_setBalance", "debug_setHead", "admin_addPeer", "eth_newFilter",
    ],
)  # fmt: skip
def test_writes_are_refused_as_read_only(rpc: ReadOnlyRpc, method: str) -> None:
    answer = ask(rpc, method, {})
    assert code_of(answer) == -32004
    assert "read-only" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "0x10000"}]),
        ("eth_getLogs", [{"fromBlock": "earliest"}]),
        ("eth_getProof", ["0x" + "00" * 20, ["0x1", "0x2", "0x3"], "latest"]),
    ],
)
def test_work_without_bound_is_refused(embedded_client: ChainClient, method: str, params: list[Any]) -> None:
    narrow = ReadOnlyRpc(embedded_client, max_log_blocks=1, max_proof_slots=2)
    assert code_of(ask(narrow, method, *params)) == -32005


def test_a_call_burns_no_more_than_its_bound(embedded_client: ChainClient) -> None:
    endless = "0x5b5f56"  # JUMPDEST PUSH0 JUMP, as init code
    rpc = ReadOnlyRpc(embedded_client, call_gas=200_000)
    for gas in ({}, {"gas": "0xffffffffff"}):
        assert "out of gas" in ask(rpc, "eth_call", {"data": endless, **gas})["error"]["message"]


def test_a_revert_carries_its_data_as_geth_gives_it(rpc: ReadOnlyRpc, embedded_client: ChainClient) -> None:
    registry = embedded_client.registry
    call = registry.encode("requireLive", word(), word(), word(), 1)
    answer = ask(rpc, "eth_call", {"to": call.to, "data": "0x" + call.data.hex()}, "latest")
    assert code_of(answer) == 3
    assert answer["error"]["data"].startswith("0x" + keccak(text="NotLive(bytes32,uint8)")[:4].hex())


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBlockByHash", ["0x" + "11" * 32, False]),
        ("eth_getBlockByNumber", ["0xffffff", False]),
        ("eth_getTransactionByHash", ["0x" + "11" * 32]),
        ("eth_getTransactionReceipt", ["0x" + "11" * 32]),
        ("eth_getBlockReceipts", ["0xffffff"]),
    ],
)
def test_what_is_not_there_is_null(rpc: ReadOnlyRpc, method: str, params: list[Any]) -> None:
    assert ask(rpc, method, *params)["result"] is None


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("eth_getBalance", ["0x12", "latest"], -32602),
        ("eth_getBalance", ["0x" + "00" * 20, "newest"], -32602),
        ("eth_getBalance", ["0x" + "00" * 20, "0xffffff"], -32001),
        ("eth_getBalance", ["0x" + "00" * 20, {"blockHash": "0x" + "11" * 32}], -32001),
        ("eth_getCode", [12, "latest"], -32602),
        ("eth_getStorageAt", ["0x" + "00" * 20, "0x1" + "00" * 32, "latest"], -32602),
        ("eth_getLogs", [{"blockHash": "0x" + "11" * 32}], -32001),
        ("eth_getLogs", [{"blockHash": "0x" + "11" * 32, "fromBlock": "0x0"}], -32602),
        ("eth_getLogs", [{"topics": [None] * 5}], -32602),
        ("eth_getLogs", [{"address": "nobody"}], -32602),
        ("eth_call", ["0x"], -32602),
        ("eth_call", [{"to": "0x12"}], -32602),
    ],
)
def test_bad_parameters_are_named(rpc: ReadOnlyRpc, method: str, params: list[Any], code: int) -> None:
    answer = ask(rpc, method, *params)
    assert code_of(answer) == code
    assert answer["error"]["message"]


# ------------------------------------------------------------------------------ an auditor's own web3


@pytest.fixture(scope="module")
def w3(embedded_client: ChainClient) -> Iterator[Any]:
    """web3's own HTTP provider against the endpoint behind a real server."""
    rpc = ReadOnlyRpc(embedded_client)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        answer = await asyncio.to_thread(rpc.handle, body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    provider = HTTPProvider(f"http://127.0.0.1:{port}")
    yield Web3(provider)
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def recorded(consent: Consent) -> tuple[list[bytes], str]:
    """(claim keys, transaction hash) of one batch."""
    results = consent.results(3)
    reference = consent.client.results.record_batch(consent.task, results)
    return [result.claim_key for result in results], reference.tx_hash


def _store(w3: Any, client: ChainClient) -> Any:
    artifact = load_artifact("MatchResultStore")
    return w3.eth.contract(address=w3.to_checksum_address(client.results.address), abi=artifact.abi)


def test_web3_reads_contracts(
    w3: Any, embedded_client: ChainClient, recorded: tuple[list[bytes], str]
) -> None:
    store = _store(w3, embedded_client)
    assert w3.is_connected()
    assert w3.eth.chain_id == embedded_client.chain_id
    assert store.functions.isRecorded(recorded[0][0]).call()
    assert store.functions.commitmentOf(recorded[0][0], 1).call() == embedded_client.results.commitment_of(
        recorded[0][0]
    )
    with pytest.raises(ContractCustomError):
        store.functions.preview(word(), [(word(), word(), word(), word())]).call()


def test_web3_reads_logs_by_every_filter(
    w3: Any, embedded_client: ChainClient, recorded: tuple[list[bytes], str]
) -> None:
    keys, tx_hash = recorded
    event = _store(w3, embedded_client).events.ResultRecorded()
    every = event.get_logs(from_block=0)
    assert {log["args"]["claimKey"] for log in every} >= set(keys)
    some = event.get_logs(from_block=0, argument_filters={"claimKey": keys[:2]})
    assert [log["args"]["claimKey"] for log in some] == keys[:2]
    block_hash = some[0]["blockHash"]
    in_block = w3.eth.get_logs({"blockHash": block_hash, "topics": [None, keys[2]]})
    assert [log["transactionHash"].to_0x_hex() for log in in_block] == [tx_hash]
    nobody = w3.eth.get_logs({"fromBlock": 0, "address": w3.to_checksum_address("0x" + "01" * 20)})
    assert nobody == []


def test_web3_reads_blocks_transactions_and_receipts(w3: Any, recorded: tuple[list[bytes], str]) -> None:
    receipt = w3.eth.get_transaction_receipt(recorded[1])
    transaction = w3.eth.get_transaction(recorded[1])
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert receipt["status"] == 1
    assert len(receipt["logs"]) == 3
    assert block["transactions"] == [transaction]
    assert block["hash"] == receipt["blockHash"] == w3.eth.get_block(block["hash"])["hash"]
    assert w3.eth.get_block_receipts(receipt["blockNumber"]) == [receipt]
    raw = Account.recover_transaction(_raw(transaction))
    assert raw == transaction["from"]
    assert w3.eth.get_transaction_count(transaction["from"]) > transaction["nonce"]


def test_the_block_hash_follows_from_the_fields_that_web3_was_given(w3: Any) -> None:
    for number in (0, 1, w3.eth.block_number):
        answer = w3.provider.make_request("eth_getBlockByNumber", [hex(number), False])
        assert "0x" + keccak(encode_header(answer["result"])).hex() == answer["result"]["hash"]


def test_web3_gets_proofs(w3: Any, embedded_client: ChainClient, recorded: tuple[list[bytes], str]) -> None:
    address = w3.to_checksum_address(embedded_client.results.address)
    slot = int.from_bytes(embedded_client.results.commitment_slot(recorded[0][0]), "big")
    proof = w3.eth.get_proof(address, [slot], "latest")
    held = w3.eth.get_storage_at(address, slot)
    assert (
        proof["storageProof"][0]["value"].rjust(32, b"\0")
        == held
        == embedded_client.results.commitment_of(recorded[0][0])
    )
    assert keccak(proof["accountProof"][0]) == w3.eth.get_block("latest")["stateRoot"]
    assert proof["codeHash"] == keccak(w3.eth.get_code(address))
    nobody = w3.eth.get_proof(w3.to_checksum_address("0x" + "99" * 20), [1], "latest")
    assert (nobody["balance"], nobody["storageProof"][0]["proof"]) == (0, [])


def test_web3_cannot_send(w3: Any) -> None:
    with pytest.raises(Web3RPCError, match="read-only"):
        w3.eth.send_raw_transaction(b"\x02")


def _raw(transaction: Any) -> bytes:
    fields = {
        "type": 2,
        "chainId": transaction["chainId"],
        "nonce": transaction["nonce"],
        "gas": transaction["gas"],
        "maxFeePerGas": transaction["maxFeePerGas"],
        "maxPriorityFeePerGas": transaction["maxPriorityFeePerGas"],
        "to": transaction["to"],
        "value": transaction["value"],
        "data": transaction["input"],
        "accessList": transaction["accessList"],
        "v": transaction["yParity"],
        "r": int.from_bytes(transaction["r"], "big"),
        "s": int.from_bytes(transaction["s"], "big"),
    }
    return bytes([2]) + TypedTransaction.from_dict(fields).transaction.payload()
