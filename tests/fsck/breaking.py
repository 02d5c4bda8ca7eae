"""Tools to break one thing: the database by SQL, the chain's and the bank's answers on their way."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from engine.fsck import Difference, Report, Transport

Log = dict[str, Any]
_WITHOUT_CONSTRAINTS = """
    CREATE TABLE loosened AS SELECT * FROM TABLE_NAME;
    DROP TABLE TABLE_NAME;
    ALTER TABLE loosened RENAME TO TABLE_NAME;
"""


def named(report: Report) -> set[tuple[str, str]]:
    return {(difference.code.value, difference.subject) for difference in report.differences}


def detail_of(report: Report, code: str) -> str:
    found: list[Difference] = [d for d in report.differences if d.code == code]
    assert len(found) == 1, report.differences
    return found[0].detail


def break_database(home: Path, sql: str, *, target: str = "", loose: str = "") -> None:
    """Run a script as somebody with the file in hand would: no triggers, no foreign keys.

    TARGET in it stands for `target`; the table `loose` loses its constraints first.
    """
    connection = sqlite3.connect(home / "engine.db")
    try:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (trigger,) in triggers:
            connection.execute(f"DROP TRIGGER {trigger}")
        if loose:
            connection.executescript(_WITHOUT_CONSTRAINTS.replace("TABLE_NAME", loose))
        connection.executescript(sql.replace("TARGET", target))
        connection.commit()
    finally:
        connection.close()


def answering(chain: Transport, method: str, change: Callable[[list[Any], Any], Any]) -> Transport:
    """The chain with the results of one method changed: change(params, result) -> result."""

    def send(payload: bytes) -> bytes:
        requests, answers = json.loads(payload), json.loads(chain(payload))
        pairs = zip(
            *([requests], [answers]) if isinstance(requests, dict) else (requests, answers), strict=True
        )
        for request, answer in pairs:
            if request["method"] == method and "result" in answer:
                answer["result"] = change(request["params"], answer["result"])
        return json.dumps(answers).encode()

    return send


def with_logs(chain: Transport, change: Callable[[list[Log]], list[Log]]) -> Transport:
    return answering(chain, "eth_getLogs", lambda _, logs: change(logs))


class Statement(httpx.BaseTransport):
    """The bank with its statement's lines changed, the control totals along with them.

    change(lines, reading): reading counts the statements that were asked for, from 1.
    """

    def __init__(self, change: Callable[[list[Log], int], list[Log]]) -> None:
        self._change = change
        self._inner = httpx.HTTPTransport()
        self.readings = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        page = json.loads(response.read())
        self.readings += 1
        page["lines"] = self._change(page["lines"], self.readings)
        page["line_count"] = len(page["lines"])
        for direction in ("debit", "credit"):
            amounts = (line["amount_fen"] for line in page["lines"] if line["direction"] == direction)
            page[f"{direction}_total_fen"] = sum(amounts)
        return httpx.Response(response.status_code, json=page, request=request)

    def close(self) -> None:
        self._inner.close()
