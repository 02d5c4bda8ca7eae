"""An access log to check, and what somebody with the database in hand does to it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text

from engine.evidence.merkle_log import Frontier, leaf_hash
from engine.store import access_log
from engine.store.access_log import Call
from engine.store.database import Database

CALL = Call(
    at=datetime(2026, 1, 1, 8, 0, 0, 123456, tzinfo=UTC),
    request_id="r",
    key_id=None,
    role="auditor",
    principal="审计",
    method="GET",
    path="/v1/claims",
    status=200,
    remote="127.0.0.1",
)


def write(database: Database, count: int) -> None:
    """`count` more entries."""
    with database.transaction() as session:
        for _ in range(count):
            access_log.append(session, CALL)


def digests(database: Database) -> list[bytes]:
    with database.reading() as session:
        return [bytes.fromhex(entry.digest[2:]) for entry in access_log.walk(session)]


def head_over(entries: Sequence[bytes]) -> bytes:
    """The head by reading every entry, as a witness does."""
    frontier = Frontier()
    for entry in entries:
        frontier.append(leaf_hash(entry))
    return frontier.head()


def tamper(database: Database, *statements: str) -> None:
    """As the operator of the database could: no trigger in the way."""
    with database.transaction() as session:
        for (name,) in session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            session.execute(text(statement))


def rewrite(database: Database, seq: int) -> None:
    """Change entry `seq`, and every later one so that the log is a faultless chain again."""
    tamper(database, f"UPDATE access_log SET status = 403 WHERE seq = {seq}")  # noqa: S608
    chain_again(database, seq)


def chain_again(database: Database, seq: int) -> None:
    """Make entries from `seq` on follow whatever stands before them now."""
    with database.transaction() as session:
        entries = access_log.page(session, 0, 100_000)
        earlier = [entry.digest for entry in entries if (entry.seq or 0) < seq]
        previous = earlier[-1] if earlier else access_log.GENESIS
        for entry in entries[len(earlier) :]:
            entry.previous_digest = previous
            entry.digest = previous = access_log._digest(entry)
            session.add(entry)
