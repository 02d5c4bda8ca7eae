"""任务与调度 in Python: who asks whom to match what, for which purpose, until when."""

from dataclasses import dataclass
from enum import IntEnum

from engine.chain.artifacts import SCHEDULER
from engine.chain.contracts.base import Bytes32, Contract, word
from engine.chain.keys import ARBITER, PROVIDER, REQUESTER
from engine.chain.sender import TxRef


class TaskState(IntEnum):
    NONE = 0
    OPEN = 1
    ACCEPTED = 2
    RUNNING = 3
    COMPLETED = 4
    FAILED = 5
    EXPIRED = 6
    CANCELLED = 7
    DISPUTED = 8


class TaskKind(IntEnum):
    ONE_OFF = 0
    """Results are recorded once both sides agree on the outcome."""
    STANDING = 1
    """Results are recorded while it runs."""


@dataclass(frozen=True, slots=True)
class TaskOnChain:
    """As the contract has it. Ids and digests: 0x and 64 digits; results are None until committed."""

    state: TaskState
    kind: TaskKind
    requester: str
    deadline: int
    provider: str
    lease_ends: int
    dataset: str
    purpose: str
    terms: str
    requester_result: str | None
    provider_result: str | None


class TaskScheduler(Contract):
    name = SCHEDULER

    def open(
        self,
        task_id: Bytes32,
        dataset_id: Bytes32,
        purpose: Bytes32,
        terms_digest: Bytes32,
        deadline: int,
        kind: TaskKind,
    ) -> TxRef:
        arguments = (word(task_id), word(dataset_id), word(purpose), word(terms_digest), deadline, kind)
        return self._send(REQUESTER, "open", *arguments)

    def accept(self, task_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "accept", word(task_id))

    def start(self, task_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "start", word(task_id))

    def heartbeat(self, task_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "heartbeat", word(task_id))

    def fail(self, task_id: Bytes32, reason_digest: Bytes32) -> TxRef:
        return self._send(PROVIDER, "fail", word(task_id), word(reason_digest))

    def lapse(self, task_id: Bytes32) -> TxRef:
        """Anybody may, once the lease has lapsed; the requester does."""
        return self._send(REQUESTER, "lapse", word(task_id))

    def cancel(self, task_id: Bytes32) -> TxRef:
        return self._send(REQUESTER, "cancel", word(task_id))

    def expire(self, task_id: Bytes32) -> TxRef:
        """Anybody may; the requester does."""
        return self._send(REQUESTER, "expire", word(task_id))

    def commit_result_as_requester(self, task_id: Bytes32, result_digest: Bytes32) -> TxRef:
        return self._send(REQUESTER, "commitResult", word(task_id), word(result_digest))

    def commit_result_as_provider(self, task_id: Bytes32, result_digest: Bytes32) -> TxRef:
        return self._send(PROVIDER, "commitResult", word(task_id), word(result_digest))

    def resolve(self, task_id: Bytes32, result_digest: Bytes32) -> TxRef:
        """By the arbiter: the committed digest that was found right, or 32 zero bytes for neither."""
        return self._send(ARBITER, "resolve", word(task_id), word(result_digest))

    def task_of(self, task_id: Bytes32) -> TaskOnChain:
        """Of an unknown task, the state is NONE."""
        requester, deadline, state, kind, _, provider, lease_ends, _, *words = self._call(
            "taskOf", word(task_id)
        )
        dataset, purpose, terms, ours, theirs = ("0x" + bytes(value).hex() for value in words)
        return TaskOnChain(
            state=TaskState(state),
            kind=TaskKind(kind),
            requester=requester,
            deadline=deadline,
            provider=provider,
            lease_ends=lease_ends,
            dataset=dataset,
            purpose=purpose,
            terms=terms,
            requester_result=None if int(ours, 16) == 0 else ours,
            provider_result=None if int(theirs, 16) == 0 else theirs,
        )

    def state_of(self, task_id: Bytes32) -> TaskState:
        return TaskState(self._call("stateOf", word(task_id)))

    def require_recordable(self, task_id: Bytes32) -> bytes:
        """The task's purpose. Raises ContractRefused unless results may be recorded under it now."""
        return bytes(self._call("requireRecordable", word(task_id), at="pending"))
