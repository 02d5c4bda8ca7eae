"""Results go on chain once, each under a live consent; what the contract refuses holds up nobody else."""

from datetime import timedelta
from typing import Any

import pytest

from engine.chain.contracts import RECORDINGS, PayoutState
from engine.evidence.canonical import digest
from engine.pipeline import feed, record, tasks
from tests.pipeline.world import World


def recorded_events(world: World, claim: str) -> list[int]:
    """The versions that the chain has recorded of a claim, in order."""
    key = world.claim(claim).claim_key
    head = world.ctx.chain.block_number()
    return [
        event.args.get("version", 1)
        for event in world.ctx.chain.events(world.ctx.chain.deployment.block, head)
        if event.name in RECORDINGS and event.args["claimKey"] == key
    ]


def test_a_payable_claim_is_recorded_with_its_digest(either: World) -> None:
    claim = either.accepted(0)
    batch = either.decided(claim)
    assert record.record_batch(either.ctx, batch) == 1
    row = either.claim(claim)
    assert row.record_tx is not None
    assert row.claim_key is not None
    assert either.ctx.chain.results.payout_state_of(row.claim_key, row.version) is PayoutState.RECORDED
    assert row.state == "decided", "the chain's confirmed event moves it, not our own word"
    assert either.payouts(claim) == []


def test_what_is_not_payable_is_not_recorded(world: World) -> None:
    nothing, uninsured = world.accepted(0, self_paid_fen=500_000), world.accepted(600)
    batch = world.decided(nothing, uninsured)
    before = world.ctx.chain.block_number()
    assert record.record_batch(world.ctx, batch) == 0
    assert world.ctx.chain.block_number() == before


def test_a_consent_withdrawn_after_the_match_stops_that_item_only(either: World) -> None:
    withdrawn, first, second = (either.accepted(index) for index in range(3))
    batch = either.decided(withdrawn, first, second)
    either.revoke(0)
    assert record.record_batch(either.ctx, batch) == 2
    feed.read_events(either.ctx)
    assert either.state(withdrawn) == "no_consent"
    assert either.reasons(withdrawn) == ["record.authorization_revoked"]
    assert [either.state(claim) for claim in (first, second)] == ["recorded", "recorded"]
    assert either.payouts(withdrawn) == []


def test_consent_given_again_lets_it_go_on(world: World) -> None:
    claim = world.accepted(0)
    batch = world.decided(claim)
    world.revoke(0)
    record.record_batch(world.ctx, batch)
    world.consent_again(0)
    world.again(claim)
    world.recorded(claim)
    assert world.state(claim) == "recorded"
    assert recorded_events(world, claim) == [1]


def test_killed_between_the_chain_and_our_commit_it_is_recorded_once(
    either: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [either.accepted(index) for index in range(3)]
    batch = either.decided(*claims)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(record, "_keep_tx", killed)
    with pytest.raises(KeyboardInterrupt):
        record.record_batch(either.ctx, batch)
    monkeypatch.undo()
    assert either.claim(claims[0]).record_tx is None
    record.record_batch(either.ctx, batch)
    feed.read_events(either.ctx)
    for claim in claims:
        assert either.state(claim) == "recorded"
        assert recorded_events(either, claim) == [1]
        assert len(either.payouts(claim)) == 1
        assert either.claim(claim).record_tx is not None


def test_recording_again_changes_nothing(world: World) -> None:
    claim = world.accepted(0)
    batch = world.recorded(claim)
    assert record.record_batch(world.ctx, batch) == 0
    assert recorded_events(world, claim) == [1]


def test_a_new_version_without_consent_stops_that_item_only(world: World) -> None:
    first, second = world.accepted(0), world.accepted(1)
    world.recorded(first, second)
    for index in (0, 1):
        world.revoke(index)
    world.pay(first, second)
    assert [world.state(claim) for claim in (first, second)] == ["no_consent", "no_consent"]
    for index, claim in enumerate((first, second)):
        world.consent_again(index)
        world.again(claim)
    batch = world.decided(first, second)
    world.revoke(0)
    record.record_batch(world.ctx, batch)
    feed.read_events(world.ctx)
    assert (world.state(first), world.state(second)) == ("no_consent", "recorded")
    assert world.reasons(first) == ["record.authorization_revoked"]
    assert recorded_events(world, second) == [1, 2]


def test_a_claim_taken_back_meanwhile_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hospital's word comes between our reading and the contract's refusal."""
    withdrawn, other = world.accepted(0), world.accepted(1)
    batch = world.decided(withdrawn, other)
    world.revoke(0)
    preview = world.ctx.chain.results.preview

    def taken_back_first(*arguments: Any) -> Any:
        world.reverse(withdrawn)
        return preview(*arguments)

    monkeypatch.setattr(world.ctx.chain.results, "preview", taken_back_first)
    record.record_batch(world.ctx, batch)
    assert world.state(withdrawn) == "reversed"
    assert recorded_events(world, other) == [1]


def test_a_task_that_was_interrupted_while_it_was_opened_is_finished(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = world.ctx.chain.scheduler
    for step in ("accept", "start"):

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(scheduler, step, killed)
            with pytest.raises(KeyboardInterrupt):
                tasks.ensure_task(world.ctx, "huhuibao")
    task = tasks.ensure_task(world.ctx, "huhuibao")
    assert task.running
    assert tasks.ensure_task(world.ctx, "huhuibao").task_id == task.task_id


def test_closing_a_task_may_be_interrupted_between_its_two_sides(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks.ensure_task(world.ctx, "huhuibao")
    world.clock.ahead = timedelta(days=1)
    scheduler = world.ctx.chain.scheduler

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "commit_result_as_requester", killed)
        with pytest.raises(KeyboardInterrupt):
            tasks.close_past_tasks(world.ctx)
    assert tasks.close_past_tasks(world.ctx) == 1
    assert scheduler.state_of(task.task_id).name == "COMPLETED"
    assert tasks.close_past_tasks(world.ctx) == 0


def test_closing_a_task_reads_its_own_results_of_its_own_days_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month at a city's scale is not read through for one day's digest."""
    world.recorded(world.accepted(0))
    before = world.ctx.chain.block_number()
    world.clock.ahead = timedelta(days=3)
    claim = world.accepted(1)
    world.recorded(claim)
    task = tasks.ensure_task(world.ctx, "huhuibao")
    asked: list[dict[str, Any]] = []
    request = world.ctx.chain.chain.request

    def noted(method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            asked.append(params[0])
        return request(method, params)

    monkeypatch.setattr(world.ctx.chain.chain, "request", noted)
    recorded = tasks._recorded_under(world.ctx, task.task_id, task.day)
    result = [world.claim(claim).claim_key, 1, world.claim(claim).result_digest]
    assert recorded == digest({"task": task.task_id, "results": [result]})
    assert len(asked) == len(RECORDINGS)
    for query in asked:
        assert query["topics"][3] == task.task_id
        assert int(query["fromBlock"], 16) > before
