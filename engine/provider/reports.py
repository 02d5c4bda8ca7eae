"""How a node stands, in counts: nothing here names a patient."""

from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from engine.errors import Conflict, NotFound
from engine.provider import tables
from engine.provider.intake import by_setl_id
from engine.provider.node import Node
from engine.provider.states import RULED, DischargeState, move
from engine.provider.task_states import TaskState
from engine.store.database import Database


def status(database: Database) -> dict[str, Any]:
    """{"discharges", "tasks": count by state, "waiting_again", "refused", "questions", "answered", "alarms"}.

    waiting_again: of those on the way, what failed at least once and is tried again.
    """
    with database.reading() as session:
        by_state = dict(
            session.exec(select(tables.Discharge.state, func.count()).group_by(tables.Discharge.state)).all()
        )
        of_tasks = dict(
            session.exec(select(tables.Task.state, func.count()).group_by(tables.Task.state)).all()
        )
        failed = session.exec(select(func.count()).where(tables.Discharge.attempts > 0)).one()
        refused = session.exec(select(func.count()).select_from(tables.Refused)).one()
        asked, answered = session.exec(
            select(func.count(), func.count(col(tables.Question.answered_at))).select_from(tables.Question)
        ).one()
        alarms = session.exec(select(tables.Alarm).order_by(col(tables.Alarm.first_at))).all()
    return {
        "discharges": {state.value: by_state.get(state.value, 0) for state in DischargeState},
        "tasks": {state.value: of_tasks.get(state.value, 0) for state in TaskState},
        "waiting_again": failed,
        "refused": refused,
        "questions": asked,
        "answered": answered,
        "alarms": [
            {
                "code": alarm.code,
                "detail": alarm.detail,
                "seen": alarm.seen,
                "last_at": alarm.last_at.isoformat(),
            }
            for alarm in alarms
        ],
    }


def doubtful(database: Database) -> dict[str, int]:
    """Why discharges wait for a person here: count by reason."""
    table = tables.Discharge
    with database.reading() as session:
        counted = session.exec(
            select(table.reason, func.count())
            .where(table.state == DischargeState.DOUBTFUL)
            .group_by(table.reason)
        ).all()
    return {reason or "": count for reason, count in counted}


def discharge_view(node: Node, hospital_code: str, setl_id: str) -> dict[str, Any]:
    """Where one discharge stands, for its own hospital. Raises NotFound."""
    with node.database.reading() as session:
        row = by_setl_id(session, hospital_code, setl_id)
    if row is None:
        raise NotFound(f"this node holds no settlement {setl_id}", code="settlement.unknown")
    return _view(row)


def rule(node: Node, hospital_code: str, setl_id: str, *, is_insured: bool, who: str) -> dict[str, Any]:
    """What a person here found of a doubtful discharge. is_insured: it goes on; else it is nobody's.

    Raises NotFound, and Conflict for one that is not doubtful, or names nobody who could be insured.
    """

    def keep(session: Session) -> tables.Discharge:
        row = by_setl_id(session, hospital_code, setl_id)
        if row is None:
            raise NotFound(f"this node holds no settlement {setl_id}", code="settlement.unknown")
        if is_insured and row.tags_sealed is None:
            raise Conflict("the settlement does not say who the patient is", code="discharge.nobody")
        row.ruled_by = who if is_insured else None
        to = DischargeState.ASKED if is_insured else DischargeState.NOBODYS
        move(session, row, to, actor=who, reason=RULED, now=node.clock())
        return row

    ruled = node.writer.run(keep)
    node.arrived.set()
    return _view(ruled)


def _view(row: tables.Discharge) -> dict[str, Any]:
    return {
        "setl_id": row.setl_id,
        "hospital_code": row.hospital_code,
        "state": row.state,
        "reason": row.reason,
        "received_at": row.received_at,
    }
