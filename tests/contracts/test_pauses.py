"""The brake: what a pause stops, function by function, and what it never stops."""

import pytest

from tests.contracts.calls import CONTRACTS, GOOD_CALLS, Call, nonview
from tests.contracts.world import KEYS, Refused, World, role

STOPPED = {
    ("registry", "admitScope"),
    ("registry", "grant"),
    ("registry", "grantBatch"),
    ("registry", "grantWave"),
    ("registry", "materialize"),
    ("registry", "materializeBatch"),
    ("registry", "renew"),
    ("catalog", "register"),
    ("catalog", "listPurpose"),
    ("catalog", "publishVersion"),
    ("catalog", "publishMatchingKey"),
    ("scheduler", "open"),
    ("scheduler", "accept"),
    ("scheduler", "start"),
    ("scheduler", "commitResult"),
    ("scheduler", "resolve"),
    ("store", "recordBatch"),
    ("store", "supersedeBatch"),
    ("store", "confirmPayouts"),
}
"""What creates or grants."""

OFFICE = ("announceRoleChange", "withdrawRoleChange", "grantRole", "revokeRole", "renounceRole")
GOES_THROUGH = {
    ("registry", "revoke"),
    ("registry", "revokeFor"),
    ("registry", "revokeInWave"),
    ("registry", "revokeInWaveFor"),
    ("catalog", "delistPurpose"),
    ("catalog", "withdrawMatchingKey"),
    ("catalog", "retire"),
    ("scheduler", "heartbeat"),
    ("scheduler", "fail"),
    ("scheduler", "lapse"),
    ("scheduler", "cancel"),
    ("scheduler", "expire"),
    ("store", "reverse"),
    ("store", "recordCheckpoint"),
    ("store", "handOver"),
} | {(contract, name) for contract in CONTRACTS for name in OFFICE}
"""What withdraws, keeps a lease or the log, or changes who is in office."""

BRAKE = {(contract, name) for contract in CONTRACTS for name in ("pause", "unpause")}


def pause(world: World, contract: str) -> None:
    world.send(getattr(world, contract).functions.pause(), by="pauser")


def wait_for(world: World, call: Call) -> None:
    if call.at is not None:
        world.next_block_at(max(call.at, world.now + 1))


def test_every_function_that_changes_anything_is_in_the_table(world: World) -> None:
    all_of_them = {(name, function) for name in CONTRACTS for function in nonview(getattr(world, name))}
    assert all_of_them == STOPPED | GOES_THROUGH | BRAKE
    assert not STOPPED & GOES_THROUGH
    assert set(GOOD_CALLS) == STOPPED | GOES_THROUGH


@pytest.mark.parametrize(("contract", "name"), sorted(GOOD_CALLS))
def test_a_pause_stops_what_grants_and_never_what_withdraws(world: World, contract: str, name: str) -> None:
    call = GOOD_CALLS[contract, name](world)
    snapshot = world.tester.take_snapshot()
    wait_for(world, call)
    world.send(call.function, by=call.by)  # a good call, but for the pause
    world.tester.revert_to_snapshot(snapshot)
    pause(world, contract)
    wait_for(world, call)
    if (contract, name) in GOES_THROUGH:
        world.send(call.function, by=call.by)
        return
    assert world.refusal(call.function, by=call.by) == ("EnforcedPause",)
    world.send(getattr(world, contract).functions.unpause(), by="governor")
    world.send(call.function, by=call.by)


@pytest.mark.parametrize(("contract", "name"), sorted(STOPPED))
def test_a_pause_of_one_contract_is_not_one_of_another(world: World, contract: str, name: str) -> None:
    call = GOOD_CALLS[contract, name](world)
    for other in CONTRACTS:
        if other != contract:
            pause(world, other)
    wait_for(world, call)
    world.send(call.function, by=call.by)


def test_a_paused_store_previews_nothing(world: World) -> None:
    """Nothing could be recorded, so nothing is said to be recordable."""
    claim, task, grant = world.recorded_claim()
    item, next_item = world.result_for(grant), world.result_for(grant, claim_key=claim)
    pause(world, "store")
    for view in (
        world.store.functions.preview(task, [item]),
        world.store.functions.previewSupersession(task, [next_item]),
    ):
        with pytest.raises(Refused) as refused:
            world.ask(view)
        assert refused.value.args == ("EnforcedPause",)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_only_the_pauser_pauses_and_only_the_admin_unpauses(world: World, contract: str) -> None:
    functions, people = getattr(world, contract).functions, world.people

    def stranger_to(name: str, who: str) -> tuple[object, ...]:
        return ("AccessControlUnauthorizedAccount", people[who].lower(), role(name))

    for who in KEYS:
        if who != "pauser":
            assert world.refusal(functions.pause(), by=who) == stranger_to("PAUSER_ROLE", who)
    assert world.refusal(functions.unpause(), by="governor") == ("ExpectedPause",)
    receipt = world.send(functions.pause(), by="pauser")
    assert world.events(receipt, getattr(world, contract)) == [("Paused", {"account": people["pauser"]})]
    assert world.ask(functions.paused())
    assert world.refusal(functions.pause(), by="pauser") == ("EnforcedPause",)
    for who in KEYS:
        if who != "governor":
            assert world.refusal(functions.unpause(), by=who) == stranger_to("DEFAULT_ADMIN_ROLE", who)
    assert world.ask(functions.paused())
    receipt = world.send(functions.unpause(), by="governor")
    assert world.events(receipt, getattr(world, contract)) == [("Unpaused", {"account": people["governor"]})]
    assert not world.ask(functions.paused())
