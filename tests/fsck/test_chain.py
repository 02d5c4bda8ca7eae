"""What the chain has beyond the database, or lacks, or tells in two ways."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from engine.chain.contracts import Result
from engine.fsck import CannotCheck, Transport
from tests.chain.world import word
from tests.fsck.breaking import Log, answering, break_database, named, with_logs
from tests.fsck.conftest import Inspect
from tests.fsck.world import Built, chain_file, read_only, reopened


def topic(signature: str) -> str:
    return "0x" + keccak(signature.encode()).hex()


RECORDED = topic("ResultRecorded(bytes32,bytes32,bytes32,bytes32)")
CONFIRMED = topic("PayoutConfirmed(bytes32,uint32,bytes32)")
GRANTED = topic("AuthorizationGranted(bytes32,bytes32,bytes32,address,address,uint40,bytes32)")
REVOKED = topic("AuthorizationRevoked(bytes32,address)")


def is_about(log: Log, event: str, key: bytes) -> bool:
    return bool(log["topics"][:2] == [event, "0x" + key.hex()])


def copied(log: Log) -> Log:
    return {**log, "logIndex": "0xff"}


@pytest.fixture
def place(built: Built) -> str:
    event = built.event("ResultRecorded", "confirmed")
    return f"{event.tx_hash}:{event.log_index}"


def test_a_result_of_no_claim_is_named(inspect: Inspect, home: Path, built: Built) -> None:
    of_other = built.results["other"]
    foreign = Result(word(), word(), of_other.authorization_id, of_other.subject)
    with reopened(home) as client:
        task = bytes.fromhex(built.event("ResultRecorded", "confirmed").args["taskId"][2:])
        tx = client.results.record_batch(task, [foreign]).tx_hash
    with chain_file(home) as chain:
        report = inspect(over_chain=read_only(chain).handle)
    assert named(report) == {("result.foreign", f"{tx}:0")}


@pytest.mark.parametrize(("name", "how"), [("nothing", "recordBatch"), ("confirmed", "supersede")])
def test_a_result_that_was_never_decided_here_is_named(
    name: str, how: str, inspect: Inspect, home: Path, built: Built
) -> None:
    known, other = built.results[name], built.results["other"]
    result = Result(known.claim_key, word(), other.authorization_id, other.subject)
    with reopened(home) as client:
        task = bytes.fromhex(built.event("ResultRecorded", "confirmed").args["taskId"][2:])
        if how == "supersede":
            client.results.supersede_batch(task, [result])
        else:
            client.results.record_batch(task, [result])
    with chain_file(home) as chain:
        report = inspect(over_chain=read_only(chain).handle)
    assert named(report) == {("result.unexpected", f"clm_{name}")}


def test_a_reversal_that_no_hospital_asked_for_is_named(inspect: Inspect, home: Path, built: Built) -> None:
    with reopened(home) as client:
        client.results.reverse(built.results["confirmed"].claim_key, 1, word())
    with chain_file(home) as chain:
        report = inspect(over_chain=read_only(chain).handle)
    assert named(report) == {("reversal.foreign", "clm_confirmed")}


def drop(event: str, key: bytes) -> Callable[[list[Log]], list[Log]]:
    return lambda logs: [log for log in logs if not is_about(log, event, key)]


def repeat(event: str, key: bytes) -> Callable[[list[Log]], list[Log]]:
    return lambda logs: [*logs, *(copied(log) for log in logs if is_about(log, event, key))]


def change(event: str, key: bytes, **fields: Any) -> Callable[[list[Log]], list[Log]]:
    return lambda logs: [{**log, **fields} if is_about(log, event, key) else log for log in logs]


def test_a_result_that_has_gone_from_the_chain_is_named(
    inspect: Inspect, built: Built, chain: Transport
) -> None:
    key = built.results["confirmed"].claim_key
    report = inspect(over_chain=with_logs(chain, drop(RECORDED, key)))
    assert named(report) == {("result.missing", "clm_confirmed"), ("payout.untriggered", "po_confirmed")}


def test_a_result_told_twice_is_named(inspect: Inspect, built: Built, chain: Transport) -> None:
    key = built.results["reversed"].claim_key
    report = inspect(over_chain=with_logs(chain, repeat(RECORDED, key)))
    assert named(report) == {("result.twice", "clm_reversed")}


def test_a_confirmation_that_has_gone_from_the_chain_is_named(
    inspect: Inspect, built: Built, chain: Transport
) -> None:
    key = built.results["confirmed"].claim_key
    assert named(inspect(over_chain=with_logs(chain, drop(CONFIRMED, key)))) == {
        ("confirmation.missing", "po_confirmed"),
        ("chain.payout_state", "clm_confirmed"),
    }


def test_a_confirmation_told_twice_is_named(inspect: Inspect, built: Built, chain: Transport) -> None:
    key = built.results["returned"].claim_key
    report = inspect(over_chain=with_logs(chain, repeat(CONFIRMED, key)))
    assert named(report) == {("confirmation.twice", "clm_returned")}


def test_a_result_without_a_consent_before_it_is_named(
    inspect: Inspect, built: Built, chain: Transport, place: str
) -> None:
    authorization = built.results["confirmed"].authorization_id
    late = change(GRANTED, authorization, logIndex="0xff", blockNumber="0xffff")
    assert named(inspect(over_chain=with_logs(chain, late))) == {("consent.not_granted", place)}


def test_a_result_after_a_withdrawal_is_named(inspect: Inspect, built: Built, chain: Transport) -> None:
    authorization = built.results["revoked"].authorization_id
    recorded = built.event("ResultRecorded", "revoked")
    early = change(REVOKED, authorization, blockNumber=hex(recorded.block_number - 1))
    assert named(inspect(over_chain=with_logs(chain, early))) == {
        ("consent.revoked", f"{recorded.tx_hash}:{recorded.log_index}")
    }


def test_a_task_that_the_chain_never_opened_is_named(
    inspect: Inspect, built: Built, chain: Transport
) -> None:
    opened = topic("TaskOpened(bytes32,bytes32,address,uint8,bytes32,bytes32,uint48)")
    task = built.event("ResultRecorded", "confirmed").args["taskId"]
    lost = with_logs(chain, drop(opened, bytes.fromhex(task[2:])))
    assert ("task.content", task) in named(inspect(over_chain=lost))


def test_results_after_their_consents_had_expired_are_named(
    inspect: Inspect, built: Built, chain: Transport
) -> None:
    recorded = [e for e in built.events if e.name in ("ResultRecorded", "ResultSuperseded")]
    late = built.recorded("again", 2).block_number

    def years_on(params: list[Any], block: Any) -> Any:
        return block | {"timestamp": "0xffffffff"} if params[0] == hex(late) else block

    report = inspect(over_chain=answering(chain, "eth_getBlockByNumber", years_on))
    assert named(report) == {
        ("consent.expired", f"{e.tx_hash}:{e.log_index}") for e in recorded if e.block_number == late
    }


def test_a_consent_for_something_else_is_named(
    inspect: Inspect, home: Path, built: Built, chain: Transport, place: str
) -> None:
    authorization = built.results["confirmed"].authorization_id

    def other_scope(logs: list[Log]) -> list[Log]:
        return [
            {**log, "topics": [*log["topics"][:3], "0x" + "77" * 32]}
            if is_about(log, GRANTED, authorization)
            else log
            for log in logs
        ]

    rescope = """UPDATE "authorization" SET scope = '0xTARGET' WHERE authorization_id = (
        SELECT authorization_id FROM claim WHERE id = 1)"""
    break_database(home, rescope, target="77" * 32)
    assert named(inspect(over_chain=with_logs(chain, other_scope))) == {("consent.scope", place)}


@pytest.mark.parametrize(
    ("signature", "answer", "code"),
    [
        ("payoutStateOf(bytes32,uint32)", "0x" + "01".rjust(64, "0"), "chain.payout_state"),
        ("commitmentOf(bytes32,uint32)", "0x" + "01" * 32, "result.commitment"),
    ],
)
def test_a_store_that_contradicts_its_events_is_named(
    signature: str, answer: str, code: str, inspect: Inspect, built: Built, chain: Transport
) -> None:
    asked = "0x" + keccak(signature.encode())[:4].hex() + built.results["confirmed"].claim_key.hex()

    def other_word(params: list[Any], word_: Any) -> Any:
        return answer if params[0]["data"] == asked + "1".rjust(64, "0") else word_

    report = inspect(over_chain=answering(chain, "eth_call", other_word))
    assert named(report) == {(code, "clm_confirmed")}


@pytest.mark.parametrize(
    ("method", "answer", "said"),
    [
        ("eth_chainId", "0x1", "the chain has id 1"),
        ("eth_getBlockByNumber", {"hash": "0x00"}, "another first block"),
        ("eth_blockNumber", "soon", "'soon' where a quantity belongs"),
        ("eth_getLogs", [{}], "no log"),
        ("eth_call", "0x", "'0x' where a quantity belongs"),
    ],
)
def test_a_chain_that_is_another_or_none_is_not_compared_at_all(
    method: str, answer: Any, said: str, inspect: Inspect, chain: Transport
) -> None:
    with pytest.raises(CannotCheck, match=said):
        inspect(over_chain=answering(chain, method, lambda *_: answer))


def test_a_node_that_bounds_its_answers_is_asked_for_less(inspect: Inspect, chain: Transport) -> None:
    asked: list[int] = []

    def bounded(payload: bytes) -> bytes:
        request = json.loads(payload)
        if isinstance(request, dict) and request["method"] == "eth_getLogs":
            (query,) = request["params"]
            asked.append(int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1)
            if asked[-1] > 3:
                error = {"code": -32005, "message": "query returned more than 3 blocks"}
                return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()
        return chain(payload)

    assert inspect(over_chain=bounded).differences == []
    assert asked[0] > 3
    assert asked[-1] <= 3
