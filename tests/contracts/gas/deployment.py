"""Deployment, and what every contract has of `SeparateRoles`: measured on the registry."""

from collections.abc import Callable

from hexbytes import HexBytes
from web3.contract.contract import ContractFunction

from tests.contracts.gas.case import CASES, DEPLOYED, case, spent
from tests.contracts.world import World, role


def _deployment(name: str) -> Callable[[World], int]:
    def gas(world: World) -> int:
        address = getattr(world, name).address
        blocks = range(1, world.w3.eth.block_number + 1)
        receipts = (world.w3.eth.get_transaction_receipt(_only_transaction(world, n)) for n in blocks)
        return next(int(receipt["gasUsed"]) for receipt in receipts if receipt["contractAddress"] == address)

    return gas


def _only_transaction(world: World, block: int) -> HexBytes:
    (transaction,) = world.w3.eth.get_block(block)["transactions"]
    return HexBytes(transaction)  # type: ignore[arg-type]


_DEPLOYMENTS = {
    "AuthorizationRegistry deployed": _deployment("registry"),
    "DataCatalog deployed": _deployment("catalog"),
    "TaskScheduler deployed": _deployment("scheduler"),
    "MatchResultStore deployed": _deployment("store"),
}
CASES.update(_DEPLOYMENTS)


@case(DEPLOYED)
def _(world: World) -> int:
    return sum(deployment(world) for deployment in _DEPLOYMENTS.values())


@case("SeparateRoles.announceRoleChange")
def _(world: World) -> int:
    return spent(world, _role_change(world, "announceRoleChange", "stranger", True), "governor")


@case("SeparateRoles.withdrawRoleChange")
def _(world: World) -> int:
    world.send(_role_change(world, "announceRoleChange", "stranger", True), by="governor")
    return spent(world, _role_change(world, "withdrawRoleChange", "stranger", True), "governor")


@case("SeparateRoles.grantRole")
def _(world: World) -> int:
    return int(world.change_role(world.registry, "ENROLMENT_ROLE", "stranger", grants=True)["gasUsed"])


@case("SeparateRoles.revokeRole")
def _(world: World) -> int:
    return int(world.change_role(world.registry, "ENROLMENT_ROLE", "enrolment", grants=False)["gasUsed"])


@case("SeparateRoles.renounceRole")
def _(world: World) -> int:
    return spent(world, _role_change(world, "renounceRole", "enrolment"), "enrolment")


@case("SeparateRoles.pause")
def _(world: World) -> int:
    return spent(world, world.registry.functions.pause(), "pauser")


@case("SeparateRoles.unpause")
def _(world: World) -> int:
    world.send(world.registry.functions.pause(), by="pauser")
    return spent(world, world.registry.functions.unpause(), "governor")


def _role_change(world: World, function: str, who: str, *grants: bool) -> ContractFunction:
    change: ContractFunction = world.registry.functions[function](
        role("ENROLMENT_ROLE"), world.people[who], *grants
    )
    return change
