"""MatchResultStore: later versions of a claim (a retroactive top-up), each with a payout of its own."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.model import PayoutRefusal, PayoutState, Refusal, TaskKind
from tests.contracts.results import (
    SPOILS,
    Item,
    Spoil,
    commitment,
    commitment_of,
    confirm,
    confirming,
    payout_state,
    preview_supersession,
    refused_by,
    reverse,
    supersede,
    superseding,
    version,
)
from tests.contracts.tasks import completed
from tests.contracts.world import GAS_LIMIT, YEAR, Refused, World

LAST = 124


@pytest.mark.parametrize("before", list(PayoutState)[1:])
def test_superseding_raises_the_version_and_opens_a_new_payout(world: World, before: PayoutState) -> None:
    claim, task, grant = world.recorded_claim()
    if before == PayoutState.PAID:
        confirm(world, claim)
    if before == PayoutState.REVERSED:
        reverse(world, claim)
    item = world.result_for(grant, claim_key=claim)
    receipt = supersede(world, task, item)
    assert world.events(receipt, world.store) == [
        (
            "ResultSuperseded",
            {
                "claimKey": claim,
                "authorizationId": grant.id,
                "taskId": task,
                "resultDigest": item[1],
                "version": 2,
            },
        )
    ]
    assert version(world, claim) == 2
    assert (payout_state(world, claim, 1), payout_state(world, claim, 2)) == (before, PayoutState.RECORDED)
    over = ("PayoutRefused", 0, claim, 1, PayoutRefusal.NOT_THE_CURRENT_VERSION)
    assert world.refusal(confirming(world, (claim, 1)), by="payer") == over
    reversing = world.store.functions.reverse(claim, 1, world.fresh())
    assert world.refusal(reversing, by="recorder") == over
    confirm(world, claim, 2)
    assert (payout_state(world, claim, 1), payout_state(world, claim, 2)) == (before, PayoutState.PAID)


def test_the_chain_of_versions_stays_readable(world: World) -> None:
    """Commitments and ends of all, whatever became of the later ones."""
    claim, task, grant = world.recorded_claim()
    first = commitment_of(world, claim, 1)
    items, ends = [], []
    for number in range(1, 7):
        end = list(PayoutState)[1:][number % 3]
        if end == PayoutState.PAID:
            confirm(world, claim, number)
        if end == PayoutState.REVERSED:
            reverse(world, claim, number)
        ends.append(end)
        items.append(world.result_for(grant, claim_key=claim))
        supersede(world, task, items[-1])
    assert version(world, claim) == 7
    assert [payout_state(world, claim, n) for n in range(9)] == [
        PayoutState.NONE,
        *ends,
        PayoutState.RECORDED,
        PayoutState.NONE,
    ]
    expected = [first, *(commitment(item, task, n) for n, item in enumerate(items, start=2))]
    assert [commitment_of(world, claim, n) for n in range(9)] == [bytes(32), *expected, bytes(32)]


@pytest.mark.parametrize(
    "spoil",
    [s for s in SPOILS if s.__name__ not in ("already_recorded", "zero_claim_key")],
    ids=lambda spoil: spoil.__name__,
)
def test_superseding_is_enforced_like_a_first_result(world: World, spoil: Spoil) -> None:
    claim, task, _ = world.recorded_claim()
    bad, reason = spoil(world, world.granted())
    item = (claim, *bad[1:])
    assert preview_supersession(world, task, item) == [reason]
    assert world.refusal(superseding(world, task, item), by="recorder") == ("ItemRefused", 0, claim, reason)
    assert version(world, claim) == 1


def test_superseding_needs_a_recordable_task_and_an_item(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    item = world.result_for(grant, claim_key=claim)
    for under in (world.opened_task(), world.fresh(), world.running_task(kind=TaskKind.ONE_OFF)):
        assert world.refusal(superseding(world, under, item), by="recorder")[:2] == ("NotRecordable", under)
        with pytest.raises(Refused, match="NotRecordable"):
            preview_supersession(world, under, item)
    assert world.refusal(superseding(world, task), by="recorder") == ("EmptyBatch",)
    with pytest.raises(Refused, match="EmptyBatch"):
        preview_supersession(world, task)
    supersede(world, completed(world, kind=TaskKind.ONE_OFF), item)


def test_an_unrecorded_claim_is_not_superseded(world: World) -> None:
    task, item = world.running_task(), world.result_for(world.granted())
    refusal = ("ItemRefused", 0, item[0], Refusal.CLAIM_UNKNOWN)
    assert preview_supersession(world, task, item) == [Refusal.CLAIM_UNKNOWN]
    assert world.refusal(superseding(world, task, item), by="recorder") == refusal
    assert version(world, item[0]) == 0


def test_sending_the_same_supersession_twice_opens_one_payout(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    item = world.result_for(grant, claim_key=claim)
    supersede(world, task, item)
    refusal = ("ItemRefused", 0, claim, Refusal.RESULT_UNCHANGED)
    assert world.refusal(superseding(world, task, item), by="recorder") == refusal
    supersede(world, task, world.result_for(grant, claim_key=claim))
    supersede(world, task, item)  # what was once superseded may come back
    assert version(world, claim) == 4


def test_the_first_result_again_is_no_new_version(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    item = world.result_for(grant)
    world.record(task, item)
    refusal = ("ItemRefused", 0, item[0], Refusal.RESULT_UNCHANGED)
    assert world.refusal(superseding(world, task, item), by="recorder") == refusal


def test_a_version_may_come_from_another_task_and_authorization(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    task, grant = world.running_task(deadline=world.now + 2 * YEAR), world.granted()
    item = world.result_for(grant, claim_key=claim)
    supersede(world, task, item)
    assert commitment_of(world, claim, 2) == commitment(item, task, 2)


def recorded(world: World, count: int) -> tuple[bytes, list[Item]]:
    """-> (the task, next results of recorded claims in ascending order)."""
    task, grant = world.running_task(), world.granted()
    items = [world.result_for(grant) for _ in range(count)]
    world.record(task, *items)
    return task, sorted(world.result_for(grant, claim_key=item[0]) for item in items)


def test_claims_are_superseded_in_a_batch(world: World) -> None:
    task, items = recorded(world, 4)
    receipt = supersede(world, task, *items)
    assert [told["claimKey"] for _, told in world.events(receipt, world.store)] == [i[0] for i in items]
    assert [version(world, item[0]) for item in items] == [2] * 4
    assert [commitment_of(world, item[0], 2) for item in items] == [commitment(i, task, 2) for i in items]


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (0, 0, 1), (0, 1, 1)])
def test_a_batch_of_supersessions_is_in_ascending_order_of_its_keys(
    world: World, order: tuple[int, ...]
) -> None:
    """So that no claim comes twice in one batch, without looking back."""
    task, items = recorded(world, 3)
    batch = [items[i] for i in order]
    place = next(i for i in range(1, 3) if batch[i][0] <= batch[i - 1][0])
    refusal = ("KeysNotAscending", place, batch[place][0])
    assert world.refusal(world.store.functions.supersedeBatch(task, batch), by="recorder") == refusal
    with pytest.raises(Refused) as previewed:
        preview_supersession(world, task, *batch)
    assert previewed.value.args == refusal
    assert [version(world, item[0]) for item in items] == [1] * 3


KINDS = ("unchanged", "new claim", "unknown", "other subject", "revoked", "no digest")


@settings(max_examples=12)
@given(kinds=st.lists(st.sampled_from(("good", "good", "good", *KINDS)), min_size=1, max_size=5))
def test_preview_and_supersedeBatch_agree(deployed_world: World, kinds: list[str]) -> None:  # noqa: N802
    """Superseded whole exactly if the preview passes every item; else the first bad one is named."""
    world = deployed_world
    snapshot = world.tester.take_snapshot()
    task, items = recorded(world, len(kinds))
    supersede(world, task, *items)
    grant, revoked = world.granted(), world.granted()
    world.send(world.registry.functions.revokeFor(revoked.id), by="revoker")
    batch: list[Item] = []
    for kind, item in zip(kinds, items, strict=True):
        if kind == "unchanged":
            batch.append(item)
            continue
        changes: dict[str, Any] = {"claim_key": item[0]} | {
            "new claim": {"claim_key": world.fresh()},
            "unknown": {"authorization_id": world.fresh()},
            "other subject": {"subject": world.fresh()},
            "no digest": {"result_digest": bytes(32)},
        }.get(kind, {})
        batch.append(world.result_for(revoked if kind == "revoked" else grant, **changes))
    batch.sort()
    refusals = preview_supersession(world, task, *batch)
    bad = [i for i, refusal in enumerate(refusals) if refusal]
    assert len(bad) == sum(kind != "good" for kind in kinds)
    if bad:
        named = ("ItemRefused", bad[0], batch[bad[0]][0], refusals[bad[0]])
        assert world.refusal(superseding(world, task, *batch), by="recorder") == named
    good = [item for item, refusal in zip(batch, refusals, strict=True) if not refusal]
    assert all(version(world, item[0]) == 2 for item in good)
    if good:
        supersede(world, task, *good)
    assert all(version(world, item[0]) == 3 for item in good)
    world.tester.revert_to_snapshot(snapshot)


def test_a_claim_has_at_most_a_hundred_and_twenty_four_versions(world: World) -> None:
    """Two bits each in one slot: the last has its own end, and spills into nobody's count."""
    claim, task, grant = world.recorded_claim()
    confirm(world, claim)
    for _ in range(2, LAST + 1):
        function = superseding(world, task, world.result_for(grant, claim_key=claim))
        world.send(function, by="recorder", gas=GAS_LIMIT - 1)
    assert version(world, claim) == LAST
    item = world.result_for(grant, claim_key=claim)
    refusal = ("ItemRefused", 0, claim, Refusal.VERSIONS_EXHAUSTED)
    assert preview_supersession(world, task, item) == [Refusal.VERSIONS_EXHAUSTED]
    assert world.refusal(superseding(world, task, item), by="recorder") == refusal
    confirm(world, claim, LAST)
    assert (version(world, claim), payout_state(world, claim)) == (LAST, PayoutState.PAID)
    reverse(world, claim, LAST)
    assert (version(world, claim), payout_state(world, claim)) == (LAST, PayoutState.REVERSED)
    assert payout_state(world, claim, 1) == PayoutState.PAID
    assert payout_state(world, claim, LAST - 1) == PayoutState.RECORDED
    assert refused_by(world, task, item)[-1] == Refusal.ALREADY_RECORDED
    assert world.refusal(superseding(world, task, item), by="recorder") == refusal
