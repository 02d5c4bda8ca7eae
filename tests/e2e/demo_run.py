"""The demo as a user starts it: a process, its home in a temporary folder, its one JSON object."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
AUTOCLAIM = [sys.executable, "-m", "api.cli.main"]
SETTLEMENTS = 60
_WITHIN_S = 280

TOTALS = (
    *("accepted", "matched", "paid", "nothing", "refused", "review", "uninsured", "no_consent"),
    *("reversed", "quarantined", "payout_fen", "duplicate_payouts", "evidence_verified"),
)


def totals(outcome: dict[str, Any]) -> dict[str, Any]:
    """What two runs over the same discharges have to agree in."""
    return {name: outcome[name] for name in TOTALS}


class DemoRun:
    """`autoclaim demo --json`, running. `kill_engine` is kill -9 on the engine's own process."""

    def __init__(self, folder: Path, settlements: int = SETTLEMENTS, **environment: str) -> None:
        self.home = folder / "demo"
        self.environment = {**os.environ, "AUTOCLAIM_TRUST": str(folder / "trusted.json"), **environment}
        self._killed: set[int] = set()
        self._log, self._answer = folder / "demo.log", folder / "answer.json"
        with self._log.open("ab") as log, self._answer.open("wb") as answer:
            self._process = subprocess.Popen(
                [*AUTOCLAIM, "demo", "--settlements", str(settlements), "--home", str(self.home), "--json"],
                cwd=REPOSITORY,
                env=self.environment,
                stdout=answer,
                stderr=log,
            )

    def outcome(self) -> dict[str, Any]:
        """Wait for the end; the printed object. Fails with the engine's last words if there is none."""
        assert self._process.wait(_WITHIN_S) == 0, self._last_words()
        outcome: dict[str, Any] = json.loads(self._answer.read_text())
        return outcome

    def refusal(self) -> str:
        """Wait for the end of a demo that could not run; what it said."""
        assert self._process.wait(_WITHIN_S) == 2, self._last_words()
        return self._log.read_text()

    def _last_words(self) -> str:
        logs = [self._log, *(self.home / f"{name}.log" for name in ("engine", "provider", "bank"))]
        return "\n".join(log.read_text()[-3000:] for log in logs if log.exists())

    def kill_demo(self, when: Callable[["DemoRun"], bool]) -> None:
        """SIGKILL the engine and the demo itself; the bank ends with the demo."""
        self._wait_for(when)
        engine = self.engine_pid()
        self._process.kill()  # first, so that it starts nothing again
        os.kill(engine, signal.SIGKILL)
        self._process.wait()

    def kill_engine(self, when: Callable[["DemoRun"], bool]) -> None:
        """Wait until `when`, with an engine that was not killed before, then SIGKILL it."""
        self._wait_for(lambda run: run.engine_pid() not in self._killed and when(run))
        self._killed.add(self.engine_pid())
        os.kill(self.engine_pid(), signal.SIGKILL)

    def kill_node(self, when: Callable[["DemoRun"], bool]) -> None:
        """Wait until `when`, then SIGKILL the provider node."""
        self._wait_for(when)
        said = [
            line for line in (self.home / "provider.log").read_text().splitlines() if '"key_file"' in line
        ]
        os.kill(json.loads(said[-1])["pid"], signal.SIGKILL)

    def _wait_for(self, when: Callable[["DemoRun"], bool]) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not when(self):
            assert self._process.poll() is None, f"the demo ended first\n{self._last_words()}"
            assert time.monotonic() < deadline, "the moment to kill never came"
            time.sleep(0.01)

    def engine_pid(self) -> int:
        """0 before there is one."""
        path = self.home / "engine" / "serving.json"
        return int(json.loads(path.read_text())["pid"]) if path.exists() else 0

    def engine_log(self) -> str:
        path = self.home / "engine.log"
        return path.read_text() if path.exists() else ""

    def autoclaim(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another command beside the demo, with its environment."""
        return subprocess.run(
            [*AUTOCLAIM, *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
