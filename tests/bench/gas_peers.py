"""What others' contracts cost on our chain: Ethereum Attestation Service, and gif-next's path of a claim."""

from typing import Any

from tests.bench import gif
from tests.bench.peer_contracts import Peer
from tests.contracts.gas.case import BATCH
from tests.contracts.gas.snapshot import EAS_ATTEST, EAS_MULTI_ATTEST, EAS_REVOKE, GIF_CLAIM
from tests.contracts.world import NOBODY, World

EAS = "@ethereum-attestation-service/eas-contracts"

_CLAIMED = 450


def measure() -> tuple[dict[str, int], dict[str, str]]:
    """-> (what -> gas, package -> version)."""
    world = World()
    peers = {package: Peer(world, package) for package in (EAS, gif.PACKAGE)}
    figures = _attestations(world, peers[EAS]) | _claim(world, peers[gif.PACKAGE])
    return figures, {package: peer.version for package, peer in peers.items()}


def _attestations(world: World, peer: Peer) -> dict[str, int]:
    schemas = peer.deploy("SchemaRegistry")
    eas = peer.deploy("EAS", schemas.address)
    schema = peer.answer(schemas.functions.register("bytes32 resultCommitment", NOBODY, True))

    def request() -> tuple[Any, ...]:
        recipient = world.w3.to_checksum_address(world.fresh()[:20])
        return recipient, 0, True, bytes(32), world.fresh(), 0

    batch = [request() for _ in range(BATCH)]
    figures = {
        EAS_MULTI_ATTEST: -(-peer.send(eas.functions.multiAttest([(schema, batch)])) // BATCH),
        EAS_ATTEST: peer.send(eas.functions.attest((schema, request()))),
    }
    (attested,) = eas.events.Attested.get_logs(from_block="latest")
    figures[EAS_REVOKE] = peer.send(eas.functions.revoke((schema, (attested["args"]["uid"], 0))))
    return figures


def _claim(world: World, peer: Peer) -> dict[str, int]:
    """The four steps of one claim, each in its transaction, under a policy that has had none before."""
    product, policy = gif.insured(world, peer)
    step = product.functions
    submit = step.submitClaim(policy, _CLAIMED, world.fresh())
    claim = peer.ask(submit)
    figures = {
        "gif-next submitClaim": peer.send(submit),
        "gif-next confirmClaim": peer.send(step.confirmClaim(policy, claim, _CLAIMED, world.fresh())),
    }
    create = step.createPayout(policy, claim, _CLAIMED, world.fresh())
    payout = peer.ask(create)
    figures["gif-next createPayout"] = peer.send(create)
    figures["gif-next processPayout"] = peer.send(step.processPayout(policy, payout))
    return figures | {GIF_CLAIM: sum(figures.values())}
