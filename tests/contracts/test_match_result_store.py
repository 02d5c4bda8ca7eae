"""MatchResultStore: recording, in one store (test_migration.py has several)."""

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.model import PayoutState, Refusal, TaskKind, TaskState
from tests.contracts.results import (
    SPOILS,
    Spoil,
    commitment,
    commitment_of,
    confirm,
    payout_state,
    refused_by,
    reverse,
    supersede,
    version,
)
from tests.contracts.tasks import INTO, RECORDING_PERIOD, completed
from tests.contracts.world import Refused, World, artifact, role


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_item_refuses_the_batch_and_is_named_by_index(world: World, spoil: Spoil, place: int) -> None:
    """The reasons: each through recordBatch and through preview (two more need a predecessor or a repeat)."""
    task, good = world.running_task(), world.granted()
    bad, reason = spoil(world, world.granted())
    items = [bad if i == place else world.result_for(good) for i in range(3)]
    assert world.preview(task, *items) == [reason if i == place else Refusal.NONE for i in range(3)]
    assert refused_by(world, task, *items) == ("ItemRefused", place, bad[0], reason)
    known = bad[0] if reason == Refusal.ALREADY_RECORDED else None
    assert all(version(world, item[0]) == 0 for item in items if item[0] != known)


def test_an_authorization_granted_in_the_future_is_not_yet_granted(world: World) -> None:
    """The store asks at block time, so only a view of an earlier time can see this reason."""
    grant = world.granted()
    began = world.now
    assert world.liveness(grant, at=began - 1) == Refusal.AUTHORIZATION_NOT_YET_GRANTED
    world.record(world.running_task(), world.result_for(grant))


