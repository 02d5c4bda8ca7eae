"""TaskScheduler: who may do what, and when (test_task_moves.py has the transitions)."""

from typing import Any

import pytest

from tests.contracts.model import TaskState
from tests.contracts.tasks import (
    LEASE,
    MAX_ATTEMPTS,
    PURPOSE,
    accepted,
    do,
    opening,
    refusal,
    running_with,
    state,
)
from tests.contracts.world import YEAR, Refused, World, role


def test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose(world: World) -> None:
    task, dataset = world.fresh(), world.registered_dataset()
    deadline = world.now + YEAR
    call = opening(world, task, dataset=dataset, deadline=deadline)
    with pytest.raises(Refused, match="AccessControlUnauthorizedAccount"):
        world.send(call, by="provider")
    receipt = world.send(call, by="requester")
    assert [name for name, _ in world.events(receipt, world.scheduler)] == ["TaskMoved", "TaskOpened"]
    assert world.events(receipt, world.scheduler)[1][1] == {
        "taskId": task,
        "datasetId": dataset,
        "requester": world.people["requester"],
        "purpose": PURPOSE,
        "termsDigest": role("terms"),
        "deadline": deadline,
    }
    assert world.ask(world.scheduler.functions.purposeOf(task)) == PURPOSE
    assert state(world, task) == TaskState.OPEN
    with pytest.raises(Refused) as refused:
        world.send(opening(world, task), by="other_requester")
    assert refused.value.args == ("MoveNotAllowed", task, TaskState.OPEN, TaskState.OPEN)


@pytest.mark.parametrize("moves", [["accept"], ["accept", "start"]], ids=["accepted", "running"])
def test_a_leased_task_is_not_opened_again(world: World, moves: list[str]) -> None:
    """The table lets it go back to Open, for its provider's failure; nobody takes it over that way."""
    task = world.opened_task()
    for move in moves:
        do(world, "provider", move, task)
    before = state(world, task)
    with pytest.raises(Refused) as refused:
        world.send(opening(world, task), by="other_requester")
    assert refused.value.args == ("MoveNotAllowed", task, before, TaskState.OPEN)


def test_a_task_that_means_nothing_is_not_opened(world: World) -> None:
    task, dataset = world.fresh(), world.registered_dataset()
    retired = world.registered_dataset()
    world.send(world.catalog.functions.retire(retired), by="provider")
    now = world.now
    cases: list[tuple[dict[str, Any], tuple[object, ...]]] = [
        ({"task": bytes(32)}, ("ZeroField", bytes(32))),
        ({"terms": bytes(32)}, ("ZeroField", task)),
        ({"purpose": role("unlisted")}, ("PurposeNotListed", dataset, role("unlisted"))),
        ({"dataset": role("unknown")}, ("DatasetUnknown", role("unknown"))),
        ({"dataset": retired}, ("DatasetNoLongerOffered", retired)),
        ({"deadline": now}, ("DeadlinePassed", task, now)),
    ]
    for changes, error in cases:
        with pytest.raises(Refused) as refused:
            world.send(opening(world, **({"task": task, "dataset": dataset} | changes)), by="requester")
        assert refused.value.args[: len(error)] == error


def test_only_the_datasets_provider_accepts(world: World) -> None:
    task = world.opened_task()
    assert refusal(world, "other_provider", "accept", task) == (
        "NotTheProvider",
        task,
        world.people["other_provider"].lower(),
        world.people["provider"].lower(),
    )
    assert refusal(world, "requester", "accept", task)[0] == "AccessControlUnauthorizedAccount"
    receipt = do(world, "provider", "accept", task)
    assert world.events(receipt, world.scheduler)[1] == (
        "LeaseHeld",
        {"taskId": task, "provider": world.people["provider"], "until": world.now + LEASE},
    )


def test_a_task_on_a_retired_dataset_is_not_accepted(world: World) -> None:
    dataset, task = world.registered_dataset(), world.fresh()
    world.send(opening(world, task, dataset=dataset), by="requester")
    world.send(world.catalog.functions.retire(dataset), by="provider")
    assert refusal(world, "provider", "accept", task) == ("DatasetNoLongerOffered", dataset)


