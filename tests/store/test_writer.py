"""Group commit: many writes share a commit, and each is answered after it, for itself."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from engine.store.database import Database
from engine.store.tables import ChainCursor
from engine.store.writer import GroupCommit


@pytest.fixture
def writer(database: Database) -> Iterator[GroupCommit]:
    writer = GroupCommit(database, 256)
    yield writer
    writer.close()


def adds(name: str) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        session.add(ChainCursor(name=name, next_block=1))
        session.flush()
        return name

    return work


def fails(session: Session) -> None:
    adds("half done")(session)
    raise LookupError("no such thing")


def kept(database: Database) -> set[str]:
    with database.reading() as session:
        return {cursor.name for cursor in session.exec(select(ChainCursor)).all()}


class Held:
    """Keeps the writer busy, so that what comes meanwhile shares one commit."""

    def __init__(self, writer: GroupCommit) -> None:
        self._release = threading.Event()
        started = threading.Event()

        def wait(_session: Session) -> None:
            started.set()
            assert self._release.wait(20)

        self.first = writer.submit(wait)
        assert started.wait(20)

    def let_go(self) -> None:
        self._release.set()


def test_what_is_answered_is_committed(writer: GroupCommit, database: Database) -> None:
    assert writer.run(adds("a")) == "a"
    assert kept(database) == {"a"}


def test_one_that_fails_takes_no_other_with_it(writer: GroupCommit, database: Database) -> None:
    held = Held(writer)
    good = [writer.submit(adds("a")), writer.submit(adds("b"))]
    bad = writer.submit(fails)
    clash = writer.submit(adds("a"))
    after = writer.submit(adds("c"))
    held.let_go()
    assert [future.result() for future in (*good, after)] == ["a", "b", "c"]
    with pytest.raises(LookupError):
        bad.result()
    with pytest.raises(IntegrityError):
        clash.result()
    assert kept(database) == {"a", "b", "c"}


def test_many_share_one_commit(
    writer: GroupCommit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    transaction = database.transaction

    def counted() -> Any:
        opened.append(1)
        return transaction()

    held = Held(writer)
    monkeypatch.setattr(database, "transaction", counted)
    waiting = [writer.submit(adds(str(number))) for number in range(40)]
    held.let_go()
    assert [future.result() for future in waiting] == [str(number) for number in range(40)]
    assert len(opened) == 1


def test_nobody_is_answered_before_the_commit(
    writer: GroupCommit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(writer)
    future = writer.submit(adds("a"))
    answered_at_commit: list[bool] = []
    commit = database.engine.dialect.do_commit

    def look_first(connection: Any) -> None:
        answered_at_commit.append(future.done())
        commit(connection)

    monkeypatch.setattr(database.engine.dialect, "do_commit", look_first)
    held.let_go()
    future.result()
    assert answered_at_commit == [False]


def test_a_commit_that_fails_is_told_to_everybody(
    writer: GroupCommit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(writer)
    good, bad = writer.submit(adds("a")), writer.submit(fails)

    def no_space(_connection: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(database.engine.dialect, "do_commit", no_space)
        held.let_go()
        with pytest.raises(OSError, match="no space"):
            good.result()
        with pytest.raises(LookupError):
            bad.result()
    assert kept(database) == set()
    assert writer.run(adds("after")) == "after", "the writer goes on"


def test_a_real_constraint_that_fails_at_the_commit_is_told_to_everybody(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deferred.db'}")
    database.migrate()
    writer = GroupCommit(database, 256)
    held = Held(writer)
    good = writer.submit(adds("a"))

    def no_such_settlement(session: Session) -> None:
        session.execute(text("PRAGMA defer_foreign_keys = ON"))
        session.execute(
            text(
                "INSERT INTO reversal (settlement_id, body_sealed, reason_digest, received_at)"
                " VALUES (1, x'00', '', '2026-01-01')"
            )
        )

    bad = writer.submit(no_such_settlement)
    held.let_go()
    for future in (good, bad):
        with pytest.raises(IntegrityError):
            future.result()
    assert kept(database) == set()
    writer.close()
    database.close()


def test_a_cancelled_work_is_not_done_and_stops_nothing(writer: GroupCommit, database: Database) -> None:
    held = Held(writer)
    cancelled = writer.submit(adds("cancelled"))
    assert cancelled.cancel()
    after = writer.submit(adds("after"))
    held.let_go()
    assert after.result() == "after"
    assert kept(database) == {"after"}
    assert writer.run(adds("later")) == "later"


def test_closing_finishes_what_was_queued_and_takes_nothing_more(
    writer: GroupCommit, database: Database
) -> None:
    held = Held(writer)
    queued = [writer.submit(adds(str(number))) for number in range(5)]
    closing = threading.Thread(target=writer.close)
    closing.start()
    held.let_go()
    closing.join()
    assert all(future.done() for future in queued)
    assert kept(database) == set("01234")
    with pytest.raises(RuntimeError):
        writer.submit(adds("too late"))


def test_items_of_one_kind_are_kept_together_and_each_gets_its_own_outcome(
    writer: GroupCommit, database: Database
) -> None:
    calls: list[list[str]] = []

    def keep(session: Session, names: Sequence[str]) -> list[Any]:
        calls.append(list(names))
        return [LookupError(name) if name == "bad" else adds(name)(session) for name in names]

    held = Held(writer)
    futures = [writer.submit_to(keep, name) for name in ("a", "bad", "b")]
    held.let_go()
    assert [futures[0].result(), futures[2].result()] == ["a", "b"]
    with pytest.raises(LookupError, match="bad"):
        futures[1].result()
    assert calls == [["a", "bad", "b"]]
    assert kept(database) == {"a", "b"}


def test_where_one_item_breaks_the_group_the_others_are_kept_alone(
    writer: GroupCommit, database: Database
) -> None:
    def keep(session: Session, names: Sequence[str]) -> list[str]:
        return [adds(name)(session) for name in names]

    held = Held(writer)
    good, again, other = (writer.submit_to(keep, name) for name in ("a", "a", "b"))
    held.let_go()
    assert (good.result(), other.result()) == ("a", "b")
    with pytest.raises(IntegrityError):
        again.result()
    assert kept(database) == {"a", "b"}
