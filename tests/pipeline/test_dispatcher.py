"""What runs by itself goes all the way; a claim that fails, a chain that is away, a kill stop no other."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS

from engine.adjudication import adjudicate
from engine.chain.errors import ChainUnavailable
from engine.pipeline import decide, pay
from engine.pipeline.dispatcher import Dispatcher
from tests.payout.bank_process import BankProcess, eventually
from tests.pipeline.conftest import OpenWorld
from tests.pipeline.world import World, opened
from tests.support.process import REPOSITORY

RESTING = {"confirmed", "nothing", "review", "uninsured", "no_consent"}


@contextmanager
def running(world: World) -> Iterator[None]:
    dispatcher = Dispatcher(world.ctx)
    dispatcher.start()
    try:
        yield
    finally:
        dispatcher.stop()


def states(world: World, claims: list[str]) -> list[str]:
    return [world.state(claim) for claim in claims]


def at_rest(world: World, claims: list[str], *rest: str) -> None:
    eventually(lambda: states(world, claims), lambda seen: set(seen) <= (set(rest) or RESTING))


def fails_for(monkeypatch: pytest.MonkeyPatch, reference: str, after: threading.Event | None = None) -> None:
    """The adjudication of that one settlement raises, once `after` has happened."""

    def poisoned(terms: Any, coverage: Any, history: Any, settlement: Any) -> Any:
        if settlement.setl_id == reference:
            assert after is None or after.wait(20)
            raise ZeroDivisionError
        return adjudicate(terms, coverage, history, settlement)

    monkeypatch.setattr(decide, "adjudicate", poisoned)


def test_accepted_claims_are_paid_and_confirmed_by_themselves(paying: World) -> None:
    claims = [paying.accepted(index) for index in range(3)]
    nothing, uninsured = paying.accepted(3, self_paid_fen=500_000), paying.accepted(600)
    with running(paying):
        at_rest(paying, [*claims, nothing, uninsured])
    assert states(paying, [*claims, nothing, uninsured]) == ["confirmed"] * 3 + ["nothing", "uninsured"]
    assert [len(paying.debits(claim)) for claim in claims] == [1, 1, 1]


def test_a_stay_that_arrives_late_tops_up_the_later_one_by_itself(paying: World) -> None:
    with running(paying):
        later = paying.accepted(0, admitted=date(2024, 10, 1))
        at_rest(paying, [later])
        earlier = paying.accepted(0, admitted=date(2024, 8, 1), self_paid_fen=900_000)
        at_rest(paying, [earlier])
        eventually(lambda: paying.claim(later), lambda row: (row.version, row.state) == (2, "confirmed"))
    assert sum(paying.debits(later)) == paying.claim(later).payable_fen
    assert len(paying.debits(later)) == 2


def test_a_claim_that_fails_goes_to_a_person_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = [world.accepted(index) for index in range(4)]
    poison = claims[1]
    fails_for(monkeypatch, world.settlement(poison).reference)
    with running(world):
        at_rest(world, claims, "recorded", "review")
    assert states(world, claims) == ["recorded", "review", "recorded", "recorded"]
    assert world.reasons(poison) == ["pipeline.failed"]


def test_a_chain_that_is_away_delays_and_sends_nobody_to_review(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a step's own attempts last."""
    claims = [world.accepted(index) for index in range(2)]
    send = world.ctx.chain.results.record_batch
    refused: list[tuple[Any, ...]] = []

    def away(*arguments: Any) -> Any:
        if len(refused) < 5:
            refused.append(arguments)
            raise ChainUnavailable("connection refused")
        return send(*arguments)

    monkeypatch.setattr(world.ctx.chain.results, "record_batch", away)
    with running(world):
        at_rest(world, claims, "recorded", "review")
    assert states(world, claims) == ["recorded", "recorded"]
    assert len({len(batch) for _, batch in refused}) == 1, "the batch stays together"


def test_a_batch_that_was_taken_and_never_begun_is_run_at_the_next_start(world: World) -> None:
    claim = world.accepted(0)
    world.batch(claim)
    with running(world):
        at_rest(world, [claim], "recorded")


def test_what_keeps_one_part_from_its_work_keeps_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled, due = world.accepted(0), world.accepted(1)
    world.settled(settled)
    world.recorded(due)

    def fails(*_: Any) -> int:
        raise RuntimeError("no order can be sent")

    monkeypatch.setattr(pay, "submit_batch", fails)
    with running(world):
        at_rest(world, [settled], "confirmed")
    assert world.payout(due).state == "due"


KILLED_WHILE_DECIDING = """
import os, sys
from pathlib import Path
from engine.pipeline import decide, workflows
from engine.pipeline.context import Context
from engine.pipeline.settings import Settings

def kill(*_): os._exit(9)

ctx = Context.open(Settings(home=Path(sys.argv[1]), bank_url=sys.argv[2]))
decide.decide_batch = kill
workflows.launch(ctx, "engine-1")
workflows.run_claims(sys.argv[3])
"""


def test_killed_in_a_batch_with_a_claim_that_fails_the_rest_go_on_after_a_restart(
    open_world: OpenWorld, slow_bank: BankProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow that the restart resumes fails; the claims' own states say what is left to do."""
    world = open_world(slow_bank)
    claims = [world.accepted(index) for index in range(3)]
    batch = world.batch(*claims)
    reference = world.settlement(claims[0]).reference
    world.ctx.close()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_DECIDING, str(tmp_path / "home"), slow_bank.url, batch],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == 9, killed.stderr
    waited_for = threading.Event()
    list_workflows = DBOS.list_workflows

    def listed(**wanted: Any) -> Any:
        pending = list_workflows(**wanted)
        assert [status.workflow_id for status in pending] == [f"claims/{batch}"]
        waited_for.set()
        return pending

    monkeypatch.setattr(DBOS, "list_workflows", listed)
    fails_for(monkeypatch, reference, waited_for)
    with opened(tmp_path / "home", slow_bank, first_number=100) as restarted:
        assert set(states(restarted, claims)) == {"matched"}
        with running(restarted):
            later = restarted.accepted(5)
            at_rest(restarted, [*claims, later], "recorded", "review")
        assert states(restarted, [*claims, later]) == ["review", "recorded", "recorded", "recorded"]
