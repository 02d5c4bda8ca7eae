"""The adapter against a real bank that misbehaves on request: at most one transfer a payout id."""

import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from engine.payout.errors import (
    BankAnswerInvalid,
    BankRefusedRequest,
    BankUnauthorized,
    BankUnavailable,
    IdempotencyConflict,
)
from engine.payout.http_bank import HttpBank, RetryPolicy
from engine.payout.port import StatementLine, TransferResult, TransferStatus
from engine.payout.signing import BankCredentials
from tests.payout.bank_process import QUICK, BankProcess, eventually, final, order, whole_statement

STRANGER = BankCredentials("nobody", b"x" * 32, b"y" * 32)


def lines_of(bank: HttpBank, payout_id: str) -> list[StatementLine]:
    return [line for line in whole_statement(bank) if line.payout_id == payout_id]


def payments(bank: HttpBank, payout_id: str) -> list[int]:
    return [line.amount_fen for line in lines_of(bank, payout_id) if line.kind == "payment"]


def test_an_order_is_accepted_then_settled_and_stands_in_the_statement(
    shared_bank: HttpBank, payout_id: str
) -> None:
    accepted = shared_bank.submit(order(payout_id))
    assert accepted.status is TransferStatus.ACCEPTED
    settled = final(shared_bank, payout_id)
    assert settled.status is TransferStatus.SETTLED
    assert settled.bank_ref == accepted.bank_ref
    assert settled.settled_at is not None
    (line,) = lines_of(shared_bank, payout_id)
    assert (line.bank_ref, line.payout_id, line.direction) == (accepted.bank_ref, payout_id, "debit")
    assert (line.amount_fen, line.kind, line.value_time) == (12_345, "payment", settled.settled_at)


def test_the_same_order_again_gets_the_same_answer_and_pays_once(
    shared_bank: HttpBank, payout_id: str
) -> None:
    first = shared_bank.submit(order(payout_id))
    final(shared_bank, payout_id)
    assert shared_bank.submit(order(payout_id)) == first
    assert payments(shared_bank, payout_id) == [12_345]


@pytest.mark.parametrize(
    "change", [{"amount_fen": 12_346}, {"payee_name": "李四"}, {"payee_account": "6228480011223344554"}]
)
def test_the_same_payout_id_with_another_body_is_a_conflict(
    shared_bank: HttpBank, change: dict[str, object], payout_id: str
) -> None:
    shared_bank.submit(order(payout_id))
    with pytest.raises(IdempotencyConflict):
        shared_bank.submit(replace(order(payout_id), **change))  # type: ignore[arg-type]
    final(shared_bank, payout_id)
    assert payments(shared_bank, payout_id) == [12_345]


def test_an_order_accepted_but_never_answered_is_found_by_query_and_paid_once(
    shared: BankProcess, shared_bank: HttpBank, payout_id: str
) -> None:
    shared.faults({"fault": "timeout_after_accept", "nth": 1})
    found = shared_bank.submit(order(payout_id))
    assert found.status in (TransferStatus.ACCEPTED, TransferStatus.SETTLED)
    assert final(shared_bank, payout_id).status is TransferStatus.SETTLED
    assert payments(shared_bank, payout_id) == [12_345]
    assert shared.rows("SELECT count(*) FROM transfers WHERE payout_id = ?", payout_id) == [(1,)]


def test_an_unanswered_order_is_unknown_while_the_query_is_silent_too(
    shared: BankProcess, shared_bank: HttpBank, payout_id: str
) -> None:
    shared.faults({"fault": "timeout_after_accept"}, {"fault": "server_error", "on": "query"})
    result = shared_bank.submit(order(payout_id))
    assert (result.status, result.bank_ref) == (TransferStatus.UNKNOWN, None)
    assert result.reason is not None
    assert "ReadTimeout" in result.reason
    shared.faults()
    assert final(shared_bank, payout_id).status is TransferStatus.SETTLED
    assert payments(shared_bank, payout_id) == [12_345]


@pytest.mark.parametrize("fault", ["drop_connection", "server_error"])
@pytest.mark.parametrize("after_accept", [False, True])
def test_a_broken_answer_is_resolved_and_pays_once(
    shared: BankProcess, shared_bank: HttpBank, fault: str, after_accept: bool, payout_id: str
) -> None:
    shared.faults({"fault": fault, "nth": 1, "after_accept": after_accept})
    assert shared_bank.submit(order(payout_id)).status in (TransferStatus.ACCEPTED, TransferStatus.SETTLED)
    assert final(shared_bank, payout_id).status is TransferStatus.SETTLED
    assert payments(shared_bank, payout_id) == [12_345]


