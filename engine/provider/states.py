"""The life of a discharge at its provider: every state, every allowed move, on one screen.

Nothing else in the room writes a state. A move that is not in the table is a defect and raises.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session

from engine.errors import Conflict
from engine.provider.tables import Discharge, Move


class DischargeState(StrEnum):
    KEPT = "kept"  # the settlement is here, and has to be asked about (again: its key was withdrawn)
    ASKED = "asked"  # the insurer has answered a blinded question, with a proof that holds
    NOBODYS = "nobodys"  # no policy answers; the insurer knows of one question more, and nothing else
    DOUBTFUL = "doubtful"  # a person here has to look; nothing has left
    MATCHED = "matched"  # a policy answers; nothing has left
    NO_CONSENT = "no_consent"  # the chain, or the catalogue, does not allow a release
    RELEASED = "released"  # what the purpose lists is about to leave, or has left
    ACCEPTED = "accepted"  # the insurer has a claim for it
    TURNED_DOWN = "turned_down"  # the insurer took none


_S = DischargeState
MOVES: dict[DischargeState, frozenset[DischargeState]] = {
    _S.KEPT: frozenset({_S.ASKED, _S.DOUBTFUL}),
    _S.ASKED: frozenset({_S.KEPT, _S.NOBODYS, _S.DOUBTFUL, _S.MATCHED}),
    _S.NOBODYS: frozenset({_S.ASKED}),  # the roll has news: looked up again, not asked again
    _S.DOUBTFUL: frozenset({_S.ASKED, _S.NOBODYS}),  # as whoever looked says
    _S.MATCHED: frozenset({_S.NO_CONSENT, _S.RELEASED}),
    _S.NO_CONSENT: frozenset({_S.ASKED}),
    _S.RELEASED: frozenset({_S.KEPT, _S.ACCEPTED, _S.TURNED_DOWN, _S.NO_CONSENT}),
    _S.ACCEPTED: frozenset(),
    _S.TURNED_DOWN: frozenset(),
}
ON_THE_WAY = (_S.KEPT, _S.ASKED, _S.MATCHED, _S.RELEASED)
"""Moved on by the node itself."""
LOOKED_UP_AGAIN = (_S.NOBODYS, _S.NO_CONSENT)
"""What news of the roll may change, unless somebody here has said so."""
RULED = "ruled"
"""Reason of a move that a person makes."""


def move(
    session: Session,
    discharge: Discharge,
    to: DischargeState,
    *,
    actor: str,
    reason: str,
    now: datetime,
    rest: timedelta = timedelta(),
) -> None:
    """Move along the table and write the move down; rest: how long before the node goes on with it.

    Raises Conflict for a move that is not in the table.
    """
    _require(DischargeState(discharge.state), to)
    session.add(
        Move(
            discharge_id=discharge.row_id,
            from_state=discharge.state,
            to_state=to,
            actor=actor,
            reason=reason,
            at=now,
        )
    )
    discharge.state, discharge.reason = to, reason
    discharge.attempts, discharge.not_before = 0, now + rest
    session.add(discharge)


class Step(NamedTuple):
    to: DischargeState
    actor: str
    reason: str


def move_on(
    session: Session,
    row_id: int,
    steps: Sequence[Step],
    *,
    of: DischargeState,
    now: datetime,
    rest: timedelta = timedelta(),
    **also: Any,
) -> bool:
    """`move` from state `of` through several at once, in two statements; also: further columns.

    False where the discharge is not in that state any more, or a matching task has it: nothing is written.
    """
    moves: list[dict[str, Any]] = []
    at = of
    for to, actor, reason in steps:
        _require(at, to)
        made = {"from_state": at, "to_state": to, "actor": actor, "reason": reason}
        moves.append({"discharge_id": row_id, "at": now, **made})
        at = to
    become = {"state": steps[-1].to, "reason": steps[-1].reason, "attempts": 0, "not_before": now + rest}
    connection = session.connection()
    is_there = connection.execute(_OURS, {"of_id": row_id, "of_state": of, **become, **also}).rowcount > 0
    if is_there:
        connection.execute(_MOVE, moves)
    return is_there


# Made once: what every discharge runs takes longer to make than to run.
_TABLE = Discharge.__table__  # type: ignore[attr-defined]
_MOVE = insert(Move)
_OURS = update(_TABLE).where(
    _TABLE.c.id == bindparam("of_id"), _TABLE.c.state == bindparam("of_state"), _TABLE.c.task_id.is_(None)
)


def _require(of: DischargeState, to: DischargeState) -> None:
    if to not in MOVES[of]:
        raise Conflict(f"a discharge that is {of} cannot become {to}", code="discharge.move")


def move_all(
    session: Session,
    ids: Sequence[int],
    to: DischargeState,
    *,
    of: DischargeState,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """`move` of many that all are in state `of`, in two statements: object by object it takes a hundred times
    as long. Rows that the session holds are not brought up to date."""
    _require(of, to)
    if not ids:
        return
    moved = {"from_state": of, "to_state": to, "actor": actor, "reason": reason, "at": now}
    session.connection().execute(_MOVE, [{"discharge_id": row_id, **moved} for row_id in ids])
    become = {"state": to, "reason": reason, "attempts": 0, "not_before": now}
    statement = update(_TABLE).where(_TABLE.c.id == bindparam("row_id")).values(**become)
    session.connection().execute(statement, [{"row_id": row_id} for row_id in ids])
