"""The plan of a matching task: whom it asks about, and in which batches, kept before the first is asked."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, update
from sqlalchemy import select as columns
from sqlmodel import Session, col

from engine.evidence.canonical import SALT_BYTES, commitment
from engine.evidence.match_task import RR22, MatchTask
from engine.matching.voprf import MOST_ELEMENTS, name_message, person_message
from engine.provider import sealed, tables
from engine.provider.node import Node
from engine.provider.states import DischargeState, move_all
from engine.provider.task_scale import in_both
from engine.settlement import IdentityMissing

ACTOR = "node: task"
PEOPLE_A_BATCH = 1024
"""Each is two elements: fewer than a batch may have, so that every process has one to work on."""
DISCHARGES_A_BATCH = MOST_ELEMENTS
"""That the insurer takes; whoever has more of them is asked about once more."""
_AT_ONCE = 1000
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

    @property
    def is_full(self) -> bool:
        return len(self.messages) == PEOPLE_A_BATCH or len(self.questions) == DISCHARGES_A_BATCH


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
    hospital, however many discharges they have. With the engine rr22 only of people whom both lists have: the
    others stay kept. Raises what in_both does."""
    made = Plan()
    both = _whom_both_have(node, task) if task.engine == RR22 else None
    of_person: dict[tuple[str, _Messages], tuple[_Batch, int]] = {}
    filling: dict[str, _Batch] = {}
    for row in candidates(node, task):
        try:
            who = sealed.identity(node.vault, row)
        except IdentityMissing as error:
            made.nobodys[f"identity.{error.reason}"].append(row.id)
            continue
        if both is not None and row.id not in both:
            continue
        certificate = who.cert_type, who.cert_no
        asks = person_message(*certificate).decode(), name_message(*certificate, who.name).decode()
        key = row.hospital_code, asks
        batch, person = of_person.get(key, (None, 0))
        if batch is None or len(batch.questions) == DISCHARGES_A_BATCH:
            batch = filling.get(row.hospital_code)
            if batch is None or batch.is_full:
                batch = filling[row.hospital_code] = _Batch(row.hospital_code)
                made.batches.append(batch)
            batch.messages.append(asks)
            person = len(batch.messages) - 1
            of_person[key] = batch, person
        batch.questions.append(_question(node, row, person))
    return made


def candidates(node: Node, task: MatchTask) -> Iterator[Candidate]:
    """The discharges that the task is about, in the order in which they came, page by page."""
    table, after = tables.Discharge, 0
    wanted = (table.id, table.hospital_code, table.setl_id, table.body_sealed)
    query = (
        columns(*map(col, wanted))
        .where(col(table.state) == _S.KEPT, col(table.task_id).is_(None))
        .where(col(table.hospital_code).in_(task.hospitals))
        .where(col(table.discharged_on) >= task.since, col(table.discharged_on) <= task.until)
        .order_by(col(table.id))
        .limit(_AT_ONCE)
    )
    while True:
        with node.database.reading() as session:
            rows: Any = session.connection().execute(query.where(col(table.id) > after)).all()
        yield from (Candidate(*row) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def _whom_both_have(node: Node, task: MatchTask) -> set[int]:
    """The discharges of people whom the insurer has too, found without asking about anybody."""
    ids = array("q")

    def people() -> Iterator[bytes]:
        for row in candidates(node, task):
            try:
                who = sealed.identity(node.vault, row)
            except IdentityMissing:
                continue
            ids.append(row.id)
            yield person_message(who.cert_type, who.cert_no)

    return {ids[place] for place in in_both(node, task, people())}


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
