"""After history has changed, whoever checks finds the same: the auditor's verifier and fsck."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path

import httpx
from sqlmodel import select

from engine.chain.rpc import ReadOnlyRpc
from engine.evidence.report import Outcome
from engine.fsck import Bank, BankKey, Report, Sources, check
from engine.pipeline import enrolment, feed, pay, record, reopen, reversal
from engine.store import tables
from tests.payout.bank_process import eventually
from tests.pipeline.test_audit import verified
from tests.pipeline.world import World, wording

AUGUST, OCTOBER = date(2024, 8, 1), date(2024, 10, 1)


@contextmanager
def statement(world: World) -> Iterator[Bank]:
    client = httpx.Client(trust_env=False)
    try:
        yield Bank(world.bank.url, BankKey.load(Path(world.bank.ready["secret_file"])), client, world.clock)
    finally:
        client.close()


def fsck(world: World) -> Report:
    home = world.ctx.settings.home
    with statement(world) as bank:
        rpc = ReadOnlyRpc(world.ctx.chain)
        sources = Sources(world.ctx.settings.database, rpc.handle, home / "deployment.json", bank)
        return check(sources, world.clock, settled=True)


def run(world: World) -> None:
    """Everything that the engine does by itself, until nothing is left of it."""
    for _ in range(20):
        if not _round(world):
            return
    raise AssertionError("the engine does not come to rest")


def _round(world: World) -> bool:
    busy = reopen.reopen_touched(world.ctx, 10)
    decided = [claim.claim_id for claim in _claims(world) if claim.state == "decided"]
    if decided:
        record.record_batch(world.ctx, world.batch(*decided))
    busy += feed.read_events(world.ctx)
    due = [c for c in _claims(world) for payout in world.payouts(c.claim_id) if payout.state == "due"]
    for claim in due:
        world.pay(claim.claim_id)
        eventually(partial(_settled, world, claim.claim_id), bool)
    busy += pay.confirm_settled(world.ctx, 10) + reversal.reverse_on_chain(world.ctx, 10)
    return bool(busy or decided or due)


def _claims(world: World) -> list[tables.Claim]:
    with world.ctx.database.reading() as session:
        return list(session.exec(select(tables.Claim)).all())


def _settled(world: World, claim_id: str) -> bool:
    pay.ask_about_open(world.ctx, [world.payout(claim_id).payout_id])
    return world.payout(claim_id).state == "settled"


def arrived(world: World, admitted: date, self_paid_fen: int) -> str:
    claim = world.accepted(0, admitted=admitted, self_paid_fen=self_paid_fen)
    world.decided(claim)
    run(world)
    return claim


def test_a_late_earlier_stay_is_paid_on_proven_and_found_in_order(alone: World) -> None:
    later = arrived(alone, OCTOBER, 3_000_000)
    first = alone.claim(later).payable_fen
    arrived(alone, AUGUST, 900_000)
    row = alone.claim(later)
    assert (row.version, row.state) == (2, "confirmed")
    assert sum(alone.debits(later)) == row.payable_fen > first
    assert verified(alone, later) == (Outcome.VERIFIED, row.payable_fen - first, "paid")
    report = fsck(alone)
    assert report.differences == []
    assert (report.counts["bank_fen"], report.counts["recovery_fen"]) == (row.payable_fen, 0)


def test_what_a_reversal_leaves_to_recover_is_found_in_order(alone: World) -> None:
    earlier, later = arrived(alone, AUGUST, 900_000), arrived(alone, OCTOBER, 3_000_000)
    paid = alone.claim(later).payable_fen
    alone.reverse(earlier)
    run(alone)
    row = alone.claim(later)
    assert (row.version, row.state) == (2, "covered")
    assert verified(alone, later) == (Outcome.VERIFIED, 0, "covered")
    report = fsck(alone)
    assert report.differences == []
    assert report.counts["bank_fen"] == paid == row.payable_fen + report.counts["recovery_fen"]


def test_a_paid_stay_that_is_taken_back_is_found_in_order(alone: World) -> None:
    earlier, later = arrived(alone, AUGUST, 2_000_000), arrived(alone, OCTOBER, 3_000_000)
    alone.reverse(earlier)
    run(alone)
    assert (alone.state(earlier), alone.state(later)) == ("recovery_due", "covered")
    report = fsck(alone)
    assert report.differences == []
    assert report.counts["bank_fen"] - report.counts["recovery_fen"] == alone.claim(later).payable_fen


def test_widened_terms_are_found_in_order(alone: World) -> None:
    claim = arrived(alone, OCTOBER, 3_000_000)
    less = {"amount_yuan: 12000": "amount_yuan: 11500"}
    enrolment.load_product(alone.ctx, wording(2, changes=less), "wording.yaml")
    run(alone)
    row = alone.claim(claim)
    assert (row.version, row.state) == (2, "confirmed")
    assert alone.debits(claim)[1:] == [500_00 * 70 // 100]
    assert verified(alone, claim) == (Outcome.VERIFIED, 350_00, "paid")
    assert fsck(alone).differences == []