def test_an_order_the_bank_lost_is_sent_again_only_after_the_grace(
    shared: BankProcess, payout_id: str
) -> None:
    slept: list[float] = []
    shared.faults({"fault": "drop_connection", "nth": 1})
    policy = replace(QUICK, not_found_grace_s=7.5)
    with shared.client(policy=policy, sleep=slept.append, jitter=lambda: 0.0) as bank:
        assert bank.submit(order(payout_id)).status is TransferStatus.ACCEPTED
    assert slept == [7.5, QUICK.pause_s(0, 0.0)]


def test_an_order_that_never_arrives_is_not_found_by_the_banks_own_word(
    shared: BankProcess, shared_bank: HttpBank, payout_id: str
) -> None:
    shared.faults({"fault": "drop_connection"})
    assert shared_bank.submit(order(payout_id)).status is TransferStatus.NOT_FOUND
    assert lines_of(shared_bank, payout_id) == []


def test_an_unreachable_bank_is_unavailable_after_bounded_retries() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        slept: list[float] = []
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with HttpBank(url, STRANGER, policy=QUICK, sleep=slept.append, jitter=lambda: 0.0) as bank:
            with pytest.raises(BankUnavailable):
                bank.submit(order())
            with pytest.raises(BankUnavailable):
                bank.query("payout-1")
    assert slept == 2 * [QUICK.pause_s(0, 0.0), QUICK.pause_s(1, 0.0)]


def test_a_404_that_is_not_the_banks_is_not_taken_for_not_found(shared: BankProcess, payout_id: str) -> None:
    elsewhere = HttpBank(shared.url + "/elsewhere", shared.credentials, policy=QUICK)
    with elsewhere, pytest.raises(BankRefusedRequest) as refusal:
        elsewhere.query(payout_id)
    assert refusal.value.http_status == 404


def test_an_asynchronous_refusal_moves_no_money(
    shared: BankProcess, shared_bank: HttpBank, payout_id: str
) -> None:
    shared.faults(
        {"fault": "refuse", "payee_account": order(payout_id).payee_account, "reason": "account_frozen"}
    )
    assert shared_bank.submit(order(payout_id)).status is TransferStatus.ACCEPTED
    refused = final(shared_bank, payout_id)
    assert (refused.status, refused.reason, refused.settled_at) == (
        TransferStatus.REFUSED,
        "account_frozen",
        None,
    )
    assert lines_of(shared_bank, payout_id) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"payee_account": "6222020200112233449"}, "invalid_payee_account"),
        ({"payee_account": "12-34"}, "invalid_payee_account"),
        ({"payee_name": "李四"}, "payee_name_mismatch"),
        ({"amount_fen": 10**15}, "insufficient_funds"),
    ],
)
def test_what_the_bank_refuses_at_once_stays_refused(
    shared_bank: HttpBank, change: dict[str, object], reason: str, payout_id: str
) -> None:
    shared_bank.submit(order(payout_id + ".earlier"))
    impossible = replace(order(payout_id), **change)  # type: ignore[arg-type]
    answered = shared_bank.submit(impossible)
    assert (answered.status, answered.reason) == (TransferStatus.REFUSED, reason)
    assert shared_bank.submit(impossible) == answered
    assert shared_bank.query(payout_id) == answered


def test_a_returned_payment_is_told_and_comes_back_to_the_pool(process: BankProcess, bank: HttpBank) -> None:
    process.faults({"fault": "return_payment", "delay_ms": 20})
    bank.submit(order())
    returned = eventually(
        lambda: bank.query("payout-1"), lambda result: result.status is TransferStatus.RETURNED
    )
    assert returned.reason == "returned_by_payee_bank"
    assert returned.settled_at is not None
    lines = whole_statement(bank)
    assert [(line.kind, line.direction) for line in lines] == [("payment", "debit"), ("return", "credit")]
    assert process.rows("SELECT balance_fen FROM accounts WHERE kind = 'funding'") == [(10**13,)]


@pytest.mark.timeout(60)
def test_two_hundred_concurrent_submits_of_one_id_are_one_debit(process: BankProcess) -> None:
    start = threading.Barrier(200)

    def submit(bank: HttpBank) -> TransferResult:
        start.wait()
        return bank.submit(order())

    policy = replace(QUICK, read_timeout_s=30.0)
    with process.client(policy=policy, concurrency=200) as bank, ThreadPoolExecutor(200) as pool:
        results = list(pool.map(submit, [bank] * 200))
        final(bank, "payout-1")
        assert payments(bank, "payout-1") == [12_345]
    assert {result.bank_ref for result in results} == {results[0].bank_ref}
    assert process.rows("SELECT count(*) FROM postings WHERE kind = 'payment'") == [(1,)]


