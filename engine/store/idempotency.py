"""What was answered to an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).

Only answers that took effect are kept: a refused body changed nothing, so the same key may carry
its correction. `digest_of_request` covers method, target and body.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from engine.store.inserting import insert_on
from engine.store.named import named
from engine.store.tables import IdempotentAnswer

Name = tuple[str, str]
"""What names an answer: the caller's key_id and the Idempotency-Key."""


class Asked(NamedTuple):
    """A request that names an Idempotency-Key; `digest` is `digest_of_request`."""

    name: Name
    digest: str


def digest_of_request(method: str, target: str, body: bytes) -> str:
    """sha256 that two requests share exactly when one is a retry of the other."""
    parts = (method.encode(), target.encode(), hashlib.sha256(body).digest())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def find_all(session: Session, names: Collection[Name]) -> dict[Name, IdempotentAnswer]:
    """The answers that callers got under these keys, as far as they took effect."""
    these = named(col(IdempotentAnswer.key_id), col(IdempotentAnswer.idempotency_key), names)
    kept = session.exec(select(IdempotentAnswer).where(these))
    return {(one.key_id, one.idempotency_key): one for one in kept}


def keep_all(session: Session, answers: Sequence[Mapping[str, Any]]) -> None:
    """Keep answers, by column. The first one of a key stands: of two processes that raced, both must tell
    the same later."""
    insert = insert_on(session.get_bind().dialect.name, IdempotentAnswer)
    session.connection().execute(insert.on_conflict_do_nothing(), list(answers))
