"""The table of cases, and what they share."""

from collections.abc import Callable

from web3.contract.contract import ContractFunction

from tests.contracts.world import GAS_LIMIT, World

BATCH = 100
WAVE = 1_000_000

RECORDED = f"MatchResultStore.recordBatch, an item of {BATCH}"
RECORDED_ALONE = "MatchResultStore.recordBatch, of one"
CONFIRMED = f"MatchResultStore.confirmPayouts, an item of {BATCH}"
MATERIALIZED_AND_RECORDED = f"materialized out of a million and recorded, an item of {BATCH}"
RECORDED_AND_CONFIRMED = f"recorded and its payout confirmed, an item of {BATCH}"
REVOKED = "AuthorizationRegistry.revoke"
DEPLOYED = "all four deployed"
TARGETS = {RECORDED: 30_000, MATERIALIZED_AND_RECORDED: 70_000, DEPLOYED: 10_000_000}

Case = Callable[[World], int]
"""Prepares what it needs in the world, and gives the gas of the rest."""

CASES: dict[str, Case] = {}


def case(what: str, *, items: int = 1) -> Callable[[Case], Case]:
    """Enters a case into the table, for the share of each of `items`, rounded up."""

    def enter(act: Case) -> Case:
        CASES[what] = lambda world: -(-act(world) // items)
        return act

    return enter


def spent(world: World, function: ContractFunction, by: str = "stranger") -> int:
    """The gas of one transaction. Raises Refused."""
    return int(world.send(function, by=by, gas=GAS_LIMIT - 1)["gasUsed"])
