"""What providers have decided of settlements that stay with them, and what they are wanted for again.

Tables, and every query.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint, delete
from sqlmodel import Field, Session, SQLModel, col, select

from engine.store.tables import Claim, Settlement, UtcTime

DECIDE_AGAIN, DISCLOSE = "decide_again", "disclose"
"""Why a provider is wanted: what its decision stood on has changed; the settlement is to be shown."""


class ProviderDecision(SQLModel, table=True):
    """The newest decision of a claim's settlement by its provider.

    discharge, handle: as it was first released under; they name it between the two. case_digest: of the case
    that it was made of, 64 hexadecimal digits.
    """

    __tablename__ = "provider_decision"
    __table_args__ = (UniqueConstraint("provider", "discharge", "handle"),)
    claim_id: int = Field(primary_key=True, foreign_key="claim.id", sa_type=BigInteger)
    provider: str
    discharge: str
    handle: str
    case_digest: str
    decision_sealed: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UtcTime)


class Wanted(SQLModel, table=True):
    """What a provider is asked to do about one of its decisions; outcome: what came of it, once answered.

    asked_by: who demanded it, where a person or a draw did.
    """

    __tablename__ = "wanted"
    claim_id: int = Field(primary_key=True, foreign_key="claim.id", sa_type=BigInteger)
    why: str = Field(primary_key=True)
    asked_at: datetime = Field(sa_type=UtcTime)
    asked_by: str
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)
    outcome: str | None = None


def of_claim(session: Session, claim_id: int, *, lock: bool = False) -> ProviderDecision | None:
    return session.get(ProviderDecision, claim_id, with_for_update=lock)


def named(
    session: Session, provider: str, discharge: str, handle: str, *, lock: bool = False
) -> ProviderDecision | None:
    query = select(ProviderDecision).where(
        ProviderDecision.provider == provider,
        ProviderDecision.discharge == discharge,
        ProviderDecision.handle == handle,
    )
    return session.exec(query.with_for_update() if lock else query).one_or_none()


def want(session: Session, claim_id: int, why: str, asked_by: str, at: datetime) -> None:
    """Ask, if it is not asked already."""
    row = session.get(Wanted, (claim_id, why))
    if row is None or row.answered_at is not None:
        session.merge(Wanted(claim_id=claim_id, why=why, asked_at=at, asked_by=asked_by))


def is_wanted(session: Session, claim_id: int, why: str) -> bool:
    row = session.get(Wanted, (claim_id, why))
    return row is not None and row.answered_at is None


def demanded(session: Session, claim_id: int) -> Wanted | None:
    """The newest demand to disclose."""
    return session.get(Wanted, (claim_id, DISCLOSE))


def answered(session: Session, claim_id: int, why: str, outcome: str, at: datetime) -> None:
    row = session.get(Wanted, (claim_id, why))
    if row is not None and row.answered_at is None:
        row.answered_at, row.outcome = at, outcome
        session.add(row)


def open_wants(
    session: Session, provider: str | None = None, before: datetime | None = None
) -> Sequence[tuple[Wanted, ProviderDecision]]:
    """What has not been answered yet, the oldest first: of one provider, asked before that time."""
    query = (
        select(Wanted, ProviderDecision)
        .join(ProviderDecision, col(ProviderDecision.claim_id) == col(Wanted.claim_id))
        .where(col(Wanted.answered_at).is_(None))
        .order_by(col(Wanted.asked_at), col(Wanted.claim_id), col(Wanted.why))
    )
    if provider is not None:
        query = query.where(ProviderDecision.provider == provider)
    if before is not None:
        query = query.where(col(Wanted.asked_at) < before)
    return session.exec(query).all()


def withheld(session: Session, after: int, limit: int) -> Sequence[Claim]:
    """Claims that a provider decided and whose settlement it has not shown, in order."""
    query = (
        select(Claim)
        .join(ProviderDecision, col(ProviderDecision.claim_id) == col(Claim.id))
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .where(col(Settlement.withheld).is_not(None), col(Claim.id) > after)
        .order_by(col(Claim.id))
        .limit(limit)
    )
    return session.exec(query).all()


def forget(session: Session, claim_ids: Collection[int]) -> None:
    """Of people who are erased."""
    for table in (Wanted, ProviderDecision):
        session.connection().execute(delete(table).where(col(table.claim_id).in_(claim_ids)))
