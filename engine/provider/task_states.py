"""The life of a matching task at its provider: every state, every allowed move, on one screen.

Where the task stands between the parties, the chain says; this is how far the node has come with its part.
Nothing else in the room writes such a state. A move that is not in the table is a defect and raises.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlmodel import Session

from engine.errors import Conflict
from engine.provider.tables import Task


class TaskState(StrEnum):
    FOUND = "found"  # it stands on chain for our dataset; nothing is promised
    REFUSED = "refused"  # not ours to do: never accepted, or given back on chain
    TAKEN = "taken"  # its discharges are set aside; accepted, and asked batch by batch
    ASKED = "asked"  # every batch is answered and looked up
    HANDED_OVER = "handed_over"  # every release that the chain allows is with the insurer, sealed there
    COMMITTED = "committed"  # what it came to in our books stands on chain
    DISPUTED = "disputed"  # the insurer's books say otherwise: an arbiter has to speak
    COMPLETED = "completed"  # both agree, and what became of each release is known
    ENDED = "ended"  # it failed, expired or was cancelled: nothing came of it


_S = TaskState
MOVES: dict[TaskState, frozenset[TaskState]] = {
    _S.FOUND: frozenset({_S.REFUSED, _S.TAKEN, _S.ENDED}),
    _S.REFUSED: frozenset(),
    _S.TAKEN: frozenset({_S.ASKED, _S.REFUSED, _S.ENDED}),
    _S.ASKED: frozenset({_S.HANDED_OVER, _S.REFUSED, _S.ENDED}),
    _S.HANDED_OVER: frozenset({_S.COMMITTED, _S.REFUSED, _S.ENDED}),
    _S.COMMITTED: frozenset(
        {_S.HANDED_OVER, _S.COMPLETED, _S.DISPUTED, _S.ENDED}
    ),  # a lapsed lease undoes it
    _S.DISPUTED: frozenset({_S.COMPLETED, _S.ENDED}),
    _S.COMPLETED: frozenset(),
    _S.ENDED: frozenset(),
}
UNDER_WAY = tuple(state for state, targets in MOVES.items() if targets)
"""Moved on by the node itself."""
log = structlog.get_logger()


def move(
    session: Session,
    task: Task,
    to: TaskState,
    *,
    reason: str,
    now: datetime,
    rest: timedelta = timedelta(),
) -> None:
    """Move along the table; rest: how long before the node goes on with it.

    Raises Conflict for a move that is not in the table.
    """
    if to not in MOVES[TaskState(task.state)]:
        raise Conflict(f"a matching task that is {task.state} cannot become {to}", code="task.move")
    log.info("provider.task_moved", task_id=task.task_id, was=task.state, now=to.value, reason=reason)
    task.state, task.reason = to, reason
    task.attempts, task.not_before = 0, now + rest
    session.add(task)
