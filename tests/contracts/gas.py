"""What the contracts cost: `python -m tests.contracts.gas` prints one table.

`measure()` gives the same as data: what -> gas.
"""

import sys

from web3.types import TxReceipt

from engine.chain.eip712 import MerkleTree, wave_leaf
from tests.contracts.world import GAS_LIMIT, YEAR, World, role

BATCH = 100
WAVE = 1024


def measure() -> dict[str, int]:
    """Every figure on a fresh chain. An item's is its share of a transaction of 100 distinct items."""
    world = World()
    figures: dict[str, int] = {}
    _measure_deployment(world, figures)
    _measure_consent(world, figures)
    _measure_results(world, figures)
    return figures


def _gas(receipt: TxReceipt) -> int:
    return int(receipt["gasUsed"])


def _measure_deployment(world: World, figures: dict[str, int]) -> None:
    first = world.w3.eth.get_block(1)
    assert first["transactions"]
    for number in range(1, 5):
        transaction = world.w3.eth.get_block(number)["transactions"][0]
        receipt = world.w3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
        name = ("AuthorizationRegistry", "DataCatalog", "TaskScheduler", "MatchResultStore")[number - 1]
        figures[f"deploy {name}"] = _gas(receipt)


def _measure_consent(world: World, figures: dict[str, int]) -> None:
    registry = world.registry.functions
    first = world.signed_grant(world.new_grant())
    figures["grant, the insured's first"] = _gas(world.send(registry.grant(*first), by="stranger"))
    second = world.signed_grant(world.new_grant())
    figures["grant, a later one"] = _gas(world.send(registry.grant(*second), by="stranger"))
    figures["revoke"] = _gas(
        world.send(registry.revoke(*world.signed_revocation(first[0][0])), by="stranger")
    )
    deadline, nonce = world.now + YEAR, world.nonce("insured")
    signed = [world.signed_grant(world.new_grant(), nonce=nonce + i, deadline=deadline) for i in range(BATCH)]
    receipt = world.send(
        registry.grantBatch([s[0] for s in signed], deadline, [s[2] for s in signed]),
        by="enrolment",
        gas=GAS_LIMIT - 1,
    )
    figures[f"grantBatch, an item of {BATCH}"] = _gas(receipt) // BATCH
    leaves = [world.new_grant() for _ in range(WAVE)]
    tree = MerkleTree.of([wave_leaf(leaf) for leaf in leaves])
    wave = registry.grantWave(tree.root, WAVE, role("purpose"), world.now + 2 * YEAR, world.fresh())
    figures[f"grantWave, all of {WAVE}"] = _gas(world.send(wave, by="enrolment"))
    for leaf in leaves[:2]:  # the second finds the wave's counter written
        figures[f"materialize out of {WAVE}"] = _gas(
            world.send(
                registry.materialize(tree.root, leaf.as_tuple(), tree.proof(wave_leaf(leaf))), by="stranger"
            )
        )


def _measure_results(world: World, figures: dict[str, int]) -> None:
    task = world.running_task()
    results = [world.result_for(world.granted()) for _ in range(BATCH)]
    figures[f"recordBatch, an item of {BATCH}"] = _gas(world.record(task, *results)) // BATCH
    single = world.result_for(world.granted())
    figures["recordBatch of one"] = _gas(world.record(task, single))
    keys = [result[0] for result in results]
    receipt = world.send(
        world.store.functions.confirmPayouts(keys, [1] * BATCH, [world.fresh() for _ in keys]),
        by="payer",
        gas=GAS_LIMIT - 1,
    )
    figures[f"confirmPayouts, an item of {BATCH}"] = _gas(receipt) // BATCH
    topped_up = world.result_for(world.granted(), claim_key=keys[0])
    figures["supersede"] = _gas(world.send(world.store.functions.supersede(task, topped_up), by="recorder"))
    figures["reverse"] = _gas(
        world.send(world.store.functions.reverse(keys[0], world.fresh()), by="recorder")
    )


def main() -> None:
    for what, gas in measure().items():
        sys.stdout.write(f"{what:<36}{gas:>12,}\n")


if __name__ == "__main__":
    main()
