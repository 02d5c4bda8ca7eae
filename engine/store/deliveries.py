"""What hospitals delivered in their own formats, and what became of each record: tables, and every query.

The lineage of a settlement is here: from it to the record, the delivery's bytes, and every version of the
mapping and of the dictionaries under which they were read.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, and_
from sqlmodel import JSON, Field, Session, SQLModel, col, func, or_, select

from engine.store.adding import adding
from engine.store.tables import BIG_ID, Claim, Quarantined, UtcTime


class SourceVersion(SQLModel, table=True):
    """One version of a source's mapping file, as registered."""

    __tablename__ = "source_version"
    hospital_code: str = Field(primary_key=True, foreign_key="hospital.code")
    source: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    holds_from: date
    digest: str
    text: str
    """The file as its author wrote it."""
    registered_at: datetime = Field(sa_type=UtcTime)


class Delivery(SQLModel, table=True):
    """Bytes that a hospital delivered, kept as they came, sealed. The same bytes are one delivery."""

    __tablename__ = "delivery"
    __table_args__ = (UniqueConstraint("hospital_code", "source", "body_digest"),)
    delivery_id: str = Field(primary_key=True)
    hospital_code: str = Field(foreign_key="hospital.code")
    source: str
    body_digest: str
    """sha256 of the bytes."""
    size: int = Field(sa_type=BigInteger)
    body_sealed: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UtcTime)
    erased_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """Since then the bytes are gone, for a record in them that was an erased person's."""


class Reading(SQLModel, table=True):
    """One reading of a delivery, under one version of everything that has a say in what comes out."""

    __tablename__ = "reading"
    __table_args__ = (UniqueConstraint("delivery_id", "run"),)
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    delivery_id: str = Field(foreign_key="delivery.delivery_id")
    run: int
    mapping_number: int
    mapping_digest: str
    cleaning: str
    dictionaries: str
    """sha256 over the dictionaries' versions."""
    begun_at: datetime = Field(sa_type=UtcTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)
    refused: list[dict[str, Any]] | None = Field(default=None, sa_type=JSON)
    """Why the rest of the delivery, or all of it, cannot be read."""


