"""The sandbox bank's own promises, seen from outside: its process, its HTTP face, its file."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.payout.signing import request_headers
from tests.payout.bank_process import BankProcess, final, order
from tests.support.process import REPOSITORY


@pytest.fixture
def process(tmp_path: Path) -> Iterator[BankProcess]:
    bank = BankProcess(tmp_path, "--settle-after-ms", "1")
    yield bank
    bank.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    """One bank for the tests that leave nothing behind which another would see."""
    bank = BankProcess(tmp_path_factory.mktemp("bank"), "--settle-after-ms", "1")
    yield bank
    bank.end()


def run(*flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "engine.sandbox.bank", *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)


def call(
    process: BankProcess, method: str, target: str, body: bytes = b"", key: str | None = None
) -> httpx.Response:
    """A correctly signed request with any body."""
    now = int(time.time())
    headers = request_headers(process.credentials, method, target, body, key, now)
    with httpx.Client(trust_env=False) as client:
        return client.request(method, process.url + target, content=body, headers=headers)


def test_it_says_where_it_listens_and_ends_with_zero_when_asked(process: BankProcess) -> None:
    assert process.ready["url"].startswith("http://127.0.0.1:")
    with httpx.Client(trust_env=False) as client:
        assert client.get(process.url + "/healthz").json() == {"status": "ok"}
    assert process.end(signal.SIGTERM) == 0


def test_help_shows_examples() -> None:
    told = run("--help")
    assert told.returncode == 0
    assert "examples:" in told.stdout


def test_a_second_bank_on_the_same_database_does_not_start(process: BankProcess) -> None:
    second = run("--db", str(process.database), "--port", "0")
    assert (second.returncode, second.stdout) == (2, "")
    assert "another sandbox bank runs on it" in second.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"rules": [{"fault": "explode"}]}', "rules.0.fault"),
        ('{"rules": [{"fault": "slow", "nth": 0}]}', "nth"),
    ],
)
def test_a_wrong_fault_plan_is_named(shared: BankProcess, tmp_path: Path, content: str, named: str) -> None:
    plan = tmp_path / "faults.json"
    plan.write_text(content)
    at_start = run("--db", str(tmp_path / "other.sqlite"), "--port", "0", "--faults", str(plan))
    assert at_start.returncode == 2
    assert named in at_start.stderr
    headers = {"Authorization": f"Bearer {shared.credentials.api_key}"}
    with httpx.Client(trust_env=False) as client:
        at_run_time = client.put(shared.url + "/v1/faults", content=content, headers=headers)
    assert at_run_time.status_code == 422
    assert named in at_run_time.json()["field"]


def test_its_secrets_are_readable_by_the_owner_only(shared: BankProcess) -> None:
    assert Path(shared.ready["secret_file"]).stat().st_mode & 0o777 == 0o600


def test_white_space_does_not_make_another_order(shared: BankProcess) -> None:
    body = order("spaced").body()
    first = call(shared, "POST", "/v1/transfers", body, "spaced")
    again = call(shared, "POST", "/v1/transfers", json.dumps(json.loads(body), indent=2).encode(), "spaced")
    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_fen": 0}, "amount_fen"),
        ({"amount_fen": "5"}, "amount_fen"),
        ({"currency": "USD"}, "currency"),
    ],
)
def test_a_body_that_breaks_a_rule_is_a_problem_naming_the_field(
    shared: BankProcess, change: dict[str, Any], field: str
) -> None:
    body = json.dumps(json.loads(order("broken").body()) | change).encode()
    answer = call(shared, "POST", "/v1/transfers", body, "broken")
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert (answer.json()["code"], answer.json()["field"]) == ("invalid_request", field)
    assert shared.rows("SELECT count(*) FROM transfers WHERE payout_id = 'broken'") == [(0,)]


def test_the_idempotency_key_must_be_the_payout_id(shared: BankProcess) -> None:
    answer = call(shared, "POST", "/v1/transfers", order().body(), "another")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_wrong")


def test_a_signature_covers_the_query(shared: BankProcess) -> None:
    target = "/v1/statement?from=2026-07-01&to=2026-07-01"
    assert call(shared, "GET", target).status_code == 200
    headers = request_headers(shared.credentials, "GET", target, b"", None, int(time.time()))
    with httpx.Client(trust_env=False) as client:
        tampered = client.get(shared.url + target.replace("to=2026-07-01", "to=2026-07-02"), headers=headers)
    assert (tampered.status_code, tampered.json()["code"]) == (401, "signature_wrong")


def test_an_account_shows_what_was_paid_into_it(process: BankProcess) -> None:
    with process.client() as bank:
        bank.submit(order("one", 100))
        bank.submit(order("two", 23))
        final(bank, "one")
        final(bank, "two")
    shown = call(process, "GET", f"/v1/accounts/{order().payee_account}").json()
    assert (shown["balance_fen"], shown["held_fen"]) == (123, 0)
    assert call(process, "GET", "/v1/accounts/11111111").json()["code"] == "account_not_found"


def test_the_same_seed_refuses_the_same_orders(tmp_path: Path) -> None:
    refused = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        process = BankProcess(folder, "--settle-after-ms", "1")
        try:
            process.faults({"fault": "refuse", "probability": 0.3}, seed=11)
            with process.client() as bank:
                for n in range(30):
                    bank.submit(order(f"p-{n}"))
                for n in range(30):
                    final(bank, f"p-{n}")
            refused.append(
                process.rows("SELECT payout_id FROM transfers WHERE status = 'refused' ORDER BY 1")
            )
        finally:
            process.end()
    assert refused[0] == refused[1]
    assert 0 < len(refused[0]) < 30


def test_a_fault_strikes_at_most_its_count(process: BankProcess) -> None:
    process.faults({"fault": "refuse", "count": 2})
    with process.client() as bank:
        for n in range(4):
            bank.submit(order(f"p-{n}"))
            final(bank, f"p-{n}")
    assert process.rows("SELECT count(*) FROM transfers WHERE status = 'refused'") == [(2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE postings SET amount_fen = 1",
        "DELETE FROM postings",
        "UPDATE accounts SET balance_fen = -1 WHERE kind = 'funding'",
        (
            "INSERT INTO postings (kind, payout_id, debit_account, credit_account, amount_fen, value_time_ms)"
            " SELECT kind, payout_id, debit_account, credit_account, amount_fen, value_time_ms FROM postings"
            " WHERE kind = 'payment'"
        ),
        "UPDATE transfers SET status = 'refused'",
    ],
)
def test_the_database_itself_refuses_to_break_the_books(shared: BankProcess, sql: str) -> None:
    with shared.client() as bank:
        bank.submit(order())
        final(bank, "payout-1")
    connection = sqlite3.connect(shared.database, timeout=30)
    try:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(sql)
    finally:
        connection.close()


def test_what_is_promised_is_not_available_twice(tmp_path: Path) -> None:
    process = BankProcess(tmp_path, "--settle-after-ms", "600000", "--funding-fen", "100")
    try:
        with process.client() as bank:
            told = [bank.submit(order(f"p-{n}", 60)) for n in range(2)]
        assert [result.reason for result in told] == [None, "insufficient_funds"]
        assert process.rows("SELECT balance_fen, held_fen FROM accounts WHERE kind = 'funding'") == [
            (100, 60)
        ]
    finally:
        process.end()
