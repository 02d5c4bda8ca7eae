"""TaskScheduler: leases, deadlines and times for recording, at the exact second."""

import pytest

from tests.contracts.model import TaskKind, TaskState
from tests.contracts.tasks import (
    BOTH,
    INTO,
    LEASE,
    PURPOSE,
    RECORDING_PERIOD,
    accepted,
    completed,
    do,
    field,
    refusal,
    refusal_to_record,
    running_with,
    state,
)
from tests.contracts.world import DAY, World, role

LEASED = pytest.mark.parametrize("into", [accepted, running_with])
STEPS = ("accept", "start")


def leased_until(world: World, task: bytes) -> int:
    return int(field(world, task, "leaseEnds"))


def in_state(world: World, source: TaskState, deadline: int) -> bytes:
    task = world.opened_task(deadline=deadline)
    for step in STEPS[: source - TaskState.OPEN]:
        do(world, "provider", step, task)
    return task


# ---------------------------------------------------------------- leases


def test_a_pause_longer_than_a_lease_costs_no_attempt(world: World) -> None:
    task = world.running_task()
    world.send(world.scheduler.functions.pause(), by="pauser")
    for _ in range(3):
        world.next_block_at(leased_until(world, task) - 1)
        do(world, "provider", "heartbeat", task)
        assert refusal(world, "stranger", "lapse", task)[0] == "LeaseStillHeld"
    assert state(world, task) == TaskState.RUNNING


@LEASED
def test_a_heartbeat_renews_the_lease(world: World, into: object) -> None:
    task = into(world)  # type: ignore[operator]
    was = state(world, task)
    for _ in range(3):
        world.next_block_at(leased_until(world, task) - 1)  # the last second of the lease
        receipt = do(world, "provider", "heartbeat", task)
        held = {"taskId": task, "provider": world.people["provider"], "until": world.now + LEASE}
        assert world.events(receipt, world.scheduler) == [("LeaseHeld", held)]
        assert leased_until(world, task) == world.now + LEASE
    assert state(world, task) == was
    assert field(world, task, "attempts") == 1
    idle = world.opened_task()
    assert refusal(world, "provider", "heartbeat", idle) == ("TaskNotLeased", idle, TaskState.OPEN)


def test_a_lapsed_lease_stops_the_provider_until_it_accepts_again(world: World) -> None:
    task = accepted(world)
    lapses = leased_until(world, task)
    world.next_block_at(lapses)
    assert refusal(world, "provider", "start", task) == ("LeaseLapsed", task, lapses, lapses)
    assert refusal(world, "provider", "heartbeat", task)[0] == "LeaseLapsed"
    assert refusal(world, "provider", "accept", task)[0] == "MoveNotAllowed"
    do(world, "provider", "fail", task, world.fresh())
    do(world, "provider", "accept", task)
    do(world, "provider", "start", task)
    lapses = leased_until(world, task)
    world.next_block_at(lapses)
    assert refusal(world, "provider", "commitResult", task, PURPOSE) == ("LeaseLapsed", task, lapses, lapses)


def test_a_lease_holds_up_to_its_last_second(world: World) -> None:
    task = accepted(world)
    world.next_block_at(leased_until(world, task) - 1)
    do(world, "provider", "start", task)
    task = running_with(world)
    world.next_block_at(leased_until(world, task) - 1)
    do(world, "provider", "commitResult", task, PURPOSE)


@LEASED
@pytest.mark.parametrize("by", ["stranger", "requester", "provider"])
def test_anybody_puts_a_task_with_a_lapsed_lease_up_again(world: World, into: object, by: str) -> None:
    task = into(world)  # type: ignore[operator]
    was, lapses, provider = state(world, task), leased_until(world, task), world.people["provider"]
    world.next_block_at(lapses - 2)
    assert refusal(world, by, "lapse", task) == ("LeaseStillHeld", task, lapses, lapses - 2)
    assert refusal(world, by, "lapse", task) == ("LeaseStillHeld", task, lapses, lapses - 1)
    receipt = do(world, by, "lapse", task)  # at the very second of the lapse
    assert world.now == lapses
    assert world.events(receipt, world.scheduler) == [
        ("AttemptLapsed", {"taskId": task, "provider": provider, "attempt": 1}),
        ("TaskMoved", {"taskId": task, "from": was, "to": TaskState.OPEN, "by": world.people[by]}),
    ]
    assert refusal(world, "provider", "heartbeat", task)[0] == "TaskNotLeased"
    do(world, "provider", "accept", task)
    assert field(world, task, "attempts") == 2


