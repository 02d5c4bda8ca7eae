"""Random lives of datasets and tasks."""

from dataclasses import astuple
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.contracts.machine.base import FEW, MOSTLY, PURPOSES, Machine
from tests.contracts.model import TaskKind, TaskState
from tests.contracts.world import DAY, YEAR

DIGESTS = (b"\x01" * 32, b"\x01" * 32, b"\x01" * 32, b"\x02" * 32)
NOTHING = bytes(32)
SENSIBLE: dict[TaskState, tuple[str, ...]] = {
    TaskState.OPEN: ("accept", "accept", "accept", "cancel", "expire"),
    TaskState.ACCEPTED: ("start", "start", "start", "heartbeat", "fail", "lapse", "cancel", "expire"),
    TaskState.RUNNING: ("commit", "commit", "commit", "heartbeat", "fail", "lapse", "cancel", "expire"),
    TaskState.DISPUTED: ("resolve",),
}
"""What is worth trying; anything is tried now and then."""
ANYTHING = ("accept", "start", "heartbeat", "fail", "lapse", "cancel", "expire", "commit", "resolve")
WHO: dict[str, tuple[str, ...]] = {
    "accept": ("provider",),
    "start": ("provider",),
    "heartbeat": ("provider",),
    "fail": ("provider",),
    "lapse": ("stranger",),
    "cancel": ("requester",),
    "expire": ("stranger",),
    "commit": ("provider", "requester"),
    "resolve": ("arbiter",),
}


