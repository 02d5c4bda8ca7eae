"""The table of states, and the schema that a node's database is brought to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import Session, col, select

from engine.errors import Conflict
from engine.provider.node import opened
from engine.provider.states import MOVES, DischargeState, Step, move, move_on
from engine.provider.tables import Discharge, Move, ProviderTable
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


def test_through_several_states_goes_what_the_table_lets_and_is_where_it_is_said_to_be(
    database: Database,
) -> None:
    """And is no matching task's."""
    through = [Step(to, "test", "test") for to in (_S.ASKED, _S.MATCHED, _S.RELEASED)]
    with database.transaction() as session:
        rows = discharge(_S.KEPT), discharge(_S.NOBODYS), discharge(_S.KEPT)
        rows[1].setl_id, rows[2].setl_id, rows[2].task_id = "other", "set aside", "0x01"
        session.add_all(rows)
        session.flush()
        went = [
            move_on(session, row.row_id, through, of=_S.KEPT, now=NOW, rest=timedelta(1), epoch=7)
            for row in rows
        ]
        with pytest.raises(Conflict):
            move_on(session, rows[0].row_id, through[::2], of=_S.KEPT, now=NOW)
    with database.reading() as session:
        held = session.exec(select(Discharge).order_by(col(Discharge.id))).all()
        moves = session.exec(select(Move).order_by(col(Move.id))).all()
    assert went == [True, False, False]
    assert [(one.state, one.epoch) for one in held] == [("released", 7), ("nobodys", None), ("kept", None)]
    assert held[0].not_before == NOW + timedelta(1)
    assert [(one.discharge_id, one.from_state, one.to_state) for one in moves] == [
        (held[0].id, "kept", "asked"),
        (held[0].id, "asked", "matched"),
        (held[0].id, "matched", "released"),
    ]


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
