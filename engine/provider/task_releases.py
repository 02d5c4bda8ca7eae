"""Releases under a matching task: handed over, counted, and what became of them once both parties agree.

The chain and the catalogue are read right before each leaves, as online; the insurer keeps it sealed, and has
no claim of it before the task has completed. What else was found of a discharge goes the online way then.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlmodel import Session, col, select

from engine.errors import Conflict, NotAllowed, NotFound, Refused, Unavailable
from engine.evidence.match_task import MatchCounts, MatchTask, release_digest, releases_root
from engine.provider import tables
from engine.provider.node import Node
from engine.provider.release import FINAL, finish, keep_verdicts, message, refusal
from engine.provider.states import DischargeState, move
from engine.provider.task_chain import hold_lease

ACTOR = "node: task"
_HEARTBEAT_EVERY = 500
"""Releases."""
_S = DischargeState
_Name = tuple[str, str]
"""Of a release at the insurer: the commitment of its question, and the handle."""


def hand_over(node: Node, task: MatchTask, goes_on: Callable[[], bool]) -> None:
    """Every release of the task's product that the chain allows is with the insurer. Again hands over what is
    missing. Raises Unavailable, ChainUnavailable, what the insurer refuses with before it looks at a release,
    and Unavailable where goes_on says no."""
    open_ones = _open(node, task)
    there = {code: node.insurer.outcomes(code, task.task_id) for code in task.hospitals} if open_ones else {}

    def one(at: int) -> None:
        if not goes_on():
            raise Unavailable("the node is being ended", code="provider.ending")
        if at % _HEARTBEAT_EVERY == 0:
            hold_lease(node, task.task_id)
        row, release = open_ones[at]
        _hand_over(node, task.task_id, row, release, there[row.hospital_code])

    with ThreadPoolExecutor(node.settings.workers, "handing-over") as threads:
        for _ in threads.map(one, range(len(open_ones))):
            pass


def _open(node: Node, task: MatchTask) -> Sequence[tuple[tables.Discharge, tables.Release]]:
    release, question = tables.Release, tables.Question
    with node.database.reading() as session:
        query = (
            select(tables.Discharge, release)
            .join(release, col(release.discharge_id) == col(tables.Discharge.id))
            .join(question, col(question.commitment) == col(release.question))
            .where(question.task_id == task.task_id, release.scope == task.scope)
            .where(col(release.outcome).is_(None), col(release.staged_digest).is_(None))
            .where(col(tables.Discharge.state).in_((_S.MATCHED, _S.RELEASED)))
        )
        return [(row, one) for row, one in session.exec(query.order_by(col(tables.Discharge.id)))]


def _hand_over(
    node: Node,
    task_id: str,
    row: tables.Discharge,
    one: tables.Release,
    there: Mapping[_Name, str | None],
) -> None:
    """there: what the insurer had before: what it has taken counts, whatever the chain says by now."""
    sent, why = message(node, row, one), None
    if (one.question, one.handle) not in there:
        why = refusal(node, one)
        if why is None:
            leaves, now = {one.handle: None}, node.clock()
            node.writer.run(lambda session: keep_verdicts(session, row.row_id, leaves, now))
            why = _stage(node, task_id, row.hospital_code, sent)
    node.writer.run(lambda session: _handed_over(session, node, one, release_digest(sent), why))
    if why is not None:
        _finish_if_done(node, row)


def _stage(node: Node, task_id: str, hospital_code: str, sent: Mapping[str, object]) -> str | None:
    """Why the insurer does not take it, for good; None: it has it."""
    try:
        node.insurer.stage(hospital_code, task_id, sent)
    except (Refused, Conflict, NotFound, NotAllowed) as error:
        if not error.code.startswith(FINAL):
            raise  # of how it was said, not of what
        return error.code
    return None


def _handed_over(session: Session, node: Node, one: tables.Release, digest: str, why: str | None) -> None:
    held = session.get_one(tables.Release, (one.discharge_id, one.handle))
    row = session.get_one(tables.Discharge, one.discharge_id)
    held.outcome = why
    if why is None:
        held.staged_digest = digest
        if row.state == _S.MATCHED:
            move(session, row, _S.RELEASED, actor=ACTOR, reason="consent.live", now=node.clock())
    session.add(held)


def _finish_if_done(node: Node, row: tables.Discharge) -> None:
    """A discharge that nothing is open of any more has come to its end, whatever becomes of the task."""
    with node.database.reading() as session:
        ones = session.exec(select(tables.Release).where(tables.Release.discharge_id == row.id)).all()
        row = session.get_one(tables.Discharge, row.id)
    if all(one.outcome is not None for one in ones):
        finish(node, row)


def counts(node: Node, task_id: str) -> MatchCounts:
    """What the task comes to in our books."""
    batch, question = tables.TaskBatch, tables.Question
    with node.database.reading() as session:
        batches = session.exec(select(batch).where(batch.task_id == task_id)).all()
        digests = session.exec(
            select(tables.Release.staged_digest)
            .join(question, col(question.commitment) == col(tables.Release.question))
            .where(question.task_id == task_id, col(tables.Release.staged_digest).is_not(None))
        ).all()
    elements, discharges = (sum(getattr(one, name) for one in batches) for name in ("elements", "discharges"))
    return MatchCounts(elements, discharges, len(digests), releases_root(map(str, digests)))


def take_in_outcomes(node: Node, task: MatchTask) -> bool:
    """What became of every release, once the insurer knows it of all; whether it does."""
    became: dict[_Name, str | None] = {}
    for code in task.hospitals:
        became |= node.insurer.outcomes(code, task.task_id)
    staged = _staged(node, task.task_id)
    if any(became.get((one.question, one.handle)) is None for one in staged):
        return False

    def keep(session: Session) -> None:
        for one in staged:
            held = session.get_one(tables.Release, (one.discharge_id, one.handle))
            held.outcome = became[one.question, one.handle]
            session.add(held)

    node.writer.run(keep)
    with node.database.reading() as session:
        rows = session.exec(
            select(tables.Discharge).where(
                tables.Discharge.task_id == task.task_id, tables.Discharge.state == _S.RELEASED
            )
        ).all()
    for row in rows:
        _finish_if_done(node, row)
    return True


def _staged(node: Node, task_id: str) -> Sequence[tables.Release]:
    question = tables.Question
    with node.database.reading() as session:
        return session.exec(
            select(tables.Release)
            .join(question, col(question.commitment) == col(tables.Release.question))
            .where(question.task_id == task_id, col(tables.Release.staged_digest).is_not(None))
        ).all()


def let_go(node: Node, session: Session, task_id: str, *, came_to_nothing: bool) -> None:
    """Its discharges go their own way again; where the task came to nothing, what was handed over under it is
    asked about anew."""
    for row in session.exec(select(tables.Discharge).where(tables.Discharge.task_id == task_id)).all():
        row.task_id = None
        if came_to_nothing and row.state == _S.RELEASED:
            reason = "match.task_came_to_nothing"
            move(session, row, _S.KEPT, actor=ACTOR, reason=reason, now=node.clock(), rest=timedelta())
        session.add(row)
