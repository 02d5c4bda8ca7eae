"""The chained log by itself, on a plain database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine.store import access_log
from engine.store.access_log import GENESIS, Call
from engine.store.database import Database

_CALL = Call(
    at=datetime(2025, 3, 1, 2, 21, 7, 123456, tzinfo=UTC),
    request_id="a" * 32,
    key_id="00" * 8,
    role="auditor",
    principal="the auditor",
    method="GET",
    path="/v1/audit/log",
    status=200,
    remote="127.0.0.1",
)
_SET = {
    "at": "'2001-01-01 00:00:00'",
    "request_id": "'other'",
    "key_id": "NULL",
    "role": "'operator'",
    "principal": "'other'",
    "method": "'POST'",
    "path": "'/v1/other'",
    "status": "403",
    "remote": "'10.0.0.1'",
    "previous_digest": f"'{GENESIS[:-1]}1'",
    "digest": f"'{GENESIS}'",
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/log.db")
    database.migrate()
    with database.transaction() as session:
        for _ in range(5):
            access_log.append(session, _CALL)
    yield database
    database.close()


def _tamper(database: Database, statement: str) -> None:
    """As somebody with the database file in hand would: the triggers first."""
    with database.transaction() as session:
        for (name,) in session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text(statement))


def test_an_untouched_log_verifies_to_its_newest_digest(database: Database) -> None:
    with database.reading() as session:
        check = access_log.verify_chain(session)
        assert check == access_log.ChainCheck(5, access_log.head(session)[1], None)
        assert access_log.page(session, 0, 1)[0].previous_digest == GENESIS


@pytest.mark.parametrize("column", _SET)
def test_a_changed_column_of_an_entry_is_found(database: Database, column: str) -> None:
    _tamper(database, f"UPDATE access_log SET {column} = {_SET[column]} WHERE seq = 3")  # noqa: S608
    with database.reading() as session:
        assert access_log.verify_chain(session).broken_at == 3


def test_a_dropped_entry_is_found(database: Database) -> None:
    _tamper(database, "DELETE FROM access_log WHERE seq = 3")
    with database.reading() as session:
        assert access_log.verify_chain(session).broken_at == 4


def test_a_cut_tail_shows_against_a_digest_that_was_published(database: Database) -> None:
    with database.reading() as session:
        published = access_log.head(session)
    _tamper(database, "DELETE FROM access_log WHERE seq = 5")
    with database.reading() as session:
        check = access_log.verify_chain(session)
    assert check.broken_at is None
    assert (check.entries, check.head) != published


@pytest.mark.parametrize(
    "statement", ["UPDATE access_log SET status = 200 WHERE seq = 1", "DELETE FROM access_log WHERE seq = 1"]
)
def test_the_database_itself_refuses_to_change_the_log(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append"), database.transaction() as session:
        session.execute(text(statement))


def test_the_log_is_chained_on_postgres_too(postgres_url: str) -> None:
    database = Database(postgres_url)
    database.migrate()
    with database.transaction() as session:
        for _ in range(3):
            access_log.append(session, _CALL)
    with database.reading() as session:
        assert access_log.verify_chain(session).entries == 3
    with pytest.raises(DBAPIError, match="append"), database.transaction() as session:
        session.execute(text("DELETE FROM access_log"))
    database.close()
