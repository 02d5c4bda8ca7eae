"""A line of stores: a successor knows what its predecessors recorded, and takes over from them."""

from collections.abc import Iterator

import pytest
from web3.contract import Contract

from tests.contracts.model import PayoutState, Refusal
from tests.contracts.world import ROLES, Refused, World


def succeed(world: World, predecessor: Contract, *, hand_over: bool = True) -> Contract:
    """A successor, in office and put in the world's place for the store."""
    successor = world.deploy_store(predecessor.address)
    world.appoint(successor, ROLES["store"])
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
    with pytest.raises(Refused) as refused:
        world.record(task, *items)
    assert refused.value.args == ("ItemRefused", 1, claim, Refusal.RECORDED_IN_PREDECESSOR)
    assert world.ask(world.store.functions.isRecorded(claim))
    assert world.ask(world.store.functions.versionOf(claim)) == 0
    world.record(task, items[0])


def test_new_claims_go_to_one_store_only(world: World, first: Contract) -> None:
    _, task, grant = world.recorded_claim()
    item = world.result_for(grant)
    second = succeed(world, first, hand_over=False)
    with pytest.raises(Refused) as early:
        world.record(task, item)
    assert early.value.args == ("NotTheSuccessor", first.address.lower(), "0x" + "00" * 20)
    with pytest.raises(Refused, match="NotTheSuccessor"):
        world.preview(task, item)

    receipt = world.send(first.functions.handOver(second.address), by="governor")
    assert world.events(receipt, first) == [("HandedOver", {"successor": second.address})]
    world.store = first
    with pytest.raises(Refused) as late:
        world.record(task, item)
    assert late.value.args == ("StoreHandedOver", second.address.lower())
    world.store = second
    world.record(task, item)


def test_only_one_of_two_heirs_takes_over(world: World, first: Contract) -> None:
    task, grant = world.running_task(), world.granted()
    heir = succeed(world, first)
    pretender = succeed(world, first, hand_over=False)
    with pytest.raises(Refused) as refused:
        world.record(task, world.result_for(grant))
    assert refused.value.args == ("NotTheSuccessor", first.address.lower(), heir.address.lower())
    with pytest.raises(Refused) as again:
        world.send(first.functions.handOver(pretender.address), by="governor")
    assert again.value.args == ("StoreHandedOver", heir.address.lower())


def test_what_a_store_recorded_lives_on_in_it(world: World, first: Contract) -> None:
    claim, task, grant = world.recorded_claim()
    other, _, _ = world.recorded_claim()
    second = succeed(world, first)
    topped_up = world.result_for(grant, claim_key=claim)
    with pytest.raises(Refused) as refused:
        world.send(second.functions.supersede(task, topped_up), by="recorder")
    assert refused.value.args == ("ClaimUnknown", claim)
    world.send(first.functions.supersede(task, topped_up), by="recorder")
    world.send(first.functions.confirmPayout(claim, 2, world.fresh()), by="payer")
    world.send(first.functions.reverse(other, world.fresh()), by="recorder")
    assert world.ask(first.functions.payoutStateOf(claim)) == PayoutState.PAID
    assert world.ask(first.functions.payoutStateOf(other)) == PayoutState.REVERSED


@pytest.mark.parametrize("by", ["recorder", "payer", "deployer", "stranger"])
def test_only_the_admin_hands_over(world: World, first: Contract, by: str) -> None:
    with pytest.raises(Refused, match="AccessControlUnauthorizedAccount"):
        world.send(first.functions.handOver(world.catalog.address), by=by)


def test_a_store_is_not_handed_over_to_an_address_without_code(world: World, first: Contract) -> None:
    person = world.people["stranger"]
    with pytest.raises(Refused) as refused:
        world.send(first.functions.handOver(person), by="governor")
    assert refused.value.args == ("NotAContract", person.lower())


def test_a_store_tells_what_it_stands_on(world: World, first: Contract) -> None:
    second = succeed(world, first)
    assert world.ask(second.functions.registry()) == world.registry.address
    assert world.ask(second.functions.scheduler()) == world.scheduler.address
    assert world.ask(second.functions.predecessor()) == first.address
    assert world.ask(first.functions.successor()) == second.address