@pytest.mark.parametrize("name", ["start", "heartbeat", "fail"])
def test_only_the_lease_holder_works_on_a_task(world: World, name: str) -> None:
    task = accepted(world)
    reason = (world.fresh(),) if name == "fail" else ()
    for by in ("other_provider", "requester", "stranger", "governor"):
        assert refusal(world, by, name, task, *reason) == (
            "NotTheProvider",
            task,
            world.people[by].lower(),
            world.people["provider"].lower(),
        )


@pytest.mark.parametrize("by", ["other_requester", "provider", "stranger", "governor"])
def test_only_the_requester_cancels(world: World, by: str) -> None:
    task = world.opened_task()
    assert refusal(world, by, "cancel", task) == (
        "NotTheRequester",
        task,
        world.people[by].lower(),
        world.people["requester"].lower(),
    )


def test_a_heartbeat_renews_the_lease(world: World) -> None:
    task = world.running_task()
    for _ in range(3):
        world.next_block_at(world.now + LEASE - 10)
        receipt = do(world, "provider", "heartbeat", task)
        assert world.events(receipt, world.scheduler)[0][1]["until"] == world.now + LEASE
    assert state(world, task) == TaskState.RUNNING
    idle = world.opened_task()
    assert refusal(world, "provider", "heartbeat", idle) == ("TaskNotLeased", idle, TaskState.OPEN)


def test_a_lapsed_lease_stops_the_provider_until_it_accepts_again(world: World) -> None:
    task = accepted(world)
    lapses = world.now + LEASE
    world.next_block_at(lapses)
    assert refusal(world, "provider", "start", task) == ("LeaseLapsed", task, lapses, lapses)
    assert refusal(world, "provider", "heartbeat", task)[0] == "LeaseLapsed"
    do(world, "provider", "fail", task, world.fresh())
    do(world, "provider", "accept", task)
    do(world, "provider", "start", task)
    world.next_block_at(world.now + LEASE + 1)
    assert refusal(world, "provider", "commitResult", task, PURPOSE)[0] == "LeaseLapsed"


def test_a_lease_holds_up_to_its_last_second(world: World) -> None:
    task = accepted(world)
    world.next_block_at(world.now + LEASE - 1)
    do(world, "provider", "start", task)


def test_a_running_task_is_cancelled_only_once_its_lease_has_lapsed(world: World) -> None:
    task = accepted(world)
    lapses = world.now + LEASE
    do(world, "provider", "start", task)
    assert refusal(world, "requester", "cancel", task)[:3] == ("LeaseStillHeld", task, lapses)
    world.next_block_at(lapses)
    do(world, "requester", "cancel", task)
    assert state(world, task) == TaskState.CANCELLED


def test_a_failed_attempt_reopens_the_task_until_attempts_run_out(world: World) -> None:
    task = world.opened_task()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        do(world, "provider", "accept", task)
        if attempt > 1:  # an attempt fails before its start as well as after it
            do(world, "provider", "start", task)
            do(world, "provider", "commitResult", task, role("stale"))
        reason = world.fresh()
        receipt = do(world, "provider", "fail", task, reason)
        assert world.events(receipt, world.scheduler)[1] == (
            "AttemptFailed",
            {
                "taskId": task,
                "provider": world.people["provider"],
                "attempt": attempt,
                "reasonDigest": reason,
            },
        )
        last = attempt == MAX_ATTEMPTS
        assert state(world, task) == (TaskState.FAILED if last else TaskState.OPEN)
    assert refusal(world, "provider", "accept", task)[0] == "MoveNotAllowed"


def test_a_failed_attempts_commitments_do_not_count(world: World) -> None:
    task = running_with(world, ("requester", role("old")))
    do(world, "provider", "fail", task, world.fresh())
    do(world, "provider", "accept", task)
    do(world, "provider", "start", task)
    do(world, "provider", "commitResult", task, role("new"))
    assert state(world, task) == TaskState.RUNNING
    do(world, "requester", "commitResult", task, role("new"))
    assert state(world, task) == TaskState.COMPLETED


