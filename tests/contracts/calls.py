"""One good call of every function that changes anything, of all four contracts.

Whoever adds a function has to add it here: test_pauses.py holds the table against the ABIs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from web3.contract import Contract
from web3.contract.contract import ContractFunction

from tests.contracts.checkpoints import recording
from tests.contracts.consent import Wave
from tests.contracts.results import confirming, superseding
from tests.contracts.tasks import LEASE, PURPOSE, accepted, disputed, opening
from tests.contracts.world import DAY, ROLE_DELAY, ROLES, World, role


@dataclass(frozen=True)
class Call:
    function: ContractFunction
    by: str
    at: int | None = None  # the second at which it is due, where it is not due at once


Prepare = Callable[[World], Call]
CONTRACTS = tuple(ROLES)
STRANGER = "stranger"


def nonview(contract: Contract) -> set[str]:
    return {
        entry["name"]
        for entry in contract.abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }


def _grant(world: World) -> Call:
    return Call(world.registry.functions.grant(*world.signed_grant(world.new_grant())), STRANGER)


def _grant_batch(world: World) -> Call:
    message, deadline, signature = world.signed_grant(world.new_grant())
    return Call(world.registry.functions.grantBatch([message], deadline, [signature]), "enrolment")


def _grant_wave(world: World) -> Call:
    arguments = (world.fresh(), 5, PURPOSE, world.now + DAY, world.fresh())
    return Call(world.registry.functions.grantWave(*arguments), "enrolment")


def _materialize(world: World) -> Call:
    wave = Wave(world)
    return Call(wave.materializing(world, wave.leaves[0]), STRANGER)


def _materialize_batch(world: World) -> Call:
    wave = Wave(world)
    return Call(wave.together(world, wave.leaves[:2]), STRANGER)


def _renew(world: World) -> Call:
    grant = world.granted()
    return Call(world.registry.functions.renew(*world.signed_renewal(grant, grant.expires + 1)), STRANGER)


def _revoke(world: World) -> Call:
    return Call(world.registry.functions.revoke(*world.signed_revocation(world.granted())), STRANGER)


def _revoke_in_wave(world: World) -> Call:
    wave = Wave(world)
    return Call(wave.revoking(world, wave.leaves[0]), STRANGER)


def _revoke_in_wave_for(world: World) -> Call:
    wave = Wave(world)
    return Call(world.registry.functions.revokeInWaveFor(*wave.proven(wave.leaves[0])), "revoker")


REGISTRY: dict[str, Prepare] = {
    "admitScope": lambda w: Call(w.registry.functions.admitScope(w.fresh()), "enrolment"),
    "grant": _grant,
    "grantBatch": _grant_batch,
    "grantWave": _grant_wave,
    "materialize": _materialize,
    "materializeBatch": _materialize_batch,
    "renew": _renew,
    "revoke": _revoke,
    "revokeFor": lambda w: Call(w.registry.functions.revokeFor(w.granted().id), "revoker"),
    "revokeInWave": _revoke_in_wave,
    "revokeInWaveFor": _revoke_in_wave_for,
}


def _withdraw_key(world: World) -> Call:
    dataset = world.registered_dataset()
    world.send(world.catalog.functions.publishMatchingKey(dataset, 1, PURPOSE), by="provider")
    return Call(world.catalog.functions.withdrawMatchingKey(dataset, 1), "provider")


def _of_a_dataset(name: str, *arguments: object) -> Prepare:
    def prepare(world: World) -> Call:
        return Call(world.catalog.functions[name](world.registered_dataset(), *arguments), "provider")

    return prepare


CATALOG: dict[str, Prepare] = {
    "register": lambda w: Call(w.catalog.functions.register(w.fresh(), 1, [PURPOSE]), "provider"),
    "listPurpose": _of_a_dataset("listPurpose", role("another purpose")),
    "delistPurpose": _of_a_dataset("delistPurpose", PURPOSE),
    "publishVersion": _of_a_dataset("publishVersion", PURPOSE, PURPOSE),
    "publishMatchingKey": _of_a_dataset("publishMatchingKey", 1, PURPOSE),
    "withdrawMatchingKey": _withdraw_key,
    "retire": _of_a_dataset("retire"),
}


def _of_a_task(name: str, by: str, into: Callable[[World], bytes], *arguments: object) -> Prepare:
    def prepare(world: World) -> Call:
        return Call(world.scheduler.functions[name](into(world), *arguments), by)

    return prepare


def _lapse(world: World) -> Call:
    task = world.running_task()
    return Call(world.scheduler.functions.lapse(task), STRANGER, at=world.now + LEASE)


def _expire(world: World) -> Call:
    deadline = world.now + DAY
    return Call(world.scheduler.functions.expire(world.opened_task(deadline=deadline)), STRANGER, at=deadline)


SCHEDULER: dict[str, Prepare] = {
    "open": lambda w: Call(opening(w, w.fresh()), "requester"),
    "accept": _of_a_task("accept", "provider", lambda w: w.opened_task()),
    "start": _of_a_task("start", "provider", accepted),
    "heartbeat": _of_a_task("heartbeat", "provider", accepted),
    "fail": _of_a_task("fail", "provider", accepted, PURPOSE),
    "lapse": _lapse,
    "cancel": _of_a_task("cancel", "requester", lambda w: w.opened_task()),
    "expire": _expire,
    "commitResult": _of_a_task("commitResult", "provider", lambda w: w.running_task(), PURPOSE),
    "resolve": _of_a_task("resolve", "arbiter", disputed, bytes(32)),
}


def _record(world: World) -> Call:
    task, item = world.running_task(), world.result_for(world.granted())
    return Call(world.store.functions.recordBatch(task, [item]), "recorder")


def _supersede(world: World) -> Call:
    claim, task, grant = world.recorded_claim()
    return Call(superseding(world, task, world.result_for(grant, claim_key=claim)), "recorder")


def _hand_over(world: World) -> Call:
    successor = world.deploy_successor(world.store)
    return Call(world.store.functions.handOver(successor.address), "governor")


STORE: dict[str, Prepare] = {
    "recordBatch": _record,
    "supersedeBatch": _supersede,
    "confirmPayouts": lambda w: Call(confirming(w, (w.recorded_claim()[0], 1)), "payer"),
    "reverse": lambda w: Call(w.store.functions.reverse(w.recorded_claim()[0], 1, w.fresh()), "recorder"),
    "handOver": _hand_over,
    "recordCheckpoint": lambda w: Call(recording(w, 3, 0, "auditor", "hospital"), STRANGER),
}


def announced(world: World, contract: str, who: str, *, grants: bool) -> tuple[bytes, str, int]:
    """An announced change of who pauses -> (role, account, the second from which it may be carried out)."""
    change = (role("PAUSER_ROLE"), world.people[who], grants)
    world.send(getattr(world, contract).functions.announceRoleChange(*change), by="governor")
    return change[0], change[1], world.now + ROLE_DELAY


def _office(contract: str) -> dict[str, Prepare]:
    """What every contract has of SeparateRoles."""

    def functions(world: World) -> ContractFunction:
        return getattr(world, contract).functions

    def announce(world: World) -> Call:
        change = (role("PAUSER_ROLE"), world.people[STRANGER], True)
        return Call(functions(world).announceRoleChange(*change), "governor")

    def withdraw(world: World) -> Call:
        id_, account, _ = announced(world, contract, STRANGER, grants=True)
        return Call(functions(world).withdrawRoleChange(id_, account, True), "governor")

    def appoint(world: World) -> Call:
        id_, account, due = announced(world, contract, STRANGER, grants=True)
        return Call(functions(world).grantRole(id_, account), "governor", at=due)

    def dismiss(world: World) -> Call:
        id_, account, due = announced(world, contract, "pauser", grants=False)
        return Call(functions(world).revokeRole(id_, account), "governor", at=due)

    def renounce(world: World) -> Call:
        return Call(functions(world).renounceRole(role("PAUSER_ROLE"), world.people["pauser"]), "pauser")

    return {
        "announceRoleChange": announce,
        "withdrawRoleChange": withdraw,
        "grantRole": appoint,
        "revokeRole": dismiss,
        "renounceRole": renounce,
    }


GOOD_CALLS: dict[tuple[str, str], Prepare] = {
    (contract, name): prepare
    for contract, own in zip(CONTRACTS, (REGISTRY, CATALOG, SCHEDULER, STORE), strict=True)
    for name, prepare in (own | _office(contract)).items()
}
"""(contract, function) -> a call that succeeds; pause and unpause are the brake itself."""
