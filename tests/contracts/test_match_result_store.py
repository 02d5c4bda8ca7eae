"""MatchResultStore: recording, in one store (test_migration.py has several)."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.contracts.model import PayoutState, Refusal
from tests.contracts.results import SPOILS, Spoil, commitment, confirm, payout_state, refused_by, version
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


@pytest.mark.parametrize("places", [(0, 1), (0, 2), (1, 2)])
def test_a_claim_twice_in_one_batch_is_refused(world: World, places: tuple[int, int]) -> None:
    task, grant = world.running_task(), world.granted()
    claim = world.fresh()
    items = [world.result_for(grant, **({"claim_key": claim} if i in places else {})) for i in range(3)]
    expected = [Refusal.REPEATED_IN_BATCH if i == places[1] else Refusal.NONE for i in range(3)]
    assert world.preview(task, *items) == expected
    assert refused_by(world, task, *items) == (
        "ItemRefused",
        places[1],
        claim,
        Refusal.REPEATED_IN_BATCH,
    )
    assert version(world, claim) == 0


def test_the_first_bad_item_is_the_one_that_is_named(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    items = [
        world.result_for(grant),
        world.result_for(grant, subject=world.fresh()),
        world.result_for(grant, authorization_id=world.fresh()),
    ]
    assert world.preview(task, *items) == [
        Refusal.NONE,
        Refusal.AUTHORIZATION_OTHER_SUBJECT,
        Refusal.AUTHORIZATION_UNKNOWN,
    ]
    assert refused_by(world, task, *items)[:2] == ("ItemRefused", 1)


def test_preview_and_recordBatch_agree(world: World) -> None:  # noqa: N802
    """What preview passes is recorded; a refused first occurrence still makes the second a repeat."""
    task, grant = world.running_task(), world.granted()
    claim = world.fresh()
    items = [
        world.result_for(grant, claim_key=claim, subject=world.fresh()),
        world.result_for(grant, claim_key=claim),
        world.result_for(grant),
    ]
    answer = world.preview(task, *items)
    assert answer == [Refusal.AUTHORIZATION_OTHER_SUBJECT, Refusal.REPEATED_IN_BATCH, Refusal.NONE]
    world.record(task, *(item for item, refusal in zip(items, answer, strict=True) if not refusal))
    assert version(world, items[2][0]) == 1


def test_a_batch_is_recorded_whole_or_not_at_all(world: World) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(5)]
    receipt = world.record(task, *items)
    assert world.events(receipt, world.store) == [
        (
            "ResultRecorded",
            {
                "claimKey": claim,
                "authorizationId": authorization,
                "taskId": task,
                "resultDigest": digest,
                "version": 1,
            },
        )
        for claim, digest, authorization, _ in items
    ]
    for claim, *_ in items:
        assert (version(world, claim), payout_state(world, claim)) == (1, PayoutState.RECORDED)
        assert world.ask(world.store.functions.isRecorded(claim))
    unrecorded = world.fresh()
    assert (version(world, unrecorded), payout_state(world, unrecorded)) == (0, PayoutState.NONE)
    assert not world.ask(world.store.functions.isRecorded(unrecorded))


def test_a_batch_of_a_hundred_fits_a_transaction_of_every_network(world: World) -> None:
    """2**24 gas is what EIP-7825 leaves a transaction on networks past Prague."""
    task, grant = world.running_task(), world.granted()
    receipt = world.send(
        world.store.functions.recordBatch(task, [world.result_for(grant) for _ in range(100)]),
        by="recorder",
        gas=2**24,
    )
    assert len(world.events(receipt, world.store)) == 100


def test_an_empty_batch_is_refused(world: World) -> None:
    task = world.running_task()
    assert refused_by(world, task) == ("EmptyBatch",)
    with pytest.raises(Refused, match="EmptyBatch"):
        world.preview(task)


def test_nothing_is_recorded_under_a_task_that_is_not_running(world: World) -> None:
    grant, item = world.granted(), None
    opened = world.opened_task(deadline=world.now + 1000)
    for task in (world.fresh(), opened):
        item = world.result_for(grant)
        with pytest.raises(Refused, match="TaskNotRunning"):
            world.preview(task, item)
        assert refused_by(world, task, item)[:2] == ("TaskNotRunning", task)
    deadline = world.now + 1000
    running = world.running_task(deadline=deadline)
    world.next_block_at(deadline)
    assert refused_by(world, running, world.result_for(grant))[:2] == ("DeadlinePassed", running)


def test_an_authorization_serves_only_tasks_of_its_purpose(world: World) -> None:
    task = world.running_task(purpose=role("another purpose"))
    item = world.result_for(world.granted())
    assert refused_by(world, task, item)[-1] == Refusal.AUTHORIZATION_OUT_OF_SCOPE


def test_the_commitment_is_the_stated_hash_in_the_stated_slot(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    item = world.result_for(grant)
    world.record(task, item)
    layout = artifact("MatchResultStore")["storageLayout"]["storage"]
    slot = next(int(entry["slot"]) for entry in layout if entry["label"] == "_commitments")
    place = int.from_bytes(keccak(encode(["bytes32", "uint256"], [item[0], slot])), "big")

    def stored() -> bytes:
        return bytes(world.w3.eth.get_storage_at(world.store.address, place))

    assert world.ask(world.store.functions.commitmentOf(item[0])) == commitment(item, task, 1)
    assert stored() == commitment(item, task, 1)
    confirm(world, item[0], 1)
    assert stored() == commitment(item, task, 1)
    second = world.result_for(grant, claim_key=item[0])
    world.send(world.store.functions.supersede(task, second), by="recorder")
    assert stored() == commitment(second, task, 2)
