"""The migrations make the schema that the tables state, and what is append-only the database itself holds."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Executable, MetaData, Table, delete, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel, select

from engine.store import access_log, tables
from engine.store.access_log import Call
from engine.store.database import MIGRATIONS, Database

PAID_AND_TAKEN_BACK = """
    INSERT INTO hospital (code, name, grade, area, kind, wards) VALUES ('H', 'H', 3, '31', 'o', '[]');
    INSERT INTO product (product, edition, digest, document, loaded_at)
        VALUES ('p', '2024', 'd', '{}', '2026-01-01');
    INSERT INTO policy (id, policy_no, product, edition, effective, expires, pseudonym, coverage_digest,
        coverage_sealed, salts_sealed, loaded_at)
        VALUES (1, 'P', 'p', '2024', '2024-01-01', '2025-01-01', 'x', '', '', '', '2026-01-01');
    INSERT INTO settlement (id, hospital_code, setl_id, reference, content_digest, body_sealed,
        document_sealed, admitted_on, discharged_on, settled_at, received_at)
        VALUES (1, 'H', 'S', 'E', '', '', '', '2026-01-01', '2026-01-01', '2026-01-01', '2026-01-01');
    INSERT INTO claim (id, claim_id, settlement_id, hospital_code, state, version, payable_fen, reasons,
        salts_sealed, policy_id, created_at, updated_at)
        VALUES (1, 'clm', 1, 'H', 'recovery_due', 1, 700, '[]', '', 1, '2026-01-01', '2026-01-01');
    INSERT INTO claim_transition (claim_id, to_state, actor, reason, at)
        VALUES (1, 'accepted', 'a', 'r', '2026-01-01');
    INSERT INTO payout (payout_id, claim_id, policy_id, settlement_id, version, amount_fen, state,
        trigger_tx, trigger_block, trigger_log_index, order_sealed, order_digest, created_at)
        VALUES ('po', 1, 1, 1, 1, 700, 'confirmed', '', 1, 1, '', '', '2026-01-01')
"""
NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
VERSIONS = sorted(one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
FORGOTTEN_BY = {"0002": {"chain_cursor"}}
"""Tables that a version empties on purpose."""


def test_upgraded_from_nothing_it_is_what_the_tables_state(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_again_changes_nothing_and_keeps_what_is_there(database: Database) -> None:
    with database.transaction() as session:
        session.add(tables.ChainCursor(name="kept", next_block=7))
    database.migrate()
    with database.reading() as session:
        assert session.get_one(tables.ChainCursor, "kept").next_block == 7


def test_a_home_of_any_earlier_version_keeps_every_row(unmigrated: Database) -> None:
    """One home grows old: at each version every table gets a row more, in all columns that it has by then."""
    before: list[tuple[str, str, dict[str, Any]]] = []
    for number, version in enumerate(VERSIONS[:-1], start=1):
        unmigrated.migrate(version)
        before += [(version, name, row) for name, row in _a_row_in_every_table(unmigrated, number).items()]
    unmigrated.migrate()
    after = {name: _rows(unmigrated, name) for name in {name for _, name, _ in before}}
    for version, name, row in before:
        forgotten = any(name in tables and later > version for later, tables in FORGOTTEN_BY.items())
        kept = [{column: one.get(column) for column in row} for one in after[name]].count(row)
        assert kept == (0 if forgotten else 1), (version, name)
    with unmigrated.engine.connect() as connection:
        if unmigrated.engine.dialect.name == "sqlite":  # PostgreSQL checks at every statement
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def _a_row_in_every_table(database: Database, number: int = 1) -> dict[str, dict[str, Any]]:
    """The rows by table, as they read back. number: each row refers to the others of the same."""
    schema = MetaData()
    schema.reflect(database.engine)
    made = [table for table in schema.sorted_tables if table.name != "alembic_version"]
    rows = {}
    with database.transaction() as session:
        for table in made:
            row = {column.name: _value(column.type.python_type, number) for column in table.columns}
            session.connection().execute(table.insert().values(row))
            key = [column == row[column.name] for column in table.primary_key]
            rows[table.name] = dict(session.connection().execute(table.select().where(*key)).mappings().one())
    return rows


def _value(kind: type, number: int) -> Any:
    """What every column of a type holds in the rows of one number; object is JSON."""
    days = timedelta(days=number)
    return {
        str: f"x{number}",
        int: number,
        bool: True,
        bytes: f"x{number}".encode(),
        date: date(2026, 1, 1) + days,
        datetime: NOW + days,
        object: {},
    }[kind]


def _rows(database: Database, table: str) -> list[dict[str, Any]]:
    with database.reading() as session:
        found = session.connection().execute(Table(table, MetaData(), autoload_with=database.engine).select())
        return [dict(row) for row in found.mappings()]


def test_a_feed_from_before_events_were_remembered_reads_from_the_start(tmp_path: Path) -> None:
    """It would not know what to withdraw; what it reads again changes nothing."""
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    database.migrate("0001")
    with database.transaction() as session:
        session.add(tables.ChainCursor(name="payouts", next_block=70, last_block_hash="0x12"))
    database.migrate()
    with database.reading() as session:
        assert session.get(tables.ChainCursor, "payouts") is None
    database.close()


def test_what_was_granted_before_guardians_was_granted_by_the_insured(unmigrated: Database) -> None:
    unmigrated.migrate("0002")
    _a_row_in_every_table(unmigrated)
    unmigrated.migrate()
    with unmigrated.reading() as session:
        (granted,) = session.exec(select(tables.Authorization)).all()
    assert granted.guardian == "0x" + "0" * 40


def test_what_was_loaded_and_paid_before_versions_is_kept(tmp_path: Path) -> None:
    """An edition's one wording is its first; of a claim that was taken back all is to be recovered."""
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    database.migrate("0004")
    with database.transaction() as session:
        for statement in PAID_AND_TAKEN_BACK.split(";"):
            session.connection().exec_driver_sql(statement)
    database.migrate()
    with database.reading() as session:
        assert session.get_one(tables.Product, ("p", "2024", 1)).digest == "d"
        assert session.get_one(tables.Claim, 1).recovery_fen == 700
        assert session.get_one(tables.Payout, "po").amount_fen == 700
    database.close()


