"""The log in the database against the checkpoint that witnesses co-signed on chain."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from eth_account import Account
from sqlalchemy import create_engine, text

from engine.chain.contracts import CoSignature
from engine.chain.eip712 import LogHead, checkpoint_typed_data, sign
from engine.chain.keys import WITNESS
from engine.fsck import Transport
from engine.fsck.database import AccessEntry, in_utc
from tests.chain.world import Clock, opened, settings
from tests.fsck.breaking import answering, break_database, detail_of, named
from tests.fsck.conftest import Inspect
from tests.fsck.world import Built, _now, chain_file, read_only
from tests.support.postgres import sqlalchemy_url

SIZE = 4
"""Of the log's five entries."""
AUDITOR = Account.from_key(bytes([1]) * 32)
FIRST = ("checkpoint.other_log", f"the first {SIZE} entries")
BEYOND = ("checkpoint.beyond_log", f"the first {SIZE} entries")


def rows(home: Path) -> list[AccessEntry]:
    engine = create_engine(f"sqlite:///{home / 'engine.db'}")
    with engine.connect() as connection:
        names = ", ".join(AccessEntry.__slots__)
        statement = text(f"SELECT {names} FROM access_log ORDER BY seq")  # noqa: S608  the test's own words
        found = [AccessEntry(*row) for row in connection.execute(statement)]
    engine.dispose()
    return found


def head_of_four(digests: list[bytes]) -> bytes:
    """RFC 9162, written out."""

    def inner(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    a, b, c, d = (hashlib.sha256(b"\x00" + digest).digest() for digest in digests[:SIZE])
    return inner(inner(a, b), inner(c, d))


@pytest.fixture(scope="module")
def checkpointed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
    """The world's chain with a checkpoint of its log: an auditor is appointed, and signs with the engine."""
    home = shutil.copytree(built.home, tmp_path_factory.mktemp("checkpointed") / "home")
    head = LogHead(SIZE, head_of_four([bytes.fromhex(row.digest[2:]) for row in rows(home)]))
    clock = Clock(_now())
    with opened(settings(home, clock)) as client:
        client.deploy_or_load(home / "deployment.json")
        store = client.results
        store.announce_role_change("AUDITOR_ROLE", AUDITOR.address, grants=True)
        clock.advance(2 * 86_400 + 60)
        store.grant_role("AUDITOR_ROLE", AUDITOR.address)
        nothing = LogHead(0, bytes(32))
        typed = checkpoint_typed_data(head, nothing, chain_id=client.chain_id, store=store.address)
        signatures = [
            CoSignature(AUDITOR.address, sign(typed, AUDITOR)),
            CoSignature(client.roles[WITNESS], client.sign(WITNESS, typed)),
        ]
        store.record_checkpoint(head, [], signatures)
    with chain_file(home) as chain:
        yield read_only(chain).handle


def test_a_log_that_begins_with_what_was_co_signed_is_in_order(
    inspect: Inspect, checkpointed: Transport
) -> None:
    report = inspect(over_chain=checkpointed)
    assert report.differences == []
    assert (report.counts["access_log"], report.counts["checkpoint"]) == (5, SIZE)


def test_before_the_first_checkpoint_there_is_nothing_to_hold_the_log_against(inspect: Inspect) -> None:
    report = inspect()
    assert report.differences == []
    assert report.counts["checkpoint"] == 0


def rewritten(home: Path, seq: int) -> str:
    """SQL that changes entry `seq` and makes a faultless chain of it and all after it."""
    statements, previous = [], ""
    for row in rows(home)[seq - 1 :]:
        status = 403 if row.seq == seq else row.status
        previous = previous or row.previous_digest
        names = ("seq", "request_id", "key_id", "role", "principal", "method", "path", "remote")
        covered: dict[str, Any] = {name: getattr(row, name) for name in names}
        covered |= {"status": status, "previous_digest": previous}
        covered["at"] = in_utc(row.at).isoformat(timespec="microseconds")
        digest = "0x" + hashlib.sha256(rfc8785.dumps(covered)).hexdigest()
        statements.append(
            f"UPDATE access_log SET status = {status}, previous_digest = '{previous}', "  # noqa: S608
            f"digest = '{digest}' WHERE seq = {row.seq}"
        )
        previous = digest
    return ";".join(statements)


@pytest.mark.parametrize("seq", [1, SIZE])
def test_a_log_written_anew_under_the_checkpoint_is_named(
    seq: int, inspect: Inspect, home: Path, checkpointed: Transport
) -> None:
    break_database(home, rewritten(home, seq))
    report = inspect(over_chain=checkpointed)
    assert named(report) == {FIRST}
    assert "co-signed on chain is 0x" in detail_of(report, "checkpoint.other_log")


def test_only_the_checkpoint_gives_away_who_writes_a_faultless_log(inspect: Inspect, home: Path) -> None:
    break_database(home, rewritten(home, 1))
    assert inspect().differences == []


def test_what_comes_after_the_checkpoint_is_no_matter_of_it(
    inspect: Inspect, home: Path, checkpointed: Transport
) -> None:
    break_database(home, rewritten(home, SIZE + 1))
    assert inspect(over_chain=checkpointed).differences == []


def test_a_log_cut_below_the_checkpoint_is_named(
    inspect: Inspect, home: Path, checkpointed: Transport
) -> None:
    break_database(home, f"DELETE FROM access_log WHERE seq >= {SIZE}")  # noqa: S608
    assert named(inspect(over_chain=checkpointed)) == {BEYOND}
    break_database(home, "DELETE FROM access_log")
    assert named(inspect(over_chain=checkpointed)) == {BEYOND}


def test_an_edited_entry_is_named_as_such_alone(
    inspect: Inspect, home: Path, checkpointed: Transport
) -> None:
    break_database(home, "UPDATE access_log SET status = 403 WHERE seq = 2")
    assert named(inspect(over_chain=checkpointed)) == {("access_log.broken", "entry 2")}


def test_a_digest_that_is_none_is_named_and_stops_nothing(
    inspect: Inspect, home: Path, checkpointed: Transport
) -> None:
    break_database(home, "UPDATE access_log SET digest = 'none' WHERE seq = 2")
    expected = {FIRST, ("access_log.broken", "entry 2"), ("access_log.broken", "entry 3")}
    assert named(inspect(over_chain=checkpointed)) == expected


def test_on_postgres_it_is_the_same_log(
    inspect: Inspect, built: Built, checkpointed: Transport, postgres_url: str
) -> None:
    """Another world's rows, with times of their own: this chain's checkpoint is of another log."""
    built.fill(sqlalchemy_url(postgres_url))
    assert named(inspect(database_url=postgres_url, over_chain=checkpointed)) == {FIRST}


@pytest.mark.parametrize("answer", ["0x", "0x" + "00" * 31, "soon"])
def test_a_chain_that_gives_no_checkpoint_is_not_compared_at_all(
    answer: str, inspect: Inspect, chain: Transport
) -> None:
    from engine.fsck import CannotCheck

    with pytest.raises(CannotCheck, match="where a quantity belongs"):
        inspect(over_chain=answering(chain, "eth_call", lambda *_: answer))
