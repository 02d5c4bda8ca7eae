"""Private matching as the insurer keeps it: epochs, what was published under each, and who asked how much.

Of a question nothing is kept that is about anybody: this side cannot tell whom it was about. Tables, and
every query.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Index, Integer, bindparam, delete, update
from sqlalchemy import select as columns
from sqlmodel import Field, Session, SQLModel, col, select

from engine.store.adding import adding
from engine.store.inserting import insert_on
from engine.store.named import named
from engine.store.tables import Authorization, Policy, PolicyAlias, UtcTime


class MatchEpoch(SQLModel, table=True):
    """One key under which is matched; `public_key` (64 hexadecimal digits) stands on chain."""

    __tablename__ = "match_epoch"
    number: int = Field(primary_key=True, sa_type=Integer, sa_column_kwargs={"autoincrement": False})
    public_key: str
    opened_at: datetime = Field(sa_type=UtcTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcTime)


class MatchUpdate(SQLModel, table=True):
    """A file of entries that was published: 0 is the whole roll, later ones what has changed since.

    digest: sha256 of the file. entries: those that pad it included.
    """

    __tablename__ = "match_update"
    epoch: int = Field(primary_key=True, foreign_key="match_epoch.number")
    number: int = Field(primary_key=True)
    digest: str
    previous_digest: str
    entries: int = Field(sa_type=BigInteger)
    made_at: datetime = Field(sa_type=UtcTime)


class MatchHandle(SQLModel, table=True):
    """What names a policy in an epoch, to the insurer only: 64 random hexadecimal digits."""

    __tablename__ = "match_handle"
    epoch: int = Field(primary_key=True, foreign_key="match_epoch.number")
    policy_id: int = Field(primary_key=True, foreign_key="policy.id", sa_type=BigInteger)
    handle: str = Field(unique=True)


class MatchEntry(SQLModel, table=True):
    """A person's entry as it was last published.

    tag: 32 hexadecimal digits. stamp: of what it says; empty once it says nothing. update_number: the update
    that says so, which counts once that update is kept.
    """

    __tablename__ = "match_entry"
    __table_args__ = (Index("match_entry_by_person", "epoch", "person"),)
    epoch: int = Field(primary_key=True, foreign_key="match_epoch.number")
    tag: str = Field(primary_key=True)
    person: str
    """The pseudonym of the certificate."""
    stamp: str
    update_number: int


class MatchQuestion(SQLModel, table=True):
    """One evaluation: which provider asked for which of its discharges (a commitment), and how much.

    settlement_id: what it released of that discharge, if it did. task_id: of the task that it was asked in,
    whose batches count its elements.
    """

    __tablename__ = "match_question"
    provider: str = Field(primary_key=True)
    discharge: str = Field(primary_key=True)
    epoch: int = Field(foreign_key="match_epoch.number")
    day: date
    elements: int
    asked_at: datetime = Field(sa_type=UtcTime)
    settlement_id: int | None = Field(default=None, foreign_key="settlement.id", sa_type=BigInteger)
    task_id: str | None = Field(default=None, index=True)


class MatchUse(SQLModel, table=True):
    """What a provider asked on a day in Shanghai, and of how many discharges it then released something."""

    __tablename__ = "match_use"
    provider: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    elements: int = 0
    questions: int = 0
    released: int = 0


class MatchAlarm(SQLModel, table=True):
    """Something of a provider's questions of a day that a person should look at; `seen`: how often."""

    __tablename__ = "match_alarm"
    provider: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    code: str = Field(primary_key=True)
    seen: int = Field(sa_type=BigInteger)
    last_at: datetime = Field(sa_type=UtcTime)


class Use(NamedTuple):
    """As in MatchUse."""

    elements: int
    questions: int
    released: int


class Known(NamedTuple):
    """A policy that knows somebody by a pseudonym: its roll's, or another certificate's or name's."""

    person: str
    policy_id: int
    holder: str
    """The roll's pseudonym, under which authorizations are given."""
    product: str
    effective: date
    expires: date
    cancelled_on: date | None


class Consent(NamedTuple):
    authorization_id: str
    subject: str
    salts_sealed: bytes


def epochs(session: Session) -> Sequence[MatchEpoch]:
    return session.exec(select(MatchEpoch).order_by(col(MatchEpoch.number))).all()


def newest_standing(session: Session) -> int | None:
    """The newest epoch with a roll that has not been withdrawn."""
    query = (
        select(MatchEpoch.number)
        .join(MatchUpdate, col(MatchUpdate.epoch) == col(MatchEpoch.number))
        .where(col(MatchEpoch.withdrawn_at).is_(None), MatchUpdate.number == 0)
    )
    return session.exec(query.order_by(col(MatchEpoch.number).desc()).limit(1)).first()


