"""What the tests of the scheduler share: doing, being refused, and one way into every state."""

from collections.abc import Callable

import pytest
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from tests.contracts.model import TaskState
from tests.contracts.world import DAY, YEAR, Refused, World, role

PURPOSE = role("purpose")


LEASE = DAY


MAX_ATTEMPTS = 3


def state(world: World, task: bytes) -> TaskState:
    return TaskState(world.ask(world.scheduler.functions.stateOf(task)))


def do(world: World, by: str, name: str, task: bytes, *arguments: object) -> TxReceipt:
    return world.send(world.scheduler.functions[name](task, *arguments), by=by)


def refusal(world: World, by: str, name: str, task: bytes, *arguments: object) -> tuple[object, ...]:
    """The error of a call that must be refused and must leave the task as it was."""
    before = world.ask(world.scheduler.functions.taskOf(task))
    with pytest.raises(Refused) as refused:
        do(world, by, name, task, *arguments)
    assert world.ask(world.scheduler.functions.taskOf(task)) == before
    return refused.value.args


def opening(world: World, task: bytes, **changes: object) -> ContractFunction:
    arguments = {
        "task": task,
        "dataset": None,
        "purpose": PURPOSE,
        "terms": role("terms"),
        "deadline": world.now + YEAR,
    } | changes
    arguments["dataset"] = arguments["dataset"] or world.registered_dataset()
    return world.scheduler.functions.open(*arguments.values())


# One way into every state.


def none(world: World) -> bytes:
    return world.fresh()


def accepted(world: World) -> bytes:
    task = world.opened_task()
    do(world, "provider", "accept", task)
    return task


def running_with(world: World, *commits: tuple[str, bytes]) -> bytes:
    task = world.running_task()
    for by, digest in commits:
        do(world, by, "commitResult", task, digest)
    return task


def failed(world: World) -> bytes:
    task = world.opened_task()
    for _ in range(MAX_ATTEMPTS):
        do(world, "provider", "accept", task)
        do(world, "provider", "fail", task, world.fresh())
    return task


def expired(world: World) -> bytes:
    deadline = world.now + DAY
    task = world.opened_task(deadline=deadline)
    world.next_block_at(deadline)
    do(world, "stranger", "expire", task)
    return task


def cancelled(world: World) -> bytes:
    task = world.opened_task()
    do(world, "requester", "cancel", task)
    return task


INTO: dict[TaskState, Callable[[World], bytes]] = {
    TaskState.NONE: none,
    TaskState.OPEN: lambda world: world.opened_task(),
    TaskState.ACCEPTED: accepted,
    TaskState.RUNNING: running_with,
    TaskState.COMPLETED: lambda world: running_with(world, ("requester", PURPOSE), ("provider", PURPOSE)),
    TaskState.FAILED: failed,
    TaskState.EXPIRED: expired,
    TaskState.CANCELLED: cancelled,
    TaskState.DISPUTED: lambda world: running_with(world, ("requester", PURPOSE), ("provider", role("x"))),
}
