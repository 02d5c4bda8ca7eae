"""A head of the log goes on chain once two kinds of witness have signed it, if it extends the last; once."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from sqlmodel import select

from engine.chain import eip712
from engine.chain.eip712 import LogHead
from engine.chain.errors import ContractRefused, TransactionUnknown
from engine.chain.sender import TxRef
from engine.errors import Conflict, Refused
from engine.pipeline import checkpoints, context
from engine.pipeline.settings import Settings
from engine.store.checkpoints import STRETCH, Checkpoint
from tests.payout.bank_process import BankProcess, eventually
from tests.pipeline.log_entries import digests, head_over, rewrite, tamper, write
from tests.pipeline.test_dispatcher import running
from tests.pipeline.world import World, build_home, copy_rows, opened
from tests.support.process import REPOSITORY

AUDITOR, HOSPITAL, OTHER_HOSPITAL, STRANGER = (Account.from_key(bytes([n]) * 32) for n in (1, 2, 3, 4))
WITNESSES = (
    f"auditor:{AUDITOR.address}, hospital:{HOSPITAL.address},hospital:{OTHER_HOSPITAL.address.lower()}"
)


@pytest.fixture(scope="module")
def watched_home(tmp_path_factory: pytest.TempPathFactory, slow_process: BankProcess) -> Path:
    home = tmp_path_factory.mktemp("watched") / "home"
    build_home(home, slow_process, 1, witnesses=WITNESSES)
    return home


@pytest.fixture
def home(watched_home: Path, tmp_path: Path) -> Path:
    return shutil.copytree(watched_home, tmp_path / "home")


@pytest.fixture
def world(home: Path, slow_bank: BankProcess) -> Iterator[World]:
    with opened(home, slow_bank) as world:
        write(world.ctx.database, 10)
        yield world


def signature(world: World, size: int, account: LocalAccount = AUDITOR) -> str:
    proposal = checkpoints.propose(world.ctx, size)
    assert proposal is not None
    return "0x" + eip712.sign(proposal.typed_data, account).hex()


def co_sign(world: World, size: int, account: LocalAccount = AUDITOR) -> dict[str, Any]:
    return checkpoints.co_sign(world.ctx, size, account.address, signature(world, size, account))


def on_chain(world: World) -> LogHead:
    return world.ctx.chain.results.latest_checkpoint()


def head(world: World, size: int) -> LogHead:
    return LogHead(size, head_over(digests(world.ctx.database)[:size]))


def rows(world: World) -> list[tuple[int, int, str]]:
    with world.ctx.database.reading() as session:
        found = session.exec(select(Checkpoint)).all()
        return sorted((row.size, row.previous_size, row.state) for row in found)


def recorded_events(world: World) -> list[dict[str, Any]]:
    chain = world.ctx.chain
    events = chain.events(chain.deployment.block, chain.block_number())
    return [event.args for event in events if event.name == "CheckpointRecorded"]


def test_one_signature_from_outside_and_the_engines_own_put_the_log_on_chain(world: World) -> None:
    kept = co_sign(world, 7)
    assert kept["state"] == "open"
    assert {one["kind"] for one in kept["signed_by"]} == {"auditor", "engine"}
    assert checkpoints.record_signed(world.ctx) == 1
    assert on_chain(world) == head(world, 7)
    assert rows(world) == [(7, 0, "recorded")]


def test_the_next_checkpoint_extends_the_last_across_stretches(world: World) -> None:
    for size in (7, 8, 300, 2 * STRETCH, 2 * STRETCH + 3):
        write(world.ctx.database, max(0, size - len(digests(world.ctx.database))))
        checkpoints.advance(world.ctx)
        co_sign(world, size, HOSPITAL)
        checkpoints.advance(world.ctx)
        assert on_chain(world) == head(world, size)
    assert [event["size"] for event in recorded_events(world)] == [7, 8, 300, 512, 515]


def test_on_postgres_it_is_the_same(home: Path, slow_bank: BankProcess, postgres_url: str) -> None:
    copy_rows(home, postgres_url)
    with opened(home, slow_bank, database_url=postgres_url) as world:
        for size in (7, STRETCH + 4):
            write(world.ctx.database, size)
            checkpoints.advance(world.ctx)
            co_sign(world, size, HOSPITAL)
            co_sign(world, size, AUDITOR)
            checkpoints.advance(world.ctx)
            assert on_chain(world) == head(world, size)
        assert rows(world) == [(7, 0, "recorded"), (STRETCH + 4, 7, "recorded")]


def test_what_runs_by_itself_records_what_was_signed(world: World) -> None:
    with running(world):
        co_sign(world, 9)
        eventually(lambda: on_chain(world), lambda latest: latest.size == 9)
        eventually(lambda: rows(world), lambda now: now == [(9, 0, "recorded")])


def test_a_checkpoint_is_recorded_once_however_often_it_is_signed_and_sent(world: World) -> None:
    first = co_sign(world, 5)
    assert co_sign(world, 5) == first
    checkpoints.record_signed(world.ctx)
    signed = eip712.checkpoint_typed_data(
        head(world, 5),
        LogHead(0, bytes(32)),
        chain_id=world.ctx.chain.chain_id,
        store=world.ctx.chain.results.address,
    )
    repeated = "0x" + eip712.sign(signed, AUDITOR).hex()
    assert checkpoints.co_sign(world.ctx, 5, AUDITOR.address.lower(), repeated)["state"] == "recorded"
    assert checkpoints.record_signed(world.ctx) == 0
    assert len(recorded_events(world)) == 1


def test_whoever_comes_later_signs_the_same_size_while_it_is_open(world: World) -> None:
    co_sign(world, 4, HOSPITAL)
    write(world.ctx.database, 5)
    proposal = checkpoints.view(world.ctx)["proposal"]
    assert proposal["size"] == 4
    assert {one["kind"] for one in proposal["signed_by"]} == {"hospital", "engine"}
    joined = co_sign(world, 4, AUDITOR)
    assert {one["kind"] for one in joined["signed_by"]} == {"hospital", "engine", "auditor"}
    checkpoints.record_signed(world.ctx)
    assert checkpoints.view(world.ctx)["latest"]["signed_by"] == joined["signed_by"]


def test_without_the_engines_own_key_two_from_outside_make_a_checkpoint_and_two_hospitals_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the engine's key was dismissed: its signature does not count, and theirs do."""
    monkeypatch.setattr(checkpoints, "_own", lambda *_: [])
    for hospital in (HOSPITAL, OTHER_HOSPITAL):
        co_sign(world, 6, hospital)
        checkpoints.record_signed(world.ctx)
        assert on_chain(world).size == 0
        assert rows(world) == [(6, 0, "open")]
    co_sign(world, 6, AUDITOR)
    checkpoints.record_signed(world.ctx)
    assert on_chain(world) == head(world, 6)