def updates(session: Session, epoch: int) -> Sequence[MatchUpdate]:
    query = select(MatchUpdate).where(MatchUpdate.epoch == epoch)
    return session.exec(query.order_by(col(MatchUpdate.number))).all()


def last_update(session: Session, epoch: int) -> MatchUpdate | None:
    query = select(MatchUpdate).where(MatchUpdate.epoch == epoch)
    return session.exec(query.order_by(col(MatchUpdate.number).desc()).limit(1)).first()


def people_after(session: Session, after: str, besides: str, limit: int) -> list[str]:
    """Pseudonyms by which policies know somebody, in order, each once; not that one."""
    found: set[str] = set()
    for known in (col(Policy.pseudonym), col(PolicyAlias.pseudonym)):
        query = select(known).where(known > after, known != besides).distinct().order_by(known).limit(limit)
        found.update(session.exec(query))
    return sorted(found)[:limit]


def known_as(session: Session, people: Collection[str]) -> list[Known]:
    """Their policies, in the order in which they end, the last first."""
    of_policy = (
        *(col(Policy.id), col(Policy.pseudonym), col(Policy.product)),
        *(col(Policy.effective), col(Policy.expires), col(Policy.cancelled_on)),
    )
    other = col(PolicyAlias.pseudonym)
    by_roll = columns(col(Policy.pseudonym), *of_policy).where(col(Policy.pseudonym).in_(people))
    by_other = columns(other, *of_policy).join(Policy, col(Policy.id) == col(PolicyAlias.policy_id))
    rows: list[Any] = []
    for query in (by_roll, by_other.where(other.in_(people))):
        rows += session.connection().execute(query)
    known = {(row[0], row[1]): Known(*row) for row in rows}
    return sorted(known.values(), key=lambda one: (one.expires, one.policy_id), reverse=True)


def aliases(session: Session, policy_ids: Collection[int]) -> Sequence[PolicyAlias]:
    query = select(PolicyAlias).where(col(PolicyAlias.policy_id).in_(policy_ids))
    return session.exec(query.order_by(col(PolicyAlias.policy_id), col(PolicyAlias.pseudonym))).all()


def consents(
    session: Session, people: Collection[str], state: str, at_s: int
) -> dict[tuple[str, str], Consent]:
    """(person, scope) -> their newest authorization in that state that has not run out by then."""
    query = (
        columns(
            *(col(Authorization.pseudonym), col(Authorization.scope)),
            *(col(Authorization.authorization_id), col(Authorization.subject)),
            col(Authorization.salts_sealed),
        )
        .where(
            col(Authorization.pseudonym).in_(people),
            col(Authorization.state) == state,
            col(Authorization.expires_s) > at_s,
        )
        .order_by(col(Authorization.received_at))
    )
    rows: Any = session.connection().execute(query)
    return {(person, scope): Consent(*consent) for person, scope, *consent in rows}


def policies(session: Session, policy_ids: Collection[int]) -> dict[int, Policy]:
    rows = session.exec(select(Policy).where(col(Policy.id).in_(policy_ids))).all()
    return {row.id: row for row in rows if row.id is not None}


def handles(session: Session, epoch: int, policy_ids: Collection[int]) -> dict[int, str]:
    query = select(MatchHandle).where(MatchHandle.epoch == epoch, col(MatchHandle.policy_id).in_(policy_ids))
    return {row.policy_id: row.handle for row in session.exec(query)}


def handle(session: Session, epoch: int, name: str) -> MatchHandle | None:
    query = select(MatchHandle).where(MatchHandle.handle == name, MatchHandle.epoch == epoch)
    return session.exec(query).one_or_none()


def entries_between(session: Session, epoch: int, after: str, until: str | None) -> Sequence[MatchEntry]:
    """Of the people whose pseudonyms are greater than `after` and at most `until`; None: of all greater."""
    query = select(MatchEntry).where(MatchEntry.epoch == epoch, col(MatchEntry.person) > after)
    if until is not None:
        query = query.where(col(MatchEntry.person) <= until)
    return session.exec(query.order_by(col(MatchEntry.person), col(MatchEntry.tag))).all()


def keep_entries(
    session: Session, entries: Sequence[Mapping[str, Any]], new_handles: Iterable[Mapping[str, Any]]
) -> None:
    """Both by column. An entry takes the place of the one under its tag."""
    if rows := list(new_handles):
        session.connection().execute(_insert(session, MatchHandle), rows)
    if entries:
        statement = _insert(session, MatchEntry)
        new = {name: statement.excluded[name] for name in ("person", "stamp", "update_number")}
        statement = statement.on_conflict_do_update(index_elements=["epoch", "tag"], set_=new)
        session.connection().execute(statement, list(entries))


