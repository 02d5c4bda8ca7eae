"""A payout starts from a recorded result that the chain has confirmed, once, and from nothing else."""

from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from engine.chain.contracts import RECORDINGS, Result
from engine.errors import NotFound
from engine.pipeline import audit, feed, record, tasks
from engine.pipeline.sealed import seal_coverage
from engine.store import policies, tables
from tests.payout.bank_process import BankProcess
from tests.pipeline.conftest import OpenWorld
from tests.pipeline.world import World, policy, policy_no


def mine(world: World, blocks: int) -> None:
    """Blocks on top; what is in them does not matter."""
    for _ in range(blocks):
        dataset = world.ctx.rng(32)
        world.ctx.chain.catalog.register(dataset, 1, [dataset])


def rewind(world: World) -> None:
    """The feed has read nothing yet."""
    with world.ctx.database.transaction() as session:
        session.execute(delete(tables.ChainCursor))
        session.execute(delete(tables.GivenEvent))


def test_a_recorded_and_confirmed_result_starts_its_payout(either: World) -> None:
    claim = either.accepted(0)
    either.recorded(claim)
    payout = either.payout(claim)
    row = either.claim(claim)
    assert (row.state, payout.state) == ("recorded", "due")
    assert payout.amount_fen == row.payable_fen
    assert payout.trigger_tx == row.record_tx


def test_nothing_starts_before_the_configured_depth(open_world: OpenWorld, slow_bank: BankProcess) -> None:
    world = open_world(slow_bank, confirmations=2)
    claim = world.accepted(0)
    batch = world.decided(claim)
    record.record_batch(world.ctx, batch)
    for _ in range(2):
        feed.read_events(world.ctx)
        assert (world.state(claim), world.payouts(claim)) == ("decided", [])
        mine(world, 1)
    feed.read_events(world.ctx)
    assert world.state(claim) == "recorded"
    assert len(world.payouts(claim)) == 1


def test_the_same_events_read_again_start_nothing_more(either: World) -> None:
    claim = either.accepted(0)
    either.recorded(claim)
    payout = either.payout(claim)
    rewind(either)
    assert feed.read_events(either.ctx) > 0
    assert either.payouts(claim) == [payout]


