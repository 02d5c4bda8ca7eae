"""Random lives of everything in the four contracts, against the model that the tests keep themselves.

AUTOCLAIM_DEEP=0-3000 runs those sequences instead of the first few dozen; each number is another sequence.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.calls import nonview
from tests.contracts.machine.base import Machine, move
from tests.contracts.machine.offices import Offices
from tests.contracts.machine.results import Results
from tests.contracts.world import DAY

DEEP = os.environ.get("AUTOCLAIM_DEEP")
FIRST, LAST = map(int, (DEEP or "0-20").split("-"))
STEPS = 30
LEAST_SHARE = 0.35
CONTRACTS = ("registry", "catalog", "scheduler", "store")


class Lives(Results, Offices):
    @move(3, pick=st.integers(min_value=0, max_value=3), about=st.sampled_from((-1, 0, 1)))
    def time_passes(self, pick: int, about: int) -> None:
        """To about the second at which something ends: the next of them, or one of those after it."""
        soon = self.world.next_time + 3 * DAY
        ends = {consent.expires for consent in self.model.registry.consents.values()}
        for task in self.model.scheduler.tasks.values():
            ends |= {task.deadline, task.lease_ends, task.record_until}
        coming = sorted(end for end in ends if self.world.next_time < end < soon)
        if coming:
            self.wait(self.pick(coming[:4], pick) + about)

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.compare()


A_RUN = 10
"""Past its first ten sequences Hypothesis mostly varies what it ran before: no news in so large a world."""
_SETTINGS = settings(
    max_examples=A_RUN,
    stateful_step_count=STEPS,
    # Shrinking on a chain outlasts a test's time limit, which would then show no example at all.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)


@pytest.mark.timeout(4 * 3600 if DEEP else 600)  # tens of seconds of work, on a machine that may be busy
def test_random_lives_are_as_the_model_says_and_mostly_succeed() -> None:
    Machine.tally.clear()
    sequences = 0
    # Two runs are not the same to the call: what these never reach, as many more have to.
    while sequences < LAST - FIRST or (never_taken() and sequences < 2 * (LAST - FIRST)):
        part = (FIRST + sequences) // A_RUN
        run_state_machine_as_test(seed(part)(Lives), settings=_SETTINGS)
        sequences += A_RUN
    attempts = sum(sum(counts) for counts in Machine.tally.values())
    succeeded = sum(taken for _, taken in Machine.tally.values())
    print(f"{sequences} sequences, {attempts} calls, {succeeded / attempts:.0%} succeeded")  # noqa: T201
    assert succeeded >= LEAST_SHARE * attempts
    assert never_taken() == set()


def never_taken() -> set[str]:
    """Functions that were only ever refused. What all contracts have alike is counted together."""
    taken = {name for name, (_, times) in Machine.tally.items() if times}
    alike = set.intersection(*(nonview(getattr(Lives.world, contract)) for contract in CONTRACTS))
    each = {
        f"{contract}.{name}" for contract in CONTRACTS for name in nonview(getattr(Lives.world, contract))
    }
    seen = taken | {
        f"{contract}.{name.partition('.')[2]}"
        for name in taken
        for contract in CONTRACTS
        if name.partition(".")[2] in alike
    }
    # A store in office after another is a long life: thousands of sequences get there, dozens may not.
    of_heirs = {"heir.recordBatch", "heir.recordCheckpoint"} if DEEP else set()
    return (each | of_heirs) - seen
