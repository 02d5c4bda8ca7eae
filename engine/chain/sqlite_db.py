"""The embedded chain's one SQLite file: py-evm's key-value store and the indexes over it.

Everything a block writes (trie nodes, header, transactions, receipts, log index) is gathered in memory
and goes to the file in one SQL transaction, so kill -9 leaves the whole block or none of it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.db.backends.base import BaseDB

from engine.chain.errors import ChainLocked

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    block INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    tx_index INTEGER NOT NULL,
    tx_hash BLOB NOT NULL,
    address BLOB NOT NULL,
    topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB,
    data BLOB NOT NULL,
    PRIMARY KEY (block, log_index)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_by_address ON log (address, block);
CREATE INDEX IF NOT EXISTS log_by_topic0 ON log (topic0, block);
CREATE INDEX IF NOT EXISTS log_by_topic1 ON log (topic1, block) WHERE topic1 IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_by_topic2 ON log (topic2, block) WHERE topic2 IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_by_topic3 ON log (topic3, block) WHERE topic3 IS NOT NULL;
"""
_TOPIC_COLUMNS = ("topic0", "topic1", "topic2", "topic3")
_BY_SELECTIVITY = ("topic1", "topic2", "topic3", "topic0", "address")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log as indexed; topics are 32 bytes each, at most four."""

    block: int
    log_index: int
    tx_index: int
    tx_hash: bytes
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What eth_getLogs asks: blocks inclusive; any of the addresses; per position any of the topics.

    An empty `addresses`, or an empty set at a topic position, matches everything there.
    """

    from_block: int
    to_block: int
    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


class SqliteDB(BaseDB):
    """py-evm's store over one SQLite file. Use from the thread that opened it only.

    Writes are visible to reads at once and reach the file at `commit`; `rollback` forgets them.
    Raises ChainLocked when another process (or another connection) holds the file.
    """

    def __init__(self, path: Path) -> None:
        self._pending: dict[bytes, bytes | None] = {}
        self._pending_logs: list[LogRow] = []
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            # EXCLUSIVE before WAL: the lock is then never released and the WAL index stays in memory.
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA cache_size=-65536")
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error) or "busy" in str(error):
                raise ChainLocked(
                    f"{path} is locked by a running engine: stop it, or use its read-only JSON-RPC"
                ) from error
            raise

    def __getitem__(self, key: bytes) -> bytes:
        if key in self._pending:
            value = self._pending[key]
            if value is None:
                raise KeyError(key)
            return value
        row = self._connection.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def __delitem__(self, key: bytes) -> None:
        if not self._exists(key):
            raise KeyError(key)
        self._pending[key] = None

    def _exists(self, key: bytes) -> bool:
        if key in self._pending:
            return self._pending[key] is not None
        return self._connection.execute("SELECT 1 FROM kv WHERE key = ?", (key,)).fetchone() is not None

    def meta(self, name: str) -> str | None:
        """A fact about the file itself (the chain id it was made with)."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def add_logs(self, rows: Iterable[LogRow]) -> None:
        self._pending_logs.extend(rows)

    def commit(self, meta: dict[str, str] | None = None) -> None:
        """Write everything pending in one durable transaction; all or nothing."""
        cursor = self._connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            cursor.executemany(
                "INSERT OR REPLACE INTO kv (key, value) VALUES (?, ?)",
                ((key, value) for key, value in self._pending.items() if value is not None),
            )
            cursor.executemany(
                "DELETE FROM kv WHERE key = ?",
                ((key,) for key, value in self._pending.items() if value is None),
            )
            cursor.executemany(
                "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_log_values, self._pending_logs)
            )
            cursor.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", (meta or {}).items())
            cursor.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        self.rollback()

    def rollback(self) -> None:
        """Forget what was written since the last commit."""
        self._pending.clear()
        self._pending_logs.clear()

    def find_logs(self, wanted: LogFilter, limit: int) -> list[LogRow]:
        """Logs in (block, log_index) order, at most `limit` of them."""
        where = ["block BETWEEN ? AND ?"]
        parameters: list[int | bytes] = [wanted.from_block, wanted.to_block]
        chosen = dict(zip(_TOPIC_COLUMNS, wanted.topics, strict=False)) | {"address": wanted.addresses}
        driving = next((column for column in _BY_SELECTIVITY if chosen.get(column)), None)
        for column, choices in chosen.items():
            if choices:
                # The unary plus keeps SQLite, which has no statistics here, off the less selective indexes.
                steer = "" if column == driving else "+"
                where.append(f"{steer}{column} IN ({','.join('?' * len(choices))})")
                parameters.extend(choices)
        # A position that matches anything still demands that the log has that many topics.
        if wanted.topics:
            where.append(f"+{_TOPIC_COLUMNS[len(wanted.topics) - 1]} IS NOT NULL")
        rows = self._connection.execute(
            f"SELECT * FROM log WHERE {' AND '.join(where)} ORDER BY block, log_index LIMIT ?",  # noqa: S608  column names only
            (*parameters, limit),
        )
        return [_log_row(row) for row in rows]

    def close(self) -> None:
        self._connection.close()


def _log_values(row: LogRow) -> Sequence[int | bytes | None]:
    topics: list[bytes | None] = [*row.topics, *([None] * (4 - len(row.topics)))]
    return (row.block, row.log_index, row.tx_index, row.tx_hash, row.address, *topics, row.data)


def _log_row(row: Sequence[Any]) -> LogRow:
    block, log_index, tx_index, tx_hash, address, *topics, data = row
    present = tuple(topic for topic in topics if topic is not None)
    return LogRow(block, log_index, tx_index, tx_hash, address, present, data)