class Tasks(Machine):
    tasks: list[bytes]
    datasets: list[bytes]

    def kept(self) -> set[str]:
        return super().kept() | {"tasks", "datasets"}

    def prepare(self) -> None:
        super().prepare()
        self.tasks, self.datasets = [], []
        for purpose in PURPOSES:
            self.register(1, [purpose], "provider")
        self.list_purpose(0, PURPOSES[1], "provider")
        for kind in (TaskKind.STANDING, TaskKind.ONE_OFF):
            for purpose in PURPOSES:  # work that lasts, for the other rules to meet
                self.open(0, purpose, YEAR, kind, True)
                self.do("accept", self.tasks[-1], "provider")
                self.do("start", self.tasks[-1], "provider")
        for by in ("provider", "requester"):
            self.do("commit", self.tasks[2], by)

    # ------------------------------------------------------------ datasets

    BY = st.sampled_from(("provider",) * 7 + ("other_provider", "governor", "stranger"))

    @rule(
        classification=st.sampled_from((1, 1, 1, 4, 4, 4, 0, 5)),
        purposes=st.lists(st.sampled_from(PURPOSES), max_size=2),
        by=BY,
    )
    def register(self, classification: int, purposes: list[bytes], by: str) -> None:
        dataset = self.world.fresh()
        if self.act("catalog", "register", dataset, classification, purposes, by=by):
            self.datasets.append(dataset)

    @rule(pick=FEW, purpose=st.sampled_from((*PURPOSES, b"\x06" * 32)), by=BY)
    def list_purpose(self, pick: int, purpose: bytes, by: str) -> None:
        self.act("catalog", "listPurpose", self.pick(self.datasets, pick), purpose, by=by)

    @rule(pick=FEW, purpose=st.sampled_from(PURPOSES), by=BY)
    def delist_purpose(self, pick: int, purpose: bytes, by: str) -> None:
        """Mostly of a new dataset, so that tasks still find theirs."""
        self.act("catalog", "delistPurpose", self.datasets[-1 - pick % 2], purpose, by=by)

    @rule(pick=FEW, by=BY)
    def publish_version(self, pick: int, by: str) -> None:
        digests = self.world.fresh(), self.world.fresh()
        self.act("catalog", "publishVersion", self.pick(self.datasets, pick), *digests, by=by)

    @rule(pick=FEW, off=st.sampled_from((0, 0, 0, 0, -1, 1)), by=BY)
    def publish_matching_key(self, pick: int, off: int, by: str) -> None:
        dataset = self.pick(self.datasets, pick)
        epoch = max(0, len(self.model.catalog.datasets[dataset].keys) + 1 + off)
        self.act("catalog", "publishMatchingKey", dataset, epoch, self.world.fresh(), by=by)

    @rule(pick=FEW, epoch=st.sampled_from((1, 1, 1, 2, 3, 0)), by=BY)
    def withdraw_matching_key(self, pick: int, epoch: int, by: str) -> None:
        self.act("catalog", "withdrawMatchingKey", self.pick(self.datasets, pick), epoch, by=by)

    @rule(by=BY)
    def retire(self, by: str) -> None:
        self.act("catalog", "retire", self.datasets[-1], by=by)

    # ------------------------------------------------------------ tasks

    @rule(
        pick=FEW,
        purpose=st.sampled_from(PURPOSES),
        seconds=st.sampled_from((DAY, 3 * DAY, YEAR, YEAR, 0)),
        kind=st.sampled_from(TaskKind),
        right=MOSTLY,
    )
    def open(self, pick: int, purpose: bytes, seconds: int, kind: TaskKind, right: bool) -> None:
        task = self.world.fresh()
        arguments = (
            self.pick(self.datasets, pick),
            purpose,
            DIGESTS[0],
            self.world.next_time + seconds,
            kind,
        )
        by = "requester" if right else "provider"
        if self.act("scheduler", "open", task, *arguments, by=by):
            self.tasks.append(task)

    @rule(pick=FEW, by=st.sampled_from(("requester", "other_requester")))
    def open_again(self, pick: int, by: str) -> None:
        task = self.pick(self.tasks, pick)
        arguments = (self.datasets[0], PURPOSES[0], DIGESTS[0], self.world.next_time + DAY, TaskKind.STANDING)
        self.act("scheduler", "open", task, *arguments, by=by)

    @rule(pick=FEW, choice=FEW, sensible=MOSTLY, right=MOSTLY, other=FEW, digest=st.sampled_from(DIGESTS))
    def work(self, pick: int, choice: int, sensible: bool, right: bool, other: int, digest: bytes) -> None:
        self._work(self.pick(self.tasks, pick), choice, sensible, right, other, digest)

    @rule(choice=FEW, sensible=MOSTLY, right=MOSTLY, other=FEW, digest=st.sampled_from(DIGESTS))
    def work_on_the_latest(self, choice: int, sensible: bool, right: bool, other: int, digest: bytes) -> None:
        """So that a new task gets somewhere within one sequence."""
        self._work(self.tasks[-1], choice, sensible, right, other, digest)

    def _work(self, task: bytes, choice: int, sensible: bool, right: bool, other: int, digest: bytes) -> None:
        state = self.model.scheduler.tasks[task].state
        name = self.pick(list(SENSIBLE.get(state, ANYTHING) if sensible else ANYTHING), choice)
        people = WHO[name] if right else ("requester", "provider", "other_provider", "governor", "arbiter")
        if right and sensible and name in ("lapse", "cancel"):
            ends = self.model.scheduler.tasks[task].lease_ends
            if state == TaskState.RUNNING or name == "lapse":
                self.wait(ends - (other == 0))
        if right and sensible and name == "expire":
            self.wait(min(self.model.scheduler.tasks[task].deadline, self.world.next_time + 4 * DAY))
        self.do(name, task, self.pick(list(people), other), digest)

    def do(self, name: str, task: bytes, by: str, digest: bytes = DIGESTS[0]) -> None:
        if name == "resolve" and self.world.next_time % 3 == 0:
            digest = NOTHING
        contract_name = "commitResult" if name == "commit" else name
        more = (digest,) if name in ("fail", "commit", "resolve") else ()
        self.act("scheduler", contract_name, task, *more, by=by)

    def wait(self, time: int) -> None:
        if time > self.world.next_time:
            self.world.next_block_at(time)

    # ------------------------------------------------------------ what must hold

    def compare(self) -> None:
        super().compare()
        for task_id, task in self.changed("scheduler", "tasks").items():
            assert self._told(self.ask("scheduler", "taskOf", task_id)) == astuple(task)
            assert self.ask("scheduler", "stateOf", task_id) == task.state
        for dataset_id, dataset in self.changed("catalog", "datasets").items():
            told = self._told(self.ask("catalog", "datasetOf", dataset_id))
            assert told == (
                dataset.provider,
                dataset.classification,
                dataset.retired,
                len(dataset.versions),
                len(dataset.keys),
            )
            for purpose in PURPOSES:
                assert self.ask("catalog", "lists", dataset_id, purpose) == (purpose in dataset.purposes)
            for number, digests in enumerate(dataset.versions, start=1):
                assert self.ask("catalog", "versionOf", dataset_id, number) == digests
            for epoch, key in enumerate(dataset.keys, start=1):
                expected = key or ("NoMatchingKey", dataset_id, epoch)
                assert self.ask("catalog", "matchingKeyOf", dataset_id, epoch) == expected

    def _told(self, struct: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.lower() if isinstance(value, str) else value for value in struct)