@LEASED
def test_at_every_second_a_lease_is_either_renewed_or_lapsed(world: World, into: object) -> None:
    """The race of a heartbeat and a lapse: exactly one of them is right, whoever comes first."""
    task = into(world)  # type: ignore[operator]
    lapses = leased_until(world, task)
    snapshot = world.tester.take_snapshot()
    for second in range(lapses - 2, lapses + 3):
        held = second < lapses
        for first, other in [("heartbeat", "lapse"), ("lapse", "heartbeat")]:
            world.tester.revert_to_snapshot(snapshot)
            world.next_block_at(second)
            who = {"heartbeat": "provider", "lapse": "stranger"}
            if (first == "heartbeat") == held:
                do(world, who[first], first, task)
                assert refusal(world, who[other], other, task)[0] in {"LeaseStillHeld", "TaskNotLeased"}
            else:
                expected = "LeaseStillHeld" if held else "LeaseLapsed"
                assert refusal(world, who[first], first, task)[0] == expected


def test_a_renewed_lease_lapses_from_its_renewal_on(world: World) -> None:
    task = running_with(world)
    world.next_block_at(leased_until(world, task) - 1)
    do(world, "provider", "heartbeat", task)
    lapses = leased_until(world, task)
    assert refusal(world, "stranger", "lapse", task)[0] == "LeaseStillHeld"
    world.next_block_at(lapses)
    do(world, "stranger", "lapse", task)


def test_a_running_task_is_cancelled_only_once_its_lease_has_lapsed(world: World) -> None:
    task = accepted(world)
    lapses = leased_until(world, task)
    do(world, "provider", "start", task)
    world.next_block_at(lapses - 1)
    assert refusal(world, "requester", "cancel", task) == ("LeaseStillHeld", task, lapses, lapses - 1)
    do(world, "requester", "cancel", task)
    assert world.now == lapses
    assert state(world, task) == TaskState.CANCELLED


def test_an_accepted_task_is_cancelled_at_any_time(world: World) -> None:
    task = accepted(world)
    do(world, "requester", "cancel", task)
    assert state(world, task) == TaskState.CANCELLED


# ---------------------------------------------------------------- deadlines


@pytest.mark.parametrize("source", [TaskState.OPEN, TaskState.ACCEPTED, TaskState.RUNNING])
@pytest.mark.parametrize("by", ["stranger", "requester"])
def test_anybody_expires_a_task_after_its_deadline_and_nobody_before(
    world: World, source: TaskState, by: str
) -> None:
    deadline = world.now + 1000
    task = in_state(world, source, deadline)
    world.next_block_at(deadline - 1)
    assert refusal(world, by, "expire", task) == ("DeadlineNotPassed", task, deadline, deadline - 1)
    do(world, by, "expire", task)
    assert world.now == deadline
    assert state(world, task) == TaskState.EXPIRED


WORK = [
    (TaskState.OPEN, "provider", "accept", ()),
    (TaskState.ACCEPTED, "provider", "start", ()),
    (TaskState.ACCEPTED, "provider", "heartbeat", ()),
    (TaskState.RUNNING, "provider", "fail", (PURPOSE,)),
    (TaskState.RUNNING, "requester", "commitResult", (PURPOSE,)),
    (TaskState.RUNNING, "provider", "commitResult", (PURPOSE,)),
]


@pytest.mark.parametrize(("source", "by", "name", "arguments"), WORK)
def test_work_is_done_up_to_the_deadline_and_not_after(
    world: World, source: TaskState, by: str, name: str, arguments: tuple[bytes, ...]
) -> None:
    deadline = world.now + 1000
    late, in_time = in_state(world, source, deadline), in_state(world, source, deadline)
    world.next_block_at(deadline - 1)
    do(world, by, name, in_time, *arguments)
    assert refusal(world, by, name, late, *arguments) == ("DeadlinePassed", late, deadline, deadline)