def test_killed_while_handling_events_it_reads_them_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = world.accepted(0), world.accepted(1)
    record.record_batch(world.ctx, world.decided(first, second))
    handle, handled = feed.handle_event, []

    def killed_at_the_last(*arguments: Any) -> None:
        handle(*arguments)
        handled.append(arguments[2].name)
        if handled.count("ResultRecorded") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(feed, "handle_event", killed_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        feed.read_events(world.ctx)
    assert world.payouts(first) == world.payouts(second) == []
    monkeypatch.undo()
    feed.read_events(world.ctx)
    assert [len(world.payouts(claim)) for claim in (first, second)] == [1, 1]


def test_a_result_of_somebody_else_is_no_claim_of_ours(world: World) -> None:
    claim = world.accepted(0)
    world.decided(claim)
    row = world.claim(claim)
    with world.ctx.database.reading() as session:
        authorization = session.get_one(tables.Authorization, row.authorization_id)
    task = tasks.ensure_task(world.ctx, "huhuibao")
    foreign = Result(
        world.ctx.rng(32),
        world.ctx.rng(32),
        bytes.fromhex(authorization.authorization_id[2:]),
        bytes.fromhex(authorization.subject[2:]),
    )
    world.ctx.chain.results.record_batch(task.task_id, [foreign])
    feed.read_events(world.ctx)
    assert (world.state(claim), world.payouts(claim)) == ("decided", [])


def test_a_result_with_another_digest_is_not_paid(either: World) -> None:
    claim = either.accepted(0)
    batch = either.decided(claim)
    record.record_batch(either.ctx, batch)
    with either.ctx.database.transaction() as session:
        row = session.merge(either.claim(claim))
        row.result_digest = "0x" + "77" * 32
    feed.read_events(either.ctx)
    assert (either.state(claim), either.reasons(claim)) == ("review", ["record.other_digest"])
    assert either.payouts(claim) == []


def test_a_policy_without_a_payee_is_for_a_person(world: World) -> None:
    forget_payee(world, {})
    claim = world.accepted(0)
    world.recorded(claim)
    assert (world.state(claim), world.reasons(claim)) == ("review", ["payout.no_payee"])


@pytest.mark.parametrize("bank", ["示例银行　上海分行", "Bank\u200b"])
def test_a_payee_that_no_order_can_name_holds_up_nobody_else(world: World, bank: str) -> None:
    """A full-width space passes a roll and no transfer order: its claim goes to a person."""
    forget_payee(world, {"payee": {**policy(0)["payee"], "bank": bank}})
    odd, plain = world.accepted(0), world.accepted(1)
    world.recorded(odd, plain)
    assert (world.state(odd), world.reasons(odd)) == ("review", ["payout.payee_invalid"])
    assert world.state(plain) == "recorded"


def forget_payee(world: World, changes: dict[str, Any]) -> None:
    document = {name: value for name, value in policy(0).items() if name != "payee"} | changes
    with world.ctx.database.transaction() as session:
        row = policies.policy_by_no(session, policy_no(0))
        assert row is not None
        row.coverage_sealed = seal_coverage(world.ctx.vault, document)
        session.add(row)


def event_of(world: World, claim: str, version: int) -> tuple[str, int]:
    """(transaction, log index) of that recording."""
    key = world.claim(claim).claim_key
    (found,) = [
        (event.tx_hash, event.log_index)
        for event in world.ctx.chain.events(0, world.ctx.chain.block_number())
        if event.name in RECORDINGS
        if (event.args["claimKey"], event.args.get("version", 1)) == (key, version)
    ]
    return found


def test_an_event_triggered_by_hand_does_what_the_feed_does_and_once(either: World) -> None:
    claim = either.accepted(0)
    record.record_batch(either.ctx, either.decided(claim))
    named = event_of(either, claim, 1)
    first = audit.trigger_event(either.ctx, *named)
    again = audit.trigger_event(either.ctx, *named)
    assert first["payout"] == again["payout"] == {"payout_id": either.payout(claim).payout_id, "state": "due"}
    feed.read_events(either.ctx)
    assert len(either.payouts(claim)) == 1


def test_an_unconfirmed_event_cannot_be_triggered_by_hand(
    open_world: OpenWorld, slow_bank: BankProcess
) -> None:
    world = open_world(slow_bank, confirmations=1)
    claim = world.accepted(0)
    record.record_batch(world.ctx, world.decided(claim))
    with pytest.raises(NotFound) as refused:
        audit.trigger_event(world.ctx, *event_of(world, claim, 1))
    assert refused.value.code == "chain.unconfirmed"


@pytest.mark.parametrize(("tx", "index", "code"), [("0x" + "00" * 32, 0, "chain.transaction_unknown")])
def test_an_event_that_is_not_there_cannot_be_triggered(world: World, tx: str, index: int, code: str) -> None:
    with pytest.raises(NotFound) as refused:
        audit.trigger_event(world.ctx, tx, index)
    assert refused.value.code == code
    claim = world.accepted(0)
    record.record_batch(world.ctx, world.decided(claim))
    tx_hash, log_index = event_of(world, claim, 1)
    with pytest.raises(NotFound) as refused:
        audit.trigger_event(world.ctx, tx_hash, log_index + 50)
    assert refused.value.code == "chain.event_unknown"


def test_an_old_versions_event_read_again_changes_nothing(world: World) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    world.revoke(0)
    world.pay(claim)
    world.consent_again(0)
    world.again(claim)
    before = world.claim(claim).model_dump()
    audit.trigger_event(world.ctx, *event_of(world, claim, 1))
    assert world.claim(claim).model_dump() == before
    world.recorded(claim)
    now = world.claim(claim).model_dump()
    audit.trigger_event(world.ctx, *event_of(world, claim, 1))
    assert world.claim(claim).model_dump() == now
    assert now["version"] == 2


def test_the_database_refuses_a_second_payout_of_a_version(either: World) -> None:
    claim = either.accepted(0)
    either.recorded(claim)
    twin = either.payout(claim).model_dump() | {"payout_id": "po_twin"}
    with pytest.raises(IntegrityError), either.ctx.database.transaction() as session:
        session.add(tables.Payout(**twin))
    assert len(either.payouts(claim)) == 1
