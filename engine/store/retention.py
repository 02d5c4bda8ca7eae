"""What is kept since before a day, and not erased: (how much, the oldest)."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlmodel import Session, col, func, select

from engine.store.deliveries import Delivery
from engine.store.tables import Claim, Policy, Quarantined, Settlement


def policies(session: Session, before: date) -> tuple[int, date | None]:
    """Policies that ended before that day."""
    last = func.coalesce(col(Policy.cancelled_on), col(Policy.expires))
    query = select(func.count(), func.min(Policy.expires)).where(last < before, Policy.coverage_sealed != b"")
    return session.exec(query).one()


def settlements(session: Session, states: Iterable[str], before: datetime) -> tuple[int, datetime | None]:
    """Settlements received before, of which every claim is in one of `states`."""
    others = select(Claim.settlement_id).where(col(Claim.state).not_in(list(states)))
    query = select(func.count(), func.min(Settlement.received_at)).where(
        Settlement.received_at < before,
        Settlement.body_sealed != b"",
        col(Settlement.id).not_in(others),
    )
    return session.exec(query).one()


def quarantined(session: Session, before: datetime) -> tuple[int, datetime | None]:
    query = select(func.count(), func.min(Quarantined.received_at)).where(
        Quarantined.received_at < before,
        Quarantined.body_sealed != b"",
        col(Quarantined.corrected_by).is_(None),
    )
    return session.exec(query).one()


def deliveries(session: Session, before: datetime) -> tuple[int, datetime | None]:
    query = select(func.count(), func.min(Delivery.received_at)).where(
        Delivery.received_at < before, col(Delivery.erased_at).is_(None)
    )
    return session.exec(query).one()
