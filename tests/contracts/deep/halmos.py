"""halmos: every `check_` of the specs, for all arguments within the stated bounds."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.chain.compile import CONTRACTS
from tests.contracts.deep import forge
from tests.contracts.deep.outcome import Outcome
from tests.support.process import REPOSITORY

PYTHON = REPOSITORY / "build" / "env" / "halmos" / "bin" / "python"
# Not from its own folder (-P): this module would be taken for halmos.
COMMAND = [str(PYTHON), "-P", str(Path(__file__).with_name("halmos_sha256.py"))]
AT_ONCE = 2
_LOOP_BOUND = "16"  # longer than any loop of a spec; a loop that would go on is a failure, not a proof
_ASSERTION_TIMEOUT = "10m"
# By default a branch that the solver does not rule out in a millisecond is followed: on a busy machine into
# loops that never are.
_BRANCHING_TIMEOUT = "1s"
_TIMEOUT_S = 4 * 3600


def outcome() -> Outcome:
    begin = time.monotonic()
    with forge.environment() as env, ThreadPoolExecutor(AT_ONCE) as pool:
        forge.build(env)
        proofs = [
            _told(proof)
            for told in pool.map(lambda spec: _prove(spec, env), _specs())
            for proof in told.items()
        ]
    figures = {"proofs": len(proofs), "paths": sum(told.get("num_paths", [0])[0] for _, told in proofs)}
    failures = [*filter(None, map(_failure, proofs))]
    return Outcome("halmos", time.monotonic() - begin, figures, failures, [_line(proof) for proof in proofs])


def _specs() -> list[str]:
    """The contracts that state checks, each named after its file."""
    files = sorted(CONTRACTS.glob("test/*.t.sol"))
    return [f"{path.name.removesuffix('.t.sol')}Spec" for path in files if " check_" in path.read_text()]


def _prove(spec: str, env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """`Contract.check` -> halmos's own account of it; what it printed, where it gave none."""
    with tempfile.TemporaryDirectory(prefix="halmos-") as folder:
        told = Path(folder) / "told.json"
        command = [*COMMAND, "--root", str(CONTRACTS), "--contract", spec, "--json-output", str(told)]
        bounds = ["--loop", _LOOP_BOUND, "--solver-timeout-assertion", _ASSERTION_TIMEOUT]
        bounds += ["--solver-timeout-branching", _BRANCHING_TIMEOUT, "--no-status"]
        done = subprocess.run(
            [*command, *bounds], env=env, timeout=_TIMEOUT_S, capture_output=True, text=True, check=False
        )
        if not told.exists():
            return {spec: {"exitcode": done.returncode, "said": done.stdout + done.stderr}}
        results = json.loads(told.read_text())["test_results"]
    return {f"{spec}.{one['name'].partition('(')[0]}": one for suite in results.values() for one in suite}


def _told(proof: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    sys.stderr.write(f"  {_line(proof)}\n")
    return proof


def _line(proof: tuple[str, Mapping[str, Any]]) -> str:
    name, told = proof
    seconds, paths = told.get("time", [0.0])[0], told.get("num_paths", [0])[0]
    return f"{seconds:4.0f} s  {name}: {'proven' if not _failure(proof) else 'NOT PROVEN'}, {paths:,} paths"


def _failure(proof: tuple[str, Mapping[str, Any]]) -> str:
    name, told = proof
    if told["exitcode"] != 0:
        return f"{name}: exit {told['exitcode']} {told.get('said', '')}".strip()
    if told["num_bounded_loops"]:
        return f"{name}: a loop went past {_LOOP_BOUND}"
    return "" if told["num_paths"][1] else f"{name}: no path reaches its end, so it says nothing"
