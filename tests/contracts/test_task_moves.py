"""TaskScheduler: every move that is allowed, and every one that is not."""

from collections.abc import Callable
from itertools import product

import pytest

from tests.contracts.model import TASK_MOVES, TaskState
from tests.contracts.tasks import (
    INTO,
    LEASE,
    PURPOSE,
    do,
    opening,
    refusal,
    state,
)
from tests.contracts.world import YEAR, Refused, World, role


def open_(world: World, task: bytes) -> None:
    world.send(opening(world, task), by="requester")


def accept(world: World, task: bytes) -> None:
    do(world, "provider", "accept", task)


def start(world: World, task: bytes) -> None:
    do(world, "provider", "start", task)


def give_up(world: World, task: bytes) -> None:
    do(world, "provider", "fail", task, role("reason"))


def cancel(world: World, task: bytes) -> None:
    if state(world, task) == TaskState.RUNNING:
        world.next_block_at(world.now + LEASE + 1)
    do(world, "requester", "cancel", task)


def expire(world: World, task: bytes) -> None:
    world.next_block_at(world.now + 2 * YEAR)
    do(world, "stranger", "expire", task)


def agree(world: World, task: bytes) -> None:
    do(world, "requester", "commitResult", task, PURPOSE)
    do(world, "provider", "commitResult", task, PURPOSE)


def disagree(world: World, task: bytes) -> None:
    do(world, "provider", "commitResult", task, PURPOSE)
    do(world, "requester", "commitResult", task, role("x"))


ACTS: dict[TaskState, list[Callable[[World, bytes], None]]] = {
    TaskState.OPEN: [open_],
    TaskState.ACCEPTED: [accept],
    TaskState.RUNNING: [start],
    TaskState.COMPLETED: [agree],
    TaskState.FAILED: [give_up],
    TaskState.EXPIRED: [expire],
    TaskState.CANCELLED: [cancel],
    TaskState.DISPUTED: [disagree],
}


"""What moves a task there, done by whom it belongs to, at a time at which it is due."""


def test_the_transition_table_agrees_with_the_independent_one(world: World) -> None:
    contract = {
        source: {
            target for target in TaskState if world.ask(world.scheduler.functions.allows(source, target))
        }
        for source in TaskState
    }
    assert contract == TASK_MOVES


@pytest.mark.parametrize("source", list(TaskState))
def test_a_way_into_every_state(world: World, source: TaskState) -> None:
    assert state(world, INTO[source](world)) == source


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (source, target)
        for source, targets in TASK_MOVES.items()
        for target in targets
        # back to Open and on to Failed depend on the attempts, and have a test of their own
        if target not in (TaskState.OPEN, TaskState.FAILED) or source == TaskState.NONE
    ],
)
def test_every_legal_move_is_made_and_told(world: World, source: TaskState, target: TaskState) -> None:
    task = INTO[source](world)
    before = world.w3.eth.block_number
    for act in ACTS[target]:
        act(world, task)
    assert state(world, task) == target
    moves = [
        arguments
        for block in range(before + 1, world.w3.eth.block_number + 1)
        for transaction in world.w3.eth.get_block(block)["transactions"]
        for name, arguments in world.events(
            world.w3.eth.get_transaction_receipt(transaction),  # type: ignore[arg-type]
            world.scheduler,
        )
        if name == "TaskMoved"
    ]
    assert [(m["taskId"], m["from"], m["to"]) for m in moves] == [(task, source, target)]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (source, target)
        for source, target in product(TaskState, TaskState)
        if target != TaskState.NONE  # nothing leads back to never having been
        and target not in TASK_MOVES[source]
    ],
)
def test_no_illegal_move_is_made(world: World, source: TaskState, target: TaskState) -> None:
    task = INTO[source](world)
    before = state(world, task)
    # an Open task has no provider to give it up, and a live attempt leads to Open, not to Failed
    for act in [*ACTS[target], *([give_up] if target == TaskState.OPEN else [])]:
        if act is give_up and TaskState.OPEN in TASK_MOVES[source]:
            continue
        with pytest.raises(Refused) as refused:
            act(world, task)
        assert refused.value.args[0] in {
            "MoveNotAllowed",
            "TaskNotRunning",
            "NotTheProvider",
            "DeadlinePassed",
        }
        assert state(world, task) == before


def test_a_refused_move_says_from_where_to_where(world: World) -> None:
    task = INTO[TaskState.COMPLETED](world)
    assert refusal(world, "provider", "accept", task) == (
        "MoveNotAllowed",
        task,
        TaskState.COMPLETED,
        TaskState.ACCEPTED,
    )
