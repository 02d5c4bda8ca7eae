"""The parts that are Python tests: too long, or of too many processes, for every day."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.contracts.deep.outcome import Outcome
from tests.support.process import REPOSITORY

SEQUENCES = 2_000
AT_ONCE = 2  # each with sequences of its own
_TIMEOUT_S = 4 * 3600
_TALLY = re.compile(r"(\d+) sequences, (\d+) calls, (\d+)% succeeded")


def lives() -> Outcome:
    """Random lives of the four contracts against the Python tests' own model, by the thousand."""
    begin = time.monotonic()
    each = SEQUENCES // AT_ONCE
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(lambda first: _live(first, first + each), range(0, SEQUENCES, each)))
    failures = [run.stdout + run.stderr for run in runs if run.returncode != 0]
    told = [tuple(map(int, match.groups())) for run in runs for match in _TALLY.finditer(run.stdout)]
    figures = {"sequences": sum(one[0] for one in told), "calls": sum(one[1] for one in told)}
    if told:
        figures["percent succeeded"] = round(
            sum(calls * share for _, calls, share in told) / figures["calls"]
        )
    if not failures and figures["sequences"] != SEQUENCES:
        failures = [f"{figures['sequences']} sequences, not {SEQUENCES}"]
    return Outcome("lives", time.monotonic() - begin, figures, failures)


def bft() -> Outcome:
    """What `make bft` runs: the chain's promises on four validators."""
    begin = time.monotonic()
    done = _pytest("-m", "bft", "tests/chain")
    passed = sum(map(int, re.findall(r"(\d+) passed", done.stdout)))
    failures = [] if done.returncode == 0 else [done.stdout + done.stderr]
    return Outcome("bft", time.monotonic() - begin, {"tests passed": passed}, failures)


def _live(first: int, last: int) -> subprocess.CompletedProcess[str]:
    return _pytest("-s", "tests/contracts/test_state_machine.py", AUTOCLAIM_DEEP=f"{first}-{last}")


def _pytest(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=REPOSITORY, env=os.environ | variables, timeout=_TIMEOUT_S,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
