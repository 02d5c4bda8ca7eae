"""What the tests of the result store share: reading a claim, and every way to spoil an item."""

from collections.abc import Callable

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from engine.chain.eip712 import Grant
from tests.contracts.model import PayoutState, Refusal
from tests.contracts.world import Refused, World, role

Item = tuple[bytes, bytes, bytes, bytes]


def version(world: World, claim: bytes) -> int:
    return int(world.ask(world.store.functions.versionOf(claim)))


def payout_state(world: World, claim: bytes) -> PayoutState:
    return PayoutState(world.ask(world.store.functions.payoutStateOf(claim)))


def commitment(item: Item, task: bytes, version: int) -> bytes:
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint32"], [item[1], item[2], task, version]))


def confirm(world: World, claim: bytes, version: int) -> bytes:
    digest = world.fresh()
    world.send(world.store.functions.confirmPayout(claim, version, digest), by="payer")
    return digest


def refused_by(world: World, task: bytes, *items: Item) -> tuple[object, ...]:
    with pytest.raises(Refused) as refused:
        world.record(task, *items)
    return refused.value.args


Spoil = Callable[[World, Grant], tuple[Item, Refusal]]


def unknown(world: World, grant: Grant) -> tuple[Item, Refusal]:
    return world.result_for(grant, authorization_id=world.fresh()), Refusal.AUTHORIZATION_UNKNOWN


def revoked(world: World, grant: Grant) -> tuple[Item, Refusal]:
    world.send(world.registry.functions.revoke(*world.signed_revocation(grant.id)), by="stranger")
    return world.result_for(grant), Refusal.AUTHORIZATION_REVOKED


def expired(world: World, _: Grant) -> tuple[Item, Refusal]:
    short = world.granted(expires=world.now + 10)
    world.wait_until(short.expires)
    return world.result_for(short), Refusal.AUTHORIZATION_EXPIRED


def out_of_scope(world: World, _: Grant) -> tuple[Item, Refusal]:
    other = world.granted(scope=role("another purpose"))
    return world.result_for(other), Refusal.AUTHORIZATION_OUT_OF_SCOPE


def other_subject(world: World, grant: Grant) -> tuple[Item, Refusal]:
    return world.result_for(grant, subject=world.fresh()), Refusal.AUTHORIZATION_OTHER_SUBJECT


def already_recorded(world: World, grant: Grant) -> tuple[Item, Refusal]:
    claim, _, _ = world.recorded_claim()
    return world.result_for(grant, claim_key=claim), Refusal.ALREADY_RECORDED


def zero(field: str) -> Spoil:
    def spoil(world: World, grant: Grant) -> tuple[Item, Refusal]:
        return world.result_for(grant, **{field: bytes(32)}), Refusal.ZERO_FIELD

    spoil.__name__ = f"zero_{field}"
    return spoil


SPOILS: list[Spoil] = [
    unknown,
    revoked,
    expired,
    out_of_scope,
    other_subject,
    already_recorded,
    *(zero(field) for field in ("claim_key", "result_digest", "authorization_id", "subject")),
]
