"""What the contracts cost: every state-changing function in its typical case.

`measure()` gives what -> gas. Each case starts from the same deployed world with the same keys, times and
random values, so its figure is the same on every machine and moves with no other case. The share of an item
is rounded up.
"""

from collections.abc import Callable, Sequence

from eth_account import Account
from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from engine.chain.eip712 import Grant, grant_typed_data, sign, wave_leaf
from tests.contracts.world import DAY, GAS_LIMIT, YEAR, World, role

BATCH = 100
FAMILIES = 50
WAVE = 1_000_000
WAVE_DEPTH = 20
"""Nodes in the proof of a leaf of such a wave: 2**19 < WAVE <= 2**20."""

RECORDED = f"MatchResultStore.recordBatch, an item of {BATCH}"
RECORDED_ALONE = "MatchResultStore.recordBatch, of one"
CONFIRMED = f"MatchResultStore.confirmPayouts, an item of {BATCH}"
MATERIALIZED_AND_RECORDED = f"out of a wave of a million and recorded, an item of {BATCH}"
RECORDED_AND_CONFIRMED = f"recorded and its payout confirmed, an item of {BATCH}"
REVOKED = "AuthorizationRegistry.revoke"
DEPLOYED = "all four deployed"
TARGETS = {RECORDED: 30_000, MATERIALIZED_AND_RECORDED: 70_000, DEPLOYED: 10_000_000}

_CASES: dict[str, Callable[[World], int]] = {}


def measure() -> dict[str, int]:
    """Every figure, in the order of the cases."""
    world = World()
    figures: dict[str, int] = {}
    for what, case in _CASES.items():
        with world.undone():
            figures[what] = case(world)
    figures[RECORDED_AND_CONFIRMED] = figures[RECORDED] + figures[CONFIRMED]
    return figures