def test_a_bank_killed_between_accept_and_settle_settles_exactly_once_after_restart(
    start_bank: Callable[..., BankProcess],
) -> None:
    process = start_bank("--settle-after-ms", "1500")
    orders = [order(f"payout-{n}", 1000 + n) for n in range(20)]
    with process.client() as bank:
        outcomes = bank.submit_many(orders)
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
        assert process.rows("SELECT DISTINCT status FROM transfers") == [("accepted",)]
        with pytest.raises(BankUnavailable):
            bank.query("payout-0")
        process.start()
        settled = [final(bank, one.payout_id) for one in orders]
        assert {result.status for result in settled} == {TransferStatus.SETTLED}
        paid = sorted((line.payout_id, line.amount_fen) for line in whole_statement(bank))
    assert paid == sorted((one.payout_id, one.amount_fen) for one in orders)
    assert [result.bank_ref for result in settled] == [
        outcome.bank_ref for outcome in outcomes if isinstance(outcome, TransferResult)
    ]


def test_one_failure_in_a_batch_hides_no_other_outcome(shared_bank: HttpBank) -> None:
    shared_bank.submit(order("b"))
    a, b, c = shared_bank.submit_many([order("a"), order("b", 1), order("c", 10**15)])
    assert isinstance(a, TransferResult)
    assert a.status is TransferStatus.ACCEPTED
    assert isinstance(b, IdempotencyConflict)
    assert isinstance(c, TransferResult)
    assert c.status is TransferStatus.REFUSED


def test_a_batch_with_one_payout_id_twice_is_refused_before_anything_is_sent(
    shared_bank: HttpBank, payout_id: str
) -> None:
    with pytest.raises(ValueError, match="orders: a payout id may stand only once"):
        shared_bank.submit_many([order(payout_id), order(payout_id)])
    assert shared_bank.query(payout_id).status is TransferStatus.NOT_FOUND


def test_a_request_signed_by_a_stranger_is_refused(shared: BankProcess, payout_id: str) -> None:
    own = shared.credentials
    for credentials in (STRANGER, BankCredentials(own.api_key, b"x" * 32, own.callback_secret)):
        with HttpBank(shared.url, credentials, policy=QUICK) as bank, pytest.raises(BankUnauthorized):
            bank.submit(order(payout_id))
    assert shared.rows("SELECT count(*) FROM transfers WHERE payout_id = ?", payout_id) == [(0,)]


def test_a_request_with_a_stale_timestamp_is_refused(shared: BankProcess, payout_id: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with shared.client(clock=lambda: yesterday) as bank, pytest.raises(BankUnauthorized) as refusal:
        bank.submit(order(payout_id))
    assert refusal.value.bank_code == "timestamp_stale"


def test_the_statement_adds_up_to_the_postings_over_many_pages(process: BankProcess) -> None:
    with process.client(concurrency=16) as bank:
        orders = [order(f"p-{n}", 100 + n) for n in range(1201)]
        assert all(isinstance(outcome, TransferResult) for outcome in bank.submit_many(orders))
        eventually(lambda: process.rows("SELECT count(*) FROM transfers WHERE status = 'accepted'") == [(0,)])
        lines = whole_statement(bank)
    assert len(lines) == 1201
    booked = process.rows("SELECT count(*), sum(amount_fen) FROM postings WHERE kind = 'payment'")
    assert [(len(lines), sum(line.amount_fen for line in lines))] == booked
    assert process.rows("SELECT sum(balance_fen), sum(held_fen) FROM accounts") == [(0, 0)]


def test_a_statement_whose_lines_miss_the_control_totals_is_refused(
    bank: HttpBank, process: BankProcess
) -> None:
    bank.submit(order())
    final(bank, "payout-1")

    def lose_a_line(request: httpx.Request) -> httpx.Response:
        with httpx.Client(trust_env=False) as client:
            answer = client.send(request)
        return httpx.Response(200, json=answer.json() | {"lines": []})

    with process.client() as tampered:
        tampered._client._transport = httpx.MockTransport(lose_a_line)
        with pytest.raises(BankAnswerInvalid, match="bank states"):
            whole_statement(tampered)


def test_a_statement_is_asked_for_in_order_of_days(shared_bank: HttpBank) -> None:
    with pytest.raises(ValueError, match="date_to"):
        shared_bank.statement(date(2026, 7, 2), date(2026, 7, 1))


def test_pauses_grow_to_their_bound_and_jitter_only_shortens_them() -> None:
    policy = RetryPolicy(first_pause_s=1.0, longest_pause_s=5.0)
    assert [policy.pause_s(attempt, 0.0) for attempt in range(4)] == [0.5, 1.0, 2.0, 2.5]
    assert policy.pause_s(3, 0.999) < 5.0
