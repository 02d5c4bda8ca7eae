"""TaskScheduler: who may do what (test_task_moves.py has the transitions, test_task_times.py the seconds)."""

from typing import Any

import pytest

from tests.contracts.model import TaskKind, TaskState
from tests.contracts.tasks import (
    BOTH,
    LEASE,
    MAX_ATTEMPTS,
    PURPOSE,
    RECORDING_PERIOD,
    accepted,
    disputed,
    do,
    field,
    opening,
    refusal,
    refusal_to_record,
    running_with,
    state,
)
from tests.contracts.world import DAY, KEYS, YEAR, World, role


@BOTH
def test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose(world: World, kind: TaskKind) -> None:
    task, dataset = world.fresh(), world.registered_dataset()
    deadline = world.now + YEAR
    call = opening(world, task, dataset=dataset, deadline=deadline, kind=kind)
    assert world.refusal(call, by="provider")[0] == "AccessControlUnauthorizedAccount"
    receipt = world.send(call, by="requester")
    requester = world.people["requester"]
    moved, told = world.events(receipt, world.scheduler)
    assert moved == ("TaskMoved", {"taskId": task, "from": 0, "to": 1, "by": requester})
    assert told == (
        "TaskOpened",
        {
            "taskId": task,
            "datasetId": dataset,
            "requester": requester,
            "kind": kind,
            "purpose": PURPOSE,
            "termsDigest": role("terms"),
            "deadline": deadline,
        },
    )
    assert state(world, task) == TaskState.OPEN
    nobody = "0x" + "00" * 20
    until = deadline if kind == TaskKind.STANDING else 0
    assert world.ask(world.scheduler.functions.taskOf(task)) == (
        *(requester, deadline, TaskState.OPEN, kind, 0, nobody, 0, until),
        *(dataset, PURPOSE, role("terms"), bytes(32), bytes(32)),
    )
    again = opening(world, task)
    assert world.refusal(again, by="other_requester") == (
        "MoveNotAllowed",
        task,
        TaskState.OPEN,
        TaskState.OPEN,
    )


@pytest.mark.parametrize("into", [accepted, running_with])
def test_a_task_under_way_is_not_opened_anew(world: World, into: Any) -> None:
    """The table lets it move back to Open, but only as its attempt ends: nobody takes it over."""
    task = into(world)
    before = world.ask(world.scheduler.functions.taskOf(task))
    takeover = opening(world, task, purpose=PURPOSE, terms=role("other terms"), kind=TaskKind.ONE_OFF)
    for by in ("requester", "other_requester"):
        assert world.refusal(takeover, by=by) == ("MoveNotAllowed", task, before[2], TaskState.OPEN)
    assert world.ask(world.scheduler.functions.taskOf(task)) == before


def test_a_task_that_means_nothing_is_not_opened(world: World) -> None:
    task, dataset = world.fresh(), world.registered_dataset()
    retired, delisted = world.registered_dataset(), world.registered_dataset()
    world.send(world.catalog.functions.retire(retired), by="provider")
    world.send(world.catalog.functions.delistPurpose(delisted, PURPOSE), by="provider")
    now = world.now
    cases: list[tuple[dict[str, Any], tuple[object, ...]]] = [
        ({"task": bytes(32)}, ("ZeroField", bytes(32))),
        ({"terms": bytes(32)}, ("ZeroField", task)),
        ({"purpose": role("unlisted")}, ("PurposeNotListed", dataset, role("unlisted"))),
        ({"dataset": delisted}, ("PurposeNotListed", delisted, PURPOSE)),
        ({"dataset": role("unknown")}, ("DatasetUnknown", role("unknown"))),
        ({"dataset": retired}, ("DatasetNoLongerOffered", retired)),
        ({"deadline": now}, ("DeadlinePassed", task, now)),
    ]
    for changes, error in cases:
        function = opening(world, **({"task": task, "dataset": dataset} | changes))
        assert world.refusal(function, by="requester")[: len(error)] == error
    assert state(world, task) == TaskState.NONE


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
    provider, until = world.people["provider"], world.now + LEASE
    assert world.events(receipt, world.scheduler)[1] == (
        "LeaseHeld",
        {"taskId": task, "provider": provider, "until": until},
    )
    assert [field(world, task, name) for name in ("provider", "leaseEnds", "attempts")] == [
        provider,
        until,
        1,
    ]


def test_a_task_on_what_is_no_longer_offered_is_not_accepted(world: World) -> None:
    functions = world.catalog.functions
    for withdraw, error in [
        (functions.retire, "DatasetNoLongerOffered"),
        (lambda d: functions.delistPurpose(d, PURPOSE), "PurposeNotListed"),
    ]:
        dataset, task = world.registered_dataset(), world.fresh()
        world.send(opening(world, task, dataset=dataset), by="requester")
        world.send(withdraw(dataset), by="provider")
        assert refusal(world, "provider", "accept", task)[:2] == (error, dataset)


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


