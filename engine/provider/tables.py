"""Every table of a provider node, in a schema of its own. What names a patient is sealed (`*_sealed`)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from engine.store.tables import BIG_ID, UtcTime


class ProviderTable(SQLModel, registry=registry()):
    """Base of the node's tables: `ProviderTable.metadata` has them, and none of the insurer's."""


class Discharge(ProviderTable, table=True):
    """A settlement as the hospital sent it, and how far it has come; `state` moves only along the table."""

    __tablename__ = "discharge"
    __table_args__ = (
        UniqueConstraint("hospital_code", "setl_id"),
        Index("discharge_waiting", "state", "not_before"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    hospital_code: str
    setl_id: str
    content_digest: str
    body_sealed: bytes = Field(sa_type=LargeBinary)
    document_sealed: bytes = Field(sa_type=LargeBinary)
    """What may leave: the minimised settlement in its evidence form."""
    salts_sealed: bytes = Field(sa_type=LargeBinary)
    admitted_on: date
    discharged_on: date
    received_at: datetime = Field(sa_type=UtcTime)
    state: str
    reason: str | None = None
    """Why it stands where it does, as a code."""
    ruled_by: str | None = None
    """Who here has looked at a doubt, and says that it is the insured person all the same."""
    epoch: int | None = None
    tags_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """The proven answer under `epoch`: the person's tag and key, the name's tag (engine.provider.ask)."""
    attempts: int = 0
    not_before: datetime = Field(sa_type=UtcTime)
    """When it is next tried; attempts: failures since its last move."""
    task_id: str | None = Field(default=None, index=True)
    """Of the matching task that has it: until that lets it go, nothing else is done about it."""

    @property
    def row_id(self) -> int:
        """Of one that is kept."""
        if self.id is None:
            raise ValueError("the discharge is not kept yet")
        return self.id


class Question(ProviderTable, table=True):
    """A question to the insurer, kept before it is asked (engine.provider.ask)."""

    __tablename__ = "question"
    __table_args__ = (Index("question_of_batch", "task_id", "batch"),)
    commitment: str = Field(primary_key=True)
    discharge_id: int | None = Field(
        default=None, foreign_key="discharge.id", index=True, sa_type=BIG_ID, nullable=False
    )
    salt_sealed: bytes = Field(sa_type=LargeBinary)
    epoch: int | None = None
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When an answer was kept whose proof holds under the key of `epoch`."""
    task_id: str | None = None
    batch: int | None = None
    """Of the matching task that it is asked in."""
    person: int | None = None
    """Of its batch, which of the people it is about."""


class Release(ProviderTable, table=True):
    """A policy that a discharge is, or was, to be released under, as the roll's entry names it."""

    __tablename__ = "release"
    discharge_id: int = Field(primary_key=True, foreign_key="discharge.id", sa_type=BIG_ID)
    handle: str = Field(primary_key=True)
    product: str
    scope: str
    subject: str | None
    authorization: str | None
    question: str = Field(foreign_key="question.commitment")
    """Whose answer led to it."""
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When the insurer may first have got it."""
    outcome: str | None = None
    """A claim of the insurer's (`clm_…`), or the code with which somebody said no."""
    staged_digest: str | None = None
    """Of the message by which it was handed over under a matching task."""


class Task(ProviderTable, table=True):
    """A matching task over this provider's discharges, as found on chain; `state` moves only along the table
    of engine.provider.task_states."""

    __tablename__ = "task"
    task_id: str = Field(primary_key=True)
    document: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """Once the insurer has given it, and it has been found to be the one on chain."""
    state: str
    reason: str | None = None
    attempts: int = 0
    not_before: datetime = Field(sa_type=UtcTime)


class TaskBatch(ProviderTable, table=True):
    """Discharges of one hospital that are asked about together, set aside before the first is asked."""

    __tablename__ = "task_batch"
    task_id: str = Field(primary_key=True, foreign_key="task.task_id")
    number: int = Field(primary_key=True)
    hospital_code: str
    elements: int
    discharges: int
    messages_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What is asked of each person, until it is answered."""
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Decision(ProviderTable, table=True):
    """What was decided here of a discharge under one of its policies; the newest number is what counts.

    sealed: the case as it was given, its task and signature, the whole decision and its salt. outcome: a
    claim of the insurer's, or the code with which it said no; None: it has to be sent, maybe again.
    """

    __tablename__ = "decision"
    __table_args__ = (
        ForeignKeyConstraint(["discharge_id", "handle"], ["release.discharge_id", "release.handle"]),
    )
    discharge_id: int = Field(primary_key=True, sa_type=BIG_ID)
    handle: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)
    made_at: datetime = Field(sa_type=UtcTime)
    outcome: str | None = None
    disclosed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When the insurer may first have got the settlement."""


class Move(ProviderTable, table=True):
    """Every move of every discharge: who, when, why. Append-only."""

    __tablename__ = "move"
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    discharge_id: int = Field(foreign_key="discharge.id", index=True, sa_type=BIG_ID)
    from_state: str
    to_state: str
    actor: str
    reason: str
    at: datetime = Field(sa_type=UtcTime)


class Refused(ProviderTable, table=True):
    """A body that breaks rules, kept with all of them; the same bytes once."""

    __tablename__ = "refused"
    body_digest: str = Field(primary_key=True)
    body_sealed: bytes = Field(sa_type=LargeBinary)
    violations: list[dict[str, Any]] = Field(sa_type=JSON)
    received_at: datetime = Field(sa_type=UtcTime)


class Alarm(ProviderTable, table=True):
    """Something that nobody honest does, or that a person here must see to."""

    __tablename__ = "alarm"
    code: str = Field(primary_key=True)
    detail: str = Field(primary_key=True)
    seen: int = 1
    first_at: datetime = Field(sa_type=UtcTime)
    last_at: datetime = Field(sa_type=UtcTime)
