"""The access log: append-only, each entry chained to the one before by its digest.

An entry's digest is sha256 over the RFC 8785 form of its fields and of the digest before it, so that
nothing inside the log can be changed, dropped or slipped in without every later digest changing. The
newest digest (`head`) is what a checkpoint publishes; against a published one, a cut tail shows too.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import rfc8785
from sqlalchemy import text
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


def append(session: Session, call: Call) -> AccessEntry:
    """Add one entry to the caller's transaction."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    seq, previous = head(session)
    entry = AccessEntry(
        seq=seq + 1,
        at=call.at,
        request_id=call.request_id,
        key_id=call.key_id,
        role=call.role,
        principal=call.principal,
        method=call.method,
        path=call.path,
        status=call.status,
        remote=call.remote,
        previous_digest=previous,
        digest="",
    )
    entry.digest = _digest(entry)
    session.add(entry)
    session.flush()
    return entry


def head(session: Session) -> tuple[int, str]:
    """(seq, digest) of the newest entry; (0, GENESIS) of an empty log."""
    newest = session.exec(
        select(AccessEntry.seq, AccessEntry.digest).order_by(col(AccessEntry.seq).desc()).limit(1)
    ).first()
    return (newest[0] or 0, newest[1]) if newest else (0, GENESIS)


def page(session: Session, after: int, limit: int) -> list[AccessEntry]:
    """Entries with seq > `after`, oldest first."""
    newer = select(AccessEntry).where(col(AccessEntry.seq) > after)
    return list(session.exec(newer.order_by(col(AccessEntry.seq)).limit(limit)))


def verify_chain(session: Session) -> ChainCheck:
    """Walk the whole log; `broken_at` is the seq of the first entry that does not follow."""
    expected_seq, previous = 1, GENESIS
    for entry in _all(session):
        chained = entry.seq == expected_seq and entry.previous_digest == previous
        if not chained or entry.digest != _digest(entry):
            return ChainCheck(expected_seq - 1, previous, entry.seq)
        expected_seq, previous = expected_seq + 1, entry.digest
    return ChainCheck(expected_seq - 1, previous, None)


def _all(session: Session) -> Iterator[AccessEntry]:
    after = 0
    while entries := page(session, after, _READ_AT_ONCE):
        yield from entries
        after = entries[-1].seq or 0
        session.expunge_all()


def _digest(entry: AccessEntry) -> str:
    chained = {
        "seq": entry.seq,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "request_id": entry.request_id,
        "key_id": entry.key_id,
        "role": entry.role,
        "principal": entry.principal,
        "method": entry.method,
        "path": entry.path,
        "status": entry.status,
        "remote": entry.remote,
        "previous_digest": entry.previous_digest,
    }
    return "0x" + hashlib.sha256(rfc8785.dumps(chained)).hexdigest()
