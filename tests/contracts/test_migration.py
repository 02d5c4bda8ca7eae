"""A line of stores: a successor knows what its predecessors recorded, and takes over from them."""

from collections.abc import Iterator

import pytest
from web3.contract import Contract

from engine.chain.eip712 import LogHead
from tests.contracts.checkpoints import HEADS, LOG, WITNESSES, recording, signed
from tests.contracts.model import PayoutState, Refusal
from tests.contracts.results import (
    confirm,
    payout_state,
    refused_by,
    reverse,
    supersede,
    superseding,
    version,
)
from tests.contracts.transparency import consistency, head
from tests.contracts.world import NOBODY, ROLE_DELAY, Refused, World, role


def succeed(world: World, predecessor: Contract, *, hand_over: bool = True) -> Contract:
    """A successor, in office and put in the world's place for the store."""
    successor = world.deploy_successor(predecessor)
    if hand_over:
        world.send(predecessor.functions.handOver(successor.address), by="governor")
    world.store = successor
    return successor


@pytest.fixture
def first(world: World) -> Iterator[Contract]:
    store = world.store
    yield store
    world.store = store


@pytest.mark.parametrize("generations", [1, 3])
def test_a_claim_of_any_predecessor_cannot_be_recorded_again(
    world: World, first: Contract, generations: int
) -> None:
    claim, task, grant = world.recorded_claim()
    for _ in range(generations):
        succeed(world, world.store)
    items = [world.result_for(grant), world.result_for(grant, claim_key=claim)]
    assert world.preview(task, *items) == [Refusal.NONE, Refusal.RECORDED_IN_PREDECESSOR]
    assert refused_by(world, task, *items) == ("ItemRefused", 1, claim, Refusal.RECORDED_IN_PREDECESSOR)
    assert world.ask(world.store.functions.isRecorded(claim))
    assert version(world, claim) == 0
    world.record(task, items[0])
    assert not world.ask(first.functions.isRecorded(items[0][0]))


def test_a_reversed_claim_of_a_predecessor_stays_recorded(world: World, first: Contract) -> None:
    claim, task, grant = world.recorded_claim()
    reverse(world, claim)
    succeed(world, first)
    item = world.result_for(grant, claim_key=claim)
    assert refused_by(world, task, item)[-1] == Refusal.RECORDED_IN_PREDECESSOR


def test_new_claims_go_to_one_store_only(world: World, first: Contract) -> None:
    _, task, grant = world.recorded_claim()
    item = world.result_for(grant)
    second = succeed(world, first, hand_over=False)
    early = ("NotTheSuccessor", first.address.lower(), NOBODY)
    assert refused_by(world, task, item) == early
    with pytest.raises(Refused, match="NotTheSuccessor"):
        world.preview(task, item)
    world.store = first
    world.record(task, world.result_for(grant))  # until then, here

    receipt = world.send(first.functions.handOver(second.address), by="governor")
    assert world.events(receipt, first) == [("HandedOver", {"successor": second.address})]
    late = ("StoreHandedOver", second.address.lower())
    assert refused_by(world, task, item) == late
    with pytest.raises(Refused) as previewed:
        world.preview(task, item)
    assert previewed.value.args == late
    world.store = second
    world.record(task, item)


def test_only_one_of_two_heirs_takes_over(world: World, first: Contract) -> None:
    task, grant = world.running_task(), world.granted()
    heir = succeed(world, first)
    pretender = succeed(world, first, hand_over=False)
    refusal = ("NotTheSuccessor", first.address.lower(), heir.address.lower())
    assert refused_by(world, task, world.result_for(grant)) == refusal
    again = first.functions.handOver(pretender.address)
    assert world.refusal(again, by="governor") == ("StoreHandedOver", heir.address.lower())


def test_what_a_store_recorded_lives_on_in_it(world: World, first: Contract) -> None:
    claim, task, grant = world.recorded_claim()
    other, _, _ = world.recorded_claim()
    succeed(world, first)
    topped_up = world.result_for(grant, claim_key=claim)
    refusal = ("ItemRefused", 0, claim, Refusal.CLAIM_UNKNOWN)
    assert world.refusal(superseding(world, task, topped_up), by="recorder") == refusal
    world.store = first
    supersede(world, task, topped_up)
    confirm(world, claim, 2)
    reverse(world, other)
    assert payout_state(world, claim) == PayoutState.PAID
    assert payout_state(world, other) == PayoutState.REVERSED


# ---------------------------------------------------------------- checkpoints


def recorded(world: World, new: int, last: int) -> None:
    world.send(recording(world, new, last, *WITNESSES), by="stranger")


def latest(store: Contract, world: World) -> tuple[int, bytes]:
    size, _, root = world.ask(store.functions.latestCheckpoint())
    return size, root