def refused(world: World, size: int, signer: str, signed: str) -> list[str]:
    with pytest.raises(Refused) as error:
        checkpoints.co_sign(world.ctx, size, signer, signed)
    assert error.value.code == "checkpoint.refused"
    assert rows(world) == []
    return [violation["rule"] for violation in error.value.violations]


def test_a_signature_that_the_contract_would_not_count_is_refused_with_its_word(world: World) -> None:
    strangers, other_size = signature(world, 5, STRANGER), signature(world, 6)
    assert refused(world, 5, STRANGER.address, strangers) == ["NotAWitness"]
    assert refused(world, 5, AUDITOR.address, strangers) == ["WitnessNotSigned"]
    assert refused(world, 5, AUDITOR.address, other_size) == ["WitnessNotSigned"]
    assert refused(world, 5, AUDITOR.address, "0x00") == ["WitnessNotSigned"]


def test_what_another_checkpoint_has_overtaken_is_signed_anew(world: World) -> None:
    stale = signature(world, 8, HOSPITAL)
    co_sign(world, 5, AUDITOR)
    checkpoints.record_signed(world.ctx)
    with pytest.raises(Refused):
        checkpoints.co_sign(world.ctx, 8, HOSPITAL.address, stale)
    for size in (5, 4, 11):
        with pytest.raises(Conflict) as error:
            checkpoints.co_sign(world.ctx, size, HOSPITAL.address, stale)
        assert error.value.code == "checkpoint.overtaken"


