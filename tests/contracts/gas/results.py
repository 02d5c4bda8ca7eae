"""Results, payouts and checkpoints."""

import hashlib
from collections.abc import Sequence

from web3.contract.contract import ContractFunction

from engine.chain.eip712 import Grant, LogHead, checkpoint_typed_data, sign
from tests.contracts.gas.case import (
    BATCH,
    CONFIRMED,
    MATERIALIZED_AND_RECORDED,
    RECORDED,
    RECORDED_ALONE,
    case,
    spent,
)
from tests.contracts.gas.consent import materialized
from tests.contracts.world import KEYS, World


@case(RECORDED, items=BATCH)
def _(world: World) -> int:
    return _record(world, [world.granted() for _ in range(BATCH)])[1]


@case(RECORDED_ALONE)
def _(world: World) -> int:
    return _record(world, [world.granted()])[1]


@case(MATERIALIZED_AND_RECORDED, items=BATCH)
def _(world: World) -> int:
    """Two transactions."""
    grants, spent = materialized(world)
    return spent + _record(world, grants)[1]


@case("MatchResultStore.confirmPayouts, of one")
def _(world: World) -> int:
    claim_key, _, _ = world.recorded_claim()
    return spent(world, _confirm(world, [claim_key]), "payer")


@case(CONFIRMED, items=BATCH)
def _(world: World) -> int:
    claim_keys, _ = _record(world, [world.granted() for _ in range(BATCH)])
    return spent(world, _confirm(world, claim_keys), "payer")


@case("MatchResultStore.supersedeBatch, of one that is paid")
def _(world: World) -> int:
    claim_key, task, grant = world.recorded_claim()
    world.send(_confirm(world, [claim_key]), by="payer")
    topped_up = world.result_for(grant, claim_key=claim_key)
    return spent(world, world.store.functions.supersedeBatch(task, [topped_up]), "recorder")


@case("MatchResultStore.reverse, an unpaid one")
def _(world: World) -> int:
    claim_key, _, _ = world.recorded_claim()
    return spent(world, world.store.functions.reverse(claim_key, 1, world.fresh()), "recorder")


@case("MatchResultStore.handOver")
def _(world: World) -> int:
    successor = world.deploy_successor(world.store)
    return spent(world, world.store.functions.handOver(successor.address), "governor")


@case("MatchResultStore.recordCheckpoint, a day's growth of a log of a million")
def _(world: World) -> int:
    """From 2**20 entries to 2**20 + 2**14: a whole subtree before, one proof node after."""
    before, day = LogHead(2**20, world.fresh()), world.fresh()
    after = LogHead(2**20 + 2**14, hashlib.sha256(b"\x01" + before.root + day).digest())
    world.send(_checkpoint(world, before, LogHead(0, bytes(32)), []), by="stranger")
    return spent(world, _checkpoint(world, after, before, [day]))


def _checkpoint(world: World, head: LogHead, last: LogHead, proof: list[bytes]) -> ContractFunction:
    chain_id, store = world.w3.eth.chain_id, world.store.address
    document = checkpoint_typed_data(head, last, chain_id=chain_id, store=store)
    signed = [(KEYS[who].address, sign(document, KEYS[who])) for who in ("engine_witness", "hospital")]
    return world.store.functions.recordCheckpoint(head.size, head.root, proof, signed)


def _confirm(world: World, claim_keys: Sequence[bytes]) -> ContractFunction:
    return world.store.functions.confirmPayouts([(key, 1, world.fresh()) for key in claim_keys])


def _record(world: World, grants: Sequence[Grant]) -> tuple[list[bytes], int]:
    """-> (claim keys, gas of the one transaction that records a result for each grant)."""
    task = world.running_task()
    results = [world.result_for(grant) for grant in grants]
    return [result[0] for result in results], int(world.record(task, *results)["gasUsed"])
