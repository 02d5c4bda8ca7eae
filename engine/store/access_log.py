"""The access log: append-only, each entry chained to the one before by its digest.

An entry's digest is sha256 over the RFC 8785 form of its fields and of the digest before it, so that
nothing inside the log can be changed, dropped or slipped in without every later digest changing. The
digests are the leaves of the log's Merkle tree, whose heads are checkpointed on chain: against one of those,
a log written anew from end to end, or cut at its tail, shows too.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import rfc8785
from sqlalchemy import insert, text
from sqlmodel import Session, col, select

from engine.store.tables import AccessEntry

GENESIS = "0x" + "00" * 32
_LOCK = 0x6175_6469
"""Postgres advisory lock: appenders of several processes queue, each sees the head it extends."""
_READ_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it is logged. `path` is a route's template with opaque ids only; never a query."""

    at: datetime
    request_id: str
    key_id: str | None
    role: str | None
    principal: str | None
    method: str
    path: str
    status: int
    remote: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The walk's result: entries read, the newest digest, and where the chain first breaks."""

    entries: int
    head: str
    broken_at: int | None


class LogBroken(Exception):
    """The log is not the one that was written: entry `seq` does not follow the one before, or has gone."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq

    def __str__(self) -> str:
        return f"the access log does not go on with entry {self.seq} as it was written"


def append(session: Session, call: Call) -> None:
    """Add one entry to the caller's transaction."""
    append_all(session, [call])


def append_all(session: Session, calls: Sequence[Call]) -> None:
    """Add entries to the caller's transaction, in their order, in one statement."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    seq, previous = head(session)
    rows = []
    for number, call in enumerate(calls, seq + 1):
        row = {"seq": number, **asdict(call), "previous_digest": previous}
        previous = _digest_of(row)
        rows.append({**row, "digest": previous})
    session.connection().execute(insert(AccessEntry), rows)


def head(session: Session) -> tuple[int, str]:
    """(seq, digest) of the newest entry; (0, GENESIS) of an empty log."""
    newest = session.connection().execute(_NEWEST).first()
    return (newest[0], newest[1]) if newest else (0, GENESIS)


_NEWEST: Any = select(AccessEntry.seq, AccessEntry.digest).order_by(col(AccessEntry.seq).desc()).limit(1)
"""Made once: every call runs it, and making it costs more than running it."""


def page(session: Session, after: int, limit: int) -> list[AccessEntry]:
    """Entries with seq > `after`, oldest first."""
    newer = select(AccessEntry).where(col(AccessEntry.seq) > after)
    return list(session.exec(newer.order_by(col(AccessEntry.seq)).limit(limit)))


def verify_chain(session: Session) -> ChainCheck:
    """Walk the whole log; `broken_at` is the seq of the first entry that does not follow."""
    read, newest = 0, GENESIS
    try:
        for entry in walk(session):
            read, newest = read + 1, entry.digest
    except LogBroken as broken:
        return ChainCheck(read, newest, broken.seq)
    return ChainCheck(read, newest, None)


def walk(session: Session, after: int = 0, until: int | None = None) -> Iterator[AccessEntry]:
    """Entries after seq `after`, up to `until`, each once it is seen to follow the one before.

    Raises LogBroken, also where the log ends before `until`. For a session that only reads.
    """
    previous, expected = _digest_at(session, after), after + 1
    while until is None or expected <= until:
        entries = page(session, expected - 1, _at_once(expected, until))
        if not entries and until is not None:
            raise LogBroken(expected)
        if not entries:
            return
        for entry in entries:
            if entry.seq != expected or entry.previous_digest != previous or entry.digest != _digest(entry):
                raise LogBroken(entry.seq or expected)
            yield entry
            expected, previous = expected + 1, entry.digest
        session.expunge_all()


def _at_once(expected: int, until: int | None) -> int:
    return _READ_AT_ONCE if until is None else min(_READ_AT_ONCE, until - expected + 1)


def _digest_at(session: Session, seq: int) -> str:
    if seq == 0:
        return GENESIS
    entry = session.get(AccessEntry, seq)
    if entry is None:
        raise LogBroken(seq)
    return entry.digest


def _digest(entry: AccessEntry) -> str:
    return _digest_of({name: getattr(entry, name) for name in _CHAINED})


_CHAINED = ("seq", *(field.name for field in fields(Call)), "previous_digest")


def _digest_of(row: Mapping[str, Any]) -> str:
    at: datetime = row["at"]
    chained = {**row, "at": at.astimezone(UTC).isoformat(timespec="microseconds")}
    return "0x" + hashlib.sha256(rfc8785.dumps(chained)).hexdigest()