def test_a_revoked_authorization_cannot_be_recorded(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    world.record(task, world.result_for(grant))
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    item = world.result_for(grant)
    assert refused_by(world, task, item) == ("ItemRefused", 0, item[0], Refusal.AUTHORIZATION_REVOKED)


def test_an_authorization_is_good_up_to_its_last_second(world: World) -> None:
    task = world.running_task()
    grant = world.granted(expires=world.now + 100)
    in_time, late = world.result_for(grant), world.result_for(grant)
    world.next_block_at(grant.expires - 1)
    world.record(task, in_time)
    assert refused_by(world, task, late) == ("ItemRefused", 0, late[0], Refusal.AUTHORIZATION_EXPIRED)


def test_a_renewed_authorization_is_recorded_past_its_first_expiry(world: World) -> None:
    task = world.running_task()
    grant = world.granted(expires=world.now + 100)
    until = grant.expires + 100
    world.send(world.registry.functions.renew(*world.signed_renewal(grant, until)), by="stranger")
    world.next_block_at(until - 1)
    world.record(task, world.result_for(grant))
    item = world.result_for(grant)
    assert refused_by(world, task, item)[-1] == Refusal.AUTHORIZATION_EXPIRED


@pytest.mark.parametrize("places", [(0, 1), (0, 2), (1, 2)])
def test_a_claim_twice_in_one_batch_is_refused(world: World, places: tuple[int, int]) -> None:
    task, grant = world.running_task(), world.granted()
    claim = world.fresh()
    items = [world.result_for(grant, **({"claim_key": claim} if i in places else {})) for i in range(3)]
    expected = [Refusal.REPEATED_IN_BATCH if i == places[1] else Refusal.NONE for i in range(3)]
    assert world.preview(task, *items) == expected
    assert refused_by(world, task, *items) == ("ItemRefused", places[1], claim, Refusal.REPEATED_IN_BATCH)
    assert version(world, claim) == 0


@pytest.mark.parametrize("first", [Refusal.AUTHORIZATION_OTHER_SUBJECT, Refusal.ZERO_FIELD])
def test_the_first_bad_item_is_the_one_that_is_named(world: World, first: Refusal) -> None:
    """Whatever is wrong with the later ones, and whichever of the two looks finds it."""
    task, grant = world.running_task(), world.granted()
    spoil = {"result_digest": bytes(32)} if first == Refusal.ZERO_FIELD else {"subject": world.fresh()}
    items = [
        world.result_for(grant),
        world.result_for(grant, **spoil),
        world.result_for(grant, authorization_id=world.fresh()),
        world.result_for(grant, claim_key=bytes(32)),
    ]
    assert world.preview(task, *items) == [
        Refusal.NONE,
        first,
        Refusal.AUTHORIZATION_UNKNOWN,
        Refusal.ZERO_FIELD,
    ]
    assert refused_by(world, task, *items) == ("ItemRefused", 1, items[1][0], first)


ITEMS = (
    "good",
    "known",
    "repeat",
    "unknown",
    "other subject",
    "revoked",
    "no digest",
    "no subject",
    "no key",
)


@settings(max_examples=12)
@given(kinds=st.lists(st.sampled_from(("good", "good", "good", *ITEMS)), min_size=1, max_size=5))
def test_preview_and_recordBatch_agree(deployed_world: World, kinds: list[str]) -> None:  # noqa: N802
    """Recorded whole exactly if preview passes every item; else the first that it does not pass is named."""
    world = deployed_world
    snapshot = world.tester.take_snapshot()
    known, task, grant = world.recorded_claim()
    revoked = world.granted()
    world.send(world.registry.functions.revokeFor(revoked.id), by="revoker")
    items: list[tuple[bytes, bytes, bytes, bytes]] = []
    for kind in kinds:
        changes: dict[str, Any] = {
            "known": {"claim_key": known},
            "repeat": {"claim_key": items[0][0] if items else known},
            "unknown": {"authorization_id": world.fresh()},
            "other subject": {"subject": world.fresh()},
            "no digest": {"result_digest": bytes(32)},
            "no subject": {"subject": bytes(32)},
            "no key": {"claim_key": bytes(32)},
        }.get(kind, {})
        items.append(world.result_for(revoked if kind == "revoked" else grant, **changes))
    refusals = world.preview(task, *items)
    bad = [i for i, refusal in enumerate(refusals) if refusal]
    if bad:
        named = ("ItemRefused", bad[0], items[bad[0]][0], refusals[bad[0]])
        assert refused_by(world, task, *items) == named
    else:
        world.record(task, *items)
    assert all(version(world, item[0]) == (not bad) for item in items if item[0] not in (known, bytes(32)))
    passed = [item for item, refusal in zip(items, refusals, strict=True) if not refusal]
    if bad and passed:  # a refused first occurrence still makes the second a repeat, so these are distinct
        world.record(task, *passed)
    world.tester.revert_to_snapshot(snapshot)


def test_a_refused_first_occurrence_still_makes_the_second_a_repeat(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    claim = world.fresh()
    items = [
        world.result_for(grant, claim_key=claim, subject=world.fresh()),
        world.result_for(grant, claim_key=claim),
        world.result_for(grant),
    ]
    answer = world.preview(task, *items)
    assert answer == [Refusal.AUTHORIZATION_OTHER_SUBJECT, Refusal.REPEATED_IN_BATCH, Refusal.NONE]


def test_a_batch_is_recorded_whole_or_not_at_all(world: World) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(5)]
    spoilt = [*items, world.result_for(world.new_grant())]
    assert refused_by(world, task, *spoilt)[:2] == ("ItemRefused", 5)
    assert not any(world.ask(world.store.functions.isRecorded(item[0])) for item in items)
    receipt = world.record(task, *items)
    assert world.events(receipt, world.store) == [
        (
            "ResultRecorded",
            {"claimKey": claim, "authorizationId": authorization, "taskId": task, "resultDigest": digest},
        )
        for claim, digest, authorization, _ in items
    ]
    for item in items:
        claim = item[0]
        assert (version(world, claim), payout_state(world, claim)) == (1, PayoutState.RECORDED)
        assert commitment_of(world, claim, 1) == commitment(item, task, 1)
        assert world.ask(world.store.functions.isRecorded(claim))
    unrecorded = world.fresh()
    assert version(world, unrecorded) == 0
    for number in (0, 1):
        assert payout_state(world, unrecorded, number) == PayoutState.NONE
        assert commitment_of(world, unrecorded, number) == bytes(32)
    assert not world.ask(world.store.functions.isRecorded(unrecorded))


def test_a_batch_of_a_hundred_fits_a_transaction_of_every_network(world: World) -> None:
    """2**24 gas is what EIP-7825 leaves a transaction on networks past Prague."""
    task, grant = world.running_task(), world.granted()
    function = world.store.functions.recordBatch(task, [world.result_for(grant) for _ in range(100)])
    receipt = world.send(function, by="recorder", gas=2**24)
    assert len(world.events(receipt, world.store)) == 100


def test_an_empty_batch_is_refused(world: World) -> None:
    task = world.running_task()
    assert refused_by(world, task) == ("EmptyBatch",)
    with pytest.raises(Refused, match="EmptyBatch"):
        world.preview(task)


@pytest.mark.parametrize("kind", list(TaskKind))
@pytest.mark.parametrize("source", list(TaskState))
def test_nothing_is_recorded_under_a_task_that_is_not_recordable(
    world: World, kind: TaskKind, source: TaskState
) -> None:
    """The scheduler says when (test_task_times.py); the store asks it, in recordBatch and in preview."""
    grant, task = world.granted(), INTO[source](world, kind=kind)
    item = world.result_for(grant)
    if (kind, source) in {(TaskKind.STANDING, TaskState.RUNNING), (TaskKind.ONE_OFF, TaskState.COMPLETED)}:
        world.record(task, item)
        return
    told = kind if source != TaskState.NONE else TaskKind.ONE_OFF
    refusal = ("NotRecordable", task, told, source)
    assert refused_by(world, task, item) == refusal
    with pytest.raises(Refused) as previewed:
        world.preview(task, item)
    assert previewed.value.args == refusal


def test_results_come_up_to_the_last_second_for_recording(world: World) -> None:
    grant, deadline = world.granted(), world.now + 1000
    standing = world.running_task(deadline=deadline)
    world.next_block_at(deadline - 1)
    world.record(standing, world.result_for(grant))
    late = world.result_for(grant)
    assert refused_by(world, standing, late) == ("RecordingOver", standing, deadline, deadline)
    one_off = completed(world, kind=TaskKind.ONE_OFF)
    until = world.now + RECORDING_PERIOD
    world.next_block_at(until - 1)
    world.record(one_off, world.result_for(grant))
    assert refused_by(world, one_off, late) == ("RecordingOver", one_off, until, until)


def test_an_authorization_serves_only_tasks_of_its_purpose(world: World) -> None:
    task = world.running_task(purpose=role("another purpose"))
    item = world.result_for(world.granted())
    assert refused_by(world, task, item)[-1] == Refusal.AUTHORIZATION_OUT_OF_SCOPE
    world.record(task, world.result_for(world.granted(scope=role("another purpose"))))


def test_a_purpose_that_was_never_admitted_serves_nobody(world: World) -> None:
    """Its number is zero, as is the one of no record at all."""
    task = world.running_task(purpose=role("never admitted"))
    for item in (world.result_for(world.granted()), world.result_for(world.new_grant())):
        assert refused_by(world, task, item)[0] == "ItemRefused"


def test_the_commitment_is_the_stated_hash_in_the_stated_slot(world: World) -> None:
    """The first version's in the claim's own slot, its life in the next one, later versions in a mapping."""
    task, grant = world.running_task(), world.granted()
    item = world.result_for(grant)
    world.record(task, item)
    layout = artifact("MatchResultStore")["storageLayout"]["storage"]
    slot = next(int(entry["slot"]) for entry in layout if entry["label"] == "_claims")
    place = int.from_bytes(keccak(encode(["bytes32", "uint256"], [item[0], slot])), "big")

    def stored(offset: int) -> bytes:
        return bytes(world.w3.eth.get_storage_at(world.store.address, place + offset))

    def life() -> int:
        return int.from_bytes(stored(1), "big")

    assert stored(0) == commitment(item, task, 1) == commitment_of(world, item[0], 1)
    assert life() == 0  # so that recording writes one slot
    confirm(world, item[0], 1)
    assert (stored(0), life()) == (commitment(item, task, 1), 1)
    second = world.result_for(grant, claim_key=item[0])
    supersede(world, task, second)
    assert (stored(0), life()) == (commitment(item, task, 1), 1 << 248 | 1)
    later = keccak(encode(["uint32", "uint256"], [2, place + 2]))
    assert bytes(
        world.w3.eth.get_storage_at(world.store.address, int.from_bytes(later, "big"))
    ) == commitment(second, task, 2)
    reverse(world, item[0], 2)
    assert life() == 1 << 248 | 2 << 2 | 1
