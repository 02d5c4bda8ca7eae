"""Separation of duties, and changes of who does what, in every contract (test_pauses.py has the brake)."""

from typing import Any

import pytest
from web3.contract import Contract

from tests.contracts.calls import CONTRACTS, GOOD_CALLS
from tests.contracts.world import (
    ADMIN_ROLE,
    DAY,
    KEYS,
    NOBODY,
    ROLE_DELAY,
    ROLE_WINDOW,
    ROLES,
    Refused,
    World,
    artifact,
    role,
)

NAMES = {
    "registry": "AuthorizationRegistry",
    "catalog": "DataCatalog",
    "scheduler": "TaskScheduler",
    "store": "MatchResultStore",
}
EVERYWHERE = pytest.mark.parametrize("contract", CONTRACTS)
GRANTS = pytest.mark.parametrize("grants", [True, False], ids=["appoint", "dismiss"])

NEEDED = {
    "registry": {
        "admitScope": "ENROLMENT_ROLE",
        "grantBatch": "ENROLMENT_ROLE",
        "grantWave": "ENROLMENT_ROLE",
        "revokeFor": "REVOKER_ROLE",
        "revokeInWaveFor": "REVOKER_ROLE",
    },
    "catalog": {
        "register": "PROVIDER_ROLE",
        "listPurpose": "PROVIDER_ROLE",
        "publishVersion": "PROVIDER_ROLE",
        "publishMatchingKey": "PROVIDER_ROLE",
    },
    "scheduler": {"open": "REQUESTER_ROLE", "accept": "PROVIDER_ROLE", "resolve": "ARBITER_ROLE"},
    "store": {
        "recordBatch": "RECORDER_ROLE",
        "supersedeBatch": "RECORDER_ROLE",
        "reverse": "RECORDER_ROLE",
        "confirmPayouts": "PAYER_ROLE",
        "handOver": "DEFAULT_ADMIN_ROLE",
    },
}
ADMINS = ("announceRoleChange", "withdrawRoleChange", "grantRole", "revokeRole")
ROLE_OF = {(contract, name): needed for contract, own in NEEDED.items() for name, needed in own.items()} | {
    (contract, name): "DEFAULT_ADMIN_ROLE" for contract in CONTRACTS for name in ADMINS
}
"""(contract, function) -> the one role that may call it; the others belong to parties or to anybody."""


def unauthorized(world: World, who: str, role_name: str) -> tuple[object, ...]:
    return ("AccessControlUnauthorizedAccount", world.people[who].lower(), role(role_name))


def holds(world: World, contract: Contract, name: str, who: str) -> bool:
    return bool(world.ask(contract.functions.hasRole(role(name), world.people[who])))


@pytest.mark.parametrize(("contract", "name"), sorted(ROLE_OF))
def test_only_its_role_calls_a_function(world: World, contract: str, name: str) -> None:
    """A call that would succeed is refused from everybody else, in any other office or in none."""
    needed = ROLE_OF[contract, name]
    call = GOOD_CALLS[contract, name](world)
    assert call.by in ROLES[contract][needed]
    for who in KEYS:
        if who not in ROLES[contract][needed]:
            assert world.refusal(call.function, by=who) == unauthorized(world, who, needed)
    if call.at is not None:
        world.next_block_at(call.at)
    world.send(call.function, by=call.by)


# ---------------------------------------------------------------- one account, one role


@pytest.mark.parametrize(
    ("contract", "held", "second"),
    [
        (contract, held, second)
        for contract, roles in ROLES.items()
        for held in roles
        for second in (*roles, "A_ROLE_OF_ANOTHER_CONTRACT")
        if second != held
    ],
)
def test_no_account_holds_two_roles(world: World, contract: str, held: str, second: str) -> None:
    where, holder = getattr(world, contract), ROLES[contract][held][0]
    account = world.people[holder]
    world.send(where.functions.announceRoleChange(role(second), account, True), by="governor")
    world.next_block_at(world.now + ROLE_DELAY)
    appointing = where.functions.grantRole(role(second), account)
    assert world.refusal(appointing, by="governor") == (
        "AlreadyHoldsRole",
        account.lower(),
        role(held),
        role(second),
    )
    assert not holds(world, where, second, holder)
    assert holds(world, where, held, holder)


