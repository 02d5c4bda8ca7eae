"""Separation of duties, in every contract that has roles."""

import pytest

from tests.contracts.world import ADMIN_ROLE, KEYS, NOBODY, ROLES, Refused, World, artifact, role

CONTRACTS = tuple(ROLES)
ALL_HELD = [
    (contract, role_name, names[0]) for contract, roles in ROLES.items() for role_name, names in roles.items()
]
ADDITIONAL = ("DEFAULT_ADMIN_ROLE", "ENROLMENT_ROLE", "RECORDER_ROLE", "PAYER_ROLE", "AUDITOR_ROLE")


def unauthorized(world: World, who: str, role_name: str) -> tuple[object, ...]:
    return ("AccessControlUnauthorizedAccount", world.people[who].lower(), role(role_name))


@pytest.mark.parametrize(
    ("contract", "role_name", "holder", "second"),
    [(*held, second) for held in ALL_HELD for second in ADDITIONAL if second != held[1]],
)
def test_no_account_holds_two_roles(
    world: World, contract: str, role_name: str, holder: str, second: str
) -> None:
    wanted = ADMIN_ROLE if second == "DEFAULT_ADMIN_ROLE" else role(second)
    functions = getattr(world, contract).functions
    with pytest.raises(Refused) as refused:
        world.send(functions.grantRole(wanted, world.people[holder]), by="governor")
    assert refused.value.args == (
        "AlreadyHoldsRole",
        world.people[holder].lower(),
        role(role_name),
        wanted,
    )
    assert not world.ask(functions.hasRole(wanted, world.people[holder]))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_admin_appoints_and_cannot_act(world: World, contract: str) -> None:
    functions = getattr(world, contract).functions
    role_name = next(iter(ROLES[contract]))
    with pytest.raises(Refused) as refused:
        world.send(functions.grantRole(role(role_name), world.people["governor"]), by="governor")
    assert refused.value.args[0] == "AlreadyHoldsRole"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_deployer_keeps_nothing_after_renouncing(world: World, contract: str) -> None:
    functions = getattr(world, contract).functions
    for role_id in [ADMIN_ROLE, *(role(name) for name in ROLES[contract])]:
        assert not world.ask(functions.hasRole(role_id, world.people["deployer"]))
    with pytest.raises(Refused) as refused:
        world.send(functions.grantRole(ADMIN_ROLE, world.people["deployer"]), by="deployer")
    assert refused.value.args == (
        "AccessControlUnauthorizedAccount",
        world.people["deployer"].lower(),
        ADMIN_ROLE,
    )


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_dismissed_account_may_be_appointed_to_another_role(world: World, contract: str) -> None:
    functions = getattr(world, contract).functions
    role_name, (holder, *_) = next(iter(ROLES[contract].items()))
    world.send(functions.revokeRole(role(role_name), world.people[holder]), by="governor")
    world.send(functions.grantRole(role("AUDITOR_ROLE"), world.people[holder]), by="governor")
    assert not world.ask(functions.hasRole(role(role_name), world.people[holder]))
    assert world.ask(functions.hasRole(role("AUDITOR_ROLE"), world.people[holder]))


def test_granting_a_held_role_again_changes_nothing(world: World) -> None:
    functions = world.store.functions
    receipt = world.send(functions.grantRole(role("PAYER_ROLE"), world.people["payer"]), by="governor")
    assert world.events(receipt, world.store) == []
    world.send(functions.revokeRole(role("RECORDER_ROLE"), world.people["payer"]), by="governor")
    with pytest.raises(Refused, match="AlreadyHoldsRole"):  # revoking what it never held frees nothing
        world.send(functions.grantRole(role("RECORDER_ROLE"), world.people["payer"]), by="governor")


@pytest.mark.parametrize("who", [name for name in KEYS if name != "enrolment"])
def test_only_the_enrolment_role_enrols_in_bulk(world: World, who: str) -> None:
    signed = world.signed_grant(world.new_grant())
    wave = world.registry.functions.grantWave(
        world.fresh(), 8, world.fresh(), world.now + 1000, world.fresh()
    )
    for function in (world.registry.functions.grantBatch([signed[0]], signed[1], [signed[2]]), wave):
        with pytest.raises(Refused) as refused:
            world.send(function, by=who)
        assert refused.value.args == unauthorized(world, who, "ENROLMENT_ROLE")


@pytest.mark.parametrize("who", [name for name in KEYS if name != "recorder"])
def test_only_the_recorder_records_reverses_and_supersedes(world: World, who: str) -> None:
    claim, task, grant = world.recorded_claim()
    again = world.result_for(grant, claim_key=claim)
    functions = world.store.functions
    for function in (
        functions.recordBatch(task, [world.result_for(grant)]),
        functions.reverse(claim, world.fresh()),
        functions.supersede(task, again),
    ):
        with pytest.raises(Refused) as refused:
            world.send(function, by=who)
        assert refused.value.args == unauthorized(world, who, "RECORDER_ROLE")


@pytest.mark.parametrize("who", [name for name in KEYS if name != "payer"])
def test_only_the_payer_confirms(world: World, who: str) -> None:
    claim, _, _ = world.recorded_claim()
    functions = world.store.functions
    for function in (
        functions.confirmPayout(claim, 1, world.fresh()),
        functions.confirmPayouts([claim], [1], [world.fresh()]),
    ):
        with pytest.raises(Refused) as refused:
            world.send(function, by=who)
        assert refused.value.args == unauthorized(world, who, "PAYER_ROLE")


@pytest.mark.parametrize(
    ("name", "others"),
    [("AuthorizationRegistry", 0), ("DataCatalog", 0), ("TaskScheduler", 1), ("MatchResultStore", 3)],
)
def test_no_contract_is_deployed_without_an_admin(world: World, name: str, others: int) -> None:
    known = (
        [world.catalog.address]
        if others == 1
        else [world.registry.address, world.scheduler.address, NOBODY][:others]
    )
    with pytest.raises(Refused, match="ZeroAdmin"):
        world.deploy(name, NOBODY, *known)


def test_no_contract_is_deployed_on_an_address_without_code(world: World) -> None:
    admin, person = world.people["deployer"], world.people["stranger"]
    good = (world.registry.address, world.scheduler.address, NOBODY)
    bad = [("TaskScheduler", (person,))] + [
        ("MatchResultStore", (*good[:i], person, *good[i + 1 :])) for i in range(3)
    ]
    for name, arguments in bad:
        with pytest.raises(Refused) as refused:
            world.deploy(name, admin, *arguments)
        assert refused.value.args == ("NotAContract", person.lower())


@pytest.mark.parametrize(
    "name", ["AuthorizationRegistry", "DataCatalog", "TaskScheduler", "MatchResultStore"]
)
def test_every_contract_fits_the_code_size_limit(name: str) -> None:
    assert len(artifact(name)["deployedBytecode"]) // 2 - 1 <= 24_576
