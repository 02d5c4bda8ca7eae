"""A re-opened claim that is taken back, comes back, or meets a crash: settled once, and whole."""

from typing import Any

import pytest

from engine.chain.contracts import PayoutState as OnChain
from engine.payout.port import TransferStatus
from engine.pipeline import audit, claims, feed, pay, record, reopen, reversal
from tests.pipeline.reopening import (
    AUGUST,
    large,
    late_earlier_stay,
    paid_on,
    reopened,
    ruled_and_paid,
    settled_fen,
    small,
    versions_on_chain,
)
from tests.pipeline.test_decide import eligible_fen
from tests.pipeline.world import World, payable_fen


@pytest.mark.parametrize("step", ["decided", "recorded", "covered", "review"])
def test_a_re_opened_claim_that_is_taken_back_has_everything_recovered(world: World, step: str) -> None:
    if step == "covered":
        earlier, later = small(world), large(world)
        world.decided(earlier)
        world.confirmed(later)
        world.reverse(earlier)
        reopened(world, later)
    elif step == "review":
        later = ruled_and_paid(world)
        world.decided(small(world))
        reopen.reopen_touched(world.ctx, 10)
    else:
        _, later = late_earlier_stay(world)
        reopen.reopen_touched(world.ctx, 10)
        if step == "recorded":
            record.record_batch(world.ctx, world.batch(later))
            feed.read_events(world.ctx)
    assert world.state(later) == step
    paid = sum(amount for _, state, amount in settled_fen(world, later) if state == "confirmed")
    world.reverse(later)
    assert (world.state(later), world.claim(later).recovery_fen) == ("recovery_due", paid)
    assert reversal.reverse_on_chain(world.ctx, 10) == 1
    key = world.claim(later).claim_key
    assert key is not None
    results = world.ctx.chain.results
    assert results.payout_state_of(key, results.version_of(key)) is OnChain.REVERSED


def test_a_stay_that_lost_its_consent_before_it_was_recorded_counts_no_more(world: World) -> None:
    earlier = large(world, AUGUST)
    batch = world.decided(earlier)
    world.revoke(0)
    world.consent_again(0)
    later = large(world)
    world.decided(later)
    record.record_batch(world.ctx, batch)
    assert world.state(earlier) == "no_consent"
    record.record_batch(world.ctx, world.batch(later))
    feed.read_events(world.ctx)
    paid_on(world, later)
    reopened(world, later)
    due = payable_fen(eligible_fen(world, later))
    assert (world.state(later), world.claim(later).payable_fen) == ("covered", due)


def test_an_event_of_an_earlier_version_names_that_versions_payout(world: World) -> None:
    _, later = late_earlier_stay(world)
    first = world.payout(later)
    reopened(world, later)
    handled = audit.trigger_event(world.ctx, first.trigger_tx, first.trigger_log_index)
    assert handled["payout"]["payout_id"] == first.payout_id != world.payout(later).payout_id


def test_a_payment_that_comes_back_after_its_version_was_superseded_is_due_again(world: World) -> None:
    earlier, later = small(world), large(world)
    world.decided(earlier)
    world.confirmed(later)
    world.reverse(earlier)
    reopened(world, later)
    assert world.state(later) == "covered"
    world.bank_says(later, TransferStatus.RETURNED, "account_closed")
    assert (world.state(later), world.claim(later).recovery_fen) == ("returned", 0)
    world.again(later)
    world.recorded(later)
    assert world.payout(later).amount_fen == world.claim(later).payable_fen > 0


def test_a_returned_payment_whose_decision_changes_waits_for_the_payee_to_be_put_right(world: World) -> None:
    later = large(world)
    world.confirmed(later)
    world.bank_says(later, TransferStatus.RETURNED, "account_closed")
    world.decided(small(world))
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert (world.state(later), world.reasons(later)) == ("review", ["payout.returned"])
    world.again(later)
    world.recorded(later)
    assert (world.claim(later).version, world.payout(later).amount_fen) == (2, world.claim(later).payable_fen)


def test_what_a_person_has_before_him_for_the_banks_sake_is_left_as_it_is(world: World) -> None:
    later = large(world)
    world.submitted(later)
    world.bank_says(later, TransferStatus.REFUSED, "account_closed")
    before = world.claim(later).model_dump()
    world.decided(small(world))
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert world.claim(later).model_dump() == before
    world.again(later)
    world.decided(later)
    assert world.claim(later).payable_fen > before["payable_fen"]


# --- crashes


def test_a_re_opening_that_dies_is_done_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, later = late_earlier_stay(world)
    before = world.claim(later).model_dump()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reopen, "conclude", die)
        with pytest.raises(KeyboardInterrupt):
            reopen.reopen_touched(world.ctx, 10)
    assert world.claim(later).model_dump() == before
    reopened(world, later)
    assert world.claim(later).version == 2


def test_killed_after_each_step_the_difference_is_paid_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, later = late_earlier_stay(world)
    reopen.reopen_touched(world.ctx, 10)
    send = world.ctx.chain.results.supersede_batch

    def and_die(*arguments: Any) -> None:
        send(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(world.ctx.chain.results, "supersede_batch", and_die)
        with pytest.raises(KeyboardInterrupt):
            record.record_batch(world.ctx, world.batch(later))
    assert record.record_batch(world.ctx, world.batch(later)) == 0
    feed.read_events(world.ctx)
    feed.read_events(world.ctx)
    batch = world.payout_batch(later)
    with monkeypatch.context() as patch:
        patch.setattr(pay, "_keep_results", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            pay.submit_batch(world.ctx, batch)
    pay.submit_batch(world.ctx, batch)
    world.bank_says(later, TransferStatus.SETTLED)
    world.bank_says(later, TransferStatus.SETTLED)
    world.confirm()
    assert versions_on_chain(world, later) == [1, 2]
    assert [state for _, state, _ in settled_fen(world, later)] == ["confirmed", "confirmed"]
    assert world.orders(later) == 2


def test_one_policy_that_fails_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    laters = []
    for index in (0, 1):
        laters.append(large(world, index=index))
        world.confirmed(laters[-1])
        world.decided(small(world, index=index))
    broken = world.claim(laters[0]).policy_id
    of_policy = reopen.claims.of_policy

    def one_breaks(session: Any, policy_id: int, **options: Any) -> Any:
        if policy_id == broken:
            raise MemoryError
        return of_policy(session, policy_id, **options)

    with monkeypatch.context() as patch:
        patch.setattr(reopen.claims, "of_policy", one_breaks)
        assert reopen.reopen_touched(world.ctx, 10) == 2
    assert [world.claim(claim).version for claim in laters] == [1, 2]
    assert reopen.reopen_touched(world.ctx, 10) == 0
    world.clock.ahead += reopen._AFTER_FAILURE
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert world.claim(laters[0]).version == 2


def test_one_run_again_behind_something_undecided_is_decided_when_that_is(world: World) -> None:
    later = large(world)
    world.confirmed(later)
    world.bank_says(later, TransferStatus.RETURNED, "account_closed")
    died = world.accepted(0, admitted=AUGUST, discharge_way="5")
    world.decided(died)
    reopen.reopen_touched(world.ctx, 10)
    world.again(later)
    world.decided(later)
    assert (world.state(later), world.reasons(later)) == ("review", ["history.earlier_undecided"])
    claims.decide_claim(world.ctx, died, "refuse", "no heirs", "insurer test")
    reopened(world, later)
    assert (world.state(later), world.payout(later).version) == ("recorded", 2)
    assert world.payout(later).amount_fen == world.claim(later).payable_fen > 0
