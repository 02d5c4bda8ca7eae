"""What the tests of checkpoints share: one log, its heads, and recording them signed."""

from typing import Any

from web3.contract import Contract

from engine.chain.eip712 import LogHead, checkpoint_typed_data, sign
from tests.contracts.transparency import consistency, head
from tests.contracts.world import KEYS, World

EMPTY = LogHead(0, bytes(32))
LOG = [f"entry {i}".encode() for i in range(40)]
HEADS = [EMPTY, *(LogHead(n, head(LOG[:n])) for n in range(1, len(LOG) + 1))]
WITNESSES = ("engine_witness", "hospital", "auditor")


def signed(
    world: World, new: LogHead, last: LogHead, *by: str, store: Contract | None = None
) -> list[tuple[str, bytes]]:
    address = (store or world.store).address
    document = checkpoint_typed_data(new, last, chain_id=world.w3.eth.chain_id, store=address)
    return [(world.people[who], sign(document, KEYS[who])) for who in by]


def recording(
    world: World,
    new: int,
    last: int,
    *by: str,
    proof: list[bytes] | None = None,
    signatures: list[tuple[str, bytes]] | None = None,
) -> Any:
    """`recordCheckpoint` of the log's first `new` entries after its first `last` ones, honest unless told."""
    path = (consistency(last, LOG[:new]) if last else []) if proof is None else proof
    cosigned = signed(world, HEADS[new], HEADS[last], *by) if signatures is None else signatures
    return world.store.functions.recordCheckpoint(new, HEADS[new].root, path, cosigned)
