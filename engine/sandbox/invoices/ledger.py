"""The platform's own table, in a SQLite file of its own."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS invoice (
        code TEXT NOT NULL,
        number TEXT NOT NULL,
        check_code TEXT NOT NULL CHECK (length(check_code) = 6),
        amount_fen INTEGER NOT NULL CHECK (amount_fen >= 0),
        hospital_code TEXT NOT NULL,
        red INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (code, number)
    );
    CREATE TRIGGER IF NOT EXISTS a_red_invoice_stays_red BEFORE UPDATE ON invoice
    WHEN OLD.red = 1 AND NEW.red = 0 BEGIN SELECT RAISE(ABORT, 'a red invoice stays red'); END;
"""


class Ledger:
    """Opened by the one process that the platform is."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def issue(self, invoices: Iterable[Mapping[str, Any]]) -> int:
        """How many are new."""
        with self._connection:
            done = self._connection.executemany(
                "INSERT OR IGNORE INTO invoice (code, number, check_code, amount_fen, hospital_code)"
                " VALUES (:code, :number, :check_code, :amount_fen, :hospital_code)",
                invoices,
            )
        return done.rowcount

    def cancel(self, code: str, number: str) -> bool:
        """Whether there is such an invoice."""
        with self._connection:
            done = self._connection.execute(
                "UPDATE invoice SET red = 1 WHERE code = ? AND number = ?", (code, number)
            )
        return done.rowcount == 1

    def look_up(self, code: str, number: str, check_code: str) -> dict[str, Any]:
        found = self._connection.execute(
            "SELECT amount_fen, hospital_code, red FROM invoice"
            " WHERE code = ? AND number = ? AND check_code = ?",
            (code, number, check_code),
        ).fetchone()
        if found is None:
            return {"status": "unknown"}
        status = "red" if found[2] else "normal"
        return {"status": status, "amount_fen": found[0], "hospital_code": found[1]}

    def count(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM invoice").fetchone()
        return int(count)
