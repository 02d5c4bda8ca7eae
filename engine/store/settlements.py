"""Settlements, reversals and what is in quarantine: every query."""

from collections.abc import Sequence

from sqlmodel import Session, col, or_, select, update

from engine.store.tables import Claim, Payout, Quarantined, Reversal, Settlement


def by_setl_id(
    session: Session, hospital_code: str, setl_id: str, *, lock: bool = False
) -> tuple[Settlement, Claim] | None:
    """A hospital's settlement with its claim; `lock` as in the claims' queries."""
    query = (
        select(Settlement, Claim)
        .join(Claim, col(Claim.settlement_id) == col(Settlement.id))
        .where(Settlement.hospital_code == hospital_code, Settlement.setl_id == setl_id)
    )
    return session.exec(query.with_for_update(of=Claim) if lock else query).one_or_none()


def page(session: Session, hospital_code: str, after: int, limit: int) -> Sequence[tuple[Settlement, Claim]]:
    query = (
        select(Settlement, Claim)
        .join(Claim, col(Claim.settlement_id) == col(Settlement.id))
        .where(Settlement.hospital_code == hospital_code, col(Settlement.id) > after)
        .order_by(col(Settlement.id))
        .limit(limit)
    )
    return session.exec(query).all()


def reversal_of(session: Session, settlement_id: int) -> Reversal | None:
    return session.get(Reversal, settlement_id)


def quarantined_page(session: Session, hospital_code: str, after: int, limit: int) -> Sequence[Quarantined]:
    query = (
        select(Quarantined)
        .where(Quarantined.hospital_code == hospital_code, col(Quarantined.id) > after)
        .order_by(col(Quarantined.id))
        .limit(limit)
    )
    return session.exec(query).all()


def quarantined_same(session: Session, hospital_code: str, body_digest: str) -> Quarantined | None:
    query = select(Quarantined).where(
        Quarantined.hospital_code == hospital_code, Quarantined.body_digest == body_digest
    )
    return session.exec(query).first()


def mark_corrected(session: Session, hospital_code: str, setl_id: str, settlement_id: int) -> None:
    """What was refused under this setl_id has now been accepted."""
    session.exec(
        update(Quarantined)
        .where(
            col(Quarantined.hospital_code) == hospital_code,
            col(Quarantined.setl_id) == setl_id,
            col(Quarantined.corrected_by).is_(None),
        )
        .values(corrected_by=settlement_id)
    )


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
