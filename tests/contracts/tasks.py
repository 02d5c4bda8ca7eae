"""What the tests of the scheduler share: doing, being refused, and one way into every state."""

from collections.abc import Callable
from typing import Any

import pytest
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from tests.contracts.model import TaskKind, TaskState
from tests.contracts.world import DAY, YEAR, Refused, World, role

PURPOSE = role("purpose")
LEASE = DAY
MAX_ATTEMPTS = 3
RECORDING_PERIOD = 30 * DAY
BOTH = pytest.mark.parametrize("kind", list(TaskKind), ids=lambda kind: kind.name.lower())


def state(world: World, task: bytes) -> TaskState:
    return TaskState(world.ask(world.scheduler.functions.stateOf(task)))


def field(world: World, task: bytes, name: str) -> Any:
    """One field of the task, as the ABI names it."""
    function = world.scheduler.functions.taskOf(task)
    names = [entry["name"] for entry in function.abi["outputs"][0]["components"]]
    return world.ask(function)[names.index(name)]


def do(world: World, by: str, name: str, task: bytes, *arguments: object) -> TxReceipt:
    return world.send(world.scheduler.functions[name](task, *arguments), by=by)


def refusal(world: World, by: str, name: str, task: bytes, *arguments: object) -> tuple[Any, ...]:
    """The error of a call that must be refused and must leave the task as it was."""
    before = world.ask(world.scheduler.functions.taskOf(task))
    refused = world.refusal(world.scheduler.functions[name](task, *arguments), by=by)
    assert world.ask(world.scheduler.functions.taskOf(task)) == before
    return refused


def refusal_to_record(world: World, task: bytes) -> tuple[Any, ...] | None:
    """Why no result can be recorded under the task, as of the latest block; None where one can."""
    try:
        assert world.ask(world.scheduler.functions.requireRecordable(task)) == PURPOSE
    except Refused as refused:
        return refused.args
    return None


def opening(world: World, task: bytes, **changes: Any) -> ContractFunction:
    arguments = {
        "task": task,
        "dataset": None,
        "purpose": PURPOSE,
        "terms": role("terms"),
        "deadline": world.now + YEAR,
        "kind": TaskKind.STANDING,
    } | changes
    arguments["dataset"] = arguments["dataset"] or world.registered_dataset()
    return world.scheduler.functions.open(*arguments.values())


# One way into every state.


def none(world: World, **_: Any) -> bytes:
    return world.fresh()


def opened(world: World, **changes: Any) -> bytes:
    return world.opened_task(**changes)


def accepted(world: World, **changes: Any) -> bytes:
    task = world.opened_task(**changes)
    do(world, "provider", "accept", task)
    return task


def running_with(world: World, *commits: tuple[str, bytes], **changes: Any) -> bytes:
    task = world.running_task(**changes)
    for by, digest in commits:
        do(world, by, "commitResult", task, digest)
    return task


def completed(world: World, **changes: Any) -> bytes:
    return running_with(world, ("requester", PURPOSE), ("provider", PURPOSE), **changes)


def disputed(world: World, **changes: Any) -> bytes:
    return running_with(world, ("requester", PURPOSE), ("provider", role("x")), **changes)


def failed(world: World, **changes: Any) -> bytes:
    task = world.opened_task(**changes)
    for _ in range(MAX_ATTEMPTS):
        do(world, "provider", "accept", task)
        do(world, "provider", "fail", task, world.fresh())
    return task


def expired(world: World, **changes: Any) -> bytes:
    deadline = world.now + DAY
    task = world.opened_task(**{"deadline": deadline} | changes)
    world.next_block_at(deadline)
    do(world, "stranger", "expire", task)
    return task


def cancelled(world: World, **changes: Any) -> bytes:
    task = world.opened_task(**changes)
    do(world, "requester", "cancel", task)
    return task


INTO: dict[TaskState, Callable[..., bytes]] = {
    TaskState.NONE: none,
    TaskState.OPEN: opened,
    TaskState.ACCEPTED: accepted,
    TaskState.RUNNING: running_with,
    TaskState.COMPLETED: completed,
    TaskState.FAILED: failed,
    TaskState.EXPIRED: expired,
    TaskState.CANCELLED: cancelled,
    TaskState.DISPUTED: disputed,
}