def test_an_open_one_that_was_overtaken_on_chain_is_given_up(world: World) -> None:
    """Anybody may send a checkpoint: here somebody else was quicker."""
    co_sign(world, 5)
    proposal = checkpoints.propose(world.ctx, 3)
    assert proposal is not None
    signed = [checkpoints.CoSignature(HOSPITAL.address, eip712.sign(proposal.typed_data, HOSPITAL))]
    own = [one for _, one in checkpoints._own(world.ctx, proposal)]
    world.ctx.chain.results.record_checkpoint(proposal.head, proposal.consistency, signed + own)
    checkpoints.record_signed(world.ctx)
    assert rows(world) == [(5, 0, "overtaken")]
    co_sign(world, 5)
    checkpoints.record_signed(world.ctx)
    assert rows(world) == [(5, 0, "overtaken"), (5, 3, "recorded")]
    assert on_chain(world) == head(world, 5)


def test_there_is_nothing_to_propose_where_the_log_has_not_grown(world: World) -> None:
    co_sign(world, 10)
    checkpoints.record_signed(world.ctx)
    view = checkpoints.view(world.ctx)
    assert view["proposal"] is None
    assert view["latest"]["size"] == 10
    receipt = world.ctx.chain.request("eth_getTransactionReceipt", [view["latest"]["tx_hash"]])
    assert receipt["status"] == "0x1"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("rewritten", "checkpoint.other_log"),
        ("cut", "checkpoint.beyond_log"),
        ("edited", "access_log.broken"),
    ],
)
def test_the_engine_signs_no_log_that_does_not_extend_what_is_on_chain(
    how: str, code: str, world: World
) -> None:
    co_sign(world, 8)
    checkpoints.record_signed(world.ctx)
    database = world.ctx.database
    if how == "rewritten":
        rewrite(database, 3)
    elif how == "cut":
        tamper(database, "DELETE FROM access_log WHERE seq > 7")
    else:
        tamper(database, "UPDATE access_log SET status = 403 WHERE seq = 9")
    with pytest.raises(Conflict) as error:
        checkpoints.view(world.ctx)
    assert error.value.code == code


def test_sent_and_not_seen_mined_it_is_looked_up_before_it_is_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = world.ctx.chain.results
    send = results.record_checkpoint

    def unseen(*arguments: Any) -> Any:
        sent = send(*arguments)
        raise TransactionUnknown(sent.tx_hash, 0, "witness")

    co_sign(world, 5)
    monkeypatch.setattr(results, "record_checkpoint", unseen)
    with pytest.raises(TransactionUnknown):
        checkpoints.record_signed(world.ctx)
    assert rows(world) == [(5, 0, "open")]
    assert checkpoints.record_signed(world.ctx) == 1
    assert rows(world) == [(5, 0, "recorded")]
    assert len(recorded_events(world)) == 1
    assert checkpoints.view(world.ctx)["latest"]["tx_hash"] is not None


def test_one_that_the_contract_refuses_after_all_is_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A witness was dismissed in between. Signed again, by those that count now, it is taken."""
    results = world.ctx.chain.results
    with monkeypatch.context() as patch:
        co_sign(world, 5)

        def dismissed(*_: Any) -> Any:
            raise ContractRefused("NotAWitness", {"account": AUDITOR.address})

        patch.setattr(results, "record_checkpoint", dismissed)
        checkpoints.record_signed(world.ctx)
    assert rows(world) == [(5, 0, "refused")]
    assert checkpoints.record_signed(world.ctx) == 0
    co_sign(world, 5, HOSPITAL)
    checkpoints.record_signed(world.ctx)
    assert rows(world) == [(5, 0, "recorded")]


def test_what_a_reorganisation_took_off_the_chain_is_proposed_and_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the block with the checkpoint were replaced: the engine noted it, and the chain has forgotten."""
    co_sign(world, 5)
    with monkeypatch.context() as patch:
        patch.setattr(world.ctx.chain.results, "record_checkpoint", lambda *_: TxRef("0x" + "00" * 32, 1, 1))
        checkpoints.record_signed(world.ctx)
    assert rows(world) == [(5, 0, "recorded")]
    assert on_chain(world).size == 0
    write(world.ctx.database, 5)
    view = checkpoints.view(world.ctx)
    assert (view["latest"]["size"], view["proposal"]["size"]) == (0, 5)
    assert co_sign(world, 5, HOSPITAL)["state"] == "open"
    checkpoints.record_signed(world.ctx)
    assert on_chain(world) == head(world, 5)


