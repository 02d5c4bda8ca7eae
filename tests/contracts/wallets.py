"""The smallest contract wallet (EIP-1271), compiled once a run."""

from functools import cache
from typing import Any

from web3.contract import Contract

from engine.chain.compile import compile_sources
from tests.contracts.world import World


@cache
def _compiled() -> dict[str, Any]:
    return compile_sources(["contracts/test/OneKeyWallet.sol"])["OneKeyWallet"]


def wallet_of(world: World, owner: str) -> Contract:
    """A contract wallet that one person's key signs for."""
    return world.deploy("OneKeyWallet", world.people[owner], compiled=_compiled())
