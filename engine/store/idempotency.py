"""What was answered to an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).

Only answers that took effect are kept: a refused body changed nothing, so the same key may carry
its correction. `digest_of_request` covers method, target and body.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from engine.store.tables import IdempotentAnswer


def digest_of_request(method: str, target: str, body: bytes) -> str:
    """sha256 that two requests share exactly when one is a retry of the other."""
    parts = (method.encode(), target.encode(), hashlib.sha256(body).digest())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def find(session: Session, key_id: str, idempotency_key: str) -> IdempotentAnswer | None:
    """The answer that this caller got under this key, if it took effect."""
    return session.get(IdempotentAnswer, (key_id, idempotency_key))


def keep_all(session: Session, answers: Sequence[Mapping[str, Any]]) -> None:
    """Keep answers, by column. The first one of a key stands: of two processes that raced, both must tell
    the same later."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.connection().execute(insert(IdempotentAnswer).on_conflict_do_nothing(), list(answers))
