"""What was paid too much on one claim is taken off the next payment of the policy, once and exactly."""

from datetime import date, timedelta
from random import Random

import pytest
from sqlmodel import select

from engine.evidence.report import Outcome
from engine.payout.port import TransferStatus
from engine.pipeline import claims, feed, record
from engine.store import tables
from engine.store.set_offs import SetOff
from tests.pipeline.further import run_to_rest
from tests.pipeline.reopening import AUGUST, DECEMBER, OCTOBER, settled_fen
from tests.pipeline.test_audit import verified
from tests.pipeline.test_reopen_checked import fsck, run
from tests.pipeline.world import World

LITTLE, MUCH = 2_000_000, 3_000_000
SETTLED, RETURNED = TransferStatus.SETTLED, TransferStatus.RETURNED


def stay(world: World, admitted: date, self_paid_fen: int, index: int = 0) -> str:
    return world.accepted(index, admitted=admitted, self_paid_fen=self_paid_fen)


def in_debt(world: World, self_paid_fen: int) -> tuple[str, int]:
    """A stay of August that was paid and then taken back; what is to be recovered of it."""
    claim = stay(world, AUGUST, self_paid_fen)
    world.confirmed(claim)
    world.reverse(claim)
    run_to_rest(world)
    assert world.state(claim) == "recovery_due"
    debt = world.claim(claim).recovery_fen
    assert debt > 0
    return claim, debt


def set_offs(world: World) -> list[int]:
    with world.ctx.database.reading() as session:
        return [row.amount_fen for row in session.exec(select(SetOff).order_by(SetOff.id)).all()]  # type: ignore[arg-type]


def agrees(world: World) -> bool:
    """Paid less recovered is what is due of all that stands: as if adjudicated and paid afresh."""
    with world.ctx.database.reading() as session:
        every = session.exec(select(tables.Claim)).all()
        payouts = session.exec(select(tables.Payout)).all()
    kept = sum(one.amount_fen for one in payouts if one.state in ("settled", "confirmed"))
    due = sum(one.payable_fen for one in every if one.state in ("confirmed", "covered", "paid"))
    return kept - sum(one.recovery_fen for one in every) == due


def test_a_debt_is_taken_off_the_next_payment(either: World) -> None:
    debtor, debt = in_debt(either, LITTLE)
    claim = stay(either, OCTOBER, MUCH)
    either.confirmed(claim)
    payable = either.claim(claim).payable_fen
    assert either.payout(claim).amount_fen == payable - debt > 0
    assert either.claim(debtor).recovery_fen == 0
    assert set_offs(either) == [debt]
    assert agrees(either)


def test_what_is_left_of_a_debt_stays_to_be_recovered_and_is_taken_off_the_one_after(world: World) -> None:
    debtor, debt = in_debt(world, MUCH)
    second = stay(world, OCTOBER, LITTLE)
    world.recorded(second)
    first_part = world.claim(second).payable_fen
    assert (world.state(second), world.payouts(second)) == ("covered", [])
    assert world.claim(debtor).recovery_fen == debt - first_part > 0
    assert agrees(world)
    third = stay(world, DECEMBER, LITTLE)
    world.confirmed(third)
    assert world.payout(third).amount_fen == world.claim(third).payable_fen - (debt - first_part)
    assert (world.claim(debtor).recovery_fen, set_offs(world)) == (0, [first_part, debt - first_part])
    assert agrees(world)


def test_nobody_elses_debt_is_taken_off(world: World) -> None:
    in_debt(world, LITTLE)
    other = stay(world, OCTOBER, MUCH, index=1)
    world.confirmed(other)
    assert world.payout(other).amount_fen == world.claim(other).payable_fen
    assert set_offs(world) == []


def test_killed_before_the_commit_it_is_set_off_once(either: World, monkeypatch: pytest.MonkeyPatch) -> None:
    debtor, debt = in_debt(either, LITTLE)
    claim = stay(either, OCTOBER, MUCH)
    record.record_batch(either.ctx, either.decided(claim))
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(feed, "_cursor", killed)
        with pytest.raises(KeyboardInterrupt):
            feed.read_events(either.ctx)
    assert (set_offs(either), either.claim(debtor).recovery_fen) == ([], debt)
    feed.read_events(either.ctx)
    feed.read_events(either.ctx)
    assert (set_offs(either), either.claim(debtor).recovery_fen) == ([debt], 0)
    assert either.payout(claim).amount_fen == either.claim(claim).payable_fen - debt


def test_what_was_set_off_is_to_be_recovered_of_a_claim_that_is_taken_back(world: World) -> None:
    debtor, _ = in_debt(world, LITTLE)
    claim = stay(world, OCTOBER, MUCH)
    world.confirmed(claim)
    payable = world.claim(claim).payable_fen
    world.reverse(claim)
    assert (world.state(claim), world.claim(claim).recovery_fen) == ("recovery_due", payable)
    assert world.claim(debtor).recovery_fen == 0
    assert agrees(world)