@pytest.mark.parametrize("first", ["requester", "provider"])
@pytest.mark.parametrize(
    ("second_says", "ends"), [(PURPOSE, TaskState.COMPLETED), (role("x"), TaskState.DISPUTED)]
)
def test_equal_results_complete_and_different_results_dispute(
    world: World, first: str, second_says: bytes, ends: TaskState
) -> None:
    second = {"requester": "provider", "provider": "requester"}[first]
    task = world.running_task()
    receipt = do(world, first, "commitResult", task, PURPOSE)
    committed = {"taskId": task, "by": world.people[first], "resultDigest": PURPOSE}
    assert world.events(receipt, world.scheduler) == [("ResultCommitted", committed)]
    assert state(world, task) == TaskState.RUNNING
    assert refusal(world, first, "commitResult", task, second_says) == (
        "AlreadyCommitted",
        task,
        world.people[first].lower(),
        PURPOSE,
    )
    do(world, second, "commitResult", task, second_says)
    assert state(world, task) == ends


def test_only_the_two_parties_commit_and_never_nothing(world: World) -> None:
    task = world.running_task()
    for by in ("other_provider", "other_requester", "stranger"):
        assert refusal(world, by, "commitResult", task, PURPOSE) == (
            "NotAParty",
            task,
            world.people[by].lower(),
        )
    assert refusal(world, "provider", "commitResult", task, bytes(32)) == ("ZeroField", task)
    idle = accepted(world)
    assert refusal(world, "provider", "commitResult", idle, PURPOSE) == (
        "TaskNotRunning",
        idle,
        TaskState.ACCEPTED,
    )


@pytest.mark.parametrize("source", [TaskState.OPEN, TaskState.ACCEPTED, TaskState.RUNNING])
def test_anybody_expires_a_task_after_its_deadline_and_nobody_before(world: World, source: TaskState) -> None:
    deadline = world.now + 1000
    task = world.opened_task(deadline=deadline)
    for name in ("accept", "start")[: source - TaskState.OPEN]:
        do(world, "provider", name, task)
    world.next_block_at(deadline - 2)
    for by in ("requester", "stranger"):
        assert refusal(world, by, "expire", task) == ("DeadlineNotPassed", task, deadline, world.now)
    world.next_block_at(deadline)
    do(world, "stranger", "expire", task)
    assert state(world, task) == TaskState.EXPIRED


@pytest.mark.parametrize(
    ("source", "by", "name", "arguments"),
    [
        (TaskState.OPEN, "provider", "accept", ()),
        (TaskState.ACCEPTED, "provider", "start", ()),
        (TaskState.ACCEPTED, "provider", "heartbeat", ()),
        (TaskState.RUNNING, "provider", "fail", (PURPOSE,)),
        (TaskState.RUNNING, "requester", "commitResult", (PURPOSE,)),
        (TaskState.RUNNING, "provider", "commitResult", (PURPOSE,)),
    ],
)
def test_no_work_is_done_after_the_deadline(
    world: World, source: TaskState, by: str, name: str, arguments: tuple[bytes, ...]
) -> None:
    deadline = world.now + 1000
    task = world.opened_task(deadline=deadline)
    for step in ("accept", "start")[: source - TaskState.OPEN]:
        do(world, "provider", step, task)
    world.next_block_at(deadline)
    assert refusal(world, by, name, task, *arguments) == ("DeadlinePassed", task, deadline, deadline)


def test_a_task_is_running_from_start_to_its_deadline(world: World) -> None:
    deadline = world.now + 2 * LEASE
    task = world.opened_task(deadline=deadline)
    require = world.scheduler.functions.requireRunning(task)
    for name, before in (("accept", TaskState.OPEN), ("start", TaskState.ACCEPTED)):
        with pytest.raises(Refused) as refused:
            world.ask(require)
        assert refused.value.args == ("TaskNotRunning", task, before)
        do(world, "provider", name, task)
    assert world.ask(require) == PURPOSE
    world.wait_until(deadline - 1)  # a lapsed lease alone does not stop what runs under the task
    assert world.ask(require) == PURPOSE
    world.wait_until(deadline)
    with pytest.raises(Refused) as late:
        world.ask(require)
    assert late.value.args == ("DeadlinePassed", task, deadline, world.now)


def test_the_documented_constants_are_the_contracts(world: World) -> None:
    assert world.ask(world.scheduler.functions.LEASE()) == LEASE
    assert world.ask(world.scheduler.functions.MAX_ATTEMPTS()) == MAX_ATTEMPTS
    assert world.ask(world.scheduler.functions.catalog()) == world.catalog.address
