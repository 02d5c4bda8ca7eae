"""A payment comes back while a later version is with the bank: in the end exactly what is due is paid."""

import pytest

from engine.evidence.report import Outcome
from engine.pipeline import feed, pay, record, reopen
from tests.payout.bank_process import eventually
from tests.pipeline.reopening import OCTOBER, settled_fen, small
from tests.pipeline.test_audit import verified
from tests.pipeline.test_reopen_checked import fsck, run
from tests.pipeline.world import World, policy

RETURNED_AFTER_MS = 3_000


def ask(world: World, claim: str, version: int) -> str:
    """One question to the bank about the payment of that version; where it stands then."""
    pay.ask_about_open(world.ctx, [world.payouts(claim)[version - 1].payout_id])
    return world.payouts(claim)[version - 1].state


def kept_fen(world: World, claim: str) -> int:
    """What the insured has by the bank's own book."""
    sql = "SELECT kind, amount_fen FROM postings WHERE payout_id = ?"
    rows = [row for payout in world.payouts(claim) for row in world.bank.rows(sql, payout.payout_id)]
    return sum(amount if kind == "payment" else -amount for kind, amount in rows)


def second_version_with_the_bank(world: World) -> str:
    """The first is paid, confirmed and about to come back; a late stay has the difference paid."""
    account = policy(0)["payee"]["account"]
    strike = {"fault": "return_payment", "payee_account": account, "delay_ms": RETURNED_AFTER_MS, "count": 1}
    world.bank.faults(strike)
    later = world.accepted(0, admitted=OCTOBER, self_paid_fen=3_000_000)
    world.submitted(later)
    assert eventually(lambda: ask(world, later, 1), lambda state: state == "settled")
    world.confirm()
    world.decided(small(world))
    assert reopen.reopen_touched(world.ctx, 10) == 1
    record.record_batch(world.ctx, world.batch(later))
    feed.read_events(world.ctx)
    world.pay(later)
    return later


@pytest.mark.parametrize("known", ["with_the_bank", "paid"])
def test_what_came_back_meanwhile_is_due_again_and_paid_once(alone: World, known: str) -> None:
    later = second_version_with_the_bank(alone)
    if known == "paid":
        assert eventually(lambda: ask(alone, later, 2), lambda state: state == "settled")
    assert eventually(lambda: ask(alone, later, 1), lambda state: state == "returned")
    assert alone.state(later) == ("paid" if known == "paid" else "recorded")
    assert eventually(lambda: ask(alone, later, 2), lambda state: state == "settled")
    alone.confirm()
    due = alone.claim(later).payable_fen
    assert alone.state(later) == "returned"
    assert fsck(alone).differences == []
    alone.again(later)
    run(alone)
    assert alone.state(later) == "confirmed"
    assert [state for _, state, _ in settled_fen(alone, later)] == ["returned", "confirmed", "confirmed"]
    assert kept_fen(alone, later) == due == alone.claim(later).payable_fen
    assert verified(alone, later) == (Outcome.VERIFIED, settled_fen(alone, later)[2][2], "paid")
    assert fsck(alone).differences == []
