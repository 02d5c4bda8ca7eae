"""What was counted of the quality of hospitals' data, by day: tables that name nobody, and every query."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger
from sqlalchemy import select as columns
from sqlmodel import Field, Session, SQLModel, col, func, select

from engine.store.adding import adding
from engine.store.tables import Reversal, Settlement, UtcTime

_ROWS_A_FETCH = 1_000


class QualityTally(SQLModel, table=True):
    """How many records of a source, received on a day, had something: an outcome, a broken rule, a code."""

    __tablename__ = "quality_tally"
    day: date = Field(primary_key=True)
    """Of receipt, in Shanghai."""
    hospital_code: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    """The mapping's source, or "native"."""
    what: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    engine: str = Field(primary_key=True)
    """Which engine counted: each adds to rows of its own, so that none waits for another's commit."""
    seen: int = Field(sa_type=BigInteger)


class DayStatement(SQLModel, table=True):
    """How many settlements a hospital itself counts for its days (3201, 3202): the last that it stated."""

    __tablename__ = "day_statement"
    hospital_code: str = Field(primary_key=True)
    begins: date = Field(primary_key=True)
    ends: date = Field(primary_key=True)
    clearing_type: str = Field(primary_key=True)
    """clr_type; "" is all."""
    insurance_type: str = Field(primary_key=True)
    """insutype; "" is all."""
    settlements: int
    source: str
    delivery_id: str = Field(foreign_key="delivery.delivery_id")
    received_at: datetime = Field(sa_type=UtcTime)


class Of(NamedTuple):
    """Whose records are counted, and by which engine."""

    day: date
    hospital_code: str
    source: str
    engine: str


Counts = Mapping[tuple[str, str], int]
"""(what, name) -> records."""


class Seen(NamedTuple):
    """A tally, over the engines that counted it."""

    hospital_code: str
    source: str
    day: date
    what: str
    name: str
    seen: int


def add(session: Session, counted: Mapping[Of, Counts]) -> None:
    """Add to the tallies: one statement, whatever the number of records."""
    rows = [
        {**of._asdict(), "what": what, "name": name, "seen": seen}
        for of, counts in counted.items()
        for (what, name), seen in counts.items()
    ]
    if not rows:
        return
    connection = session.connection()
    connection.execute(adding(QualityTally, connection.dialect.name), rows)


def seen(
    session: Session,
    first: date,
    last: date,
    hospital_code: str | None = None,
    what: Sequence[str] = (),
) -> Iterator[Seen]:
    """The tallies of days, both included, of one hospital or of all; by hospital, source and day, as they are
    read, in the order of what and name."""
    tally = QualityTally
    key = tuple(col(one) for one in (tally.hospital_code, tally.source, tally.day, tally.what, tally.name))
    query: Any = columns(*key, func.sum(col(tally.seen))).where(col(tally.day).between(first, last))
    if hospital_code is not None:
        query = query.where(col(tally.hospital_code) == hospital_code)
    if what:
        query = query.where(col(tally.what).in_(what))
    query = query.group_by(*key).order_by(*key).execution_options(yield_per=_ROWS_A_FETCH)
    for code, source, day, kind, name, total in session.connection().execute(query):
        yield Seen(code, source, day, kind, name, int(total))


def state_day(session: Session, statement: DayStatement) -> None:
    """Keep what a hospital counts; what it states again of the same days replaces it."""
    session.merge(statement)


def statements_ended(
    session: Session, first: date, last: date, hospital_code: str | None = None
) -> Sequence[DayStatement]:
    """Those whose last day lies between, both included, in order."""
    query = select(DayStatement).where(col(DayStatement.ends).between(first, last))
    if hospital_code is not None:
        query = query.where(DayStatement.hospital_code == hospital_code)
    order = (
        *(DayStatement.hospital_code, DayStatement.begins, DayStatement.ends),
        *(DayStatement.clearing_type, DayStatement.insurance_type),
    )
    return session.exec(query.order_by(*(col(one) for one in order))).all()


def settled_between(session: Session, hospital_code: str, first: date, last: date) -> Mapping[str, int]:
    """Visit type -> settlements accepted, whenever they were received, that were settled on these days."""
    name = col(QualityTally.name)
    settled_on = func.substr(name, 1, 10)
    query = (
        columns(name, func.sum(col(QualityTally.seen)))
        .where(
            col(QualityTally.hospital_code) == hospital_code,
            col(QualityTally.what) == "settled",
            settled_on >= first.isoformat(),
            settled_on <= last.isoformat(),
        )
        .group_by(name)
    )
    by_type: dict[str, int] = {}
    for settled, number in session.connection().execute(query):
        visit_type = settled.partition("/")[2]
        by_type[visit_type] = by_type.get(visit_type, 0) + int(number)
    return by_type


def reversed_between(session: Session, hospital_code: str, begins: datetime, ends: datetime) -> int:
    """Settlements taken back, of those settled from `begins` to before `ends`."""
    query = (
        select(func.count())
        .select_from(Reversal)
        .join(Settlement, col(Settlement.id) == col(Reversal.settlement_id))
        .where(
            Settlement.hospital_code == hospital_code,
            col(Settlement.settled_at) >= begins,
            col(Settlement.settled_at) < ends,
        )
    )
    return session.exec(query).one()