KILLED = """
import os, sys
from pathlib import Path
from engine.pipeline import checkpoints, context
from engine.pipeline.context import Context
from engine.pipeline.settings import Settings

ctx = Context.open(Settings(home=Path(sys.argv[1]), bank_url=sys.argv[2]))
results, moment = ctx.chain.results, sys.argv[3]
send, settle = results.record_checkpoint, checkpoints._settle
if moment == "before sending":
    results.record_checkpoint = lambda *_: os._exit(9)
elif moment == "after sending":
    results.record_checkpoint = lambda *arguments: (send(*arguments), os._exit(9))
else:
    checkpoints._settle = lambda *arguments: (settle(*arguments), os._exit(9))
checkpoints.record_signed(ctx)
"""


@pytest.mark.parametrize("moment", ["before sending", "after sending", "after noting it"])
def test_killed_at_any_moment_it_is_on_chain_once_after_the_next_round(
    moment: str, home: Path, slow_bank: BankProcess
) -> None:
    with opened(home, slow_bank) as world:
        write(world.ctx.database, 10)
        co_sign(world, 8)
        expected = head(world, 8)
    command = [sys.executable, "-c", KILLED, str(home), slow_bank.url, moment]
    killed = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert killed.returncode == 9, killed.stderr
    with opened(home, slow_bank) as world:
        checkpoints.record_signed(world.ctx)
        assert on_chain(world) == expected
        assert rows(world) == [(8, 0, "recorded")]
        assert len(recorded_events(world)) == 1
        latest = checkpoints.view(world.ctx)["latest"]
        assert latest["tx_hash"] is not None
        assert {one["kind"] for one in latest["signed_by"]} == {"auditor", "engine"}


def test_witnesses_are_appointed_as_the_contracts_are_deployed(world: World) -> None:
    results = world.ctx.chain.results
    assert results.has_role("AUDITOR_ROLE", AUDITOR.address)
    assert results.has_role("HOSPITAL_WITNESS_ROLE", HOSPITAL.address)
    assert results.has_role("HOSPITAL_WITNESS_ROLE", OTHER_HOSPITAL.address)
    assert not results.has_role("AUDITOR_ROLE", HOSPITAL.address)


def test_a_witness_named_too_late_does_not_go_unnoticed(
    home: Path, slow_bank: BankProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[dict[str, Any]] = []
    monkeypatch.setattr(
        context.log, "warning", lambda event, **about: warned.append({"event": event, **about})
    )
    late = f"{WITNESSES},auditor:{STRANGER.address}"
    with opened(home, slow_bank, witnesses=late):
        assert warned == [
            {
                "event": "role.not_appointed",
                "contract": "MatchResultStore",
                "role": "AUDITOR_ROLE",
                "account": STRANGER.address,
            }
        ]


@pytest.mark.parametrize("text", ["auditor", "auditor:0x12", "judge:" + AUDITOR.address, AUDITOR.address])
def test_a_setting_that_names_no_witness_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="colon and an address"):
        Settings(witnesses=text)


def test_one_account_is_one_witness() -> None:
    """The contract would refuse to be deployed."""
    with pytest.raises(ValueError, match="named twice"):
        Settings(witnesses=f"auditor:{AUDITOR.address},hospital:{AUDITOR.address.lower()}")
