"""A settlement taken back: nothing is paid for it any more, and what was paid is to be recovered."""

from typing import Any

import pytest

from engine.chain.contracts import PayoutState as OnChain
from engine.errors import NotFound, Refused
from engine.payout.port import TransferStatus
from engine.pipeline import feed, pay, record, reversal
from tests.pipeline.world import THEIRS, World

SETTLED, REFUSED, RETURNED = TransferStatus.SETTLED, TransferStatus.REFUSED, TransferStatus.RETURNED


def on_chain(world: World, claim: str) -> OnChain:
    key = world.claim(claim).claim_key
    assert key is not None
    results = world.ctx.chain.results
    return results.payout_state_of(key, results.version_of(key))


def told_to_the_chain(world: World) -> int:
    return reversal.reverse_on_chain(world.ctx, 10)


@pytest.mark.parametrize("step", ["accepted", "uninsured", "matched", "review", "nothing"])
def test_before_it_is_recorded_the_chain_never_hears_of_it(world: World, step: str) -> None:
    stays: dict[str, dict[str, Any]] = {
        "nothing": {"self_paid_fen": 500_000},
        "review": {"discharge_way": "5"},
    }
    stay = stays.get(step, {})
    claim = world.accepted(600 if step == "uninsured" else 0, **stay)
    if step in ("uninsured", "matched"):
        world.matched(claim)
    elif step in ("nothing", "review"):
        world.decided(claim)
    assert world.state(claim) == step
    assert world.reverse(claim).state == "reversed"
    assert told_to_the_chain(world) == 0
    batch = world.recorded(claim)
    assert record.record_batch(world.ctx, batch) == 0
    assert (world.state(claim), world.payouts(claim)) == ("reversed", [])


def test_after_the_decision_and_before_recording_it_is_not_recorded(either: World) -> None:
    claim, other = either.accepted(0), either.accepted(1)
    batch = either.decided(claim, other)
    either.reverse(claim)
    assert record.record_batch(either.ctx, batch) == 1
    feed.read_events(either.ctx)
    assert (either.state(claim), either.state(other)) == ("reversed", "recorded")
    assert on_chain(either, claim) is OnChain.NONE


def test_between_the_chain_and_its_event_it_is_not_paid_and_reversed_on_chain(world: World) -> None:
    claim = world.accepted(0)
    record.record_batch(world.ctx, world.decided(claim))
    world.reverse(claim)
    feed.read_events(world.ctx)
    assert (world.state(claim), world.payouts(claim)) == ("reversed", [])
    assert told_to_the_chain(world) == 1
    assert on_chain(world, claim) is OnChain.REVERSED


def test_before_the_payment_is_sent_it_is_not_sent(either: World) -> None:
    claim = either.accepted(0)
    either.recorded(claim)
    assert either.reverse(claim).state == "reversed"
    assert either.payout(claim).state == "cancelled"
    either.pay(claim)
    assert either.orders(claim) == 0
    assert told_to_the_chain(either) == 1
    assert on_chain(either, claim) is OnChain.REVERSED
    assert told_to_the_chain(either) == 0


def test_while_the_bank_holds_the_order_its_result_decides(either: World) -> None:
    paid, refused = either.accepted(0), either.accepted(1)
    either.submitted(paid, refused)
    assert [either.reverse(claim).state for claim in (paid, refused)] == ["recorded", "recorded"]
    assert told_to_the_chain(either) == 0
    either.bank_says(paid, SETTLED)
    either.bank_says(refused, REFUSED, "account_closed")
    assert (either.state(paid), either.state(refused)) == ("recovery_due", "reversed")


def test_an_order_that_the_bank_never_got_is_not_sent_for_what_was_taken_back(world: World) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    world.bank.faults({"fault": "drop_connection"}, {"fault": "drop_connection", "on": "query"})
    world.pay(claim)
    world.reverse(claim)
    world.bank.faults()
    pay.ask_about_open(world.ctx, [world.payout(claim).payout_id])
    assert (world.state(claim), world.payout(claim).state) == ("reversed", "cancelled")
    assert world.orders(claim) == 0