@EVERYWHERE
@pytest.mark.parametrize("leaves", ["dismissed", "renounced"])
def test_who_left_an_office_may_be_appointed_to_another(world: World, contract: str, leaves: str) -> None:
    where = getattr(world, contract)
    name, (holder, *_) = next(iter(ROLES[contract].items()))
    if leaves == "dismissed":
        world.change_role(where, name, holder, grants=False)
    else:
        world.send(where.functions.renounceRole(role(name), world.people[holder]), by=holder)
    assert not holds(world, where, name, holder)
    world.change_role(where, "ANOTHER_ROLE", holder, grants=True)
    assert holds(world, where, "ANOTHER_ROLE", holder)
    world.change_role(where, "ANOTHER_ROLE", holder, grants=False)
    world.change_role(where, name, holder, grants=True)


@EVERYWHERE
def test_renouncing_what_one_never_held_frees_nothing(world: World, contract: str) -> None:
    where = getattr(world, contract)
    name, (holder, *_) = next(iter(ROLES[contract].items()))
    renounce = where.functions.renounceRole
    world.send(renounce(role("ANOTHER_ROLE"), world.people[holder]), by=holder)
    assert world.refusal(renounce(role(name), world.people[holder]), by="stranger") == (
        "AccessControlBadConfirmation",
    )
    world.send(
        where.functions.announceRoleChange(role("ANOTHER_ROLE"), world.people[holder], True), by="governor"
    )
    world.next_block_at(world.now + ROLE_DELAY)
    appointing = where.functions.grantRole(role("ANOTHER_ROLE"), world.people[holder])
    assert world.refusal(appointing, by="governor")[0] == "AlreadyHoldsRole"


# ---------------------------------------------------------------- announced, and delayed


class Change:
    """An appointment of a stranger or a dismissal of the pauser, announced."""

    def __init__(self, world: World, contract: str, *, grants: bool) -> None:
        self.world, self.where, self.grants = world, getattr(world, contract), grants
        self.who = "stranger" if grants else "pauser"
        self.account = world.people[self.who]
        self.key = (role("PAUSER_ROLE"), self.account)
        functions = self.where.functions
        self.carry_out = (functions.grantRole if grants else functions.revokeRole)(*self.key)
        self.announcing = functions.announceRoleChange(*self.key, grants)
        self.withdrawing = functions.withdrawRoleChange(*self.key, grants)
        self.told = {"role": self.key[0], "account": self.account, "grants": grants}

    def announce(self) -> int:
        """-> the second from which it may be carried out."""
        receipt = self.world.send(self.announcing, by="governor")
        due = self.world.now + ROLE_DELAY
        event = ("RoleChangeAnnounced", self.told | {"notBefore": due})
        assert self.world.events(receipt, self.where) == [event]
        assert self.not_before() == due
        return due

    def not_before(self) -> int:
        return int(self.world.ask(self.where.functions.roleChangeNotBefore(*self.key, self.grants)))

    def refusal(self, function: Any = None) -> tuple[Any, ...]:
        return self.world.refusal(function or self.carry_out, by="governor")

    def made(self) -> bool:
        return holds(self.world, self.where, "PAUSER_ROLE", self.who) == self.grants

    def unannounced(self) -> tuple[object, ...]:
        return ("RoleChangeNotAnnounced", self.key[0], self.account.lower(), self.grants)


