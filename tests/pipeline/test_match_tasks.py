"""A list against the roll, under a task on chain: paid where both parties agree, and nothing where not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.chain.contracts import TaskState
from engine.chain.errors import ContractRefused
from engine.errors import AutoclaimError, Conflict, Unavailable
from engine.evidence.report import Outcome
from engine.pipeline import decide, match_answers, match_tasks, matching, record, releases
from engine.store import claims
from tests.pipeline.matching_provider import Found
from tests.pipeline.matching_task import InTask
from tests.pipeline.test_audit import verified
from tests.pipeline.test_releases import confirmed
from tests.pipeline.test_reopen_checked import fsck
from tests.pipeline.world import THEIRS, World


@pytest.fixture
def task(world: World, tmp_path: Path) -> InTask:
    return InTask(world, tmp_path / "provider")


def refused(task: InTask, batch: match_answers.Batch) -> str:
    with pytest.raises(AutoclaimError) as error:
        match_answers.evaluate(task.ctx, batch)
    return error.value.code


def not_staged(task: InTask, native: Mapping[str, Any], found: Found | None) -> str:
    with pytest.raises(AutoclaimError) as error:
        task.stage(native, found)
    return error.value.code


def kept(world: World) -> int:
    with world.ctx.database.reading() as session:
        return sum(claims.count_by_state(session).values())


def alarms(world: World) -> set[str]:
    return {alarm["code"] for alarm in matching.list_alarms(world.ctx)}


def test_releases_of_a_completed_task_are_paid_as_online_ones_and_recorded_under_it(
    world: World, task: InTask
) -> None:
    online = world.native(1)
    by_task = {**world.native(0), **{part: online[part] for part in online if part != "setlinfo"}}
    for name in online["setlinfo"]:
        if name not in ("setl_id", "mdtrt_id", "psn_name", "certno", "patn_cert_type", "brdy", "gend"):
            by_task["setlinfo"][name] = online["setlinfo"][name]
    (found,) = task.ask([by_task])
    task.send(task.stage(by_task, found))
    assert not_staged(task, by_task, found) == "task.staged", "under other salts it is another release"
    assert kept(world) == 0
    task.commit()
    assert task.until_settled() is TaskState.COMPLETED
    (claim,) = task.claims()
    confirmed(world, claim)
    beside = task.provider.release(online).claim_id
    confirmed(world, beside)
    assert world.payout(claim).amount_fen == world.payout(beside).amount_fen > 0
    assert (world.claim(claim).task_id, world.claim(beside).task_id != task.task_id) == (task.task_id, True)
    assert verified(world, claim)[0] is Outcome.VERIFIED
    # The bank was spoken for here, so of its own books it knows nothing.
    assert [one for one in fsck(world).differences if "bank" not in one.code] == []
    shown = match_tasks.show(world.ctx, task.task_id)
    told = {name: shown["theirs"][name] for name in shown["ours"]}
    assert shown["ours"] == told == {"elements": 2, "discharges": 1, "released": 1}
    assert (shown["state"], shown["claims"], shown["our_digest"]) == ("completed", 1, shown["their_digest"])


def test_a_list_of_nobody_completes_with_counts_of_zero(task: InTask) -> None:
    task.commit()
    assert task.until_settled() is TaskState.COMPLETED
    assert task.claims() == []


@pytest.mark.parametrize("lie", [{"released": 2}, {"elements": 4}, {"discharges": 2}, {"releases": "0x00"}])
def test_a_provider_that_lies_about_what_it_came_to_is_paid_nothing(
    world: World, task: InTask, lie: dict[str, Any]
) -> None:
    native = world.native(0)
    task.stage(native, *task.ask([native]))
    task.commit(**lie)
    assert task.until_settled() is TaskState.DISPUTED
    assert (kept(world), task.claims()) == (0, [])
    assert "match.task_disputed" in alarms(world)


def test_an_insurer_that_commits_other_counts_disputes_and_the_arbiter_decides(
    world: World, task: InTask
) -> None:
    native = world.native(0)
    task.stage(native, *task.ask([native]))
    lie = task.task.result_digest(task.counts(released=0))
    world.ctx.chain.scheduler.commit_result_as_requester(task.task_id, lie)
    task.commit()
    assert task.until_settled() is TaskState.DISPUTED
    assert kept(world) == 0
    with pytest.raises(AutoclaimError, match="neither party"):
        match_tasks.resolve(world.ctx, task.task_id, "0x" + "00" * 32)
    right = "0x" + task.task.result_digest(task.counts()).hex()
    match_tasks.resolve(world.ctx, task.task_id, right)
    assert task.until_settled() is TaskState.COMPLETED
    assert [world.state(claim) for claim in task.claims()] == ["matched"]


def test_where_neither_is_right_nothing_becomes_a_claim_and_what_was_handed_over_is_forgotten(
    world: World, task: InTask
) -> None:
    native = world.native(0)
    (found,) = task.ask([native])
    assert found is not None
    task.stage(native, found)
    task.commit(released=2)
    task.until_settled()
    match_tasks.resolve(world.ctx, task.task_id, None)
    assert task.until_settled() is TaskState.FAILED
    with pytest.raises(Conflict) as refused_online:
        releases.release(world.ctx, task.provider.to_release(native, found))
    assert refused_online.value.code == "release.task", "nor by the other way"
    assert (kept(world), match_answers.outcomes(world.ctx, task.order.hospitals[0], task.task_id)) == (0, [])
    again = match_tasks.open_task(world.ctx, task.order)
    assert (again.created, again.task["task_id"] != task.task_id) == (True, True)


def test_who_has_committed_commits_no_second_time(task: InTask) -> None:
    task.commit()
    with pytest.raises(ContractRefused) as error:
        task.commit(released=1)
    assert error.value.error_name == "AlreadyCommitted"


def test_no_more_is_evaluated_than_the_task_allows_and_a_lost_answer_spends_twice(
    world: World, tmp_path: Path
) -> None:
    task = InTask(world, tmp_path / "provider", most=6)
    natives = [world.native(index) for index in range(2)]
    batch, _ = task.batch(natives)
    match_answers.evaluate(task.ctx, batch)
    assert refused(task, batch) == "task.most"
    other, _ = task.batch(natives[:1], number=1)
    match_answers.evaluate(task.ctx, other)
    assert match_tasks.show(task.ctx, task.task_id)["spent"] == 6
    assert refused(task, replace(other, number=2, discharges=["5e" * 32])) == "task.most"
    assert "task.most" in alarms(world)


def test_a_batch_is_the_same_when_it_is_asked_again(world: World, task: InTask) -> None:
    natives = [world.native(0)]
    first, _ = task.batch(natives)
    match_answers.evaluate(task.ctx, first)
    _, anew = task.batch(natives)
    answer = match_answers.evaluate(task.ctx, replace(first, elements=anew.elements))
    assert len(anew.outputs(answer, task.provider.public_key)) == 2
    assert refused(task, replace(first, discharges=["5e" * 32])) == "task.batch"
    assert refused(task, replace(first, number=1)) == "match.discharge_reused"
    assert (
        refused(task, replace(first, number=2, elements=[*first.elements, *anew.elements])) == "match.batch"
    )
    assert refused(task, replace(first, number=2, elements=())) == "match.element"
    shown = match_tasks.show(task.ctx, task.task_id)
    assert (shown["spent"], shown["ours"]["elements"]) == (4, 2)


def test_what_was_not_asked_in_a_task_is_not_released_under_it(world: World, task: InTask) -> None:
    native = world.native(0)
    (found,) = task.ask([native])
    assert found is not None
    asked_online = task.provider.ask(native)
    assert not_staged(task, native, asked_online) == "release.discharge_unknown"
    assert not_staged(task, native, replace(found, discharge="5e" * 32)) == "release.discharge_unknown"
    online = task.provider.to_release(native, found)
    with pytest.raises(Unavailable) as waits:
        releases.release(world.ctx, online)
    assert waits.value.code == "release.task", "until both agree"
    other = match_answers.Batch(task.task_id, THEIRS, 7, ["5e" * 32], task.batch([native])[0].elements)
    assert refused(task, other) == "task.unknown"


def test_nothing_is_taken_in_before_a_task_runs_or_after_its_books_are_closed(
    world: World, task: InTask
) -> None:
    native, other = world.native(0), world.native(1)
    (found,) = task.ask([native])
    batch, _ = task.batch([other], number=1)
    task.commit()
    task.until_settled()
    assert not_staged(task, native, found) == refused(task, batch) == "task.not_running"
    second = match_tasks.open_task(world.ctx, replace(task.order, most=101)).task["task_id"]
    assert refused(task, replace(batch, task_id=second)) == "task.not_running"


def test_consent_withdrawn_before_both_have_agreed_is_no_claim(world: World, task: InTask) -> None:
    native = world.native(0)
    (found,) = task.ask([native])
    assert found is not None
    task.stage(native, found)
    task.commit()
    world.ctx.chain.registry.revoke_for(found.payload.policies[0].authorization)
    assert task.until_settled() is TaskState.COMPLETED
    (told,) = match_answers.outcomes(world.ctx, task.order.hospitals[0], task.task_id)
    assert (told["outcome"], kept(world)) == ("release.consent", 0)


def test_an_order_is_one_task_until_it_has_ended_and_finishes_what_was_interrupted(
    world: World, task: InTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = match_tasks.open_task(world.ctx, task.order)
    assert (again.created, again.task["task_id"]) == (False, task.task_id)
    other = replace(task.order, most=7)
    with monkeypatch.context() as killed:
        killed.setattr(match_tasks, "_put_on_chain", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            match_tasks.open_task(world.ctx, other)
    (row,) = [one for one in match_tasks.list_tasks(world.ctx, 9) if one["state"] == "none"]
    finished = match_tasks.open_task(world.ctx, other)
    assert (finished.created, finished.task["task_id"]) == (False, row["task_id"])
    assert finished.task["state"] == "open"


def test_an_order_that_cannot_be_done_is_named(task: InTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task.ctx.settings, "psi_python", Path("none"))
    changes: dict[str, dict[str, Any]] = {
        "task.dataset": {"provider": "0x" + "5e" * 20},
        "hospital.unknown": {"hospitals": ["H99999999999"]},
        "product.unknown": {"product": "none"},
        "match.scale_missing": {"engine": "rr22"},
        "task.order": {"since": date(2024, 10, 1)},
    }
    for code, change in changes.items():
        with pytest.raises(AutoclaimError) as error:
            match_tasks.open_task(task.ctx, replace(task.order, **change))
        assert error.value.code == code
        assert ("make psi-scale" in str(error.value)) == (code == "match.scale_missing")


def test_first_versions_go_under_the_task_for_thirty_days_and_later_ones_under_the_standing_task(
    world: World, task: InTask
) -> None:
    native = world.native(0)
    task.stage(native, *task.ask([native]))
    task.commit()
    task.until_settled()
    (claim,) = task.claims()
    world.clock.ahead += timedelta(days=31)
    batch = world.batch(claim)
    decide.decide_batch(world.ctx, batch)
    record.record_batch(world.ctx, batch)
    assert world.claim(claim).task_id not in (None, task.task_id)


def test_a_task_that_nobody_took_up_expires_and_one_whose_lease_lapsed_is_put_up_again(
    world: World, task: InTask
) -> None:
    world.clock.ahead += timedelta(days=2)
    assert task.until_settled() is TaskState.OPEN
    world.clock.ahead += timedelta(days=20)
    assert task.until_settled() is TaskState.EXPIRED
