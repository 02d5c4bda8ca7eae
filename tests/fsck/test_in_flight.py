"""A running engine: what is under way is counted, what moves between two readings is not named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.chain.contracts import Result
from engine.fsck import Transport
from engine.store.database import Database
from tests.chain.world import word
from tests.fsck.breaking import Log, Statement, break_database, named
from tests.fsck.conftest import BankAt, Inspect
from tests.fsck.world import Built, chain_file, claim_row, hex32, read_only, reopened, transition_rows
from tests.payout.bank_process import BankProcess, final, order

STILL_MATCHED = """
    DELETE FROM claim_transition WHERE claim_id = 7 AND to_state = 'nothing';
    UPDATE claim SET state = 'matched' WHERE id = 7
"""
NOT_CONFIRMED_YET = """
    UPDATE payout SET state = 'settled', confirm_tx = NULL WHERE payout_id = 'po_confirmed';
    UPDATE claim SET state = 'paid' WHERE id = 1;
    DELETE FROM claim_transition WHERE claim_id = 1 AND to_state = 'confirmed'
"""
TAKEN_BACK = """
    INSERT INTO reversal SELECT 1, body_sealed, reason_digest, received_at FROM reversal LIMIT 1;
    UPDATE claim SET state = 'recovery_due', recovery_fen = payable_fen WHERE id = 1;
    INSERT INTO claim_transition (claim_id, from_state, to_state, actor, reason, at)
        SELECT 1, from_state, to_state, actor, reason, at
        FROM claim_transition WHERE to_state = 'recovery_due'
"""
WITHOUT_THE_SEVENTH = "DELETE FROM claim_transition WHERE claim_id = 7; DELETE FROM claim WHERE id = 7"
ONLY_ACCEPTED_YET = """
    DELETE FROM payout WHERE payout_id = 'po_other';
    UPDATE claim SET state = 'accepted', claim_key = NULL, record_tx = NULL WHERE id = 2;
    DELETE FROM claim_transition WHERE claim_id = 2 AND from_state IS NOT NULL
"""


def test_what_is_under_way_is_counted_and_with_settled_a_difference(inspect: Inspect, home: Path) -> None:
    break_database(home, STILL_MATCHED)
    report = inspect(settled=False)
    assert report.clean
    assert report.in_flight == {"clm_nothing": "the claim is matched"}
    assert named(inspect(settled=True)) == {("in_flight", "clm_nothing")}


def test_a_database_behind_the_chain_is_in_flight(inspect: Inspect, home: Path) -> None:
    break_database(home, NOT_CONFIRMED_YET)
    report = inspect(settled=False)
    assert report.clean
    assert set(report.in_flight) == {"clm_confirmed"}


def test_a_reversal_on_its_way_to_the_chain_is_in_flight(inspect: Inspect, home: Path) -> None:
    break_database(home, TAKEN_BACK)
    report = inspect(settled=False)
    assert report.clean
    assert report.in_flight == {"clm_confirmed": "its reversal is not on chain yet"}


def test_an_order_that_the_bank_has_executed_first_is_in_flight(
    inspect: Inspect, home: Path, built: Built, bank_at: BankAt
) -> None:
    """Recorded on chain for real, paid by the bank for real; the callback has not come."""
    known = built.results["nothing"]
    result = Result(known.claim_key, word(), known.authorization_id, known.subject)
    with reopened(home) as client:
        task = bytes.fromhex(built.event("ResultRecorded", "other").args["taskId"][2:])
        sent = client.results.record_batch(task, [result])
    database = Database(f"sqlite:///{home / 'engine.db'}")
    break_database(home, WITHOUT_THE_SEVENTH)
    with database.transaction() as session:
        claim = claim_row(7, "late", "recorded")
        claim.claim_key, claim.result_digest = hex32(known.claim_key), hex32(result.result_digest)
        claim.authorization_id, claim.record_tx = hex32(known.authorization_id), sent.tx_hash
        claim.task_id, claim.payable_fen = hex32(task), 4_200
        session.add(claim)
    with database.transaction() as session:
        session.add_all(transition_rows(7, ("accepted", "matched", "decided", "recorded")))
        payout = built.payout_row("confirmed", 1, "submitted")
        payout.payout_id, payout.claim_id, payout.settlement_id = "po_late", 7, 7
        payout.amount_fen, payout.trigger_tx = 4_200, sent.tx_hash
        payout.trigger_block, payout.trigger_log_index = sent.block_number, 0
        payout.confirm_tx = payout.payout_digest = payout.bank_ref = None
        session.add(payout)
    database.close()
    process = BankProcess(home, "--settle-after-ms", "1")
    try:
        with process.client() as client_of_bank:
            client_of_bank.submit(order("po_late", 4_200))
            final(client_of_bank, "po_late")
        with chain_file(home) as chain:
            report = inspect(
                settled=False, over_chain=read_only(chain).handle, over_bank=bank_at(process, None)
            )
    finally:
        process.end()
    assert report.differences == []
    assert set(report.in_flight) == {"clm_late"}
    assert report.counts["bank_ahead_fen"] == 4_200
    assert report.counts["bank_fen"] == report.counts["database_fen"]


def without_new_blocks(chain: Transport, built: Built) -> Callable[[bytes], bytes]:
    """The chain, whose head stands before the first result when it is asked for the first time."""
    early = hex(min(e.block_number for e in built.events if e.name == "ResultRecorded") - 1)
    asked: list[Any] = []

    def send(payload: bytes) -> bytes:
        answer = chain(payload)
        request = json.loads(payload)
        if isinstance(request, dict) and request["method"] == "eth_blockNumber":
            asked.append(request)
            if len(asked) == 1:
                return json.dumps(json.loads(answer) | {"result": early}).encode()
        return answer

    return send


def without(payout_id: str, readings: int) -> Callable[[list[Log], int], list[Log]]:
    """The statement, in whose first readings one payment is not there yet."""
    return lambda lines, reading: [
        line for line in lines if reading > readings or line["payout_id"] != payout_id
    ]


def test_what_is_recorded_and_paid_while_fsck_reads_is_found_in_the_second_reading(
    inspect: Inspect, built: Built, chain: Transport, bank_process: BankProcess, bank_at: BankAt
) -> None:
    statement = Statement(without("po_confirmed", readings=1))
    report = inspect(over_chain=without_new_blocks(chain, built), over_bank=bank_at(bank_process, statement))
    assert report.differences == []
    assert statement.readings == 2


@pytest.mark.parametrize("restated", [False, True])
def test_what_the_database_cannot_know_yet_is_not_held_against_it(
    restated: bool,
    inspect: Inspect,
    home: Path,
    built: Built,
    chain: Transport,
    bank_process: BankProcess,
    bank_at: BankAt,
) -> None:
    """The database was read before the claim's result came on chain and before the bank paid it."""
    break_database(home, ONLY_ACCEPTED_YET)
    lines = without("po_other", readings=1)
    if restated:  # another payment is missing at first, so that the statement is read twice
        late = without("po_confirmed", readings=1)
        statement = Statement(lambda all_, reading: late(lines(all_, reading), reading))
    else:
        statement = Statement(lines)
    report = inspect(
        settled=False,
        over_chain=without_new_blocks(chain, built),
        over_bank=bank_at(bank_process, statement),
    )
    assert report.differences == []
    assert set(report.in_flight) == {"clm_other"}
