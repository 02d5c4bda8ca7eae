"""Deliveries: a hospital's bytes in its own format, kept as they came, then read record by record.

The bytes are committed before anything is made of them. A reading is done under one version of the mapping,
the cleaning and the dictionaries; it goes on where it was interrupted, and under other versions it is another
reading of the same bytes. Records are kept in chunks, each with what became of it in the same commit.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any

from sqlmodel import Session

from engine.errors import AutoclaimError, Conflict, NotFound, TooLarge
from engine.pipeline import counting, reversal
from engine.pipeline.context import SHANGHAI, Context
from engine.pipeline.page import Page
from engine.pipeline.quarantine import listed
from engine.pipeline.records import Numbered, Told, body_bytes, keep_records, mark
from engine.pipeline.sources import mapping_on
from engine.pipeline.values import stored
from engine.settlement import Violation
from engine.settlement.sources.cleaning import CLEANING_VERSION
from engine.settlement.sources.codes import Dictionaries
from engine.settlement.sources.formats import READERS
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.record import Record, SourceRefused
from engine.settlement.sources.standardise import Standardiser
from engine.store import deliveries, quality
from engine.store.deliveries import Delivery, Reading
from engine.store.quality import Counts

MAX_BYTES = 64 << 20
"""Of one delivery; more is sent in pieces."""
_CHUNK = 200
"""Records a commit."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receipt. `created` is False when the same bytes had been delivered before."""

    delivery_id: str
    body_digest: str
    size: int
    received_at: datetime
    created: bool


def deliver(ctx: Context, hospital_code: str, source: str, raw: bytes) -> Delivered:
    """Keep the bytes; returns after the commit. Raises TooLarge, NotFound where no mapping holds today."""
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"a delivery has at most {MAX_BYTES} bytes", code="delivery.too_large")
    digest = hashlib.sha256(raw).hexdigest()

    def keep(session: Session) -> Delivered:
        held = deliveries.delivery_of(session, hospital_code, source, digest)
        if held is not None:
            return Delivered(held.delivery_id, digest, held.size, held.received_at, created=False)
        mapping_on(ctx, session, hospital_code, source, ctx.today())
        delivery_id, now = "dlv_" + ctx.rng(12).hex(), ctx.clock()
        session.add(
            Delivery(
                delivery_id=delivery_id,
                hospital_code=hospital_code,
                source=source,
                body_digest=digest,
                size=len(raw),
                body_sealed=ctx.vault.seal(raw, f"delivery.body/{delivery_id}"),
                received_at=now,
            )
        )
        return Delivered(delivery_id, digest, len(raw), now, created=True)

    return ctx.writer.run(keep)


def read(ctx: Context, hospital_code: str, delivery_id: str) -> Iterator[Told]:
    """Read a delivery under the mapping that holds on its day of receipt: what became of each record.

    What an earlier reading under the same versions has done is told and not done again; one that was
    interrupted goes on. Raises NotFound; SourceRefused where the rest cannot be read (kept on the reading).
    """
    with ctx.database.reading() as session:
        delivery = _delivery(session, hospital_code, delivery_id)
        if delivery.erased_at is not None:
            raise Conflict(
                f"the bytes of {delivery_id} are gone, for a person in them who was erased: what became of "
                "its records stays; send what is still to be corrected by itself",
                code="delivery.erased",
            )
        mapping = mapping_on(ctx, session, hospital_code, delivery.source, _day(delivery))
    reading = ctx.writer.run(partial(_begin, ctx, delivery, mapping))
    done = 0
    for told in _marked(ctx, stored(reading.id)):
        done = told.ordinal
        yield told
    if reading.ended_at is None:
        raw = ctx.vault.unseal(delivery.body_sealed, f"delivery.body/{delivery_id}")
        yield from _go_on(
            ctx, delivery, reading, _records(raw, mapping, _day(delivery), ctx.dictionaries), done
        )
    if reading.refused:
        raise SourceRefused([Violation(**one) for one in reading.refused])


def _delivery(session: Session, hospital_code: str, delivery_id: str) -> Delivery:
    delivery = session.get(Delivery, delivery_id)
    if delivery is None or delivery.hospital_code != hospital_code:
        raise NotFound(f"this hospital has delivered no {delivery_id}", code="delivery.unknown")
    return delivery


def _begin(ctx: Context, delivery: Delivery, mapping: SourceMapping, session: Session) -> Reading:
    under: dict[str, Any] = {
        "mapping_number": mapping.number,
        "mapping_digest": mapping.digest_hex,
        "cleaning": CLEANING_VERSION,
        "dictionaries": _digest_of(ctx.dictionaries.digests()),
    }
    last = deliveries.last_reading(session, delivery.delivery_id)
    if last is not None and all(getattr(last, name) == value for name, value in under.items()):
        return last
    reading = Reading(
        delivery_id=delivery.delivery_id, run=last.run + 1 if last else 1, begun_at=ctx.clock(), **under
    )
    session.add(reading)
    session.flush()
    return reading