@EVERYWHERE
@GRANTS
def test_a_role_changes_only_after_the_announced_delay(world: World, contract: str, grants: bool) -> None:
    change = Change(world, contract, grants=grants)
    assert change.refusal() == change.unannounced()
    assert change.not_before() == 0
    due = change.announce()
    world.next_block_at(due - 1)
    key = (change.key[0], change.account.lower())
    assert change.refusal() == ("RoleChangeTooEarly", *key, due, due - 1)
    assert not change.made()
    world.send(change.carry_out, by="governor")  # the very second
    assert world.now == due
    assert change.made()
    assert change.not_before() == 0
    assert change.refusal() == change.unannounced()  # carried out once


@EVERYWHERE
@GRANTS
@pytest.mark.parametrize("late", [0, 1])
def test_an_announcement_that_nobody_carried_out_is_stale(
    world: World, contract: str, grants: bool, late: int
) -> None:
    change = Change(world, contract, grants=grants)
    last = change.announce() + ROLE_WINDOW
    world.next_block_at(last + late)
    if not late:
        world.send(change.carry_out, by="governor")
        assert change.made()
        return
    stale = ("RoleChangeStale", change.key[0], change.account.lower(), last, last + 1)
    assert change.refusal() == stale
    assert not change.made()
    world.next_block_at(change.announce())
    world.send(change.carry_out, by="governor")
    assert change.made()


@EVERYWHERE
@GRANTS
def test_a_withdrawn_announcement_changes_no_role(world: World, contract: str, grants: bool) -> None:
    change = Change(world, contract, grants=grants)
    assert change.refusal(change.withdrawing) == change.unannounced()
    due = change.announce()
    receipt = world.send(change.withdrawing, by="governor")
    assert world.events(receipt, change.where) == [("RoleChangeWithdrawn", change.told)]
    assert change.not_before() == 0
    world.next_block_at(due + DAY)
    assert change.refusal() == change.unannounced()
    assert not change.made()


@EVERYWHERE
@GRANTS
def test_announcing_again_restarts_the_delay(world: World, contract: str, grants: bool) -> None:
    change = Change(world, contract, grants=grants)
    first = change.announce()
    world.next_block_at(first - 10)
    second = change.announce()
    world.next_block_at(second - 1)
    assert change.refusal()[0] == "RoleChangeTooEarly"
    world.send(change.carry_out, by="governor")
    assert change.made()


@EVERYWHERE
@GRANTS
def test_a_change_that_changes_nothing_is_not_announced(world: World, contract: str, grants: bool) -> None:
    functions = getattr(world, contract).functions
    account = world.people["pauser" if grants else "stranger"]
    needless = functions.announceRoleChange(role("PAUSER_ROLE"), account, grants)
    assert world.refusal(needless, by="governor") == (
        "RoleChangeNeedless",
        role("PAUSER_ROLE"),
        account.lower(),
        grants,
    )
    nobody = functions.announceRoleChange(role("PAUSER_ROLE"), NOBODY, grants)
    assert world.refusal(nobody, by="governor") == ("ZeroAccount", role("PAUSER_ROLE"))


@EVERYWHERE
def test_an_announcement_is_of_one_role_one_account_and_one_direction(world: World, contract: str) -> None:
    change = Change(world, contract, grants=True)
    world.next_block_at(change.announce())
    functions, (id_, account) = change.where.functions, change.key
    for other in (
        functions.revokeRole(id_, account),
        functions.grantRole(role("ANOTHER_ROLE"), account),
        functions.grantRole(id_, world.people["insured"]),
        functions.grantRole(id_, world.people["pauser"]),
    ):
        assert world.refusal(other, by="governor")[0] == "RoleChangeNotAnnounced"
    world.send(change.carry_out, by="governor")


# ---------------------------------------------------------------- the first block


@EVERYWHERE
def test_the_deployer_never_holds_anything(world: World, contract: str) -> None:
    where, people = getattr(world, contract), world.people
    for name, held in ROLES[contract].items():
        assert {who for who in KEYS if holds(world, where, name, who)} == set(held)
    announcing = where.functions.announceRoleChange(ADMIN_ROLE, people["deployer"], True)
    assert world.refusal(announcing, by="deployer") == unauthorized(world, "deployer", "DEFAULT_ADMIN_ROLE")


