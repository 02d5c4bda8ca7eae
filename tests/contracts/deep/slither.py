"""slither over contracts/src: no finding, but for those that are accounted for: here, where a detector
objects to all of its kind, and else in a comment beside the line.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.chain.compile import CONTRACTS
from tests.contracts.deep import forge
from tests.contracts.deep.outcome import Outcome
from tests.support.process import REPOSITORY

BINARY = REPOSITORY / "build" / "env" / "slither" / "bin" / "slither"
_NOT_OURS = "node_modules|test/"
_DISABLED = "// slither-disable"
# Detectors that object to what these contracts are made of: a comment at every line would tell nothing new.
_NOT_ASKED = {
    "timestamp": "every period is a day or longer, and a validator can shift a block by seconds",
    "uninitialized-local": "Solidity sets a local to zero, and zero is what is meant",
}


class SlitherFailed(RuntimeError):
    """slither ended without an analysis; carries what it printed."""


def outcome() -> Outcome:
    begin = time.monotonic()
    found = [f"{one['check']}: {one['description'].strip()}" for one in _findings()]
    exceptions = [line for path in CONTRACTS.glob("src/**/*.sol") for line in _exceptions(path)]
    # an exception says why: `// slither-disable-next-line timestamp -- a deadline is in days`
    unexplained = [f"no reason given: {line}" for line in exceptions if " -- " not in line]
    figures = {"findings": len(found), "exceptions": len(exceptions)}
    return Outcome("slither", time.monotonic() - begin, figures, found + unexplained)


def _findings() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="slither-") as folder:
        told = Path(folder) / "told.json"
        # slither has forge build everything anew: in a folder of its own, so that nobody else's build is lost
        out = str(Path(folder) / "out")
        command = [str(BINARY), str(CONTRACTS), "--filter-paths", _NOT_OURS, "--json", str(told)]
        command += ["--exclude", ",".join(_NOT_ASKED)]
        with forge.environment(FOUNDRY_OUT=out, FOUNDRY_CACHE_PATH=str(Path(folder) / "cache")) as env:
            done = subprocess.run(
                [*command, "--foundry-out-directory", out],
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
        analysis = json.loads(told.read_text()) if told.exists() else {"success": False}
    if not analysis["success"]:
        raise SlitherFailed(analysis.get("error") or done.stdout + done.stderr)
    found: list[dict[str, Any]] = analysis["results"].get("detectors", [])
    return found


def _exceptions(path: Path) -> list[str]:
    lines = enumerate(path.read_text().splitlines(), start=1)
    return [
        f"{path.relative_to(CONTRACTS)}:{number} {line.strip()}"
        for number, line in lines
        if line.strip().startswith(_DISABLED) and "-end" not in line
    ]
