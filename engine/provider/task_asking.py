"""Asking in a matching task: every batch of its plan is blinded and checked in a process of its own.

What a batch is answered is kept whole: after a crash, batches without an answer are asked again, under the
same number and blinded anew, and no other.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, datetime
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Any, NamedTuple

from sqlalchemy import bindparam, update
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from engine.errors import Unavailable
from engine.evidence.match_task import MatchTask
from engine.matching.batches import Lane
from engine.provider import sealed, tables
from engine.provider.look_up import find, rest_on
from engine.provider.node import Node
from engine.provider.rolls import Roll
from engine.provider.states import DischargeState, move_all
from engine.provider.task_chain import hold_lease
from engine.settlement import PersonIdentity

ACTOR = "node: task"
_S = DischargeState


def ask_all(node: Node, task: MatchTask, goes_on: Callable[[], bool]) -> None:
    """Ask every batch that is not answered yet, as many at once as there are processes for it.

    Raises ProofInvalid, Unavailable, ChainUnavailable and what the insurer refuses with, once the batches
    under way have come to their end; Unavailable too where goes_on says no.
    """
    numbers = _unanswered(node, task.task_id)
    if not numbers:
        return
    roll = node.rolls.of(task.epoch)
    lanes: SimpleQueue[Lane] = SimpleQueue()
    with ExitStack() as closing:
        for _ in range(min(node.settings.task_processes, len(numbers))):
            lane = Lane()
            closing.callback(lane.close)
            lanes.put(lane)

        failed = Event()

        def ask(number: int) -> None:
            if failed.is_set() or not goes_on():
                raise Unavailable("the node is being ended", code="provider.ending")
            lane = lanes.get()
            try:
                _ask(node, task, roll, number, lane)
            except BaseException:
                failed.set()
                raise
            finally:
                lanes.put(lane)

        with ThreadPoolExecutor(lanes.qsize(), "batches") as threads:
            for _ in threads.map(ask, numbers):
                pass


def _unanswered(node: Node, task_id: str) -> Sequence[int]:
    table = tables.TaskBatch
    with node.database.reading() as session:
        query = select(table.number).where(table.task_id == task_id, col(table.answered_at).is_(None))
        return session.exec(query.order_by(col(table.number))).all()


def _ask(node: Node, task: MatchTask, roll: Roll, number: int, lane: Lane) -> None:
    with node.database.reading() as session:
        batch = session.get_one(tables.TaskBatch, (task.task_id, number))
        questions = session.exec(
            select(tables.Question)
            .where(tables.Question.task_id == task.task_id, tables.Question.batch == number)
            .order_by(col(tables.Question.commitment))
        ).all()
    people = sealed.messages(node.vault, batch)
    elements = lane.blind([message.encode() for asks in people for message in asks])
    hold_lease(node, task.task_id)
    names = [question.commitment for question in questions]
    answer = node.insurer.evaluate_batch(batch.hospital_code, task.task_id, number, names, elements)
    outputs = lane.outputs(answer, roll.public_key)
    tags = [
        sealed.Tags(of_person, of_name.tag)
        for of_person, of_name in zip(outputs[::2], outputs[1::2], strict=True)
    ]
    node.writer.run(lambda session: _answered(node, session, task, number, tags))


class _Asked(NamedTuple):
    """As much of a discharge that was asked about as its look-up reads; person: which of its batch."""

    id: int
    hospital_code: str
    setl_id: str
    admitted_on: date
    discharged_on: date
    ruled_by: str | None
    person: int


def _answered(
    node: Node, session: Session, task: MatchTask, number: int, tags: Sequence[sealed.Tags]
) -> None:
    """Keep a batch's answer, and what the roll says of each of its discharges. Most are nobody's: those are
    moved together."""
    now = node.clock()
    _keep_answered(session, task, number, now)
    kept = _asked(session, task.task_id, number)
    how: dict[str, Any] = {"actor": ACTOR, "now": now}
    move_all(session, [row.id for row in kept], _S.ASKED, of=_S.KEPT, reason="match.answered", **how)
    _keep_tags(node, session, task.epoch, [(row, tags[row.person]) for row in kept])
    nobodys: defaultdict[str, list[int]] = defaultdict(list)
    for row in kept:
        patient = partial(_patient, node, session, row.id)
        finding = find(node, row, task.epoch, tags[row.person], patient)
        if finding.to == _S.NOBODYS:
            nobodys[finding.reason].append(row.id)
        else:
            rest_on(node, session, session.get_one(tables.Discharge, row.id), finding)
    for reason, ids in nobodys.items():
        move_all(session, ids, _S.NOBODYS, of=_S.ASKED, reason=reason, **how)


def _patient(node: Node, session: Session, row_id: int) -> PersonIdentity:
    return sealed.identity(node.vault, session.get_one(tables.Discharge, row_id))


def _asked(session: Session, task_id: str, number: int) -> list[_Asked]:
    question, table = tables.Question, tables.Discharge
    wanted = (
        *(table.id, table.hospital_code, table.setl_id),
        *(table.admitted_on, table.discharged_on, table.ruled_by, question.person),
    )
    query = (
        columns(*map(col, wanted))
        .join(table, col(question.discharge_id) == col(table.id))
        .where(col(question.task_id) == task_id, col(question.batch) == number)
        .where(col(table.task_id) == task_id)
    )
    rows: Any = session.connection().execute(query)
    return [_Asked(*row) for row in rows]


def _keep_answered(session: Session, task: MatchTask, number: int, now: datetime) -> None:
    batch = session.get_one(tables.TaskBatch, (task.task_id, number))
    batch.answered_at, batch.messages_sealed = now, None
    session.add(batch)
    question = tables.Question
    of_batch = update(question).where(col(question.task_id) == task.task_id, col(question.batch) == number)
    session.connection().execute(of_batch.values(epoch=task.epoch, answered_at=now))


def _keep_tags(node: Node, session: Session, epoch: int, found: Sequence[tuple[_Asked, sealed.Tags]]) -> None:
    rows = [
        {
            "row_id": row.id,
            "sealed": sealed.seal_tags(node.vault, row.hospital_code, row.setl_id, epoch, tags),
        }
        for row, tags in found
    ]
    if rows:
        table = tables.Discharge.__table__  # type: ignore[attr-defined]
        statement = update(table).where(table.c.id == bindparam("row_id"))
        session.connection().execute(statement.values(epoch=epoch, tags_sealed=bindparam("sealed")), rows)
