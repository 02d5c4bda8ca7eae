"""Random lives of datasets and tasks."""

from dataclasses import astuple
from typing import Any

from hypothesis import strategies as st

from tests.contracts.machine.base import FEW, MOSTLY, PURPOSES, Machine, move
from tests.contracts.model import TaskKind
from tests.contracts.world import DAY, YEAR

MORE = (b"\x06" * 32, b"\x07" * 32, b"\x08" * 32)
"""Purposes that no consent is for."""
DIGESTS = (b"\x01" * 32, b"\x01" * 32, b"\x01" * 32, bytes(32), b"\x02" * 32)
"""What the sides commit to, mostly the same; zero is no result, and for the arbiter neither side's."""
ANYBODY = ("requester", "provider", "other_provider", "governor", "arbiter")
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

FORWARD = 3
"""How much likelier a task goes on than ends, so that some get to their end."""


class Tasks(Machine):
    tasks: list[bytes]
    datasets: list[bytes]

    def kept(self) -> set[str]:
        return super().kept() | {"tasks", "datasets"}

    def prepare(self) -> None:
        super().prepare()
        self.tasks, self.datasets = [], []
        for _ in range(2):
            self.register(1, [*PURPOSES], "provider")
            self.publish_matching_key(len(self.datasets) - 1, 0, "provider")
        for kind in (TaskKind.STANDING, TaskKind.ONE_OFF):
            for purpose in PURPOSES:  # work that lasts, for the other rules to meet
                self.open(0, purpose, YEAR, kind, True)
                self.do("accept", self.tasks[-1], "provider")
                self.do("start", self.tasks[-1], "provider")
        for by in ("provider", "requester"):
            self.do("commit", self.tasks[2], by)
            self.do("commit", self.tasks[3], by, DIGESTS[-1] if by == "provider" else DIGESTS[0])
        self.open(0, PURPOSES[0], 3 * DAY, TaskKind.STANDING, True)

    # ------------------------------------------------------------ datasets

    BY = st.sampled_from(("provider",) * 7 + ("other_provider", "governor", "stranger"))

    @move(
        classification=st.sampled_from((1, 2, 3, 4) * 3 + (0, 5)),
        purposes=st.sampled_from(([PURPOSES[0]], [*PURPOSES], [PURPOSES[1]], [], [PURPOSES[0]] * 2)),
        by=BY,
    )
    def register(self, classification: int, purposes: list[bytes], by: str) -> None:
        dataset = self.world.fresh()
        if self.act("catalog", "register", dataset, classification, purposes, by=by):
            self.datasets.append(dataset)

    @move(pick=FEW, purpose=st.sampled_from((*PURPOSES, *MORE)), by=BY)
    def list_purpose(self, pick: int, purpose: bytes, by: str) -> None:
        self.act("catalog", "listPurpose", self.offered(pick), purpose, by=by)

    @move(pick=FEW, purpose=st.sampled_from((*PURPOSES, *MORE)), listed=MOSTLY, by=BY)
    def delist_purpose(self, pick: int, purpose: bytes, listed: bool, by: str) -> None:
        """Not of the first dataset, so that tasks still find theirs."""
        dataset = self.pick(self.datasets[1:], pick)
        there = sorted(self.model.catalog.datasets[dataset].purposes)
        self.act(
            "catalog",
            "delistPurpose",
            dataset,
            self.pick(there, pick) if there and listed else purpose,
            by=by,
        )

    @move(pick=FEW, by=BY)
    def publish_version(self, pick: int, by: str) -> None:
        digests = self.world.fresh(), self.world.fresh()
        self.act("catalog", "publishVersion", self.offered(pick), *digests, by=by)

    @move(pick=FEW, off=st.sampled_from((0, 0, 0, 0, -1, 1)), by=BY)
    def publish_matching_key(self, pick: int, off: int, by: str) -> None:
        dataset = self.offered(pick)
        epoch = max(0, len(self.model.catalog.datasets[dataset].keys) + 1 + off)
        self.act("catalog", "publishMatchingKey", dataset, epoch, self.world.fresh(), by=by)

    @move(pick=FEW, off=st.sampled_from((0, 0, 0, 1, -1)), by=BY)
    def withdraw_matching_key(self, pick: int, off: int, by: str) -> None:
        dataset = self.offered(pick)
        epoch = max(0, len(self.model.catalog.datasets[dataset].keys) + off)
        self.act("catalog", "withdrawMatchingKey", dataset, epoch, by=by)

    @move(pick=FEW, by=BY)
    def retire(self, pick: int, by: str) -> None:
        self.act("catalog", "retire", self.pick(self.datasets[1:], pick), by=by)

    def offered(self, pick: int) -> bytes:
        """A dataset, mostly one that is still offered."""
        there = [d for d in self.datasets if not self.model.catalog.datasets[d].retired]
        return self.pick(self.datasets if pick == 0 else there, pick)

    # ------------------------------------------------------------ tasks

    @move(
        pick=FEW,
        purpose=st.sampled_from(PURPOSES),
        seconds=st.sampled_from((DAY, 3 * DAY, 3 * DAY, YEAR, YEAR, YEAR, 0)),
        kind=st.sampled_from(TaskKind),
        right=MOSTLY,
    )
    def open(self, pick: int, purpose: bytes, seconds: int, kind: TaskKind, right: bool) -> None:
        task = self.world.fresh()
        arguments = (self.offered(pick), purpose, DIGESTS[0], self.world.next_time + seconds, kind)
        by = "requester" if right else "provider"
        if self.act("scheduler", "open", task, *arguments, by=by):
            self.tasks.append(task)

    @move(pick=FEW, by=st.sampled_from(("requester", "other_requester")))
    def open_again(self, pick: int, by: str) -> None:
        task = self.pick(self.tasks, pick)
        arguments = (self.datasets[0], PURPOSES[0], DIGESTS[0], self.world.next_time + DAY, TaskKind.STANDING)
        self.act("scheduler", "open", task, *arguments, by=by)

    @move(4, pick=FEW, sensible=MOSTLY, right=MOSTLY, digest=st.sampled_from(DIGESTS))
    def work(self, pick: int, sensible: bool, right: bool, digest: bytes) -> None:
        self._work(self.pick(self.tasks, pick), sensible, right, digest)

    @move(4, sensible=MOSTLY, right=MOSTLY, digest=st.sampled_from(DIGESTS))
    def work_on_the_latest(self, sensible: bool, right: bool, digest: bytes) -> None:
        """So that a new task gets somewhere within one sequence."""
        self._work(self.tasks[-1], sensible, right, digest)

    def _work(self, task: bytes, sensible: bool, right: bool, digest: bytes) -> None:
        """Mostly something that is due; now and then anything, by whom it belongs to or by anybody."""
        now = self.world.next_time
        options = self.due(task, digest) if sensible else []
        anything = [(name, by, now) for name, people in WHO.items() for by in (people if right else ANYBODY)]
        name, by, at = self.random.choice(options or anything)
        self.wait(at)
        self.do(name, task, by, digest)

    def due(self, task: bytes, digest: bytes) -> list[tuple[str, str, int]]:
        """(what, by whom, when): what the model takes now, or at an end that is near."""
        now, there = self.world.next_time, self.model.scheduler.tasks[task]
        later = {"lapse": there.lease_ends, "cancel": there.lease_ends, "expire": there.deadline}
        return [
            (name, by, at)
            for name, people in WHO.items()
            for by in people
            for at in {now, max(now, later.get(name, now))}
            for _ in range(FORWARD if name in ("accept", "start", "heartbeat", "commit") else 1)
            if at < now + 4 * DAY and self.would("scheduler", *self.call(name, task, digest), by=by, now=at)
        ]

    def call(self, name: str, task: bytes, digest: bytes) -> tuple[Any, ...]:
        more = (digest,) if name in ("fail", "commit", "resolve") else ()
        return {"commit": "commitResult"}.get(name, name), task, *more

    def do(self, name: str, task: bytes, by: str, digest: bytes = DIGESTS[0]) -> None:
        self.act("scheduler", *self.call(name, task, digest), by=by)

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
            for purpose in (*PURPOSES, *MORE):
                assert self.ask("catalog", "lists", dataset_id, purpose) == (purpose in dataset.purposes)
            for number, digests in enumerate(dataset.versions, start=1):
                assert self.ask("catalog", "versionOf", dataset_id, number) == digests
            for epoch, key in enumerate(dataset.keys, start=1):
                expected = key or ("NoMatchingKey", dataset_id, epoch)
                assert self.ask("catalog", "matchingKeyOf", dataset_id, epoch) == expected

    def _told(self, struct: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.lower() if isinstance(value, str) else value for value in struct)
