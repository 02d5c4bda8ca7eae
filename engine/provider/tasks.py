"""Matching tasks over this provider's discharges: found on chain by its own endpoint, checked, and done.

Of the insurer's word counts only what hashes to the task that stands on chain. Each step starts from what is
kept, and may be taken again.
"""

from collections.abc import Callable, Sequence
from functools import partial

import structlog
from sqlmodel import Session, col, select

from engine.chain.contracts import TaskKind, TaskOnChain
from engine.chain.contracts import TaskState as OnChain
from engine.chain.errors import ChainError
from engine.errors import AutoclaimError, Conflict, NotFound, Refused
from engine.evidence.errors import DocumentInvalid
from engine.evidence.match_task import RR22, MatchTask
from engine.matching.errors import ProofInvalid
from engine.provider import tables
from engine.provider.alarms import raise_alarm
from engine.provider.later import put_off
from engine.provider.node import Node
from engine.provider.task_asking import ask_all
from engine.provider.task_chain import TaskOver, give_back, hold_lease
from engine.provider.task_plan import plan, set_aside
from engine.provider.task_releases import counts, hand_over, let_go, take_in_outcomes
from engine.provider.task_scale import forget
from engine.provider.task_states import UNDER_WAY, TaskState, move

log = structlog.get_logger()
GoesOn = Callable[[], bool]
_GIVES_UP = (ProofInvalid, Conflict, Refused)
"""What the insurer answers in a task that no other attempt would change."""
_OVER = (OnChain.FAILED, OnChain.EXPIRED, OnChain.CANCELLED)
_LEASED = (OnChain.ACCEPTED, OnChain.RUNNING)
_S = TaskState


def find_tasks(node: Node, since_block: int) -> int:
    """Write down the tasks that were opened over our dataset in that block or later; up to which block was
    looked, for the next time. Raises ChainUnavailable."""
    head = node.chain.head()
    found = [
        event.args["taskId"]
        for event in node.chain.tasks_of(node.chain.dataset, since_block)
        if event.args["kind"] == TaskKind.ONE_OFF
    ]

    def keep(session: Session) -> None:
        for task_id in found:
            if session.get(tables.Task, task_id) is None:
                session.add(tables.Task(task_id=task_id, state=_S.FOUND, not_before=node.clock()))

    if found:
        node.writer.run(keep)
    return head


def due(node: Node) -> Sequence[tables.Task]:
    table = tables.Task
    with node.database.reading() as session:
        query = select(table).where(col(table.state).in_(UNDER_WAY), table.not_before <= node.clock())
        return session.exec(query.order_by(col(table.not_before))).all()


def advance(node: Node, row: tables.Task, goes_on: GoesOn = lambda: True) -> None:
    """As far as it goes. What fails is tried again later, ever less often."""
    try:
        while row.state in _STEPS and row.not_before <= node.clock() and goes_on():
            _STEPS[row.state](node, row, goes_on)
            with node.database.reading() as session:
                row = session.get_one(tables.Task, row.task_id)
    except Exception as error:
        expected = isinstance(error, AutoclaimError | ChainError)
        log.warning("provider.task_failed", task_id=row.task_id, exc_info=None if expected else error)
        node.writer.run(partial(_later, node=node, task_id=row.task_id, error=error))


def _later(session: Session, node: Node, task_id: str, error: Exception) -> None:
    put_off(session, node, session.get_one(tables.Task, task_id), error, what="a matching task")


def _take(node: Node, row: tables.Task, _: GoesOn) -> None:
    """From found to taken, if it is one that we may do; else nothing is promised on chain."""
    on_chain = node.chain.task(row.task_id)
    ours = on_chain.provider.lower() == node.chain.address.lower()
    if on_chain.state is not OnChain.OPEN and not (ours and on_chain.state in _LEASED):
        _finish(node, row.task_id, _S.ENDED, f"task.{on_chain.state.name.lower()}")
        return
    try:
        task = _document(node, row.task_id)
        _require_ours(node, task, on_chain)
        node.rolls.of(task.epoch)
        if task.engine == RR22:  # the insurer does its part of the plan only in a task that runs
            hold_lease(node, row.task_id)
        made = plan(node, task)
        if made.elements > task.most:
            raise Conflict(f"{made.elements} elements would have to be asked", code="task.most")
    except (NotFound, Conflict) as why:
        give_back(node, row.task_id, why.code)
        _finish(node, row.task_id, _S.REFUSED, why.code)
        return

    def keep(session: Session) -> None:
        held = session.get_one(tables.Task, row.task_id)
        held.document = task.document
        set_aside(node, session, row.task_id, made)
        move(session, held, _S.TAKEN, reason="task.may_be_done", now=node.clock())

    node.writer.run(keep)
    forget(node, row.task_id)


def _document(node: Node, task_id: str) -> MatchTask:
    """As the insurer gives it to one of our hospitals. Raises NotFound, and Conflict `task.document` for one
    that is not the task's on chain."""
    for code in node.settings.hospital_codes:
        try:
            task = MatchTask.of(node.insurer.task(code, task_id))
        except NotFound:
            continue
        except DocumentInvalid as error:
            raise Conflict(str(error), code="task.document") from error
        if task.task_id != task_id:
            raise Conflict("the insurer's document is not that of the task on chain", code="task.document")
        return task
    raise NotFound("the insurer has no such task for any of our hospitals", code="task.unknown")


