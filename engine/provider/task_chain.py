"""What a node does about a matching task on chain: takes it, keeps its lease, gives it back, and commits."""

from datetime import timedelta

from engine.chain.contracts import TaskOnChain, TaskState
from engine.errors import Conflict
from engine.evidence.canonical import digest
from engine.provider.node import Node

_RENEW_BEFORE = timedelta(hours=12)
"""Half of a lease: an outage of the other half costs no attempt."""


class TaskOver(Conflict):
    """On chain the task is not ours to go on with; `state`: what it is there."""

    def __init__(self, on_chain: TaskOnChain) -> None:
        super().__init__(f"on chain the task is {on_chain.state.name.lower()}", code="task.over")
        self.state = on_chain.state


def hold_lease(node: Node, task_id: str) -> None:
    """It runs, and the lease on it is ours for hours. Also after a lease has lapsed, as long as attempts are
    left. Raises TaskOver, ContractRefused, ChainUnavailable."""
    on_chain, word = node.chain.task(task_id), bytes.fromhex(task_id[2:])
    if on_chain.state is TaskState.OPEN:
        node.chain.accept(word)
        on_chain = node.chain.task(task_id)
    if on_chain.provider.lower() != node.chain.address.lower():
        raise TaskOver(on_chain)
    if on_chain.state is TaskState.ACCEPTED:
        node.chain.start(word)
    elif on_chain.state is not TaskState.RUNNING:
        raise TaskOver(on_chain)
    elif on_chain.lease_ends - node.clock().timestamp() < _RENEW_BEFORE.total_seconds():
        node.chain.heartbeat(word)


def give_back(node: Node, task_id: str, reason: str) -> None:
    """Let it go on chain, where it is ours; the reason as a digest, which names nobody."""
    on_chain = node.chain.task(task_id)
    ours = on_chain.provider.lower() == node.chain.address.lower()
    if ours and on_chain.state in (TaskState.ACCEPTED, TaskState.RUNNING):
        node.chain.fail(bytes.fromhex(task_id[2:]), digest({"reason": reason}))
