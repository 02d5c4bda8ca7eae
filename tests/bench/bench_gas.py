"""Gas on the committed artifacts, on a fresh in-memory chain. Exact: the same at every run.

Where an item is one of a batch, its figure is its share of the whole transaction.
"""

from eth_account import Account
from web3 import Web3

from engine.chain.eip712 import Grant, grant_typed_data, sign
from tests.bench import Row
from tests.contracts import gas
from tests.contracts.world import DAY, GAS_LIMIT, World

_ATTESTATION_GAS = 184_000
_ATTESTATION = "one record in a general attestation service, as stated in the design"
_RECORD_TARGET = "about 26,000 (design)"
_GRANTS = 50


def run() -> list[Row]:
    figures = gas.measure()
    deployment = sum(spent for what, spent in figures.items() if what.startswith("deploy "))
    recorded, alone = figures[f"recordBatch, an item of {gas.BATCH}"], figures["recordBatch of one"]
    confirmed = figures[f"confirmPayouts, an item of {gas.BATCH}"]
    of_batch = f"result recorded, of {gas.BATCH}"
    one_at_a_time = "alone in its transaction, this run"
    return [
        Row(of_batch, "gas", recorded, _ATTESTATION_GAS, _ATTESTATION, _RECORD_TARGET),
        Row(of_batch, "gas", recorded, alone, one_at_a_time),
        Row(f"payout confirmed, of {gas.BATCH}", "gas", confirmed),
        Row(f"claim recorded and confirmed, of {gas.BATCH}", "gas", recorded + confirmed),
        Row(
            f"authorization granted, of {_GRANTS} by {_GRANTS} people",
            "gas",
            _grant_batch(),
            figures["grant, the insured's first"],
            one_at_a_time,
        ),
        Row(f"wave of {gas.WAVE} granted, whole", "gas", figures[f"grantWave, all of {gas.WAVE}"]),
        Row(f"authorization materialized, of {gas.WAVE}", "gas", figures[f"materialize out of {gas.WAVE}"]),
        Row("authorization revoked", "gas", figures["revoke"]),
        Row("result superseded", "gas", figures["supersede"]),
        Row("result reversed", "gas", figures["reverse"]),
        Row("all four contracts deployed", "gas", deployment),
    ]


def _grant_batch() -> int:
    """An item's share of a first consent of fifty people: each has a nonce that was never written."""
    world = World()
    deadline = world.now + DAY
    grants: list[Grant] = []
    signatures: list[bytes] = []
    for number in range(_GRANTS):
        wallet = Account.from_key(Web3.keccak(text=f"insured {number}"))
        grant = world.new_grant(insured=wallet.address)
        grants.append(grant)
        signatures.append(sign(grant_typed_data(grant, nonce=0, deadline=deadline, **world.domain), wallet))
    batch = world.registry.functions.grantBatch([grant.as_tuple() for grant in grants], deadline, signatures)
    return int(world.send(batch, by="enrolment", gas=GAS_LIMIT - 1)["gasUsed"]) // _GRANTS
