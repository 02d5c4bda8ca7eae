"""MatchResultStore: payouts and reversals (test_versions.py has what comes after the first version)."""

import pytest

from tests.contracts.model import PayoutRefusal, PayoutState, Refusal
from tests.contracts.results import confirm, confirming, payout_state, refused_by, reverse, version
from tests.contracts.world import World


def test_a_payout_is_confirmed_once_a_version(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    digest = world.fresh()
    receipt = world.send(world.store.functions.confirmPayouts([(claim, 1, digest)]), by="payer")
    assert world.events(receipt, world.store) == [
        ("PayoutConfirmed", {"claimKey": claim, "version": 1, "payoutDigest": digest})
    ]
    assert (version(world, claim), payout_state(world, claim)) == (1, PayoutState.PAID)
    again = ("PayoutRefused", 0, claim, 1, PayoutRefusal.ALREADY_PAID)
    assert world.refusal(confirming(world, (claim, 1)), by="payer") == again


@pytest.mark.parametrize("wrong", [0, 2, 2**32 - 1])
def test_only_the_current_version_is_confirmed_or_reversed(world: World, wrong: int) -> None:
    claim, _, _ = world.recorded_claim()
    refusal = ("PayoutRefused", 0, claim, wrong, PayoutRefusal.NOT_THE_CURRENT_VERSION)
    assert world.refusal(confirming(world, (claim, wrong)), by="payer") == refusal
    reversing = world.store.functions.reverse(claim, wrong, world.fresh())
    assert world.refusal(reversing, by="recorder") == refusal
    assert payout_state(world, claim) == PayoutState.RECORDED


@pytest.mark.parametrize("paid_before", [False, True])
def test_a_reversed_version_is_never_paid(world: World, paid_before: bool) -> None:
    claim, _, _ = world.recorded_claim()
    if paid_before:
        confirm(world, claim, 1)
    reason = world.fresh()
    receipt = world.send(world.store.functions.reverse(claim, 1, reason), by="recorder")
    assert world.events(receipt, world.store) == [
        ("ResultReversed", {"claimKey": claim, "version": 1, "reasonDigest": reason})
    ]
    assert payout_state(world, claim) == PayoutState.REVERSED
    refusal = ("PayoutRefused", 0, claim, 1, PayoutRefusal.REVERSED)
    assert world.refusal(confirming(world, (claim, 1)), by="payer") == refusal
    assert world.refusal(world.store.functions.reverse(claim, 1, reason), by="recorder") == refusal
    assert payout_state(world, claim) == PayoutState.REVERSED


def test_a_reversed_claim_is_not_recorded_again(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    reverse(world, claim)
    item = world.result_for(grant, claim_key=claim)
    assert refused_by(world, task, item) == ("ItemRefused", 0, claim, Refusal.ALREADY_RECORDED)


def test_a_reversal_needs_a_claim_and_a_reason(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    stranger = world.fresh()
    for key, reason, refusal in [
        (stranger, world.fresh(), PayoutRefusal.CLAIM_UNKNOWN),
        (claim, bytes(32), PayoutRefusal.ZERO_FIELD),
        (stranger, bytes(32), PayoutRefusal.ZERO_FIELD),
    ]:
        function = world.store.functions.reverse(key, 1, reason)
        assert world.refusal(function, by="recorder") == ("PayoutRefused", 0, key, 1, refusal)


def test_payouts_are_confirmed_in_a_batch(world: World) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(4)]
    world.record(task, *items)
    confirmations = [(item[0], 1, world.fresh()) for item in items]
    receipt = world.send(world.store.functions.confirmPayouts(confirmations), by="payer")
    assert world.events(receipt, world.store) == [
        ("PayoutConfirmed", {"claimKey": key, "version": version_, "payoutDigest": digest})
        for key, version_, digest in confirmations
    ]
    assert {payout_state(world, item[0]) for item in items} == {PayoutState.PAID}


@pytest.mark.parametrize("reason", list(PayoutRefusal)[1:])
@pytest.mark.parametrize("place", [0, 2])
def test_one_bad_confirmation_reverts_the_batch_and_is_named_by_index(
    world: World, reason: PayoutRefusal, place: int
) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(3)]
    world.record(task, *items)
    rows = [[item[0], 1, world.fresh()] for item in items]
    if reason == PayoutRefusal.ZERO_FIELD:
        rows[place][2] = bytes(32)
    elif reason == PayoutRefusal.CLAIM_UNKNOWN:
        rows[place][0] = world.fresh()
    elif reason == PayoutRefusal.NOT_THE_CURRENT_VERSION:
        rows[place][1] = 2
    elif reason == PayoutRefusal.ALREADY_PAID:
        confirm(world, items[place][0])
    else:
        reverse(world, items[place][0])
    function = world.store.functions.confirmPayouts([tuple(row) for row in rows])
    assert world.refusal(function, by="payer") == ("PayoutRefused", place, *rows[place][:2], reason)
    assert payout_state(world, items[1][0]) == PayoutState.RECORDED


def test_a_claim_twice_in_one_confirmation_is_refused(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    twice = confirming(world, (claim, 1), (claim, 1))
    assert world.refusal(twice, by="payer") == ("PayoutRefused", 1, claim, 1, PayoutRefusal.ALREADY_PAID)
    assert payout_state(world, claim) == PayoutState.RECORDED


def test_an_empty_confirmation_is_refused(world: World) -> None:
    assert world.refusal(confirming(world), by="payer") == ("EmptyBatch",)
