"""The one file: a block's writes are one transaction, and the log index answers what a scan would."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chain.sqlite_db import LogFilter, LogRow, SqliteDB

WORDS = [bytes([n]) * 32 for n in range(3)]
ADDRESSES = [bytes([n]) * 20 for n in range(3)]

_logs = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(ADDRESSES),
        st.lists(st.sampled_from(WORDS), max_size=4),
    ),
    max_size=30,
)
_filters = st.builds(
    LogFilter,
    from_block=st.integers(0, 5),
    to_block=st.integers(0, 5),
    addresses=st.lists(st.sampled_from(ADDRESSES), max_size=2).map(tuple),
    topics=st.lists(st.lists(st.sampled_from(WORDS), max_size=2).map(tuple), max_size=4).map(tuple),
)


def _matches(row: LogRow, wanted: LogFilter) -> bool:
    """eth_getLogs as the specification words it."""
    return (
        wanted.from_block <= row.block <= wanted.to_block
        and (not wanted.addresses or row.address in wanted.addresses)
        and len(row.topics) >= len(wanted.topics)
        and all(
            not choices or topic in choices for choices, topic in zip(wanted.topics, row.topics, strict=False)
        )
    )


@given(_logs, st.lists(_filters, min_size=1, max_size=5), st.integers(1, 10))
def test_the_index_finds_what_a_scan_finds(
    logs: list[tuple[int, bytes, list[bytes]]], filters: list[LogFilter], limit: int
) -> None:
    db = SqliteDB(Path(":memory:"))
    rows = [
        LogRow(block, index, 0, b"\x07" * 32, address, tuple(topics), b"data")
        for index, (block, address, topics) in enumerate(logs)
    ]
    db.add_logs(rows)
    db.commit()
    for wanted in filters:
        expected = sorted((r for r in rows if _matches(r, wanted)), key=lambda r: (r.block, r.log_index))
        assert db.find_logs(wanted, limit) == expected[:limit]
    db.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.db"


def test_writes_are_seen_at_once_and_kept_only_by_commit(path: Path) -> None:
    db = SqliteDB(path)
    db[b"kept"] = b"1"
    db.commit(meta={"chain_id": "5"})
    db[b"lost"] = b"2"
    del db[b"kept"]
    assert (b"lost" in db, b"kept" in db) == (True, False)
    with pytest.raises(KeyError):
        db[b"kept"]
    db.close()
    again = SqliteDB(path)
    assert (again[b"kept"], again.meta("chain_id"), again.meta("other")) == (b"1", "5", None)
    with pytest.raises(KeyError):
        again[b"lost"]
    again.close()


def test_a_deletion_is_kept_by_commit(path: Path) -> None:
    db = SqliteDB(path)
    db[b"key"] = b"1"
    db.commit()
    del db[b"key"]
    db.commit()
    assert b"key" not in db
    with pytest.raises(KeyError):
        del db[b"key"]
    db.close()


def test_a_commit_that_fails_keeps_nothing_of_the_block(path: Path) -> None:
    db = SqliteDB(path)
    row = LogRow(1, 0, 0, b"\x01" * 32, ADDRESSES[0], (), b"")
    db.add_logs([row])
    db.commit()
    db[b"key"] = b"half"
    db.add_logs([row])  # the same (block, log index) again
    with pytest.raises(Exception, match="UNIQUE"):
        db.commit()
    db.rollback()
    assert b"key" not in db
    db[b"key"] = b"whole"
    db.commit()
    assert db[b"key"] == b"whole"
    db.close()


def test_every_commit_reaches_the_disk(path: Path) -> None:
    db = SqliteDB(path)
    settings = {
        name: db._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("locking_mode", "journal_mode", "synchronous")
    }
    assert settings == {"locking_mode": "exclusive", "journal_mode": "wal", "synchronous": 2}
    db.close()