def test_a_later_version_counts_what_was_set_off_before(world: World) -> None:
    _, debt = in_debt(world, LITTLE)
    claim = stay(world, OCTOBER, MUCH)
    world.submitted(claim)
    world.bank_says(claim, TransferStatus.REFUSED, "account_closed")
    world.again(claim)
    world.confirmed(claim)
    payable = world.claim(claim).payable_fen
    assert [amount for _, _, amount in settled_fen(world, claim)] == [payable - debt, payable - debt]
    assert set_offs(world) == [debt]
    assert agrees(world)


def test_a_debt_that_comes_back_from_the_bank_is_due_again_where_it_was_set_off(world: World) -> None:
    debtor, debt = in_debt(world, LITTLE)
    claim = stay(world, OCTOBER, MUCH)
    world.confirmed(claim)
    world.bank_says(debtor, RETURNED, "account_closed")
    assert world.state(debtor) == "reversed"
    assert (world.state(claim), set_offs(world)) == ("returned", [debt, -debt])
    world.again(claim)
    world.confirmed(claim)
    payable = world.claim(claim).payable_fen
    assert [amount for _, _, amount in settled_fen(world, claim)] == [payable - debt, debt]
    assert agrees(world)


def test_set_offs_are_proven_and_found_in_order(alone: World) -> None:
    """Partly, wholly, and of an overpayment that is superseded once more."""
    debtor = stay(alone, AUGUST, MUCH)
    alone.decided(debtor)
    run(alone)
    alone.reverse(debtor)
    run(alone)
    second = stay(alone, OCTOBER, LITTLE)
    alone.decided(second)
    run(alone)
    assert verified(alone, second) == (Outcome.VERIFIED, 0, "covered")
    third = stay(alone, DECEMBER, LITTLE)
    alone.decided(third)
    run(alone)
    left = alone.claim(third).payable_fen - set_offs(alone)[1]
    assert verified(alone, third) == (Outcome.VERIFIED, left, "paid")
    alone.reverse(second)
    run(alone)
    report = fsck(alone)
    assert report.differences == []
    assert report.counts["bank_fen"] - report.counts["recovery_fen"] == alone.claim(third).payable_fen
    assert agrees(alone)
    assert claims.get_claim(alone.ctx, third)["payable_fen"] > 0


def test_an_overpayment_set_off_whole_is_not_recovered_again_when_its_claim_is_taken_back(
    world: World,
) -> None:
    """It came to nothing, what it had been paid settled another claim, and now it is gone too."""
    earlier = stay(world, AUGUST, 900_000)
    debtor = stay(world, OCTOBER, 900_000)
    world.decided(earlier)
    world.confirmed(debtor)
    world.reverse(earlier)
    run_to_rest(world, debtor)
    debt = world.claim(debtor).recovery_fen
    assert (world.state(debtor), world.claim(debtor).payable_fen) == ("covered", 0)
    claim = stay(world, DECEMBER, MUCH)
    world.confirmed(claim)
    assert set_offs(world) == [debt]
    world.reverse(debtor)
    run_to_rest(world, claim)
    assert (world.state(debtor), world.claim(debtor).recovery_fen) == ("recovery_due", 0)
    assert sum(amount for _, _, amount in settled_fen(world, claim)) + debt == (
        world.claim(claim).payable_fen + world.claim(claim).recovery_fen
    )
    assert agrees(world)


def _carried(world: World, every: list[str]) -> None:
    """To rest; what came back from the bank is run again by a person until it is paid."""
    run_to_rest(world, *every)
    for _ in range(5):
        returned = [claim for claim in every if world.state(claim) == "returned"]
        if not returned:
            return
        for claim in returned:
            world.again(claim)
            world.decided(claim)
        run_to_rest(world, *every)
    raise AssertionError("it does not come to rest")


@pytest.mark.parametrize("seed", [2, 5, 7])
def test_over_random_lives_paid_less_to_be_recovered_is_what_is_due(world: World, seed: int) -> None:
    """Stays arrive in any order, are taken back, and payments come back: seeds with set-offs in them."""
    chance = Random(seed)
    days = [AUGUST + timedelta(days=17 * number) for number in range(6)]
    chance.shuffle(days)
    every: list[str] = []
    for admitted in days:
        every.append(stay(world, admitted, chance.choice((900_000, LITTLE, MUCH))))
        world.decided(every[-1])
        _carried(world, every)
        what = chance.choice(("taken back", "came back", "nothing"))
        at = [one for one in every if world.state(one) in ("confirmed", "covered", "nothing")]
        paid = [one for one in every for _, state, _ in settled_fen(world, one)[-1:] if state == "confirmed"]
        if what == "taken back" and at:
            world.reverse(chance.choice(at))
        elif what == "came back" and paid:
            world.bank_says(chance.choice(paid), RETURNED, "account_closed")
        _carried(world, every)
        assert agrees(world)
    assert set_offs(world), "or it shows nothing"
