"""Random lives of everything in the four contracts, against the model that the tests keep themselves.

AUTOCLAIM_DEEP=1 runs thousands of sequences instead of a few dozen.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.contracts.calls import nonview
from tests.contracts.machine.base import STORES, Machine
from tests.contracts.machine.offices import Offices
from tests.contracts.machine.results import Results
from tests.contracts.world import DAY

DEEP = os.environ.get("AUTOCLAIM_DEEP") == "1"
SEQUENCES, STEPS = (3_000, 40) if DEEP else (40, 40)
LEAST_SHARE = 0.35
CONTRACTS = ("registry", "catalog", "scheduler", "store")


class Lives(Results, Offices):
    @initialize()
    def begin_anew(self) -> None:
        self.begin()

    @rule(pick=st.integers(min_value=0, max_value=3), about=st.sampled_from((-1, 0, 1)))
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


@pytest.mark.timeout(4 * 3600 if DEEP else 600)  # tens of seconds of work, on a machine that may be busy
def test_random_lives_are_as_the_model_says_and_mostly_succeed() -> None:
    Machine.tally.clear()
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            # Shrinking on a chain outlasts a test's time limit, which would then show no example at all.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            deadline=None,
        ),
    )
    tally = {name: tuple(counts) for name, counts in sorted(Machine.tally.items())}
    attempts = sum(sum(counts) for counts in tally.values())
    succeeded = sum(counts[1] for counts in tally.values())
    print(f"{SEQUENCES} sequences, {attempts} calls, {succeeded / attempts:.0%} succeeded", tally)  # noqa: T201
    every = {
        f"{contract}.{name}" for contract in CONTRACTS for name in nonview(getattr(Lives.world, contract))
    }
    assert every <= tally.keys(), "a function that no rule calls"
    never = {name for name, (refused, taken) in tally.items() if not taken or not refused}
    assert not never & every, "only ever refused, or never"
    assert succeeded >= LEAST_SHARE * attempts
    assert all(tally.get(f"{store}.recordBatch", (0, 0))[1] for store in STORES)
