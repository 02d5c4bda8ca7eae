"""The table of states, and the schema that a node's database is brought to."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import Session

from engine.errors import Conflict
from engine.provider.node import opened
from engine.provider.states import MOVES, DischargeState, move
from engine.provider.tables import Discharge, ProviderTable
from engine.store.database import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_S = DischargeState


def discharge(state: DischargeState) -> Discharge:
    facts = {"hospital_code": "H", "setl_id": state, "content_digest": "", "body_sealed": b""}
    sealed = {"document_sealed": b"", "salts_sealed": b""}
    days = {"admitted_on": NOW.date(), "discharged_on": NOW.date(), "received_at": NOW, "not_before": NOW}
    return Discharge(**facts, **sealed, **days, state=state)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'provider.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = opened(url)
    yield database
    database.close()


def test_a_nodes_database_is_what_its_tables_state_and_has_none_of_the_insurers(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, ProviderTable.metadata) == []


def test_a_discharge_makes_the_moves_of_the_table_and_no_other(database: Database) -> None:
    with database.transaction() as session:
        for start in _S:
            row = discharge(start)
            session.add(row)
            session.flush()
            for to in _S:
                row.state = start
                assert _may(session, row, to) == (to in MOVES[start]), (start, to)


def _may(session: Session, row: Discharge, to: DischargeState) -> bool:
    try:
        move(session, row, to, actor="test", reason="test", now=NOW)
    except Conflict:
        return False
    return row.state == to


def test_every_state_is_reached_and_nothing_leaves_before_it_was_matched() -> None:
    reached = {_S.KEPT}
    while more := {to for state in reached for to in MOVES[state]} - reached:
        reached |= more
    assert reached == set(_S)
    assert [state for state in _S if _S.RELEASED in MOVES[state]] == [_S.MATCHED]
    assert [state for state in _S if _S.MATCHED in MOVES[state]] == [_S.ASKED]
