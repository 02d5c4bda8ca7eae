"""Random lives of the four contracts against the Python tests' own model, by the thousand."""

import os
import re
import subprocess
import sys
import time

from tests.contracts.deep.outcome import Outcome
from tests.support.process import REPOSITORY

SEQUENCES = 3_000
_TIMEOUT_S = 4 * 3600
_MACHINE = "tests/contracts/test_state_machine.py"


def outcome() -> Outcome:
    begin = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            _MACHINE,
            "--timeout",
            str(_TIMEOUT_S),
            "--hypothesis-show-statistics",
        ],
        cwd=REPOSITORY,
        env=os.environ | {"LIVES": str(SEQUENCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    lived = sum(map(int, re.findall(r"(\d+) passing examples", done.stdout)))
    failures = [] if done.returncode == 0 else [done.stdout + done.stderr]
    if not failures and lived < SEQUENCES:
        failures = [f"{lived} sequences, not {SEQUENCES}"]
    return Outcome("lives", time.monotonic() - begin, {"sequences": lived}, failures)
