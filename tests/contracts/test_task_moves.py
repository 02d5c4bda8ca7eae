"""TaskScheduler: every move that is allowed, and every one that is not."""

from itertools import product
from typing import Any

import pytest

from tests.contracts.model import TASK_MOVES, TaskState
from tests.contracts.tasks import INTO, LEASE, MAX_ATTEMPTS, PURPOSE, do, opening, refusal, state
from tests.contracts.world import YEAR, Refused, World, role

FUNCTIONS = (
    "open",
    "accept",
    "start",
    "heartbeat",
    "fail",
    "lapse",
    "cancel",
    "expire",
    "agree",
    "disagree",
    "resolve",
    "dismiss",
)
"""Every function that changes a task; commitResult and resolve stand twice, for their two outcomes."""

LEADS: dict[str, TaskState] = {
    "open": TaskState.OPEN,
    "accept": TaskState.ACCEPTED,
    "start": TaskState.RUNNING,
    "fail": TaskState.OPEN,
    "lapse": TaskState.OPEN,
    "cancel": TaskState.CANCELLED,
    "expire": TaskState.EXPIRED,
    "agree": TaskState.COMPLETED,
    "disagree": TaskState.DISPUTED,
    "resolve": TaskState.COMPLETED,
    "dismiss": TaskState.FAILED,
}
FROM: dict[str, set[TaskState]] = {
    "open": {TaskState.NONE},
    "accept": {TaskState.OPEN},
    "start": {TaskState.ACCEPTED},
    "heartbeat": {TaskState.ACCEPTED, TaskState.RUNNING},
    "fail": {TaskState.ACCEPTED, TaskState.RUNNING},
    "lapse": {TaskState.ACCEPTED, TaskState.RUNNING},
    "cancel": {TaskState.OPEN, TaskState.ACCEPTED, TaskState.RUNNING},
    "expire": {TaskState.OPEN, TaskState.ACCEPTED, TaskState.RUNNING},
    "agree": {TaskState.RUNNING},
    "disagree": {TaskState.RUNNING},
    "resolve": {TaskState.DISPUTED},
    "dismiss": {TaskState.DISPUTED},
}
"""Where each function has anything to do: what the interface's comments say."""

REFUSALS = {
    "MoveNotAllowed",
    "TaskNotRunning",
    "TaskNotLeased",
    "NotTheProvider",  # no lease, so nobody is the provider
    "LeaseLapsed",
}


def act(world: World, task: bytes, function: str) -> None:
    """Done by whom it belongs to, at a time at which it is due. Raises Refused."""
    match function:
        case "open":
            world.send(opening(world, task), by="requester")
        case "accept" | "start" | "heartbeat":
            do(world, "provider", function, task)
        case "fail":
            do(world, "provider", "fail", task, role("reason"))
        case "lapse":
            world.next_block_at(world.now + LEASE + 1)
            do(world, "stranger", "lapse", task)
        case "cancel":
            if state(world, task) == TaskState.RUNNING:
                world.next_block_at(world.now + LEASE + 1)
            do(world, "requester", "cancel", task)
        case "expire":
            world.next_block_at(world.now + 2 * YEAR)
            do(world, "stranger", "expire", task)
        case "agree" | "disagree":
            do(world, "requester", "commitResult", task, PURPOSE)
            do(world, "provider", "commitResult", task, PURPOSE if function == "agree" else role("x"))
        case "resolve" | "dismiss":
            digest = PURPOSE if function == "resolve" else bytes(32)
            do(world, "arbiter", "resolve", task, digest)


def moves(world: World, since: int) -> list[dict[str, Any]]:
    return [
        arguments
        for block in range(since + 1, world.w3.eth.block_number + 1)
        for transaction in world.w3.eth.get_block(block)["transactions"]
        for name, arguments in world.events(
            world.w3.eth.get_transaction_receipt(transaction),  # type: ignore[arg-type]
            world.scheduler,
        )
        if name == "TaskMoved"
    ]


def test_the_transition_table_agrees_with_the_independent_one(world: World) -> None:
    contract = {
        source: {
            target for target in TaskState if world.ask(world.scheduler.functions.allows(source, target))
        }
        for source in TaskState
    }
    assert contract == TASK_MOVES


def test_the_functions_lead_where_the_table_allows_and_nowhere_else() -> None:
    """Each row of the table is somebody's to make; Failed comes of the last attempt as well."""
    made = {(source, target) for name, target in LEADS.items() for source in FROM[name]}
    made |= {(source, TaskState.FAILED) for source in FROM["fail"]}
    assert made == {(source, target) for source, targets in TASK_MOVES.items() for target in targets}


@pytest.mark.parametrize("source", list(TaskState))
def test_a_way_into_every_state(world: World, source: TaskState) -> None:
    assert state(world, INTO[source](world)) == source


@pytest.mark.parametrize(
    ("source", "function"), [(source, name) for name in FUNCTIONS for source in sorted(FROM[name])]
)
def test_every_legal_move_is_made_and_told(world: World, source: TaskState, function: str) -> None:
    task = INTO[source](world)
    before = world.w3.eth.block_number
    act(world, task, function)
    target = LEADS.get(function, source)
    assert state(world, task) == target
    told = [(m["taskId"], m["from"], m["to"]) for m in moves(world, before)]
    assert told == ([(task, source, target)] if target != source else [])


@pytest.mark.parametrize("source", [TaskState.ACCEPTED, TaskState.RUNNING])
@pytest.mark.parametrize("function", ["fail", "lapse"])
def test_the_last_attempt_ends_in_failed(world: World, source: TaskState, function: str) -> None:
    task = world.opened_task()
    for _ in range(MAX_ATTEMPTS):
        do(world, "provider", "accept", task)
        if source == TaskState.RUNNING:
            do(world, "provider", "start", task)
        before = world.w3.eth.block_number
        act(world, task, function)
    assert state(world, task) == TaskState.FAILED
    assert [(m["from"], m["to"]) for m in moves(world, before)] == [(source, TaskState.FAILED)]


@pytest.mark.parametrize(
    ("source", "function"),
    [(source, name) for source, name in product(TaskState, FUNCTIONS) if source not in FROM[name]],
)
def test_no_illegal_move_is_made(world: World, source: TaskState, function: str) -> None:
    task = INTO[source](world)
    before = world.ask(world.scheduler.functions.taskOf(task))
    with pytest.raises(Refused) as refused:
        act(world, task, function)
    assert refused.value.args[0] in REFUSALS
    assert world.ask(world.scheduler.functions.taskOf(task)) == before
    assert state(world, task) == source


def test_a_refused_move_says_from_where_to_where(world: World) -> None:
    task = INTO[TaskState.COMPLETED](world)
    assert refusal(world, "provider", "accept", task) == (
        "MoveNotAllowed",
        task,
        TaskState.COMPLETED,
        TaskState.ACCEPTED,
    )
