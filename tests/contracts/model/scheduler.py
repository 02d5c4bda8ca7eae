"""TaskScheduler, from the rules: a lease, three attempts, a deadline, and two sides that must agree."""

from dataclasses import dataclass

from tests.contracts.model import TASK_MOVES, TaskKind, TaskState
from tests.contracts.model.catalog import Catalog
from tests.contracts.model.office import NOBODY, Office, Reverts

NOTHING = bytes(32)
DAY = 86_400
LEASE = DAY
ATTEMPTS = 3
RECORDING_PERIOD = 30 * DAY
LEASED = (TaskState.ACCEPTED, TaskState.RUNNING)


@dataclass
class Task:
    """In the order of the contract's struct."""

    requester: str
    deadline: int
    state: TaskState
    kind: TaskKind
    attempts: int
    provider: str
    lease_ends: int
    record_until: int
    dataset: bytes
    purpose: bytes
    terms: bytes
    requester_result: bytes = NOTHING
    provider_result: bytes = NOTHING


class Scheduler(Office):
    def __init__(
        self,
        held: dict[str, bytes],
        pauser: bytes,
        *,
        catalog: Catalog,
        provider: bytes,
        requester: bytes,
        arbiter: bytes,
    ) -> None:
        super().__init__(held, pauser)
        self.catalog = catalog
        self._provider, self._requester, self._arbiter = provider, requester, arbiter
        self.tasks: dict[bytes, Task] = {}

    def recordable(self, task_id: bytes, now: int) -> bytes:
        """The purpose."""
        task = self.tasks.get(task_id)
        if task is None:
            raise Reverts("NotRecordable", task_id, TaskKind.ONE_OFF, TaskState.NONE)
        due = TaskState.RUNNING if task.kind == TaskKind.STANDING else TaskState.COMPLETED
        if task.state != due:
            raise Reverts("NotRecordable", task_id, task.kind, task.state)
        if now >= task.record_until:
            raise Reverts("RecordingOver", task_id, task.record_until, now)
        return task.purpose

    def open(
        self,
        by: str,
        now: int,
        task_id: bytes,
        dataset: bytes,
        purpose: bytes,
        terms: bytes,
        deadline: int,
        kind: TaskKind,
    ) -> None:
        self.needs(by, self._requester)
        self.needs_no_pause()
        if deadline <= now:
            raise Reverts("DeadlinePassed", task_id, deadline, now)
        self.catalog.usable(dataset, purpose)
        if task_id in self.tasks:
            raise Reverts("MoveNotAllowed", task_id, self.tasks[task_id].state, TaskState.OPEN)
        until = deadline if kind == TaskKind.STANDING else 0
        self.tasks[task_id] = Task(
            by, deadline, TaskState.OPEN, kind, 0, NOBODY, 0, until, dataset, purpose, terms
        )

    def accept(self, by: str, now: int, task_id: bytes) -> None:
        self.needs(by, self._provider)
        self.needs_no_pause()
        task = self._move(task_id, TaskState.ACCEPTED)
        self._before_deadline(task_id, task, now)
        self.catalog.usable(task.dataset, task.purpose)
        provider = self.catalog.datasets[task.dataset].provider
        if by != provider:
            raise Reverts("NotTheProvider", task_id, by, provider)
        task.provider, task.lease_ends = by, now + LEASE
        task.attempts += 1

    def start(self, by: str, now: int, task_id: bytes) -> None:
        self.needs_no_pause()
        self._holds_lease(task_id, by, now)
        self._move(task_id, TaskState.RUNNING)

    def heartbeat(self, by: str, now: int, task_id: bytes) -> None:
        task = self._leased(task_id)
        self._holds_lease(task_id, by, now)
        task.lease_ends = now + LEASE

    def fail(self, by: str, now: int, task_id: bytes, reason: bytes) -> None:
        task = self._leased(task_id)
        self._provides(task_id, by)
        self._before_deadline(task_id, task, now)
        self._end_attempt(task_id, task)

    def lapse(self, by: str, now: int, task_id: bytes) -> None:
        task = self._leased(task_id)
        self._before_deadline(task_id, task, now)
        if now < task.lease_ends:
            raise Reverts("LeaseStillHeld", task_id, task.lease_ends, now)
        self._end_attempt(task_id, task)

    def cancel(self, by: str, now: int, task_id: bytes) -> None:
        running = self._state(task_id) == TaskState.RUNNING
        task = self._move(task_id, TaskState.CANCELLED)
        if by != task.requester:
            raise Reverts("NotTheRequester", task_id, by, task.requester)
        if running and now < task.lease_ends:
            raise Reverts("LeaseStillHeld", task_id, task.lease_ends, now)

    def expire(self, by: str, now: int, task_id: bytes) -> None:
        task = self._move(task_id, TaskState.EXPIRED)
        if now < task.deadline:
            raise Reverts("DeadlineNotPassed", task_id, task.deadline, now)

    def commit_result(self, by: str, now: int, task_id: bytes, digest: bytes) -> None:
        self.needs_no_pause()
        if self._state(task_id) != TaskState.RUNNING:
            raise Reverts("TaskNotRunning", task_id, self._state(task_id))
        task = self.tasks[task_id]
        self._before_deadline(task_id, task, now)
        if not any(digest):
            raise Reverts("ZeroField", task_id)
        if by == task.requester:
            if any(task.requester_result):
                raise Reverts("AlreadyCommitted", task_id, by, task.requester_result)
            task.requester_result = digest
        elif by == task.provider:
            self._holds_lease(task_id, by, now)
            if any(task.provider_result):
                raise Reverts("AlreadyCommitted", task_id, by, task.provider_result)
            task.provider_result = digest
        else:
            raise Reverts("NotAParty", task_id, by)
        if any(task.requester_result) and any(task.provider_result):
            if task.requester_result == task.provider_result:
                self._complete(task_id, now)
            else:
                self._move(task_id, TaskState.DISPUTED)

    def resolve(self, by: str, now: int, task_id: bytes, digest: bytes) -> None:
        self.needs(by, self._arbiter)
        self.needs_no_pause()
        if self._state(task_id) != TaskState.DISPUTED:
            raise Reverts("MoveNotAllowed", task_id, self._state(task_id), TaskState.COMPLETED)
        task = self.tasks[task_id]
        if digest not in (NOTHING, task.requester_result, task.provider_result):
            raise Reverts("NotACommittedResult", task_id, digest)
        if any(digest):
            self._complete(task_id, now)
        else:
            self._move(task_id, TaskState.FAILED)

    # ------------------------------------------------------------ rules that several share

    def _state(self, task_id: bytes) -> TaskState:
        task = self.tasks.get(task_id)
        return task.state if task else TaskState.NONE

    def _move(self, task_id: bytes, to: TaskState) -> Task:
        state = self._state(task_id)
        if to not in TASK_MOVES[state]:
            raise Reverts("MoveNotAllowed", task_id, state, to)
        self.tasks[task_id].state = to
        return self.tasks[task_id]

    def _complete(self, task_id: bytes, now: int) -> None:
        task = self._move(task_id, TaskState.COMPLETED)
        if task.kind == TaskKind.ONE_OFF:
            task.record_until = now + RECORDING_PERIOD

    def _end_attempt(self, task_id: bytes, task: Task) -> None:
        self._move(task_id, TaskState.OPEN if task.attempts < ATTEMPTS else TaskState.FAILED)
        task.provider, task.lease_ends = NOBODY, 0
        task.requester_result = task.provider_result = NOTHING

    def _leased(self, task_id: bytes) -> Task:
        if self._state(task_id) not in LEASED:
            raise Reverts("TaskNotLeased", task_id, self._state(task_id))
        return self.tasks[task_id]

    def _before_deadline(self, task_id: bytes, task: Task, now: int) -> None:
        if now >= task.deadline:
            raise Reverts("DeadlinePassed", task_id, task.deadline, now)

    def _provides(self, task_id: bytes, by: str) -> None:
        provider = self.tasks[task_id].provider if task_id in self.tasks else NOBODY
        if by != provider:
            raise Reverts("NotTheProvider", task_id, by, provider)

    def _holds_lease(self, task_id: bytes, by: str, now: int) -> None:
        self._provides(task_id, by)
        task = self.tasks[task_id]
        self._before_deadline(task_id, task, now)
        if now >= task.lease_ends:
            raise Reverts("LeaseLapsed", task_id, task.lease_ends, now)
