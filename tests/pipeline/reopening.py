"""Stays of one policy that touch each other, and what became of them."""

from datetime import date

from engine.chain.contracts import RECORDINGS, recorded_version
from engine.payout.port import TransferStatus
from engine.pipeline import claims, feed, record, reopen
from tests.pipeline.world import World

AUGUST, OCTOBER, DECEMBER = date(2024, 8, 1), date(2024, 10, 1), date(2024, 12, 1)


def small(world: World, admitted: date = AUGUST, index: int = 0) -> str:
    """A stay that stays below the deductible and uses up most of it."""
    return world.accepted(index, admitted=admitted, self_paid_fen=900_000)


def large(world: World, admitted: date = OCTOBER, index: int = 0) -> str:
    return world.accepted(index, admitted=admitted, self_paid_fen=3_000_000)


def reopened(world: World, *claim_ids: str) -> None:
    """Re-opened, and these claims' new versions on chain with the event handled."""
    assert reopen.reopen_touched(world.ctx, 10) == 1
    record.record_batch(world.ctx, world.batch(*claim_ids))
    feed.read_events(world.ctx)


def paid_on(world: World, claim: str) -> None:
    """The difference that is due is sent, settled and confirmed."""
    world.pay(claim)
    world.bank_says(claim, TransferStatus.SETTLED)
    world.confirm()


def versions_on_chain(world: World, claim: str) -> list[int]:
    chain = world.ctx.chain
    events = chain.events_of(chain.results, chain.deployment.block, chain.block_number())
    key = world.claim(claim).claim_key
    return [
        recorded_version(event.args)
        for event in events
        if event.name in RECORDINGS and event.args["claimKey"] == key
    ]


def settled_fen(world: World, claim: str) -> list[tuple[int, str, int]]:
    return [(payout.version, payout.state, payout.amount_fen) for payout in world.payouts(claim)]


def late_earlier_stay(world: World) -> tuple[str, str]:
    """October's is paid and confirmed; then August's arrives."""
    later = large(world)
    world.confirmed(later)
    earlier = small(world)
    world.decided(earlier)
    assert world.state(earlier) == "nothing"
    return earlier, later


def ruled_and_paid(world: World) -> str:
    claim = world.accepted(0, admitted=OCTOBER, discharge_way="5")
    world.decided(claim)
    claims.decide_claim(world.ctx, claim, "pay", "heirs seen", "insurer test", 5_000_00)
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    paid_on(world, claim)
    reopen.reopen_touched(world.ctx, 10)
    assert world.state(claim) == "confirmed"
    return claim
