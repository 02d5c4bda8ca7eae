"""What somebody here has to see to: written down once a kind, and counted."""

from datetime import datetime

import structlog
from sqlmodel import Session

from engine.provider.tables import Alarm

log = structlog.get_logger()


def raise_alarm(session: Session, code: str, detail: str, now: datetime) -> None:
    """detail names no person."""
    log.error("provider.alarm", code=code, detail=detail)
    alarm = session.get(Alarm, (code, detail)) or Alarm(
        code=code, detail=detail, seen=0, first_at=now, last_at=now
    )
    alarm.seen += 1
    alarm.last_at = now
    session.add(alarm)
