"""Everything that is kept of one person, and how the database lets go of it: every query."""

import sqlite3
from collections.abc import Collection, Sequence

from sqlmodel import Session, SQLModel, col, or_, select

from engine.store.database import Database
from engine.store.deliveries import Correction, DeliveredBody, DeliveredRecord, Delivery, Reading
from engine.store.tables import (
    Authorization,
    Claim,
    Payout,
    Policy,
    PolicyAlias,
    Quarantined,
    Reversal,
    Settlement,
)


def policies_of(session: Session, pseudonyms: Collection[str]) -> Sequence[Policy]:
    """Policies of a person, by the roll's certificate or by another one; nobody matches by them meanwhile."""
    by_other = select(PolicyAlias.policy_id).where(col(PolicyAlias.pseudonym).in_(pseudonyms))
    query = select(Policy).where(or_(col(Policy.pseudonym).in_(pseudonyms), col(Policy.id).in_(by_other)))
    return session.exec(query.with_for_update()).all()


def aliases_of(session: Session, policy_ids: Collection[int]) -> Sequence[PolicyAlias]:
    return session.exec(select(PolicyAlias).where(col(PolicyAlias.policy_id).in_(policy_ids))).all()


def settlements_of(
    session: Session, pseudonyms: Collection[str], policy_ids: Collection[int]
) -> Sequence[Settlement]:
    """Settlements that name the person, or were matched to a policy of theirs."""
    matched = select(Claim.settlement_id).where(col(Claim.policy_id).in_(policy_ids))
    query = select(Settlement).where(
        or_(col(Settlement.pseudonym).in_(pseudonyms), col(Settlement.id).in_(matched))
    )
    return session.exec(query.order_by(col(Settlement.id))).all()


def claims_of(session: Session, settlement_ids: Collection[int]) -> Sequence[Claim]:
    query = select(Claim).where(col(Claim.settlement_id).in_(settlement_ids)).order_by(col(Claim.id))
    return session.exec(query.with_for_update()).all()


def authorizations_of(session: Session, pseudonyms: Collection[str]) -> Sequence[Authorization]:
    query = select(Authorization).where(col(Authorization.pseudonym).in_(pseudonyms))
    return session.exec(query.with_for_update()).all()


def payouts_of(session: Session, claim_ids: Collection[int]) -> Sequence[Payout]:
    return session.exec(select(Payout).where(col(Payout.claim_id).in_(claim_ids))).all()


def reversals_of(session: Session, settlement_ids: Collection[int]) -> Sequence[Reversal]:
    return session.exec(select(Reversal).where(col(Reversal.settlement_id).in_(settlement_ids))).all()


def quarantined(session: Session, after: int, limit: int) -> Sequence[Quarantined]:
    """What was refused and is still there, in order."""
    query = select(Quarantined).where(col(Quarantined.id) > after, Quarantined.body_sealed != b"")
    return session.exec(query.order_by(col(Quarantined.id)).limit(limit)).all()


def corrections_of(session: Session, quarantined_ids: Collection[int]) -> Sequence[Correction]:
    return session.exec(select(Correction).where(col(Correction.quarantined_id).in_(quarantined_ids))).all()


def delivered_bodies(session: Session, after: tuple[str, int], limit: int) -> Sequence[DeliveredBody]:
    """Parts of stays and reports that are still there, in order."""
    delivery_id, ordinal = after
    later = or_(
        col(DeliveredBody.delivery_id) > delivery_id,
        (col(DeliveredBody.delivery_id) == delivery_id) & (col(DeliveredBody.ordinal) > ordinal),
    )
    query = select(DeliveredBody).where(later, DeliveredBody.body_sealed != b"")
    order = (col(DeliveredBody.delivery_id), col(DeliveredBody.ordinal))
    return session.exec(query.order_by(*order).limit(limit)).all()


def deliveries_with(
    session: Session,
    settlement_ids: Collection[int],
    quarantined_ids: Collection[int],
    delivery_ids: Collection[str],
) -> Sequence[Delivery]:
    """Deliveries of which a record became one of these, or that are named."""
    record = col(DeliveredRecord.settlement_id).in_(settlement_ids)
    refused = col(DeliveredRecord.quarantined_id).in_(quarantined_ids)
    of_records = (
        select(Reading.delivery_id)
        .join(DeliveredRecord, col(DeliveredRecord.reading_id) == col(Reading.id))
        .where(or_(record, refused))
    )
    named = or_(col(Delivery.delivery_id).in_(of_records), col(Delivery.delivery_id).in_(delivery_ids))
    return session.exec(select(Delivery).where(named, col(Delivery.erased_at).is_(None))).all()


def forget(session: Session, rows: Collection[SQLModel]) -> None:
    for row in rows:
        session.delete(row)


def let_go(database: Database) -> bool:
    """Have the file itself hold nothing more of what was overwritten: SQLite keeps freed pages otherwise.
    False where others were using the file for longer than the database waits.

    On PostgreSQL this is the server's to do (VACUUM), as are its backups.
    """
    if database.engine.dialect.name != "sqlite":
        return True
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
