"""What failed is tried again later, ever less often; what does not pass by itself is told to somebody."""

from datetime import timedelta

from sqlmodel import Session

from engine.chain.errors import ChainUnavailable
from engine.errors import AutoclaimError, Unavailable
from engine.provider.alarms import raise_alarm
from engine.provider.node import Node
from engine.provider.tables import Discharge, Task

_LONGEST_WAIT_S = 300


def put_off(
    session: Session, node: Node, held: Discharge | Task, error: Exception, *, what: str, least_s: float = 0
) -> None:
    """what: "a discharge", for the alarm. least_s: not before, whatever the attempt."""
    held.attempts += 1
    wait_s = max(min(2 ** min(held.attempts, 10), _LONGEST_WAIT_S), least_s)
    held.not_before = node.clock() + timedelta(seconds=wait_s)
    held.reason = error.code if isinstance(error, AutoclaimError) else type(error).__name__
    session.add(held)
    if not isinstance(error, Unavailable | ChainUnavailable):
        # A proof that does not hold, a key that is not known any more, a defect: none passes by itself.
        raise_alarm(session, held.reason, f"{what} stays {held.state}", node.clock())
