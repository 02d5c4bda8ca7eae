"""On a real node that reorganises: what is undone is put on chain again once, and paid once."""

from datetime import datetime, timedelta
from itertools import count

import pytest

from engine.errors import Conflict
from engine.pipeline import audit, feed, pay, record, reversal, undone
from engine.pipeline.tasks import SHANGHAI
from tests.pipeline.conftest import OpenWorld
from tests.pipeline.world import World

_people = count()


def mine(world: World, blocks: int = 1) -> None:
    world.ctx.chain.request("anvil_mine", [hex(blocks)])


def reorganise(world: World, depth: int, again: dict[str, int] | None = None) -> None:
    """Replace so many blocks; `again`: transactions (raw) that are mined in the block of this offset."""
    world.ctx.chain.request("anvil_reorg", [depth, [[raw, offset] for raw, offset in (again or {}).items()]])


def read_all(world: World) -> None:
    while feed.read_events(world.ctx):
        pass


def on_chain(world: World, claim: str, event: str) -> list[int]:
    """Versions of this claim that the canonical chain tells of in such an event."""
    key, chain = world.claim(claim).claim_key, world.ctx.chain
    events = chain.events(chain.deployment.block, chain.block_number())
    return [e.args.get("version", 1) for e in events if e.name == event and e.args["claimKey"] == key]


def ready(world: World) -> str:
    """A new claim; today's task runs in a block deep below what these tests replace."""
    claim = world.accepted(next(_people))
    record.ensure_task(world.ctx, "huhuibao")
    mine(world, 10)
    read_all(world)
    return claim


@pytest.mark.parametrize("restarted", [False, True])
def test_a_recording_undone_before_it_counted_is_recorded_again_and_paid_once(
    start_on_node: OpenWorld, restarted: bool
) -> None:
    world = start_on_node(confirmations=2)
    claim = ready(world)
    record.record_batch(world.ctx, world.decided(claim))
    mine(world)
    reorganise(world, 2)
    mine(world, 3)
    read_all(world)
    assert (world.state(claim), on_chain(world, claim, "ResultRecorded")) == ("decided", [])
    if restarted:
        world.ctx.chain.close()
        world = start_on_node(confirmations=2)
    assert undone.put_back(world.ctx, 100) == 1
    record.record_batch(world.ctx, world.batch(claim))
    mine(world, 2)
    read_all(world)
    assert on_chain(world, claim, "ResultRecorded") == [1]
    world.pay(claim)
    assert (world.state(claim), world.orders(claim)) == ("recorded", 1)


def test_a_recording_that_stands_is_let_be(start_on_node: OpenWorld) -> None:
    world = start_on_node(confirmations=2)
    claim = ready(world)
    record.record_batch(world.ctx, world.decided(claim))
    assert undone.put_back(world.ctx, 100) == 0
    assert world.claim(claim).record_tx is not None


def test_an_order_waits_while_its_result_is_not_on_chain(start_on_node: OpenWorld) -> None:
    world = start_on_node()
    claim = ready(world)
    world.recorded(claim)
    before = world.payout(claim)
    reorganise(world, 1)
    mine(world)
    read_all(world)
    assert world.claim(claim).record_tx is None
    world.pay(claim)
    assert (world.payout(claim).state, world.orders(claim)) == ("due", 0)
    assert undone.put_back(world.ctx, 100) == 1
    assert world.claim(claim).record_tx is None, "that it stands is for the confirmed event to say"
    read_all(world)
    world.pay(claim)
    after = world.payout(claim)
    assert (after.payout_id, after.state, world.orders(claim)) == (before.payout_id, "accepted", 1)
    assert after.trigger_tx == world.claim(claim).record_tx
    assert on_chain(world, claim, "ResultRecorded") == [1]
    assert undone.put_back(world.ctx, 100) == 0


def test_what_is_paid_and_undone_is_shown_again_and_not_paid_again(start_on_node: OpenWorld) -> None:
    world = start_on_node()
    claim = ready(world)
    begun = world.ctx.chain.block_number()
    world.confirmed(claim)
    reorganise(world, world.ctx.chain.block_number() - begun)
    mine(world)
    read_all(world)
    row, payout = world.claim(claim), world.payout(claim)
    assert (row.state, payout.state) == ("confirmed", "confirmed"), "the money has moved"
    assert (row.record_tx, payout.confirm_tx) == (None, None)
    with pytest.raises(Conflict) as refused:
        audit.evidence_bundle(world.ctx, claim)
    assert refused.value.code == "evidence.not_yet"
    assert undone.put_back(world.ctx, 100) == 1
    read_all(world)
    assert pay.confirm_settled(world.ctx, 100) == 1
    read_all(world)
    assert on_chain(world, claim, "ResultRecorded") == on_chain(world, claim, "PayoutConfirmed") == [1]
    assert world.payout(claim).confirm_tx is not None
    assert world.orders(claim) == 1
    assert audit.evidence_bundle(world.ctx, claim)


def test_a_recording_that_moves_to_another_block_triggers_once(start_on_node: OpenWorld) -> None:
    """The node takes the undone transaction into a later block by itself, as nodes do."""
    world = start_on_node()
    claim = ready(world)
    mine(world)
    world.recorded(claim)
    before = world.payout(claim)
    raw = world.ctx.chain.request("eth_getRawTransactionByHash", [before.trigger_tx])
    reorganise(world, 2, {raw: 1})
    mine(world)
    read_all(world)
    after = world.payout(claim)
    assert after.payout_id == before.payout_id
    assert after.trigger_tx == before.trigger_tx == world.claim(claim).record_tx
    assert on_chain(world, claim, "ResultRecorded") == [1]
    assert undone.put_back(world.ctx, 100) == 0
    world.pay(claim)
    assert world.orders(claim) == 1


def test_a_reversal_that_is_undone_is_said_again(start_on_node: OpenWorld) -> None:
    world = start_on_node()
    claim = ready(world)
    world.recorded(claim)
    world.reverse(claim)
    mine(world, 5)
    assert _reverse(world) == 1
    read_all(world)
    reorganise(world, 1)
    mine(world)
    read_all(world)
    assert on_chain(world, claim, "ResultReversed") == []
    assert _reverse(world) == 1
    read_all(world)
    assert on_chain(world, claim, "ResultReversed") == [1]
    assert _reverse(world) == 0


def _reverse(world: World) -> int:
    return reversal.reverse_on_chain(world.ctx, 100)


def test_the_days_task_undone_is_begun_again(start_on_node: OpenWorld) -> None:
    world = start_on_node()
    claim = world.accepted(next(_people))
    # To a morning in Shanghai: what follows takes half a minute of one day, whatever the time is here.
    morning = (datetime.now(SHANGHAI) + timedelta(days=2)).replace(hour=9)
    world.clock.ahead = morning - datetime.now(SHANGHAI)
    begun = world.ctx.chain.block_number()
    task = record.ensure_task(world.ctx, "huhuibao")
    reorganise(world, world.ctx.chain.block_number() - begun)
    mine(world)
    world.clock.ahead += timedelta(seconds=30)
    world.recorded(claim)
    assert world.state(claim) == "recorded"
    assert world.claim(claim).task_id == task.task_id