def deploying(world: World, contract: str, holders: list[tuple[bytes, str]]) -> Contract:
    more = {
        "scheduler": (world.catalog.address,),
        "store": (world.registry.address, world.scheduler.address, NOBODY),
    }
    return world.deploy(NAMES[contract], holders, *more.get(contract, ()))


def refused_deployment(world: World, contract: str, holders: list[tuple[bytes, str]]) -> tuple[Any, ...]:
    with pytest.raises(Refused) as refused:
        deploying(world, contract, holders)
    return refused.value.args


@EVERYWHERE
def test_no_contract_is_deployed_without_an_admin(world: World, contract: str) -> None:
    holders = world.holders(contract)
    others = [(id_, account) for id_, account in holders if id_ != ADMIN_ROLE]
    assert refused_deployment(world, contract, others) == ("NoAdmin",)
    assert refused_deployment(world, contract, []) == ("NoAdmin",)
    deploying(world, contract, [(ADMIN_ROLE, world.people["governor"])])


@EVERYWHERE
def test_the_last_admin_stays(world: World, contract: str) -> None:
    """Without one nothing paused goes on, and nobody is ever appointed again."""
    where, governor = getattr(world, contract), world.people["governor"]
    renouncing = where.functions.renounceRole(ADMIN_ROLE, governor)
    assert world.refusal(renouncing, by="governor") == ("NoAdmin",)
    world.send(where.functions.announceRoleChange(ADMIN_ROLE, governor, False), by="governor")
    world.next_block_at(world.now + ROLE_DELAY)
    dismissing = where.functions.revokeRole(ADMIN_ROLE, governor)
    assert world.refusal(dismissing, by="governor") == ("NoAdmin",)
    assert holds(world, where, "DEFAULT_ADMIN_ROLE", "governor")
    world.change_role(where, "DEFAULT_ADMIN_ROLE", "deployer", grants=True)
    world.send(renouncing, by="governor")
    assert not holds(world, where, "DEFAULT_ADMIN_ROLE", "governor")
    leaving = where.functions.renounceRole(ADMIN_ROLE, world.people["deployer"])
    assert world.refusal(leaving, by="deployer") == ("NoAdmin",)


@EVERYWHERE
def test_nobody_is_appointed_to_two_offices_or_to_none_in_the_first_block(
    world: World, contract: str
) -> None:
    holders, governor = world.holders(contract), world.people["governor"]
    id_ = holders[0][0]
    two = [*holders, (role("PAUSER_ROLE"), governor)]
    assert refused_deployment(world, contract, two) == (
        "AlreadyHoldsRole",
        governor.lower(),
        ADMIN_ROLE,
        role("PAUSER_ROLE"),
    )
    assert refused_deployment(world, contract, [*holders, (id_, NOBODY)]) == ("ZeroAccount", id_)
    assert refused_deployment(world, contract, [(ADMIN_ROLE, NOBODY)]) == ("ZeroAccount", ADMIN_ROLE)


def test_no_contract_is_deployed_on_an_address_without_code(world: World) -> None:
    person = world.people["stranger"]
    good = (world.registry.address, world.scheduler.address, NOBODY)
    bad: list[tuple[str, tuple[str, ...]]] = [("scheduler", (person,))]
    bad += [("store", (*good[:i], person, *good[i + 1 :])) for i in range(3)]
    bad += [("scheduler", (NOBODY,)), ("store", (NOBODY, *good[1:])), ("store", (good[0], NOBODY, NOBODY))]
    for contract, arguments in bad:
        with pytest.raises(Refused) as refused:
            world.deploy(NAMES[contract], world.holders(contract), *arguments)
        assert refused.value.args[0] == "NotAContract"
        assert refused.value.args[1] in (person.lower(), NOBODY)


@pytest.mark.parametrize("name", NAMES.values())
def test_every_contract_fits_the_code_size_limit(name: str) -> None:
    assert len(artifact(name)["deployedBytecode"]) // 2 - 1 <= 24_576
