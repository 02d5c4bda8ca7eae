"""Asking in a matching task: its discharges are set aside in batches, each person once a hospital, and every
batch is blinded and checked in a process of its own.

What a batch asks is kept before it is asked, and what it was answered is kept whole: after a crash, batches
without an answer are asked again, under the same number and blinded anew, and no other.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, update
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from engine.errors import Unavailable
from engine.evidence.canonical import SALT_BYTES, commitment
from engine.evidence.match_task import MatchTask
from engine.matching.batches import Lane
from engine.matching.voprf import name_message, person_message
from engine.provider import sealed, tables
from engine.provider.look_up import find, patient_of, rest_on
from engine.provider.node import Node
from engine.provider.rolls import Roll
from engine.provider.states import DischargeState, move_all
from engine.provider.task_chain import hold_lease
from engine.settlement import IdentityMissing, PersonIdentity

ACTOR = "node: task"
PEOPLE_A_BATCH = 1024
"""Each is two elements: fewer than a batch may have, so that every process has one to work on."""
_Messages = tuple[str, str]
_S = DischargeState


class Candidate(NamedTuple):
    """As much of a discharge as a plan reads."""

    id: int
    hospital_code: str
    setl_id: str
    body_sealed: bytes


@dataclass(slots=True)
class _Batch:
    hospital_code: str
    messages: list[_Messages] = field(default_factory=list)
    """Of each person."""
    questions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What a task will ask; nothing of it is kept yet."""

    batches: list[_Batch] = field(default_factory=list)
    nobodys: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Discharges that name nobody, by why."""

    @property
    def elements(self) -> int:
        return sum(2 * len(batch.messages) for batch in self.batches)


def plan(node: Node, task: MatchTask) -> Plan:
    """Every discharge of its days and hospitals that nobody has asked about; a person is asked about once a
    hospital, however many discharges they have. Raises Unavailable for an engine that is not installed."""
    made = Plan()
    of_person: dict[tuple[str, _Messages], tuple[_Batch, int]] = {}
    filling: dict[str, _Batch] = {}
    for row in candidates(node, task):
        try:
            who = sealed.identity(node.vault, row.body_sealed, row.hospital_code, row.setl_id)
        except IdentityMissing as error:
            made.nobodys[f"identity.{error.reason}"].append(row.id)
            continue
        certificate = who.cert_type, who.cert_no
        asks = person_message(*certificate).decode(), name_message(*certificate, who.name).decode()
        key = row.hospital_code, asks
        if key not in of_person:
            batch = filling.get(row.hospital_code)
            if batch is None or len(batch.messages) == PEOPLE_A_BATCH:
                batch = filling[row.hospital_code] = _Batch(row.hospital_code)
                made.batches.append(batch)
            batch.messages.append(asks)
            of_person[key] = batch, len(batch.messages) - 1
        batch, person = of_person[key]
        batch.questions.append(_question(node, row, person))
    return made


def candidates(node: Node, task: MatchTask) -> Sequence[Candidate]:
    """The discharges that the task is about, in the order in which they came; for the engine rr22, those of
    people whom both lists have."""
    if task.engine == "rr22":
        raise Unavailable(
            "the engine rr22 needs the extra psi-scale, which is not installed here: run `make psi-scale`",
            code="match.engine_missing",
        )
    table = tables.Discharge
    wanted = (table.id, table.hospital_code, table.setl_id, table.body_sealed)
    query = (
        columns(*map(col, wanted))
        .where(col(table.state) == _S.KEPT, col(table.task_id).is_(None))
        .where(col(table.hospital_code).in_(task.hospitals))
        .where(col(table.discharged_on) >= task.since, col(table.discharged_on) <= task.until)
        .order_by(col(table.id))
    )
    with node.database.reading() as session:
        rows: Any = session.connection().execute(query)
        return [Candidate(*row) for row in rows]


def _question(node: Node, row: Candidate, person: int) -> dict[str, Any]:
    """Its name commits to the discharge, as that of a question asked online does."""
    salt = node.rng(SALT_BYTES)
    name = commitment(salt, {"fixmedins_code": row.hospital_code, "setl_id": row.setl_id}).hex()
    return {
        "commitment": name,
        "discharge_id": row.id,
        "salt_sealed": node.vault.seal(salt, f"question.salt/{name}"),
        "person": person,
    }


def set_aside(node: Node, session: Session, task_id: str, made: Plan) -> None:
    """Keep the plan: from now on nothing else is done about its discharges."""
    for reason, ids in made.nobodys.items():
        move_all(session, ids, _S.DOUBTFUL, of=_S.KEPT, actor=ACTOR, reason=reason, now=node.clock())
    for number, batch in enumerate(made.batches):
        session.add(
            tables.TaskBatch(
                task_id=task_id,
                number=number,
                hospital_code=batch.hospital_code,
                elements=2 * len(batch.messages),
                discharges=len(batch.questions),
                messages_sealed=sealed.seal_messages(node.vault, task_id, number, batch.messages),
            )
        )
        rows = [{**question, "task_id": task_id, "batch": number} for question in batch.questions]
        session.connection().execute(insert(tables.Question), rows)
        ids = [question["discharge_id"] for question in batch.questions]
        _mark(session, task_id, ids)
        for one in ids:
            node.fresh.pop(one, None)


def _mark(session: Session, task_id: str, row_ids: Sequence[int]) -> None:
    """Those that are still kept: one may have been on its way alone."""
    table = tables.Discharge.__table__  # type: ignore[attr-defined]
    statement = update(table).where(table.c.id == bindparam("row_id"), table.c.state == _S.KEPT)
    session.connection().execute(statement.values(task_id=task_id), [{"row_id": one} for one in row_ids])


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
    return patient_of(node, session.get_one(tables.Discharge, row_id))


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
