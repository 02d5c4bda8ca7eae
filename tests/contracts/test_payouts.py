"""MatchResultStore after recording: payouts, reversals, versions."""

import pytest

from tests.contracts.model import PayoutRefusal, PayoutState, Refusal
from tests.contracts.results import SPOILS, Spoil, commitment, confirm, payout_state, refused_by, version
from tests.contracts.world import GAS_LIMIT, YEAR, Refused, World


def test_a_payout_is_confirmed_once_a_version(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    digest = world.fresh()
    receipt = world.send(world.store.functions.confirmPayout(claim, 1, digest), by="payer")
    assert world.events(receipt, world.store) == [
        ("PayoutConfirmed", {"claimKey": claim, "version": 1, "payoutDigest": digest})
    ]
    assert (version(world, claim), payout_state(world, claim)) == (1, PayoutState.PAID)
    with pytest.raises(Refused) as refused:
        confirm(world, claim, 1)
    assert refused.value.args == ("PayoutRefused", 0, claim, 1, PayoutRefusal.ALREADY_PAID)


@pytest.mark.parametrize("wrong", [0, 2, 2**32 - 1])
def test_only_the_current_version_is_confirmed(world: World, wrong: int) -> None:
    claim, _, _ = world.recorded_claim()
    with pytest.raises(Refused) as refused:
        confirm(world, claim, wrong)
    assert refused.value.args == (
        "PayoutRefused",
        0,
        claim,
        wrong,
        PayoutRefusal.NOT_THE_CURRENT_VERSION,
    )
    assert payout_state(world, claim) == PayoutState.RECORDED


@pytest.mark.parametrize("paid_before", [False, True])
def test_a_reversed_version_is_never_paid(world: World, paid_before: bool) -> None:
    claim, _, _ = world.recorded_claim()
    if paid_before:
        confirm(world, claim, 1)
    reason = world.fresh()
    receipt = world.send(world.store.functions.reverse(claim, reason), by="recorder")
    assert world.events(receipt, world.store) == [
        ("ResultReversed", {"claimKey": claim, "version": 1, "reasonDigest": reason})
    ]
    assert payout_state(world, claim) == PayoutState.REVERSED
    with pytest.raises(Refused) as refused:
        confirm(world, claim, 1)
    assert refused.value.args == ("PayoutRefused", 0, claim, 1, PayoutRefusal.REVERSED)
    with pytest.raises(Refused) as again:
        world.send(world.store.functions.reverse(claim, reason), by="recorder")
    assert again.value.args == ("AlreadyReversed", claim, 1)


def test_a_reversed_claim_is_not_recorded_again(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    world.send(world.store.functions.reverse(claim, world.fresh()), by="recorder")
    item = world.result_for(grant, claim_key=claim)
    assert refused_by(world, task, item) == ("ItemRefused", 0, claim, Refusal.ALREADY_RECORDED)


def test_a_reversal_needs_a_claim_and_a_reason(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    stranger = world.fresh()
    for arguments, error in [
        ((stranger, world.fresh()), ("ClaimUnknown", stranger)),
        ((claim, bytes(32)), ("ZeroReason", claim)),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(world.store.functions.reverse(*arguments), by="recorder")
        assert refused.value.args == error


def test_payouts_are_confirmed_in_a_batch(world: World) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(4)]
    world.record(task, *items)
    keys = [item[0] for item in items]
    digests = [world.fresh() for _ in keys]
    receipt = world.send(world.store.functions.confirmPayouts(keys, [1] * 4, digests), by="payer")
    assert [arguments["payoutDigest"] for _, arguments in world.events(receipt, world.store)] == digests
    assert {payout_state(world, key) for key in keys} == {PayoutState.PAID}


@pytest.mark.parametrize("reason", list(PayoutRefusal)[1:])
@pytest.mark.parametrize("place", [0, 2])
def test_one_bad_confirmation_reverts_the_batch_and_is_named_by_index(
    world: World, reason: PayoutRefusal, place: int
) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(3)]
    world.record(task, *items)
    keys, versions = [item[0] for item in items], [1, 1, 1]
    digests = [world.fresh() for _ in keys]
    if reason == PayoutRefusal.ZERO_FIELD:
        digests[place] = bytes(32)
    elif reason == PayoutRefusal.CLAIM_UNKNOWN:
        keys[place] = world.fresh()
    elif reason == PayoutRefusal.NOT_THE_CURRENT_VERSION:
        versions[place] = 2
    elif reason == PayoutRefusal.ALREADY_PAID:
        confirm(world, keys[place], 1)
    else:
        world.send(world.store.functions.reverse(keys[place], world.fresh()), by="recorder")
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.confirmPayouts(keys, versions, digests), by="payer")
    assert refused.value.args == ("PayoutRefused", place, keys[place], versions[place], reason)
    assert payout_state(world, keys[1]) == PayoutState.RECORDED


def test_a_claim_twice_in_one_confirmation_is_refused(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.confirmPayouts([claim] * 2, [1, 1], [world.fresh()] * 2), by="payer")
    assert refused.value.args == ("PayoutRefused", 1, claim, 1, PayoutRefusal.ALREADY_PAID)
    assert payout_state(world, claim) == PayoutState.RECORDED


def test_an_empty_or_lopsided_confirmation_is_refused(world: World) -> None:
    claim, digest = world.fresh(), world.fresh()
    for arguments, error in [
        (([], [], []), ("EmptyBatch",)),
        (([claim], [], [digest]), ("LengthMismatch", 1, 0, 1)),
        (([claim], [1], []), ("LengthMismatch", 1, 1, 0)),
        (([claim], [1, 1], [digest]), ("LengthMismatch", 1, 2, 1)),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(world.store.functions.confirmPayouts(*arguments), by="payer")
        assert refused.value.args == error


@pytest.mark.parametrize("before", ["recorded", "paid", "reversed"])
def test_superseding_raises_the_version_and_opens_a_new_payout(world: World, before: str) -> None:
    claim, task, grant = world.recorded_claim()
    if before == "paid":
        confirm(world, claim, 1)
    if before == "reversed":
        world.send(world.store.functions.reverse(claim, world.fresh()), by="recorder")
    item = world.result_for(grant, claim_key=claim)
    receipt = world.send(world.store.functions.supersede(task, item), by="recorder")
    assert world.events(receipt, world.store) == [
        (
            "ResultRecorded",
            {
                "claimKey": claim,
                "authorizationId": grant.id,
                "taskId": task,
                "resultDigest": item[1],
                "version": 2,
            },
        )
    ]
    assert (version(world, claim), payout_state(world, claim)) == (2, PayoutState.RECORDED)
    with pytest.raises(Refused) as refused:
        confirm(world, claim, 1)
    assert refused.value.args[-1] == PayoutRefusal.NOT_THE_CURRENT_VERSION
    confirm(world, claim, 2)
    assert (version(world, claim), payout_state(world, claim)) == (2, PayoutState.PAID)


@pytest.mark.parametrize(
    "spoil",
    [s for s in SPOILS if s.__name__ not in ("already_recorded", "zero_claim_key")],
    ids=lambda spoil: spoil.__name__,
)
def test_superseding_is_enforced_like_a_new_result(world: World, spoil: Spoil) -> None:
    claim, task, _ = world.recorded_claim()
    bad, reason = spoil(world, world.granted())
    item = (claim, *bad[1:])
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.supersede(task, item), by="recorder")
    assert refused.value.args == ("ItemRefused", 0, claim, reason)
    assert version(world, claim) == 1


def test_superseding_needs_a_running_task(world: World) -> None:
    claim, _, grant = world.recorded_claim()
    with pytest.raises(Refused, match="TaskNotRunning"):
        world.send(
            world.store.functions.supersede(world.opened_task(), world.result_for(grant, claim_key=claim)),
            by="recorder",
        )


def test_an_unrecorded_claim_is_not_superseded(world: World) -> None:
    task, item = world.running_task(), world.result_for(world.granted())
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.supersede(task, item), by="recorder")
    assert refused.value.args == ("ClaimUnknown", item[0])


def test_sending_the_same_supersession_twice_opens_one_payout(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    item = world.result_for(grant, claim_key=claim)
    world.send(world.store.functions.supersede(task, item), by="recorder")
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.supersede(task, item), by="recorder")
    assert refused.value.args == ("ResultUnchanged", claim, 2)
    assert version(world, claim) == 2


def test_a_version_may_come_from_another_task_and_authorization(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    task, grant = world.running_task(deadline=world.now + 2 * YEAR), world.granted()
    item = world.result_for(grant, claim_key=claim)
    world.send(world.store.functions.supersede(task, item), by="recorder", gas=GAS_LIMIT // 2)
    assert world.ask(world.store.functions.commitmentOf(claim)) == commitment(item, task, 2)
