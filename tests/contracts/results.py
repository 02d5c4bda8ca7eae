"""What the tests of the result store share: reading a claim, and every way to spoil an item."""

from collections.abc import Callable
from typing import Any

from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from engine.chain.eip712 import Grant
from tests.contracts.model import PayoutState, Refusal
from tests.contracts.world import GAS_LIMIT, World, role

Item = tuple[bytes, bytes, bytes, bytes]


def version(world: World, claim: bytes) -> int:
    return int(world.ask(world.store.functions.versionOf(claim)))


def payout_state(world: World, claim: bytes, version_: int | None = None) -> PayoutState:
    """Of the latest version unless told."""
    of = version(world, claim) if version_ is None else version_
    return PayoutState(world.ask(world.store.functions.payoutStateOf(claim, of)))


def commitment(item: Item, task: bytes, version: int) -> bytes:
    """keccak256(keccak256(resultDigest, authorizationId), keccak256(taskId, version)), of 32-byte words."""
    return keccak(keccak(item[1] + item[2]) + keccak(task + version.to_bytes(32, "big")))


def commitment_of(world: World, claim: bytes, version: int) -> bytes:
    return bytes(world.ask(world.store.functions.commitmentOf(claim, version)))


def confirming(world: World, *claims: tuple[bytes, int]) -> ContractFunction:
    return world.store.functions.confirmPayouts(
        [(claim, version, world.fresh()) for claim, version in claims]
    )


def confirm(world: World, claim: bytes, version: int = 1) -> TxReceipt:
    return world.send(confirming(world, (claim, version)), by="payer")


def reverse(world: World, claim: bytes, version: int = 1) -> TxReceipt:
    return world.send(world.store.functions.reverse(claim, version, world.fresh()), by="recorder")


def superseding(world: World, task: bytes, *items: Item) -> ContractFunction:
    """`supersedeBatch`, in the order that it asks for."""
    return world.store.functions.supersedeBatch(task, sorted(items))


def supersede(world: World, task: bytes, *items: Item) -> TxReceipt:
    return world.send(superseding(world, task, *items), by="recorder", gas=GAS_LIMIT - 1)


def preview_supersession(world: World, task: bytes, *items: Item) -> list[Refusal]:
    answer = world.ask(world.store.functions.previewSupersession(task, list(items)))
    return [Refusal(code) for code in answer]


def refused_by(world: World, task: bytes, *items: Item) -> tuple[Any, ...]:
    return world.refusal(world.store.functions.recordBatch(task, list(items)), by="recorder")


Spoil = Callable[[World, Grant], tuple[Item, Refusal]]


def unknown(world: World, grant: Grant) -> tuple[Item, Refusal]:
    return world.result_for(grant, authorization_id=world.fresh()), Refusal.AUTHORIZATION_UNKNOWN


def revoked(world: World, grant: Grant) -> tuple[Item, Refusal]:
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
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