class DeliveredRecord(SQLModel, table=True):
    """What one reading made of one record. Append-only."""

    __tablename__ = "delivered_record"
    __table_args__ = (
        UniqueConstraint("reading_id", "ordinal"),
        Index("delivered_record_by_settlement", "settlement_id"),
        Index("delivered_record_by_quarantined", "quarantined_id"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    reading_id: int = Field(foreign_key="reading.id", sa_type=BigInteger)
    ordinal: int
    """From 1, in the delivery's order."""
    place: str
    kind: str
    outcome: str
    """accepted, quarantined, refused, waiting (for the rest of its stay), reversed or noted."""
    code: str | None = None
    """Of a refusal."""
    setl_id: str | None = None
    settlement_id: int | None = Field(default=None, foreign_key="settlement.id")
    quarantined_id: int | None = Field(default=None, foreign_key="quarantined.id")


class DeliveredBody(SQLModel, table=True):
    """A record that is no settlement by itself: a part of a stay, a report on it, a reconciliation.

    key: the visit's number at the hospital.
    """

    __tablename__ = "delivered_body"
    __table_args__ = (Index("delivered_body_by_stay", "hospital_code", "source", "key"),)
    delivery_id: str = Field(primary_key=True, foreign_key="delivery.delivery_id")
    ordinal: int = Field(primary_key=True)
    hospital_code: str
    source: str
    kind: str
    key: str
    closes: bool
    place: str
    body_sealed: bytes = Field(sa_type=LargeBinary)


class Tally(SQLModel, table=True):
    """How often a code of a source had no mapping ("unmapped"), or a field was dropped ("dropped"), as read
    under one version of its mapping."""

    __tablename__ = "source_tally"
    hospital_code: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    mapping_number: int = Field(primary_key=True)
    what: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    """"dictionary/local code", or "node/field": what the sender wrote, so whoever counts bounds them."""
    seen: int = Field(sa_type=BigInteger)
    last_at: datetime = Field(sa_type=UtcTime)


class Correction(SQLModel, table=True):
    """A refused record put right by hand: what was changed, by whom, and what it became."""

    __tablename__ = "correction"
    quarantined_id: int = Field(primary_key=True, foreign_key="quarantined.id")
    settlement_id: int = Field(foreign_key="settlement.id", index=True)
    patch_sealed: bytes = Field(sa_type=LargeBinary)
    """RFC 7386 merge patch over the refused body."""
    actor: str
    at: datetime = Field(sa_type=UtcTime)


class Tallied(NamedTuple):
    """Whose names are counted, and what of them: "unmapped" or "dropped"."""

    hospital_code: str
    source: str
    mapping_number: int
    what: str


def versions(session: Session, hospital_code: str, source: str) -> Sequence[SourceVersion]:
    query = select(SourceVersion).where(
        SourceVersion.hospital_code == hospital_code, SourceVersion.source == source
    )
    return session.exec(query.order_by(col(SourceVersion.number))).all()


def sources(session: Session, hospital_code: str | None) -> Sequence[SourceVersion]:
    """Every version of every source, of one hospital or of all."""
    query = select(SourceVersion)
    if hospital_code is not None:
        query = query.where(SourceVersion.hospital_code == hospital_code)
    order = (SourceVersion.hospital_code, SourceVersion.source, SourceVersion.number)
    return session.exec(query.order_by(*(col(one) for one in order))).all()


def delivery_of(session: Session, hospital_code: str, source: str, digest: str) -> Delivery | None:
    query = select(Delivery).where(
        Delivery.hospital_code == hospital_code, Delivery.source == source, Delivery.body_digest == digest
    )
    return session.exec(query).one_or_none()


def last_reading(session: Session, delivery_id: str) -> Reading | None:
    query = select(Reading).where(Reading.delivery_id == delivery_id)
    return session.exec(query.order_by(col(Reading.run).desc()).limit(1)).one_or_none()


def readings(session: Session, delivery_id: str) -> Sequence[Reading]:
    query = select(Reading).where(Reading.delivery_id == delivery_id)
    return session.exec(query.order_by(col(Reading.run))).all()


KeptRecord = tuple[DeliveredRecord, str | None, Sequence[dict[str, Any]] | None]
"""With the claim that it was accepted as, or the rules that it breaks."""


def records(session: Session, reading_id: int, after: int, limit: int) -> Sequence[KeptRecord]:
    """Records of a reading, in order."""
    query = (
        select(DeliveredRecord, Claim.claim_id, Quarantined.violations)
        .join(
            Claim,
            and_(col(Claim.settlement_id) == col(DeliveredRecord.settlement_id), col(Claim.beside).is_(None)),
            isouter=True,
        )
        .join(Quarantined, col(Quarantined.id) == col(DeliveredRecord.quarantined_id), isouter=True)
        .where(DeliveredRecord.reading_id == reading_id, DeliveredRecord.ordinal > after)
        .order_by(col(DeliveredRecord.ordinal))
        .limit(limit)
    )
    return session.exec(query).all()


def last_ordinal(session: Session, reading_id: int) -> int:
    query = select(func.max(DeliveredRecord.ordinal)).where(DeliveredRecord.reading_id == reading_id)
    return session.exec(query).one() or 0


def counts(session: Session, reading_id: int) -> dict[str, int]:
    """Outcome -> records."""
    query = (
        select(DeliveredRecord.outcome, func.count())
        .where(DeliveredRecord.reading_id == reading_id)
        .group_by(DeliveredRecord.outcome)
    )
    return dict(session.exec(query).all())


def page(session: Session, hospital_code: str, after: str, limit: int) -> Sequence[Delivery]:
    query = (
        select(Delivery)
        .where(Delivery.hospital_code == hospital_code, Delivery.delivery_id > after)
        .order_by(col(Delivery.delivery_id))
        .limit(limit)
    )
    return session.exec(query).all()


Origin = tuple[DeliveredRecord, Reading, Delivery]
"""One record, in one reading, of one delivery."""


def lineage(session: Session, settlement_id: int) -> Sequence[Origin]:
    """Every record, in every reading, that said this settlement, or that was put right to it."""
    put_right = select(Correction.quarantined_id).where(Correction.settlement_id == settlement_id)
    query = (
        select(DeliveredRecord, Reading, Delivery)
        .join(Reading, col(Reading.id) == col(DeliveredRecord.reading_id))
        .join(Delivery, col(Delivery.delivery_id) == col(Reading.delivery_id))
        .where(
            or_(
                DeliveredRecord.settlement_id == settlement_id,
                col(DeliveredRecord.quarantined_id).in_(put_right),
            )
        )
        .order_by(col(DeliveredRecord.id))
    )
    return session.exec(query).all()


def reports(session: Session, hospital_code: str, visit: str) -> Sequence[Origin]:
    """Every record, in every reading, that reports on a visit, from any source of its hospital."""
    of_hospital = select(SourceVersion.source).where(SourceVersion.hospital_code == hospital_code)
    query = (
        select(DeliveredRecord, Reading, Delivery)
        .join(Reading, col(Reading.id) == col(DeliveredRecord.reading_id))
        .join(Delivery, col(Delivery.delivery_id) == col(Reading.delivery_id))
        .join(
            DeliveredBody,
            and_(
                col(DeliveredBody.delivery_id) == col(Reading.delivery_id),
                col(DeliveredBody.ordinal) == col(DeliveredRecord.ordinal),
            ),
        )
        .where(
            DeliveredBody.hospital_code == hospital_code,
            col(DeliveredBody.source).in_(of_hospital),
            DeliveredBody.key == visit,
            DeliveredBody.kind == "report",
        )
        .order_by(col(DeliveredRecord.id))
    )
    return session.exec(query).all()


def corrections(session: Session, settlement_id: int) -> Sequence[tuple[Correction, Quarantined]]:
    query = (
        select(Correction, Quarantined)
        .join(Quarantined, col(Quarantined.id) == col(Correction.quarantined_id))
        .where(Correction.settlement_id == settlement_id)
    )
    return session.exec(query).all()


def parts_of(session: Session, hospital_code: str, source: str, key: str) -> Sequence[DeliveredBody]:
    """What has come of one stay so far."""
    query = select(DeliveredBody).where(
        DeliveredBody.hospital_code == hospital_code,
        DeliveredBody.source == source,
        DeliveredBody.key == key,
        DeliveredBody.kind == "part",
    )
    return session.exec(query.order_by(col(DeliveredBody.delivery_id), col(DeliveredBody.ordinal))).all()


def tallied(session: Session, of: Tallied) -> set[str]:
    """The names that are counted."""
    query = select(Tally.name).where(
        Tally.hospital_code == of.hospital_code,
        Tally.source == of.source,
        Tally.mapping_number == of.mapping_number,
        Tally.what == of.what,
    )
    return set(session.exec(query).all())


def tally(session: Session, of: Tallied, seen: Mapping[str, int], at: datetime) -> None:
    """Add to a source's tallies; `seen` is not empty."""
    # In one order, so that two engines that count the same names never wait for each other in a circle.
    rows = [{**of._asdict(), "name": name, "seen": seen[name], "last_at": at} for name in sorted(seen)]
    connection = session.connection()
    connection.execute(adding(Tally, connection.dialect.name), rows)


def tallies(session: Session, hospital_code: str | None, what: str, limit: int) -> Sequence[Tally]:
    """The most frequent first."""
    query = select(Tally).where(Tally.what == what)
    if hospital_code is not None:
        query = query.where(Tally.hospital_code == hospital_code)
    order = (col(Tally.seen).desc(), col(Tally.name), col(Tally.mapping_number).desc())
    return session.exec(query.order_by(*order).limit(limit)).all()