def test_a_lease_that_lapses_after_the_deadline_is_expired_and_not_lapsed(world: World) -> None:
    deadline = world.now + LEASE + 10
    early, late = (in_state(world, TaskState.RUNNING, deadline) for _ in range(2))
    world.next_block_at(deadline - 1)
    do(world, "stranger", "lapse", early)
    assert refusal(world, "stranger", "lapse", late) == ("DeadlinePassed", late, deadline, deadline)
    do(world, "stranger", "expire", late)


@pytest.mark.parametrize("early", [1, 0])
def test_a_task_is_opened_before_its_deadline(world: World, early: int) -> None:
    deadline, task, dataset = world.now + 100, world.fresh(), world.registered_dataset()
    arguments = (task, dataset, PURPOSE, role("terms"), deadline, TaskKind.ONE_OFF)
    world.next_block_at(deadline - early)
    function = world.scheduler.functions.open(*arguments)
    if early:
        world.send(function, by="requester")
        return
    assert world.refusal(function, by="requester") == ("DeadlinePassed", task, deadline, deadline)


# ---------------------------------------------------------------- recording


@BOTH
@pytest.mark.parametrize("source", list(TaskState))
def test_results_are_recorded_under_a_running_standing_or_a_completed_one_off_task(
    world: World, kind: TaskKind, source: TaskState
) -> None:
    task = INTO[source](world, kind=kind)
    why = refusal_to_record(world, task)
    if (kind, source) in {(TaskKind.STANDING, TaskState.RUNNING), (TaskKind.ONE_OFF, TaskState.COMPLETED)}:
        assert why is None
        return
    known = kind if source != TaskState.NONE else TaskKind.ONE_OFF
    assert why == ("NotRecordable", task, known, source)


def test_a_standing_task_takes_results_up_to_its_deadline(world: World) -> None:
    deadline = world.now + 3 * LEASE
    task = running_with(world, deadline=deadline)
    world.wait_until(leased_until(world, task) + 1)  # a lapsed lease alone stops nothing
    assert refusal_to_record(world, task) is None
    world.wait_until(deadline - 1)
    assert refusal_to_record(world, task) is None
    world.wait_until(deadline)
    assert refusal_to_record(world, task) == ("RecordingOver", task, deadline, deadline)


def test_a_standing_task_that_lapsed_takes_results_again_once_it_runs_again(world: World) -> None:
    task = running_with(world)
    world.next_block_at(leased_until(world, task))
    do(world, "stranger", "lapse", task)
    assert refusal_to_record(world, task) == ("NotRecordable", task, TaskKind.STANDING, TaskState.OPEN)
    do(world, "provider", "accept", task)
    do(world, "provider", "start", task)
    assert refusal_to_record(world, task) is None


@pytest.mark.parametrize("past_deadline", [False, True])
def test_a_one_off_task_takes_results_for_thirty_days_after_completion(
    world: World, past_deadline: bool
) -> None:
    """Its deadline is for the outcome; recording has a time of its own."""
    deadline = world.now + (DAY if past_deadline else 90 * DAY)
    task = completed(world, kind=TaskKind.ONE_OFF, deadline=deadline)
    until = world.now + 30 * DAY
    assert field(world, task, "recordUntil") == until == world.now + RECORDING_PERIOD
    for second in (deadline, until - 1) if past_deadline else (until - 1,):
        world.wait_until(second)
        assert refusal_to_record(world, task) is None
    world.wait_until(until)
    assert refusal_to_record(world, task) == ("RecordingOver", task, until, until)


def test_a_one_off_task_is_recorded_from_the_second_of_its_completion(world: World) -> None:
    task = running_with(world, ("provider", PURPOSE), kind=TaskKind.ONE_OFF)
    assert refusal_to_record(world, task) == ("NotRecordable", task, TaskKind.ONE_OFF, TaskState.RUNNING)
    do(world, "requester", "commitResult", task, PURPOSE)
    assert refusal_to_record(world, task) is None
