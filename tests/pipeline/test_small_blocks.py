"""A batch larger than its share of a block goes on chain in parts, and every claim of it is paid once."""

from engine.pipeline import feed, pay, record
from tests.pipeline.conftest import OpenWorld
from tests.pipeline.world import World

SHARE = 0.008
"""Of Anvil's thirty million gas: some seven results."""


def transactions(world: World, claims: list[str], event: str) -> list[str]:
    """The transactions in which the chain tells of these claims, one an event."""
    keys = {world.claim(claim).claim_key for claim in claims}
    chain = world.ctx.chain
    events = chain.events(chain.deployment.block, chain.block_number())
    return [e.tx_hash for e in events if e.name == event and e.args["claimKey"] in keys]


def test_a_batch_is_recorded_and_confirmed_in_as_many_transactions_as_fit(start_on_node: OpenWorld) -> None:
    world = start_on_node(chain_gas_share=SHARE)
    claims = [world.accepted(index) for index in range(16)]
    assert record.record_batch(world.ctx, world.decided(*claims)) == 16
    feed.read_events(world.ctx)
    recorded = transactions(world, claims, "ResultRecorded")
    assert len(recorded) == 16
    assert len(set(recorded)) > 1
    assert {world.claim(claim).record_tx for claim in claims} == set(recorded)
    world.pay(*claims)
    for claim in claims:
        world.bank_says(claim, pay.TransferStatus.SETTLED)
    assert pay.confirm_settled(world.ctx, 100) == 16
    feed.read_events(world.ctx)
    confirmed = transactions(world, claims, "PayoutConfirmed")
    assert len(confirmed) == 16
    assert len(set(confirmed)) > 1
    assert {world.state(claim) for claim in claims} == {"confirmed"}


def test_one_withdrawn_consent_holds_up_no_other_claim_of_any_part(start_on_node: OpenWorld) -> None:
    world = start_on_node(chain_gas_share=SHARE)
    claims = [world.accepted(index) for index in range(16, 30)]
    batch = world.decided(*claims)
    world.revoke(25)
    assert record.record_batch(world.ctx, batch) == 13
    feed.read_events(world.ctx)
    states = [world.state(claim) for claim in claims]
    assert states == ["no_consent" if index == 25 else "recorded" for index in range(16, 30)]