def forget_emptied(session: Session, epoch: int, update_number: int) -> None:
    """Entries that an update up to that one has published as saying nothing."""
    session.connection().execute(
        delete(MatchEntry).where(
            col(MatchEntry.epoch) == epoch,
            col(MatchEntry.stamp) == "",
            col(MatchEntry.update_number) <= update_number,
        )
    )


def forget_epoch(session: Session, epoch: int) -> None:
    """Whom it was published about, and what names a policy in it."""
    for table in (MatchEntry, MatchHandle):
        session.connection().execute(delete(table).where(col(table.epoch) == epoch))


def forget_people(
    session: Session, people: Collection[str], policy_ids: Collection[int], erased: str
) -> None:
    """Their entries stand, without saying whose, until the next update empties them."""
    theirs = update(MatchEntry).where(col(MatchEntry.person).in_(people))
    session.connection().execute(theirs.values(person=erased))
    session.connection().execute(delete(MatchHandle).where(col(MatchHandle.policy_id).in_(policy_ids)))


def question(session: Session, provider: str, discharge: str, *, lock: bool = False) -> MatchQuestion | None:
    return session.get(MatchQuestion, (provider, discharge), with_for_update=lock)


def standing(session: Session, numbers: Collection[int]) -> dict[int, datetime | None]:
    """Those of the epochs that have been published, each with when it was withdrawn."""
    rows: Any = session.connection().execute(_STANDING, {"numbers": list(numbers)})
    return dict(rows.all())


def keep_questions(session: Session, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Those (provider, discharge) of the rows, by column, that nobody asked about before."""
    kept = session.connection().execute(_keeping(session.get_bind().dialect.name), list(rows))
    return {(provider, discharge) for provider, discharge in kept}


def forget_questions(session: Session, names: Collection[tuple[str, str]]) -> None:
    these = named(col(MatchQuestion.provider), col(MatchQuestion.discharge), names)
    session.connection().execute(delete(MatchQuestion).where(these))


def add_use(session: Session, provider: str, day: date, **more: int) -> Use:
    """What a provider's day comes to with elements, questions or released added; no other process adds to it
    until the end of the transaction."""
    counts = {name: more.get(name, 0) for name in Use._fields}
    statement = _using(session.get_bind().dialect.name)
    row = session.connection().execute(statement, {"provider": provider, "day": day, **counts}).one()
    return Use(*row)


def raise_alarm(session: Session, provider: str, day: date, code: str, at: datetime) -> None:
    row = {"provider": provider, "day": day, "code": code, "seen": 1, "last_at": at}
    session.connection().execute(adding(MatchAlarm, session.get_bind().dialect.name), [row])


def alarms(session: Session, since: date) -> Sequence[tuple[MatchAlarm, MatchUse | None]]:
    """The newest day first, each with what its provider asked on that day."""
    same = (col(MatchUse.provider) == col(MatchAlarm.provider)) & (col(MatchUse.day) == col(MatchAlarm.day))
    query = (
        select(MatchAlarm, MatchUse).join(MatchUse, same, isouter=True).where(col(MatchAlarm.day) >= since)
    )
    order = (col(MatchAlarm.day).desc(), col(MatchAlarm.provider), col(MatchAlarm.code))
    return session.exec(query.order_by(*order)).all()


def _insert(session: Session, table: type[SQLModel]) -> Any:
    return insert_on(session.get_bind().dialect.name, table)


# What every question runs is made once: making it costs more than running it.

_STANDING: Any = (
    columns(col(MatchEpoch.number), col(MatchEpoch.withdrawn_at))
    .join(MatchUpdate, col(MatchUpdate.epoch) == col(MatchEpoch.number))
    .where(col(MatchEpoch.number).in_(bindparam("numbers", expanding=True)), col(MatchUpdate.number) == 0)
)


@cache
def _keeping(dialect: str) -> Any:
    key = col(MatchQuestion.provider), col(MatchQuestion.discharge)
    return insert_on(dialect, MatchQuestion).on_conflict_do_nothing().returning(*key)


@cache
def _using(dialect: str) -> Any:
    statement = insert_on(dialect, MatchUse)
    counts = col(MatchUse.elements), col(MatchUse.questions), col(MatchUse.released)
    more = {name: one + statement.excluded[name] for name, one in zip(Use._fields, counts, strict=True)}
    statement = statement.on_conflict_do_update(index_elements=["provider", "day"], set_=more)
    return statement.returning(*counts)