def _require_ours(node: Node, task: MatchTask, on_chain: TaskOnChain) -> None:
    """Raises Conflict with the code of what keeps us from doing it."""
    settings = node.settings
    # What is decided here for a purpose is decided with the newest case: there is none in a task.
    released = [purpose for purpose in settings.purposes if purpose.mode == "settlement"]
    offered = {("0x" + purpose.scope.hex(), purpose.product) for purpose in released}
    rules = {
        "task.provider": task.provider == node.chain.address.lower(),
        "task.dataset": task.dataset == on_chain.dataset == "0x" + node.chain.dataset.hex(),
        "task.terms": task.terms_root == on_chain.terms,
        "task.hospitals": set(task.hospitals) <= set(settings.hospital_codes),
        "task.purpose": task.scope == on_chain.purpose and (task.scope, task.product) in offered,
        "task.window": (task.until - task.since).days < settings.task_days,
        "task.engine": task.engine in settings.engines_here,
        "task.epoch": node.chain.matching_key(task.epoch) is not None,
    }
    for code, holds in rules.items():
        if not holds:
            raise Conflict(f"{code}: the task is not ours to do", code=code)


def _ask(node: Node, row: tables.Task, goes_on: GoesOn) -> None:
    task = MatchTask.of(row.document or {})
    _while_ours(node, row, lambda: ask_all(node, task, goes_on), _S.ASKED)


def _hand_over(node: Node, row: tables.Task, goes_on: GoesOn) -> None:
    task = MatchTask.of(row.document or {})
    _while_ours(node, row, lambda: hand_over(node, task, goes_on), _S.HANDED_OVER)


def _commit(node: Node, row: tables.Task, _: GoesOn) -> None:
    task = MatchTask.of(row.document or {})

    def commit() -> None:
        ours = counts(node, row.task_id)
        node.insurer.tell_counts(task.hospitals[0], row.task_id, ours)
        if node.chain.task(row.task_id).provider_result is None:
            node.chain.commit_result(bytes.fromhex(row.task_id[2:]), task.result_digest(ours))

    _while_ours(node, row, commit, _S.COMMITTED, before=OnChain.COMPLETED)


def _while_ours(
    node: Node,
    row: tables.Task,
    work: Callable[[], None],
    to: TaskState,
    before: OnChain | None = None,
) -> None:
    """Do the work under a lease and move on. Ends the task here where it is over on chain, and gives it back
    where the insurer does not answer as it has to. before: where a crash came after the work."""
    try:
        hold_lease(node, row.task_id)
        work()
    except TaskOver as over:
        if over.state in _OVER or over.state is OnChain.OPEN:
            _finish(node, row.task_id, _S.ENDED, f"task.{over.state.name.lower()}")
            return
        if before is None or over.state not in (before, OnChain.DISPUTED):
            raise
    except _GIVES_UP as error:
        give_back(node, row.task_id, error.code)
        _finish(node, row.task_id, _S.REFUSED, error.code)
        return
    node.writer.run(lambda session: _moved(session, node, row.task_id, to, "task.done"))


def _watch(node: Node, row: tables.Task, _: GoesOn) -> None:
    """What both parties' commitments come to."""
    on_chain = node.chain.task(row.task_id)
    if on_chain.state in _OVER:
        _finish(node, row.task_id, _S.ENDED, f"task.{on_chain.state.name.lower()}")
    elif on_chain.state is OnChain.DISPUTED and row.state == _S.COMMITTED:
        _dispute(node, row.task_id)
    elif on_chain.state is OnChain.COMPLETED and take_in_outcomes(node, MatchTask.of(row.document or {})):
        _finish(node, row.task_id, _S.COMPLETED, "task.completed")
    elif on_chain.provider_result is None:  # our lease lapsed before the insurer committed
        node.writer.run(
            lambda session: _moved(session, node, row.task_id, _S.HANDED_OVER, "task.lease_lapsed")
        )
    else:
        node.writer.run(lambda session: _rest(session, node, row.task_id))


def _rest(session: Session, node: Node, task_id: str) -> None:
    held = session.get_one(tables.Task, task_id)
    held.not_before = node.clock() + node.until_news / 2
    session.add(held)


def _dispute(node: Node, task_id: str) -> None:
    def keep(session: Session) -> None:
        _moved(session, node, task_id, _S.DISPUTED, "task.disputed")
        detail = "the insurer's books of a matching task differ from ours: an arbiter has to speak"
        raise_alarm(session, "match.task_disputed", detail, node.clock())

    node.writer.run(keep)


def _finish(node: Node, task_id: str, to: TaskState, reason: str) -> None:
    """To an end: its discharges go their own way again."""

    def keep(session: Session) -> None:
        let_go(node, session, task_id, came_to_nothing=to != _S.COMPLETED)
        _moved(session, node, task_id, to, reason)
        if to == _S.REFUSED:
            raise_alarm(session, reason, "a matching task was refused", node.clock())

    node.writer.run(keep)
    node.arrived.set()


def _moved(session: Session, node: Node, task_id: str, to: TaskState, reason: str) -> None:
    held = session.get_one(tables.Task, task_id)
    move(session, held, to, reason=reason, now=node.clock())


_STEPS: dict[str, Callable[[Node, tables.Task, GoesOn], None]] = {
    _S.FOUND: _take,
    _S.TAKEN: _ask,
    _S.ASKED: _hand_over,
    _S.HANDED_OVER: _commit,
    _S.COMMITTED: _watch,
    _S.DISPUTED: _watch,
}
