"""The sandbox bank as tests run it: a real process on a port of its own, and a real callback receiver."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx

from engine.money import Fen
from engine.payout.http_bank import HttpBank, RetryPolicy
from engine.payout.port import StatementLine, TransferOrder, TransferResult
from engine.payout.signing import BankCredentials
from tests.support.network import trusted
from tests.support.process import REPOSITORY, stop

_T = TypeVar("_T")

QUICK = RetryPolicy(
    attempts=3, first_pause_s=0.01, longest_pause_s=0.05, not_found_grace_s=0.05, read_timeout_s=0.5
)


def eventually(look: Callable[[], _T], good: Callable[[_T], bool] = bool) -> _T:
    """What `look` sees once it is good; fails with the last sight when it never becomes so."""
    seen = look()
    give_up_at = time.monotonic() + 20
    while not good(seen):
        assert time.monotonic() < give_up_at, f"still {seen!r}"
        time.sleep(0.01)
        seen = look()
    return seen


def order(payout_id: str = "payout-1", amount_fen: int = 123_45, **changes: Any) -> TransferOrder:
    fields: dict[str, Any] = {
        "payee_name": "张三",
        "payee_account": "6222020200112233446",
        "payee_bank": "中国工商银行",
        "purpose": "沪惠保理赔",
    }
    return TransferOrder(payout_id=payout_id, amount_fen=Fen(amount_fen), **(fields | changes))


class BankProcess:
    """Start, kill and restart one sandbox bank on one database and one port."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.database = folder / "bank.sqlite"
        self.port = 0
        self.flags = flags
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "engine.sandbox.bank"]
        command += ["--db", str(self.database), "--port", str(self.port), *self.flags]
        with (self.folder / "bank.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=REPOSITORY
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "bank.log").read_text()
        self.ready = json.loads(line)
        self.url = self.ready["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.credentials = BankCredentials.load(Path(self.ready["secret_file"]))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the process and wait for it. Its exit code."""
        assert self.process.stdout is not None
        stop(self.process, gently=number.name.removeprefix("SIG"))
        self.process.stdout.close()
        return self.process.returncode

    def client(self, **options: Any) -> HttpBank:
        return HttpBank(self.url, self.credentials, **({"policy": QUICK, "verify": trusted()} | options))

    def faults(self, *rules: dict[str, Any], seed: int = 0) -> None:
        headers = {"Authorization": f"Bearer {self.credentials.api_key}"}
        plan = {"seed": seed, "rules": rules}
        with httpx.Client(verify=trusted(), trust_env=False) as client:
            response = client.put(f"{self.url}/v1/faults", json=plan, headers=headers)
        assert response.status_code == 200, response.text

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Straight from the file: an oracle that shares no code with the bank."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()


class _CallbackServer(ThreadingHTTPServer):
    request_queue_size = 128  # the library's 5 would drop connections of a busy bank


class CallbackReceiver:
    """Keeps every callback as it came: (headers, raw body). Answers 500 to the first `refuse`."""

    def __init__(self, refuse: int = 0) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.refused: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(receiver.refused) < refuse:
                    receiver.refused.append(body)
                    self.send_response(500)
                else:
                    receiver.received.append((dict(self.headers.items()), body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = _CallbackServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/bank/callbacks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def final(bank: HttpBank, payout_id: str) -> TransferResult:
    return eventually(lambda: bank.query(payout_id), lambda result: result.status.is_final)


def whole_statement(bank: HttpBank) -> list[StatementLine]:
    """Of a span that holds this moment whatever the bank's time zone."""
    today: date = datetime.now(UTC).date()
    return bank.statement(today - timedelta(days=1), today + timedelta(days=1))
