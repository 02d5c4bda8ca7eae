"""Of two processes that raced, both must later tell the same."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.http.idempotency import PendingAnswer
from engine.store import idempotency
from engine.store.database import Database

_AT = datetime(2025, 3, 1, tzinfo=UTC)


def _first_stands(url: str) -> None:
    database = Database(url)
    database.migrate()
    for body in (b"first", b"second"):
        with database.transaction() as session:
            idempotency.keep_all(session, [PendingAnswer("key", "idem-1", "digest", 202, body).row(_AT)])
    with database.reading() as session:
        kept = idempotency.find_all(session, [("key", "idem-1")]).get(("key", "idem-1"))
    database.close()
    assert kept is not None
    assert kept.body == b"first"


def test_the_first_answer_stands_on_sqlite(tmp_path: Path) -> None:
    _first_stands(f"sqlite:///{tmp_path}/a.db")


def test_the_first_answer_stands_on_postgres(postgres_url: str) -> None:
    _first_stands(postgres_url)


@pytest.mark.parametrize(
    ("method", "target", "body"), [("PUT", "/a", b"x"), ("POST", "/b", b"x"), ("POST", "/a", b"y")]
)
def test_another_method_target_or_body_is_another_request(method: str, target: str, body: bytes) -> None:
    one = idempotency.digest_of_request("POST", "/a", b"x")
    assert idempotency.digest_of_request(method, target, body) != one
