"""The hospital register: every query."""

from sqlmodel import Session, select

from engine.store.tables import Hospital


def by_signing_key(session: Session, key_id: str) -> Hospital | None:
    """The hospital whose messages carry this keyid (RFC 9421)."""
    return session.exec(select(Hospital).where(Hospital.key_id == key_id)).one_or_none()
