"""The log's tree in the database: the same heads and proofs as over all entries, without reading them all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from engine.evidence.merkle_log import leaf_hash, verify_consistency, verify_inclusion
from engine.pipeline import log_tree
from engine.pipeline.log_tree import LogTree, extend
from engine.store import access_log
from engine.store.access_log import LogBroken
from engine.store.checkpoints import STRETCH, LogSubtree
from engine.store.database import Database
from tests.pipeline.log_entries import chain_again, digests, head_over, rewrite, tamper, write
from tests.support.postgres import sqlalchemy_url

ENTRIES = 5 * STRETCH + 100


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path}/log.db")
    else:
        database = Database(sqlalchemy_url(request.getfixturevalue("postgres_url")))
    database.migrate()
    write(database, ENTRIES)
    yield database
    database.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/log.db")
    database.migrate()
    write(database, 2 * STRETCH + 10)
    yield database
    database.close()


def kept(database: Database) -> dict[tuple[int, int], bytes]:
    with database.reading() as session:
        return {(row.level, row.position): row.root for row in session.exec(select(LogSubtree)).all()}


def test_heads_and_proofs_are_those_over_all_entries(database: Database) -> None:
    assert extend(database) == 5 * STRETCH
    entries = digests(database)
    sizes = [1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 1024, 1279, 1280, 1281, ENTRIES]
    with database.reading() as session:
        tree = LogTree(session)
        assert tree.size == tree.entries == ENTRIES
        heads = {size: tree.head(size) for size in sizes}
        for size in sizes:
            assert heads[size].root == head_over(entries[:size])
            for old in (old for old in sizes if old <= size):
                proof = tree.consistency_proof(old, size)
                assert verify_consistency(old, heads[old].root, size, heads[size].root, proof)
                leaf = leaf_hash(entries[old - 1])
                inclusion = tree.inclusion_proof(old, size)
                assert verify_inclusion(leaf, old - 1, size, inclusion, heads[size].root)
        assert (tree.head(0).size, tree.head(0).root) == (0, bytes(32))


def test_the_tree_grows_by_whole_stretches_and_each_is_taken_in_once(
    on_sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tree, "_STRETCHES_AT_ONCE", 1)
    assert [extend(on_sqlite) for _ in range(3)] == [STRETCH, STRETCH, 0]
    assert set(kept(on_sqlite)) == {(8, 0), (8, 1), (9, 0)}
    write(on_sqlite, STRETCH)
    assert extend(on_sqlite) == STRETCH
    assert set(kept(on_sqlite)) == {(8, 0), (8, 1), (9, 0), (8, 2)}
    assert kept(on_sqlite)[9, 0] == head_over(digests(on_sqlite)[: 2 * STRETCH])


def test_what_has_not_been_taken_in_yet_is_not_spoken_of(on_sqlite: Database) -> None:
    with on_sqlite.reading() as session:
        tree = LogTree(session)
        assert (tree.size, tree.entries) == (STRETCH - 1, 2 * STRETCH + 10)
        assert tree.head(tree.size).root == head_over(digests(on_sqlite)[: STRETCH - 1])
        with pytest.raises(LookupError):
            tree.head(STRETCH)


def test_a_proof_reads_two_stretches_at_most(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    extend(database)
    read: list[int] = []
    walk = access_log.walk

    def counted(*arguments: object) -> Iterator[object]:
        for entry in walk(*arguments):  # type: ignore[arg-type]
            read.append(entry.seq or 0)
            yield entry

    monkeypatch.setattr(access_log, "walk", counted)
    with database.reading() as session:
        tree = LogTree(session)
        tree.consistency_proof(300, ENTRIES)
        tree.head(ENTRIES)
        tree.inclusion_proof(300, ENTRIES)
    assert len(read) == STRETCH + ENTRIES % STRETCH


@pytest.mark.parametrize("seq", [1, 300, 512])
def test_an_entry_that_is_not_the_one_that_was_written_never_enters_the_tree(
    seq: int, on_sqlite: Database
) -> None:
    tamper(on_sqlite, f"UPDATE access_log SET principal = 'nobody' WHERE seq = {seq}")  # noqa: S608
    with pytest.raises(LogBroken) as broken:
        extend(on_sqlite)
    assert broken.value.seq == seq
    assert kept(on_sqlite) == {}


@pytest.mark.parametrize("seq", [520, 522])
def test_a_head_over_an_entry_that_is_not_the_one_that_was_written_is_not_given(
    seq: int, on_sqlite: Database
) -> None:
    extend(on_sqlite)
    tamper(on_sqlite, f"UPDATE access_log SET principal = 'nobody' WHERE seq = {seq}")  # noqa: S608
    with on_sqlite.reading() as session, pytest.raises(LogBroken):
        LogTree(session).head(2 * STRETCH + 10)


@pytest.mark.parametrize("how", ["taken out", "taken out and chained again"])
def test_an_entry_that_has_gone_is_noticed_where_it_was(how: str, on_sqlite: Database) -> None:
    tamper(on_sqlite, "DELETE FROM access_log WHERE seq = 300")
    if how == "taken out and chained again":
        chain_again(on_sqlite, 301)
    with pytest.raises(LogBroken) as broken:
        extend(on_sqlite)
    assert broken.value.seq == 301


def test_a_log_written_anew_after_it_was_taken_in_no_longer_fits_its_tree(on_sqlite: Database) -> None:
    extend(on_sqlite)
    with on_sqlite.reading() as session:
        tree = LogTree(session)
        before, size = tree.head(tree.size).root, tree.size
    rewrite(on_sqlite, 515)
    with on_sqlite.reading() as session:
        assert LogTree(session).head(size).root != before