@pytest.mark.parametrize("generations", [1, 2])
def test_the_log_goes_on_in_the_successor(world: World, first: Contract, generations: int) -> None:
    """The last checkpoint is inherited: what comes next must extend it."""
    recorded(world, 5, 0)
    inherited = world.ask(first.functions.latestCheckpoint())
    for _ in range(generations):
        succeed(world, world.store)
    store = world.store
    assert world.ask(store.functions.latestCheckpoint()) == inherited
    assert world.refusal(recording(world, 5, 0, *WITNESSES)) == ("CheckpointNotLarger", 5, 5)
    forked = [b"another first entry", *LOG[1:9]]
    fork = LogHead(9, head(forked))
    signatures = signed(world, fork, HEADS[5], *WITNESSES)
    for proof in ([], consistency(5, forked)):
        function = store.functions.recordCheckpoint(9, fork.root, proof, signatures)
        assert world.refusal(function) == ("CheckpointInconsistent", 5, HEADS[5].root, 9, fork.root)
    recorded(world, 9, 5)
    recorded(world, 12, 9)
    assert latest(store, world) == (12, HEADS[12].root)
    assert latest(first, world) == (5, HEADS[5].root)


def test_a_store_that_was_handed_over_keeps_no_log(world: World, first: Contract) -> None:
    recorded(world, 5, 0)
    second = succeed(world, first, hand_over=False)
    early = ("NotTheSuccessor", first.address.lower(), NOBODY)
    assert world.refusal(recording(world, 9, 5, *WITNESSES)) == early
    world.send(first.functions.handOver(second.address), by="governor")
    world.store = first
    refusal = world.refusal(recording(world, 9, 5, *WITNESSES))
    assert refusal == ("StoreHandedOver", second.address.lower())
    assert latest(first, world) == latest(second, world) == (5, HEADS[5].root)


def test_a_checkpoint_signed_for_one_store_is_none_of_another(world: World, first: Contract) -> None:
    recorded(world, 5, 0)
    second = succeed(world, first)
    elsewhere = signed(world, HEADS[9], HEADS[5], *WITNESSES, store=first)
    assert world.refusal(recording(world, 9, 5, signatures=elsewhere))[0] == "WitnessNotSigned"
    assert latest(second, world)[0] == 5


def test_a_log_that_nobody_kept_begins_in_the_successor(world: World, first: Contract) -> None:
    succeed(world, first)
    recorded(world, 3, 0)


# ---------------------------------------------------------------- handing over


@pytest.mark.parametrize("by", ["recorder", "payer", "deployer", "stranger"])
def test_only_the_admin_hands_over(world: World, first: Contract, by: str) -> None:
    function = first.functions.handOver(world.deploy_successor(first).address)
    assert world.refusal(function, by=by)[0] == "AccessControlUnauthorizedAccount"


def test_a_store_is_handed_over_only_to_a_successor_announced_long_enough(
    world: World, first: Contract
) -> None:
    """What ends a store is seen coming like a change of who acts in it, and can be taken back."""
    second, key = world.deploy_store(first.address), role("SUCCESSOR_ROLE")
    function = first.functions.handOver(second.address)
    refusal = ("AccessControlUnauthorizedAccount", second.address.lower(), key)
    assert world.refusal(function, by="governor") == refusal
    world.send(first.functions.announceRoleChange(key, second.address, True), by="governor")
    due = world.now + ROLE_DELAY
    assert world.refusal(function, by="governor") == refusal
    world.next_block_at(due - 1)
    early = first.functions.grantRole(key, second.address)
    assert world.refusal(early, by="governor")[0] == "RoleChangeTooEarly"
    world.send(early, by="governor")
    world.change_role(first, "SUCCESSOR_ROLE", second.address, grants=False)
    assert world.refusal(function, by="governor") == refusal
    world.change_role(first, "SUCCESSOR_ROLE", second.address, grants=True)
    world.send(function, by="governor")


def test_a_store_is_not_handed_over_to_an_address_without_code(world: World, first: Contract) -> None:
    for person in (world.people["stranger"], NOBODY):
        refusal = world.refusal(first.functions.handOver(person), by="governor")
        assert refusal == ("NotAContract", person.lower())


def test_a_store_tells_what_it_stands_on(world: World, first: Contract) -> None:
    assert world.ask(first.functions.predecessor()) == NOBODY
    assert world.ask(first.functions.successor()) == NOBODY
    second = succeed(world, first)
    assert world.ask(second.functions.registry()) == world.registry.address
    assert world.ask(second.functions.scheduler()) == world.scheduler.address
    assert world.ask(second.functions.predecessor()) == first.address
    assert world.ask(first.functions.successor()) == second.address
