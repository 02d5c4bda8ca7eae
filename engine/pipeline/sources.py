"""Which mapping file reads what a hospital's system sends: registered, kept as written, never changed."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlmodel import Session

from engine.errors import Conflict, NotFound, Refused
from engine.pipeline.context import Context
from engine.settlement.sources.codes import Dictionaries
from engine.settlement.sources.mapping import MappingBook, MappingInvalid, SourceMapping
from engine.settlement.sources.mapping_file import load_mapping_text
from engine.settlement.sources.record import others_of
from engine.store import deliveries
from engine.store.deliveries import SourceVersion, Tallied

MOST_NAMES = 500
"""That a source's tally counts each by itself, of one version of its mapping: as many as one page lists."""


def register_source(ctx: Context, text: bytes) -> dict[str, Any]:
    """Keep one version of a source's mapping. The same file again is what it was.

    Raises Refused with every problem of the file, Conflict where that version is held with other content,
    NotFound where its hospital is not in the register.
    """
    try:
        mapping = load_mapping_text(text, "mapping", ctx.dictionaries)
    except MappingInvalid as error:
        raise _refused(error) from error
    if ctx.hospital_register().get(mapping.hospital) is None:
        raise NotFound(f"/hospital: {mapping.hospital} is not in the register", code="hospital.unknown")
    row = SourceVersion(
        hospital_code=mapping.hospital,
        source=mapping.source,
        number=mapping.number,
        holds_from=mapping.holds_from,
        digest=mapping.digest_hex,
        text=text.decode("utf-8"),
        registered_at=ctx.clock(),
    )
    return _view(ctx.writer.run(lambda session: _keep(ctx, session, row, mapping)))


def _keep(ctx: Context, session: Session, row: SourceVersion, mapping: SourceMapping) -> SourceVersion:
    known = deliveries.versions(session, row.hospital_code, row.source)
    for held in known:
        if held.number == row.number and held.digest == row.digest:
            return held
        if held.number == row.number:
            raise Conflict(
                f"/version/number: {row.number} of {row.source} is held with other content; "
                "a mapping never changes, give the new one the next number",
                code="source.version_held",
            )
    try:
        MappingBook.of([*(_mapping(ctx, held) for held in known), mapping])
    except MappingInvalid as error:
        raise _refused(error) from error
    session.add(row)
    session.flush()
    return row


def _refused(error: MappingInvalid) -> Refused:
    listed = [{"field": p.pointer, "rule": p.rule, "message": str(p)} for p in error.problems]
    return Refused("source.mapping_invalid", f"{len(listed)} problem(s) in the mapping file", listed)


def _mapping(ctx: Context, row: SourceVersion) -> SourceMapping:
    return _parsed(row.digest, row.text, ctx.dictionaries)


@lru_cache(maxsize=256)  # a version never changes; a file of thousands of codes takes a second to read
def _parsed(digest: str, text: str, dictionaries: Dictionaries) -> SourceMapping:
    mapping = load_mapping_text(text.encode(), "mapping", dictionaries)
    if mapping.digest_hex != digest:
        raise ValueError(f"a kept mapping is not the one that was registered: {digest}")
    return mapping


def mapping_on(ctx: Context, session: Session, hospital_code: str, source: str, day: date) -> SourceMapping:
    """The version for what is received on a day. Raises NotFound."""
    known = deliveries.versions(session, hospital_code, source)
    mapping = MappingBook.of(_mapping(ctx, row) for row in known).holding(day) if known else None
    if mapping is None:
        raise NotFound(
            f"no mapping of source {source!r} holds on {day}; register one (autoclaim sources register FILE)",
            code="source.unknown",
        )
    return mapping


def list_sources(ctx: Context, hospital_code: str | None) -> list[dict[str, Any]]:
    with ctx.database.reading() as session:
        return [_view(row) for row in deliveries.sources(session, hospital_code)]


def _view(row: SourceVersion) -> dict[str, Any]:
    return {
        "hospital_code": row.hospital_code,
        "source": row.source,
        "number": row.number,
        "holds_from": row.holds_from,
        "digest": row.digest,
        "registered_at": row.registered_at,
    }


def tally(session: Session, of: Tallied, seen: Mapping[str, int], at: datetime) -> None:
    """Count names that a sender wrote: the first MOST_NAMES each by itself, what comes after them together.

    Engines that count at the same moment may each add the last ones; then there are a few more.
    """
    if not seen:
        return
    held = deliveries.tallied(session, of)
    counted: Counter[str] = Counter()
    for name, number in seen.items():
        if name not in held and len(held) >= MOST_NAMES:
            counted[others_of(name)] += number
        else:
            held.add(name)
            counted[name] += number
    deliveries.tally(session, of, counted, at)


def list_unmapped(ctx: Context, hospital_code: str | None, limit: int) -> list[dict[str, Any]]:
    """Codes that had no mapping, of one hospital or of all; the most frequent first."""
    with ctx.database.reading() as session:
        rows = deliveries.tallies(session, hospital_code, "unmapped", limit)
    listed = []
    for row in rows:
        dictionary, local = row.name.split("/", 1)
        listed.append(
            {
                "hospital_code": row.hospital_code,
                "source": row.source,
                "mapping_number": row.mapping_number,
                "dictionary": dictionary,
                "local": local,
                "seen": row.seen,
                "last_at": row.last_at,
            }
        )
    return listed


def list_dropped(ctx: Context, hospital_code: str | None, limit: int) -> list[dict[str, Any]]:
    """Fields that were sent and that the purpose does not list, so that none of them was kept; the most
    frequent first."""
    with ctx.database.reading() as session:
        rows = deliveries.tallies(session, hospital_code, "dropped", limit)
    return [
        {
            "hospital_code": row.hospital_code,
            "source": row.source,
            "mapping_number": row.mapping_number,
            "field": row.name,
            "seen": row.seen,
            "last_at": row.last_at,
        }
        for row in rows
    ]