def test_claims_are_kept_when_settlements_may_have_several(tmp_path: Path) -> None:
    """SQLite has to make their table anew, while moves and payouts refer to it."""
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    database.migrate("0004")
    with database.transaction() as session:
        for statement in PAID_AND_TAKEN_BACK.split(";"):
            session.connection().exec_driver_sql(statement)
    database.migrate("0005")
    with database.reading() as session:
        before = session.connection().exec_driver_sql("SELECT * FROM claim").mappings().one()
    database.migrate()
    with database.reading() as session:
        after = session.connection().exec_driver_sql("SELECT * FROM claim").mappings().one()
        assert {**after} == {**before, "beside": None, "erased_at": None}
        assert session.connection().exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert session.exec(select(tables.ClaimTransition)).one().claim_id == 1
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM claim WHERE id = 1")
    database.close()


def _claim(number: int, **further: object) -> tables.Claim:
    return tables.Claim(
        id=10 + number,
        claim_id=f"clm_{number}",
        settlement_id=1,
        hospital_code="H",
        state="accepted",
        salts_sealed=b"",
        created_at=NOW,
        updated_at=NOW,
        **further,
    )


def test_a_settlement_has_one_claim_of_its_own_and_one_a_further_policy(database: Database) -> None:
    _transition(database)
    with database.transaction() as session:
        for statement in PAID_AND_TAKEN_BACK.split(";")[2:3]:
            session.connection().exec_driver_sql(statement)
        session.add(_claim(2, beside="clm", policy_id=1))
    for second in (_claim(3), _claim(3, beside="clm", policy_id=1), _claim(3, beside="clm_none")):
        with pytest.raises(IntegrityError), database.transaction() as session:
            session.add(second)


def _log_entry(database: Database) -> None:
    with database.transaction() as session:
        access_log.append(session, Call(NOW, "req", None, None, None, "GET", "/healthz", 200, "127.0.0.1"))


def _transition(database: Database) -> None:
    statements = (
        "INSERT INTO hospital (code, name, grade, area, kind, wards) VALUES ('H', 'H', 3, '31', 'o', '[]')",
        (
            "INSERT INTO settlement (id, hospital_code, setl_id, reference, content_digest, body_sealed,"
            " document_sealed, admitted_on, discharged_on, settled_at, received_at)"
            " VALUES (1, 'H', 'S', 'E', '', '', '', '2026-01-01', '2026-01-01', '2026-01-01', '2026-01-01')"
        ),
        (
            "INSERT INTO claim (id, claim_id, settlement_id, hospital_code, state, version, payable_fen,"
            " recovery_fen, reasons, salts_sealed, created_at, updated_at)"
            " VALUES (1, 'clm', 1, 'H', 'accepted', 1, 0, 0, '[]', '', '2026-01-01', '2026-01-01')"
        ),
        (
            "INSERT INTO claim_transition (claim_id, to_state, actor, reason, at)"
            " VALUES (1, 'accepted', 'a', 'r', '2026-01-01')"
        ),
    )
    with database.transaction() as session:
        for statement in statements:
            session.execute(text(statement))


@pytest.mark.parametrize(
    ("table", "column", "fill"),
    [(tables.AccessEntry, "path", _log_entry), (tables.ClaimTransition, "reason", _transition)],
)
def test_what_is_append_only_is_never_changed_or_taken_away(
    database: Database, table: type[SQLModel], column: str, fill: Callable[[Database], None]
) -> None:
    fill(database)
    changes: list[Executable] = [update(table).values({column: "other"}), delete(table)]
    if database.engine.dialect.name == "postgresql":
        changes.append(text(f"TRUNCATE {table.__tablename__} CASCADE"))
    for change in changes:
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.execute(change)
    with database.reading() as session:
        (kept,) = session.exec(select(table)).all()
    assert getattr(kept, column) != "other"


def test_times_come_back_as_they_went_in_and_aware(database: Database) -> None:
    _log_entry(database)
    with database.reading() as session:
        (entry,) = access_log.page(session, 0, 10)
    assert entry.at == NOW
    assert entry.at.tzinfo is UTC


def test_a_time_without_its_zone_is_refused(database: Database) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(Exception, match="without its zone"), database.transaction() as session:
        session.add(tables.ApiKey(key_id="k", key_digest="d", role="r", principal="p", created_at=naive))


def test_a_row_that_refers_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(tables.Reversal(settlement_id=404, body_sealed=b"", reason_digest="", received_at=NOW))


def test_what_is_changed_while_reading_is_not_kept(database: Database) -> None:
    with database.reading() as session:
        session.add(tables.ChainCursor(name="lost", next_block=1))
        session.flush()
    with database.reading() as session:
        assert session.get(tables.ChainCursor, "lost") is None