@pytest.mark.parametrize("ending", ["fail", "lapse"])
def test_a_failed_attempt_reopens_the_task_until_attempts_run_out(world: World, ending: str) -> None:
    """Given up by its provider, or ended by anybody for want of a heartbeat: an attempt is an attempt."""
    task, provider, nobody = world.opened_task(), world.people["provider"], "0x" + "00" * 20
    for attempt in range(1, MAX_ATTEMPTS + 1):
        do(world, "provider", "accept", task)
        if attempt > 1:  # an attempt ends before its start as well as after it
            do(world, "provider", "start", task)
            do(world, "provider", "commitResult", task, role("stale"))
        told = {"taskId": task, "provider": provider, "attempt": attempt}
        if ending == "fail":
            reason = world.fresh()
            receipt = do(world, "provider", "fail", task, reason)
            event = ("AttemptFailed", told | {"reasonDigest": reason})
        else:
            world.next_block_at(world.now + LEASE)
            receipt = do(world, "stranger", "lapse", task)
            event = ("AttemptLapsed", told)
        assert event in world.events(receipt, world.scheduler)
        assert state(world, task) == (TaskState.FAILED if attempt == MAX_ATTEMPTS else TaskState.OPEN)
        left = [field(world, task, name) for name in ("provider", "leaseEnds", "attempts", "providerResult")]
        assert left == [nobody, 0, attempt, bytes(32)]
    assert refusal(world, "provider", "accept", task)[0] == "MoveNotAllowed"


@pytest.mark.parametrize("ending", ["fail", "lapse"])
def test_a_failed_attempts_commitments_do_not_count(world: World, ending: str) -> None:
    task = running_with(world, ("requester", role("old")))
    if ending == "fail":
        do(world, "provider", "fail", task, world.fresh())
    else:
        world.next_block_at(world.now + LEASE)
        do(world, "stranger", "lapse", task)
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
    assert field(world, task, f"{first}Result") == PURPOSE
    assert field(world, task, f"{second}Result") == second_says


def test_only_the_two_parties_commit_and_never_nothing(world: World) -> None:
    task = world.running_task()
    for by in ("other_provider", "other_requester", "arbiter", "stranger"):
        assert refusal(world, by, "commitResult", task, PURPOSE) == (
            "NotAParty",
            task,
            world.people[by].lower(),
        )
    assert refusal(world, "provider", "commitResult", task, bytes(32)) == ("ZeroField", task)


# ---------------------------------------------------------------- disputes


@BOTH
@pytest.mark.parametrize("side", ["requesterResult", "providerResult", None])
def test_a_dispute_is_resolved_by_the_arbiter_for_one_side_or_neither(
    world: World, kind: TaskKind, side: str | None
) -> None:
    task = disputed(world, kind=kind)
    digest = field(world, task, side) if side else bytes(32)
    ends = TaskState.COMPLETED if side else TaskState.FAILED
    receipt = do(world, "arbiter", "resolve", task, digest)
    arbiter = world.people["arbiter"]
    assert world.events(receipt, world.scheduler) == [
        ("DisputeResolved", {"taskId": task, "arbiter": arbiter, "resultDigest": digest}),
        ("TaskMoved", {"taskId": task, "from": TaskState.DISPUTED, "to": ends, "by": arbiter}),
    ]
    assert state(world, task) == ends
    assert {field(world, task, "requesterResult"), field(world, task, "providerResult")} == {
        PURPOSE,
        role("x"),
    }
    recordable = kind == TaskKind.ONE_OFF and side is not None
    assert (refusal_to_record(world, task) is None) == recordable
    again = refusal(world, "arbiter", "resolve", task, digest)
    assert again == ("MoveNotAllowed", task, ends, TaskState.COMPLETED)


def test_an_arbiter_finds_for_what_was_committed_and_nothing_else(world: World) -> None:
    task = disputed(world)
    assert refusal(world, "arbiter", "resolve", task, role("y")) == ("NotACommittedResult", task, role("y"))


@pytest.mark.parametrize("who", [name for name in KEYS if name != "arbiter"])
def test_only_the_arbiter_resolves(world: World, who: str) -> None:
    task = disputed(world)
    assert refusal(world, who, "resolve", task, PURPOSE) == (
        "AccessControlUnauthorizedAccount",
        world.people[who].lower(),
        role("ARBITER_ROLE"),
    )


def test_a_dispute_outlives_the_deadline(world: World) -> None:
    deadline = world.now + DAY
    task = disputed(world, deadline=deadline, kind=TaskKind.ONE_OFF)
    world.next_block_at(deadline + YEAR)
    assert refusal(world, "stranger", "expire", task)[0] == "MoveNotAllowed"
    do(world, "arbiter", "resolve", task, PURPOSE)
    assert field(world, task, "recordUntil") == world.now + RECORDING_PERIOD
    assert refusal_to_record(world, task) is None


def test_the_documented_constants_are_the_contracts(world: World) -> None:
    functions = world.scheduler.functions
    assert world.ask(functions.LEASE()) == LEASE
    assert world.ask(functions.MAX_ATTEMPTS()) == MAX_ATTEMPTS
    assert world.ask(functions.RECORDING_PERIOD()) == RECORDING_PERIOD
    assert world.ask(functions.catalog()) == world.catalog.address