def _case(what: str, *, items: int = 1) -> Callable[[Callable[[World], int]], Callable[[World], int]]:
    """Enters a function that prepares, and gives the gas of what is then done for `items`."""

    def enter(case: Callable[[World], int]) -> Callable[[World], int]:
        _CASES[what] = lambda world: -(-case(world) // items)
        return case

    return enter


def _spent(world: World, function: ContractFunction, by: str = "stranger") -> int:
    return int(world.send(function, by=by, gas=GAS_LIMIT - 1)["gasUsed"])


# ------------------------------------------------------------------------------- deployment and roles


def _deployment(name: str) -> Callable[[World], int]:
    def spent(world: World) -> int:
        address = getattr(world, name).address
        blocks = range(1, world.w3.eth.block_number + 1)
        receipts = (world.w3.eth.get_transaction_receipt(_only_transaction(world, n)) for n in blocks)
        return next(int(receipt["gasUsed"]) for receipt in receipts if receipt["contractAddress"] == address)

    return spent


def _only_transaction(world: World, block: int) -> bytes:
    (transaction,) = world.w3.eth.get_block(block)["transactions"]
    return bytes(transaction)  # type: ignore[arg-type]


_DEPLOYMENTS = {
    "AuthorizationRegistry deployed": _deployment("registry"),
    "DataCatalog deployed": _deployment("catalog"),
    "TaskScheduler deployed": _deployment("scheduler"),
    "MatchResultStore deployed": _deployment("store"),
}
_CASES.update(_DEPLOYMENTS)


@_case(DEPLOYED)
def _(world: World) -> int:
    return sum(deployment(world) for deployment in _DEPLOYMENTS.values())


@_case("SeparateRoles.grantRole")
def _(world: World) -> int:
    appoint = world.registry.functions.grantRole(role("ENROLMENT_ROLE"), world.people["stranger"])
    return _spent(world, appoint, "governor")


@_case("SeparateRoles.revokeRole")
def _(world: World) -> int:
    dismiss = world.registry.functions.revokeRole(role("ENROLMENT_ROLE"), world.people["enrolment"])
    return _spent(world, dismiss, "governor")


@_case("SeparateRoles.renounceRole")
def _(world: World) -> int:
    leave = world.registry.functions.renounceRole(role("ENROLMENT_ROLE"), world.people["enrolment"])
    return _spent(world, leave, "enrolment")


# --------------------------------------------------------------------------------------------- consent


@_case("AuthorizationRegistry.grant, the insured's first")
def _(world: World) -> int:
    return _spent(world, world.registry.functions.grant(*world.signed_grant(world.new_grant())))


@_case("AuthorizationRegistry.grant, a later one")
def _(world: World) -> int:
    world.granted()
    return _spent(world, world.registry.functions.grant(*world.signed_grant(world.new_grant())))


@_case(f"AuthorizationRegistry.grantBatch, an item of {FAMILIES}", items=FAMILIES)
def _(world: World) -> int:
    """Each by a person who has never signed before."""
    deadline = world.now + DAY
    wallets = [Account.from_key(keccak(text=f"insured {number}")) for number in range(FAMILIES)]
    grants = [world.new_grant(insured=wallet.address) for wallet in wallets]
    signatures = [
        sign(grant_typed_data(grant, nonce=0, deadline=deadline, **world.domain), wallet)
        for grant, wallet in zip(grants, wallets, strict=True)
    ]
    batch = world.registry.functions.grantBatch([grant.as_tuple() for grant in grants], deadline, signatures)
    return _spent(world, batch, "enrolment")


@_case("AuthorizationRegistry.grantWave, of a million")
def _(world: World) -> int:
    return _spent(world, _grant_wave(world, world.fresh()), "enrolment")


@_case("AuthorizationRegistry.materialize, out of a million")
def _(world: World) -> int:
    return sum(_materialized(world, 1)[1])


@_case(REVOKED)
def _(world: World) -> int:
    signed = world.signed_revocation(world.granted().id)
    return _spent(world, world.registry.functions.revoke(*signed))


@_case("AuthorizationRegistry.revokeFor")
def _(world: World) -> int:
    return _spent(world, world.registry.functions.revokeFor(world.granted().id), "revoker")


@_case("AuthorizationRegistry.revokeUnmaterialized, out of a million")
def _(world: World) -> int:
    leaf = world.new_grant()
    root, (proof,) = _wave_of(world, [leaf])
    world.send(_grant_wave(world, root), by="enrolment")
    _, deadline, signature = world.signed_revocation(leaf.id)
    revoke = world.registry.functions.revokeUnmaterialized(root, leaf.as_tuple(), proof, deadline, signature)
    return _spent(world, revoke)


def _grant_wave(world: World, root: bytes) -> ContractFunction:
    return world.registry.functions.grantWave(
        root, WAVE, role("purpose"), world.now + 2 * YEAR, world.fresh()
    )


def _materialized(world: World, count: int) -> tuple[list[Grant], list[int]]:
    """-> (authorizations out of one wave of a million, what each of them cost)."""
    leaves = [world.new_grant() for _ in range(count)]
    root, proofs = _wave_of(world, leaves)
    world.send(_grant_wave(world, root), by="enrolment")
    materialize = world.registry.functions.materialize
    return leaves, [
        _spent(world, materialize(root, leaf.as_tuple(), proof))
        for leaf, proof in zip(leaves, proofs, strict=True)
    ]


def _wave_of(world: World, leaves: Sequence[Grant]) -> tuple[bytes, list[list[bytes]]]:
    """-> (root, a proof a leaf) of a wave of a million with these leaves spread evenly over it.

    A subtree without a leaf of ours is stood for by a random node: the contract cannot tell it from the hash
    of leaves that are not built here, and it costs the same.
    """
    places = [number * WAVE // len(leaves) for number in range(len(leaves))]
    proofs: list[list[bytes]] = [[] for _ in leaves]
    level = dict(zip(places, map(wave_leaf, leaves), strict=True))
    for height in range(WAVE_DEPTH):
        level |= {place ^ 1: world.fresh() for place in level if place ^ 1 not in level}
        for place, proof in zip(places, proofs, strict=True):
            proof.append(level[place >> height ^ 1])
        level = {
            place >> 1: keccak(b"".join(sorted((level[place], level[place ^ 1]))))
            for place in level
            if place % 2 == 0
        }
    return level[0], proofs


# --------------------------------------------------------------------------------- catalogue and tasks


@_case("DataCatalog.register, for one purpose")
def _(world: World) -> int:
    register = world.catalog.functions.register(world.fresh(), world.fresh(), 4, [role("purpose")])
    return _spent(world, register, "provider")


@_case("DataCatalog.publishVersion, the first")
def _(world: World) -> int:
    publish = world.catalog.functions.publishVersion
    return _spent(world, publish(world.registered_dataset(), world.fresh(), world.fresh()), "provider")


@_case("DataCatalog.publishVersion, a later one")
def _(world: World) -> int:
    dataset, publish = world.registered_dataset(), world.catalog.functions.publishVersion
    world.send(publish(dataset, world.fresh(), world.fresh()), by="provider")
    return _spent(world, publish(dataset, world.fresh(), world.fresh()), "provider")


@_case("DataCatalog.retire")
def _(world: World) -> int:
    return _spent(world, world.catalog.functions.retire(world.registered_dataset()), "provider")


@_case("TaskScheduler.open")
def _(world: World) -> int:
    dataset, purpose = world.registered_dataset(), role("purpose")
    opened = world.scheduler.functions.open(world.fresh(), dataset, purpose, world.fresh(), world.now + YEAR)
    return _spent(world, opened, "requester")


@_case("TaskScheduler.accept")
def _(world: World) -> int:
    return _spent(world, world.scheduler.functions.accept(world.opened_task()), "provider")


@_case("TaskScheduler.start")
def _(world: World) -> int:
    task = world.opened_task()
    world.send(world.scheduler.functions.accept(task), by="provider")
    return _spent(world, world.scheduler.functions.start(task), "provider")


@_case("TaskScheduler.heartbeat")
def _(world: World) -> int:
    return _spent(world, world.scheduler.functions.heartbeat(world.running_task()), "provider")


@_case("TaskScheduler.fail, to be tried again")
def _(world: World) -> int:
    return _spent(world, world.scheduler.functions.fail(world.running_task(), world.fresh()), "provider")


@_case("TaskScheduler.cancel")
def _(world: World) -> int:
    return _spent(world, world.scheduler.functions.cancel(world.opened_task()), "requester")


@_case("TaskScheduler.expire")
def _(world: World) -> int:
    task = world.opened_task(deadline=world.now + DAY)
    world.next_block_at(world.now + DAY)
    return _spent(world, world.scheduler.functions.expire(task))


@_case("TaskScheduler.commitResult, the first side")
def _(world: World) -> int:
    commit = world.scheduler.functions.commitResult
    return _spent(world, commit(world.running_task(), world.fresh()), "provider")


@_case("TaskScheduler.commitResult, the second side")
def _(world: World) -> int:
    commit = world.scheduler.functions.commitResult(world.running_task(), world.fresh())
    world.send(commit, by="provider")
    return _spent(world, commit, "requester")


# --------------------------------------------------------------------------------------------- results


@_case(RECORDED, items=BATCH)
def _(world: World) -> int:
    return _record(world, [world.granted() for _ in range(BATCH)])[1]


@_case(RECORDED_ALONE)
def _(world: World) -> int:
    return _record(world, [world.granted()])[1]


@_case(MATERIALIZED_AND_RECORDED, items=BATCH)
def _(world: World) -> int:
    grants, spent = _materialized(world, BATCH)
    return sum(spent) + _record(world, grants)[1]


@_case("MatchResultStore.confirmPayout")
def _(world: World) -> int:
    claim_key, _, _ = world.recorded_claim()
    return _spent(world, world.store.functions.confirmPayout(claim_key, 1, world.fresh()), "payer")


@_case(CONFIRMED, items=BATCH)
def _(world: World) -> int:
    claim_keys, _ = _record(world, [world.granted() for _ in range(BATCH)])
    digests = [world.fresh() for _ in claim_keys]
    return _spent(world, world.store.functions.confirmPayouts(claim_keys, [1] * BATCH, digests), "payer")


@_case("MatchResultStore.supersede, a paid one")
def _(world: World) -> int:
    claim_key, task, grant = world.recorded_claim()
    world.send(world.store.functions.confirmPayout(claim_key, 1, world.fresh()), by="payer")
    topped_up = world.result_for(grant, claim_key=claim_key)
    return _spent(world, world.store.functions.supersede(task, topped_up), "recorder")


@_case("MatchResultStore.reverse, an unpaid one")
def _(world: World) -> int:
    claim_key, _, _ = world.recorded_claim()
    return _spent(world, world.store.functions.reverse(claim_key, world.fresh()), "recorder")


@_case("MatchResultStore.handOver")
def _(world: World) -> int:
    successor = world.deploy_store(world.store.address).address
    return _spent(world, world.store.functions.handOver(successor), "governor")


def _record(world: World, grants: Sequence[Grant]) -> tuple[list[bytes], int]:
    """-> (claim keys, gas of the one transaction that records a result for each grant)."""
    task = world.running_task()
    results = [world.result_for(grant) for grant in grants]
    return [result[0] for result in results], int(world.record(task, *results)["gasUsed"])
