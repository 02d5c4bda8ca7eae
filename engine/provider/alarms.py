"""What somebody here has to see to: written down once a kind, and counted."""

from collections.abc import Collection
from datetime import datetime

import structlog
from sqlmodel import Session, col, select

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


def settle_alarm(session: Session, code: str, detail: str) -> None:
    """What raised it is over."""
    alarm = session.get(Alarm, (code, detail))
    if alarm is not None:
        session.delete(alarm)


def settle_all_but(session: Session, codes: Collection[str], standing: tuple[str, str] | None) -> None:
    """What raised the alarms of these codes is over, but for the one of this code and detail."""
    for alarm in session.exec(select(Alarm).where(col(Alarm.code).in_(codes))):
        if (alarm.code, alarm.detail) != standing:
            session.delete(alarm)