@pytest.mark.parametrize("confirmed", [False, True])
def test_after_the_payment_it_is_to_be_recovered_and_reversed_on_chain(world: World, confirmed: bool) -> None:
    claim = world.accepted(0)
    (world.confirmed if confirmed else world.settled)(claim)
    assert world.reverse(claim).state == "recovery_due"
    if not confirmed:
        assert told_to_the_chain(world) == 0, "what was paid is confirmed before it is reversed"
        world.confirm()
    assert told_to_the_chain(world) == 1
    assert on_chain(world, claim) is OnChain.REVERSED
    assert world.payout(claim).state == "confirmed"
    assert world.state(claim) == "recovery_due"


def test_a_payment_that_comes_back_by_itself_is_not_to_be_recovered(world: World) -> None:
    claim = world.accepted(0)
    world.settled(claim)
    world.reverse(claim)
    world.bank_says(claim, RETURNED, "account_closed")
    assert (world.state(claim), world.payout(claim).state) == ("reversed", "returned")


def test_a_returned_claim_can_be_taken_back(world: World) -> None:
    claim = world.accepted(0)
    world.settled(claim)
    world.bank_says(claim, RETURNED, "account_closed")
    assert world.reverse(claim).state == "reversed"
    assert told_to_the_chain(world) == 1


def test_an_earlier_version_on_chain_is_reversed_too(world: World) -> None:
    """Refused by the bank, then decided again: the chain still has version 1."""
    claim = world.accepted(0)
    world.submitted(claim)
    world.bank_says(claim, REFUSED, "account_closed")
    world.again(claim)
    world.reverse(claim)
    assert told_to_the_chain(world) == 1
    assert on_chain(world, claim) is OnChain.REVERSED


def test_the_same_again_is_answered_the_same(either: World) -> None:
    claim = either.accepted(0)
    either.recorded(claim)
    first, second = either.reverse(claim), either.reverse(claim)
    assert (first.created, second.created) == (True, False)
    assert (first.claim_id, first.received_at) == (second.claim_id, second.received_at)
    assert second.state == "reversed"


def test_killed_between_the_chains_reversal_and_ours_it_is_reversed_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    world.reverse(claim)
    send = world.ctx.chain.results.reverse

    def and_die(*arguments: str) -> None:
        send(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(world.ctx.chain.results, "reverse", and_die)
        with pytest.raises(KeyboardInterrupt):
            told_to_the_chain(world)
    before = world.ctx.chain.block_number()
    assert told_to_the_chain(world) == 1
    assert world.ctx.chain.block_number() == before
    assert world.claim(claim).reverse_tx is not None


def test_an_unknown_settlement_cannot_be_taken_back(world: World) -> None:
    with pytest.raises(NotFound):
        reversal.reverse_settlement(world.ctx, THEIRS, "S-NONE", b"{}")


def test_another_hospitals_settlement_cannot_be_taken_back(world: World) -> None:
    setl_id = world.settlement(world.accepted(0)).setl_id
    with pytest.raises(NotFound):
        reversal.reverse_settlement(world.ctx, THEIRS, setl_id, b"{}")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"medfee_sumamt": "-1.00"}, "/medfee_sumamt"),
        ({"setl_id": "310000S9999999999"}, "/setl_id"),
        ({"fixmedins_code": THEIRS}, "/fixmedins_code"),
        ({"reversed_at": "2020-01-01 00:00:00"}, "/reversed_at"),
        ({"reason": ""}, "/reason"),
    ],
)
def test_a_reversal_that_does_not_fit_is_refused_and_changes_nothing(
    world: World, changes: dict[str, str], field: str
) -> None:
    claim = world.accepted(0)
    with pytest.raises(Refused) as refused:
        world.reverse(claim, **changes)
    assert [violation["field"] for violation in refused.value.violations] == [field]
    assert world.state(claim) == "accepted"