def _digest_of(versions: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()


def _records(raw: bytes, mapping: SourceMapping, day: date, dictionaries: Dictionaries) -> Iterator[Record]:
    standardiser = Standardiser(mapping, day, dictionaries)
    return map(standardiser.record, READERS[mapping.format](BytesIO(raw), mapping.layout))


def _go_on(
    ctx: Context, delivery: Delivery, reading: Reading, records: Iterator[Record], done: int
) -> Iterator[Told]:
    numbered = (Numbered(ordinal, record) for ordinal, record in enumerate(records, 1))
    refused = None
    try:
        for chunk in _chunks(islice(numbered, done, None)):
            if chunk[0].record.kind == "reversal":
                one, counts = _reverse(ctx, delivery, chunk[0])
                ctx.writer.run(partial(_mark, ctx, delivery, reading, one, counts))
                told = [one]
            else:
                told = ctx.writer.run(partial(_keep, ctx, delivery, reading, chunk))
            yield from told
    except SourceRefused as error:
        refused = list(error.violations)
    ctx.writer.run(partial(_end, ctx, delivery, reading, refused))


def _keep(
    ctx: Context, delivery: Delivery, reading: Reading, chunk: list[Numbered], session: Session
) -> list[Told]:
    """What another caller has kept of the same reading meanwhile is told as it was kept, and not kept again:
    a sender that is tired of waiting sends while the first answer is still on its way."""
    reading_id = stored(reading.id)
    before, done = chunk[0].ordinal - 1, deliveries.last_ordinal(session, reading_id)
    if done <= before:
        return keep_records(ctx, session, delivery, reading, chunk)
    kept = [_told(row) for row in deliveries.records(session, reading_id, before, len(chunk))]
    rest = chunk[len(kept) :]
    return kept + (keep_records(ctx, session, delivery, reading, rest) if rest else [])


def _chunks(records: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    """Up to so many records a commit; a reversal alone, since it undoes what a commit before it kept."""
    chunk: list[Numbered] = []
    try:
        for one in records:
            reversal_alone = one.record.kind == "reversal"
            if chunk and (reversal_alone or len(chunk) == _CHUNK):
                yield chunk
                chunk = []
            chunk.append(one)
            if reversal_alone:
                yield chunk
                chunk = []
    except SourceRefused:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _reverse(ctx: Context, delivery: Delivery, one: Numbered) -> tuple[Told, Counts]:
    """What became of it, and what is still to be counted: a new reversal is counted where it is kept."""
    record = one.record
    setl_id = str(record.body.get("setl_id", ""))
    try:
        taken_back = reversal.reverse_settlement(
            ctx, delivery.hospital_code, setl_id, body_bytes(record.body), delivery.source
        )
    except AutoclaimError as error:
        refused = Told(one.ordinal, record.place, record.kind, "refused", setl_id=setl_id, code=error.code)
        return refused, counting.refused(error.code)
    claim_id = taken_back.claim_id
    told = Told(one.ordinal, record.place, record.kind, "reversed", setl_id=setl_id, claim_id=claim_id)
    return told, {} if taken_back.created else counting.outcome("repeated")


def _mark(
    ctx: Context, delivery: Delivery, reading: Reading, told: Told, counts: Counts, session: Session
) -> None:
    if deliveries.last_ordinal(session, stored(reading.id)) >= told.ordinal:
        return
    mark(session, reading, told, None)
    quality.add(session, {_of(ctx, delivery): counts})


def _end(
    ctx: Context, delivery: Delivery, reading: Reading, refused: list[Violation] | None, session: Session
) -> None:
    """What cannot be read of a delivery counts as one record that was refused."""
    reading.refused = listed(refused) if refused else None
    if session.get_one(Reading, reading.id).ended_at is not None:
        return
    reading.ended_at = ctx.clock()
    session.merge(reading)
    if refused:
        counts = {**counting.refused("source.refused"), **counting.broken("error", refused)}
        quality.add(session, {_of(ctx, delivery): counts})


def _of(ctx: Context, delivery: Delivery) -> quality.Of:
    return counting.of(ctx, delivery.hospital_code, delivery.source, ctx.clock())


def _marked(ctx: Context, reading_id: int) -> Iterator[Told]:
    after = 0
    while True:
        with ctx.database.reading() as session:
            rows = deliveries.records(session, reading_id, after, _CHUNK)
        yield from map(_told, rows)
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0].ordinal


def _told(kept: deliveries.KeptRecord) -> Told:
    row, claim_id, violations = kept
    return Told(
        row.ordinal,
        row.place,
        row.kind,
        row.outcome,
        setl_id=row.setl_id,
        claim_id=claim_id,
        code=row.code,
        quarantine_id=row.quarantined_id,
        errors=violations or (),
    )


def mapping_of(ctx: Context, hospital_code: str, delivery_id: str) -> SourceMapping:
    """The mapping under which a delivery is read now. Raises NotFound."""
    with ctx.database.reading() as session:
        delivery = _delivery(session, hospital_code, delivery_id)
        return mapping_on(ctx, session, hospital_code, delivery.source, _day(delivery))


def _day(delivery: Delivery) -> date:
    return delivery.received_at.astimezone(SHANGHAI).date()


def delivery_view(ctx: Context, hospital_code: str, delivery_id: str) -> dict[str, Any]:
    """A delivery with its readings and what became of its records in each. Raises NotFound."""
    with ctx.database.reading() as session:
        delivery = _delivery(session, hospital_code, delivery_id)
        runs = [
            {**_reading_view(reading), "records": deliveries.counts(session, stored(reading.id))}
            for reading in deliveries.readings(session, delivery_id)
        ]
    return {**_view(delivery), "readings": runs}


def list_deliveries(ctx: Context, hospital_code: str, after: str, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = deliveries.page(session, hospital_code, after, limit)
    return Page([_view(row) for row in rows], rows[-1].delivery_id if len(rows) == limit else None)


def _view(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": delivery.delivery_id,
        "source": delivery.source,
        "body_digest": delivery.body_digest,
        "size": delivery.size,
        "received_at": delivery.received_at,
    }


def _reading_view(reading: Reading) -> dict[str, Any]:
    return {
        "run": reading.run,
        "mapping_number": reading.mapping_number,
        "mapping_digest": reading.mapping_digest,
        "cleaning": reading.cleaning,
        "dictionaries": reading.dictionaries,
        "begun_at": reading.begun_at,
        "ended_at": reading.ended_at,
        "refused": reading.refused,
    }
