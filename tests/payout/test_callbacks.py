"""Callbacks: from the real bank believed, from anyone else not."""

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from engine.payout.callbacks import CallbackVerifier
from engine.payout.errors import CallbackRejected
from engine.payout.port import TransferResult, TransferStatus
from engine.payout.signing import callback_signature
from tests.payout.bank_process import BankProcess, CallbackReceiver, eventually, final, order

SECRET = b"s" * 32
NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
BODY = json.dumps(
    {
        "payout_id": "payout-1",
        "bank_ref": "SB1",
        "status": "settled",
        "amount_fen": 12_345,
        "reason": None,
        "settled_at": "2026-07-01T09:29:59+00:00",
        "added_later": "ignored",
    }
).encode()


def verifier(*secrets: bytes, now: datetime = NOW) -> CallbackVerifier:
    return CallbackVerifier(secrets or (SECRET,), clock=lambda: now)


def signed(body: bytes = BODY, secret: bytes = SECRET, at: datetime = NOW) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    return {"bank-timestamp": timestamp, "BANK-SIGNATURE": callback_signature(secret, timestamp, body)}


def test_a_genuine_callback_is_a_result() -> None:
    settled_at = NOW - timedelta(seconds=1)
    assert verifier().verify(signed(), BODY) == TransferResult(
        "payout-1", TransferStatus.SETTLED, "SB1", None, settled_at
    )


def test_a_replayed_callback_gives_the_same_result() -> None:
    one = verifier()
    assert one.verify(signed(), BODY) == one.verify(signed(), BODY)


def test_during_a_rotation_both_secrets_are_believed() -> None:
    both = verifier(b"n" * 32, SECRET)
    assert both.verify(signed(), BODY) == both.verify(signed(secret=b"n" * 32), BODY)


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        (signed(secret=b"f" * 32), BODY, "callback.signature"),
        (signed(), BODY.replace(b"12345", b"99999"), "callback.signature"),
        (signed() | {"bank-timestamp": str(int(NOW.timestamp()) + 1)}, BODY, "callback.signature"),
        ({"bank-timestamp": str(int(NOW.timestamp()))}, BODY, "callback.signature"),
        (signed() | {"BANK-SIGNATURE": "v1=\u00e9"}, BODY, "callback.signature"),
        ({}, BODY, "callback.timestamp"),
        (signed() | {"bank-timestamp": "-1"}, BODY, "callback.timestamp"),
        (signed(at=NOW - timedelta(seconds=301)), BODY, "callback.freshness"),
        (signed(at=NOW + timedelta(seconds=301)), BODY, "callback.freshness"),
        (signed(b"{}"), b"{}", "callback.body"),
        (signed(b"\xff"), b"\xff", "callback.body"),
    ],
)
def test_a_callback_that_is_not_provably_the_banks_is_rejected(
    headers: dict[str, str], body: bytes, rule: str
) -> None:
    with pytest.raises(CallbackRejected) as rejection:
        verifier().verify(headers, body)
    assert rejection.value.rule == rule


def test_a_secret_too_short_to_protect_is_refused() -> None:
    with pytest.raises(ValueError, match="secrets"):
        verifier(b"short")


def calling(process: BankProcess) -> CallbackVerifier:
    return CallbackVerifier([process.credentials.callback_secret], clock=lambda: datetime.now(UTC))


def test_the_bank_calls_back_what_the_query_tells(
    start_bank: Callable[..., BankProcess], receiver: CallbackReceiver
) -> None:
    process = start_bank("--callback-url", receiver.url)
    with process.client() as bank:
        bank.submit(order())
        ((headers, body),) = eventually(lambda: list(receiver.received))
        assert calling(process).verify(headers, body) == final(bank, "payout-1")


def test_a_callback_that_comes_twice_gives_the_same_result(
    start_bank: Callable[..., BankProcess], receiver: CallbackReceiver
) -> None:
    process = start_bank("--callback-url", receiver.url, "--settle-after-ms", "1")
    process.faults({"fault": "callback_twice"})
    with process.client() as bank:
        bank.submit(order())
        received = eventually(lambda: list(receiver.received), lambda seen: len(seen) == 2)
        first, second = (calling(process).verify(headers, body) for headers, body in received)
        assert first == second == final(bank, "payout-1")


def test_a_callback_that_never_comes_leaves_the_query(
    start_bank: Callable[..., BankProcess], receiver: CallbackReceiver
) -> None:
    process = start_bank("--callback-url", receiver.url, "--settle-after-ms", "1")
    process.faults(
        {"fault": "callback_never", "nth": 1}, {"fault": "callback_late", "nth": 2, "delay_ms": 300}
    )
    with process.client() as bank:
        bank.submit(order("silent"))
        assert final(bank, "silent").status is TransferStatus.SETTLED
        bank.submit(order("late"))
        assert final(bank, "late").status is TransferStatus.SETTLED
        bank.submit(order("usual"))
        received = eventually(lambda: list(receiver.received), lambda seen: len(seen) == 2)
    assert [json.loads(body)["payout_id"] for _, body in received] == ["usual", "late"]


def test_an_undelivered_callback_survives_a_kill_and_is_tried_again(
    start_bank: Callable[..., BankProcess],
) -> None:
    receiver = CallbackReceiver(refuse=1)
    try:
        process = start_bank("--callback-url", receiver.url, "--settle-after-ms", "1")
        with process.client() as bank:
            bank.submit(order())
        eventually(lambda: receiver.refused)
        process.end(signal.SIGKILL)
        process.start()
        ((headers, body),) = eventually(lambda: list(receiver.received))
        assert body == receiver.refused[0]
        assert calling(process).verify(headers, body).status is TransferStatus.SETTLED
        eventually(lambda: process.rows("SELECT state FROM outbox") == [("delivered",)])
    finally:
        receiver.close()
