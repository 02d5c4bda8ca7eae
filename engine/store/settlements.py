"""Settlements, reversals and what is in quarantine: every query."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlalchemy import select as columns
from sqlmodel import Session, col, or_, select

from engine.store.named import named
from engine.store.tables import Claim, ClaimTransition, Payout, Quarantined, Reversal, Settlement

Name = tuple[str, str]
"""What names a settlement: hospital and setl_id."""
_NAME = col(Settlement.hospital_code), col(Settlement.setl_id)


class Held(NamedTuple):
    """A settlement that is held already, as far as a second arrival of it needs it."""

    content_digest: str
    claim_id: str
    state: str
    received_at: datetime


def held(session: Session, names: Collection[Name]) -> dict[Name, Held]:
    """Those of `names` that are held."""
    query = (
        columns(
            *_NAME,
            col(Settlement.content_digest),
            col(Claim.claim_id),
            col(Claim.state),
            col(Settlement.received_at),
        )
        .join(Claim, col(Claim.settlement_id) == col(Settlement.id))
        .where(named(*_NAME, names), col(Claim.beside).is_(None))
    )
    return {(row[0], row[1]): Held(*row[2:]) for row in session.connection().execute(query)}


def by_id(session: Session, settlement_id: int) -> Settlement:
    return session.get_one(Settlement, settlement_id)


def row_ids(session: Session, names: Collection[Name]) -> dict[Name, int]:
    query = columns(*_NAME, col(Settlement.id)).where(named(*_NAME, names))
    rows: dict[Name, Any] = {(row[0], row[1]): row[2] for row in session.connection().execute(query)}
    return rows


def insert_all(
    session: Session, rows: Mapping[Name, tuple[dict[str, Any], dict[str, Any]]]
) -> Sequence[Name]:
    """New settlements with their claims and these claims' first transition, one statement a table whatever
    their number. rows: the columns of settlement and claim but for row ids.

    Returns the name that each record has which they correct."""
    connection = session.connection()
    kept = connection.execute(
        insert(Settlement).returning(*_NAME, col(Settlement.id)), [one for one, _ in rows.values()]
    )
    ids: dict[Name, Any] = {(row[0], row[1]): row[2] for row in kept}
    of_claim = (col(Claim.id), col(Claim.hospital_code), col(Claim.state), col(Claim.created_at))
    claims = connection.execute(
        insert(Claim).returning(*of_claim),
        [{**claim, "settlement_id": ids[name]} for name, (_, claim) in rows.items()],
    )
    transitions = [
        {
            "claim_id": claim_id,
            "from_state": None,
            "to_state": state,
            "actor": f"hospital {hospital_code}",
            "reason": "settlement received",
            "at": at,
        }
        for claim_id, hospital_code, state, at in claims
    ]
    connection.execute(insert(ClaimTransition), transitions)
    return _mark_corrected(session, ids)


def _mark_corrected(session: Session, ids: Mapping[Name, int]) -> Sequence[Name]:
    """What was refused under these names has now been accepted."""
    these = named(col(Quarantined.hospital_code), col(Quarantined.setl_id), ids)
    waiting = select(Quarantined).where(these, col(Quarantined.corrected_by).is_(None))
    corrected = []
    for row in session.exec(waiting).all():
        name = row.hospital_code, str(row.setl_id)
        row.corrected_by = ids[name]
        corrected.append(name)
    return corrected


def by_setl_id(
    session: Session, hospital_code: str, setl_id: str, *, lock: bool = False
) -> tuple[Settlement, Claim] | None:
    """A hospital's settlement with the claim that it was accepted as; `lock` as in the claims' queries."""
    query = (
        select(Settlement, Claim)
        .join(Claim, col(Claim.settlement_id) == col(Settlement.id))
        .where(
            Settlement.hospital_code == hospital_code,
            Settlement.setl_id == setl_id,
            col(Claim.beside).is_(None),
        )
    )
    return session.exec(query.with_for_update(of=Claim) if lock else query).one_or_none()


def page(session: Session, hospital_code: str, after: int, limit: int) -> Sequence[tuple[Settlement, Claim]]:
    query = (
        select(Settlement, Claim)
        .join(Claim, col(Claim.settlement_id) == col(Settlement.id))
        .where(
            Settlement.hospital_code == hospital_code, col(Settlement.id) > after, col(Claim.beside).is_(None)
        )
        .order_by(col(Settlement.id))
        .limit(limit)
    )
    return session.exec(query).all()


def reversal_of(session: Session, settlement_id: int) -> Reversal | None:
    return session.get(Reversal, settlement_id)


def quarantined_page(
    session: Session, hospital_code: str | None, after: int, limit: int
) -> Sequence[Quarantined]:
    """Of one hospital, or of all."""
    query = select(Quarantined).where(col(Quarantined.id) > after)
    if hospital_code is not None:
        query = query.where(Quarantined.hospital_code == hospital_code)
    return session.exec(query.order_by(col(Quarantined.id)).limit(limit)).all()


def quarantined_same(session: Session, hospital_code: str, body_digest: str) -> Quarantined | None:
    query = select(Quarantined).where(
        Quarantined.hospital_code == hospital_code, Quarantined.body_digest == body_digest
    )
    return session.exec(query).first()


def reversed_on_record(session: Session, limit: int) -> Sequence[tuple[Claim, Reversal]]:
    """Claims taken back after a result was put on chain, where the chain does not say so yet.

    Of a later version an earlier one stands there. What is paid is confirmed first: a reversed version
    takes no confirmation any more.
    """
    unconfirmed = select(Payout.claim_id).where(
        col(Payout.state).in_(("settled", "confirmed")), col(Payout.confirm_tx).is_(None)
    )
    query = (
        select(Claim, Reversal)
        .join(Reversal, col(Reversal.settlement_id) == col(Claim.settlement_id))
        .where(
            col(Claim.state).in_(("reversed", "recovery_due")),
            or_(col(Claim.record_tx).is_not(None), col(Claim.version) > 1),
            col(Claim.reverse_tx).is_(None),
            col(Claim.id).not_in(unconfirmed),
        )
        .limit(limit)
    )
    return session.exec(query).all()
