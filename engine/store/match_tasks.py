"""Matching tasks as the insurer keeps them: what was asked in each, and the releases that wait for its end.
Tables, and every query."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import JSON, BigInteger, LargeBinary, delete, func
from sqlmodel import Field, Session, SQLModel, col, select

from engine.store.matching import MatchQuestion
from engine.store.tables import UtcTime

COMPLETED = "completed"
"""`ended` of a task whose releases have become claims, or are refused for good."""


class MatchTaskRow(SQLModel, table=True):
    """A one-off task on chain, a provider's list against ours. Where it stands, the chain says.

    request: digest of what was ordered, but for what each opening makes anew. spent: elements evaluated for
    it. own_digest: what we committed to, or are about to: from then on nothing more is taken in. theirs: the
    provider's counts, as it told them. ended: the state on chain, once nothing is left to be done here.
    """

    __tablename__ = "match_task"
    task_id: str = Field(primary_key=True)
    request: str = Field(index=True)
    document: dict[str, Any] = Field(sa_type=JSON)
    terms_root: str
    terms_register: list[str] = Field(sa_type=JSON)
    deadline_s: int = Field(sa_type=BigInteger)
    opened_at: datetime = Field(sa_type=UtcTime)
    spent: int = Field(default=0, sa_type=BigInteger)
    own_digest: str | None = None
    theirs: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    disputed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    ended: str | None = Field(default=None, index=True)


class MatchTaskBatch(SQLModel, table=True):
    """Discharges of one hospital that are asked about together; asked: how often, for an answer may be lost.

    discharges_digest: of their commitments, so that it stays the same batch.
    """

    __tablename__ = "match_task_batch"
    task_id: str = Field(primary_key=True, foreign_key="match_task.task_id")
    number: int = Field(primary_key=True)
    provider: str
    elements: int
    discharges: int
    discharges_digest: str
    asked: int = 1


class StagedRelease(SQLModel, table=True):
    """A release under a task, sealed until both parties agree on what the task came to.

    digest: of the release as it was sent. outcome: the claim that it became, or the code of why it became
    none; nothing is sealed any more then.
    """

    __tablename__ = "match_staged_release"
    task_id: str = Field(primary_key=True, foreign_key="match_task.task_id")
    provider: str = Field(primary_key=True)
    discharge: str = Field(primary_key=True)
    handle: str = Field(primary_key=True)
    digest: str
    release_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    staged_at: datetime = Field(sa_type=UtcTime)
    outcome: str | None = Field(default=None, index=True)


class Asked(NamedTuple):
    """What a task comes to in our books."""

    elements: int
    discharges: int
    released: int
    claims: int


def task(session: Session, task_id: str, *, lock: bool = False) -> MatchTaskRow | None:
    return session.get(MatchTaskRow, task_id, with_for_update=lock)


def unended_of(session: Session, request: str) -> MatchTaskRow | None:
    """That was ordered in the same words and has not ended."""
    query = select(MatchTaskRow).where(MatchTaskRow.request == request, col(MatchTaskRow.ended).is_(None))
    return session.exec(query).one_or_none()


def unended(session: Session) -> Sequence[MatchTaskRow]:
    query = select(MatchTaskRow).where(col(MatchTaskRow.ended).is_(None))
    return session.exec(query.order_by(col(MatchTaskRow.opened_at))).all()


def newest(session: Session, limit: int) -> Sequence[MatchTaskRow]:
    query = select(MatchTaskRow).order_by(col(MatchTaskRow.opened_at).desc(), col(MatchTaskRow.task_id))
    return session.exec(query.limit(limit)).all()


def batch(session: Session, task_id: str, number: int) -> MatchTaskBatch | None:
    return session.get(MatchTaskBatch, (task_id, number))


def asked(session: Session, task_id: str) -> Asked:
    elements = select(func.coalesce(func.sum(MatchTaskBatch.elements), 0)).where(
        MatchTaskBatch.task_id == task_id
    )
    discharges = select(func.count()).select_from(MatchQuestion).where(MatchQuestion.task_id == task_id)
    released = select(func.count()).select_from(StagedRelease).where(StagedRelease.task_id == task_id)
    became = released.where(col(StagedRelease.outcome).like("clm|_%", escape="|"))
    return Asked(*(session.exec(query).one() for query in (elements, discharges, released, became)))


def staged(
    session: Session, task_id: str, provider: str, discharge: str, handle: str
) -> StagedRelease | None:
    return session.get(StagedRelease, (task_id, provider, discharge, handle))


def forget_staged(session: Session, task_id: str) -> None:
    """Of a task that came to nothing."""
    session.connection().execute(delete(StagedRelease).where(col(StagedRelease.task_id) == task_id))


def staged_digests(session: Session, task_id: str) -> Sequence[str]:
    return session.exec(select(StagedRelease.digest).where(StagedRelease.task_id == task_id)).all()


def waiting(session: Session, task_id: str, limit: int) -> Sequence[StagedRelease]:
    """Those of which nothing has become yet."""
    query = select(StagedRelease).where(
        StagedRelease.task_id == task_id, col(StagedRelease.outcome).is_(None)
    )
    return session.exec(query.order_by(col(StagedRelease.discharge)).limit(limit)).all()


def outcomes(session: Session, task_id: str, provider: str) -> Sequence[StagedRelease]:
    query = select(StagedRelease).where(StagedRelease.task_id == task_id, StagedRelease.provider == provider)
    return session.exec(query.order_by(col(StagedRelease.discharge), col(StagedRelease.handle))).all()


def settle(session: Session, task_id: str, provider: str, discharge: str, handle: str, outcome: str) -> None:
    """What became of a staged release, for good; the release itself is forgotten here."""
    row = session.get_one(StagedRelease, (task_id, provider, discharge, handle))
    row.outcome, row.release_sealed = outcome, None
    session.add(row)


def tasks_of(session: Session, claim_ids: Collection[str]) -> dict[str, str]:
    """Those of the claims that came by a task -> the task."""
    query = select(StagedRelease.outcome, StagedRelease.task_id).where(
        col(StagedRelease.outcome).in_(claim_ids)
    )
    return {str(claim_id): task_id for claim_id, task_id in session.exec(query)}
