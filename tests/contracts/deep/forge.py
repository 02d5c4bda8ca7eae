"""forge, from its npm package, with the compiler that the artifacts are made with."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.chain.compile import CONTRACTS, ensure_node_modules, solc_binary
from tests.contracts.deep.outcome import Outcome

PACKAGES = Path(__file__).parent / "node_modules" / "@foundry-rs"
INSTALL = "npm ci --prefix tests/contracts/deep"


class ForgeFailed(RuntimeError):
    """forge ended without telling which tests passed: a source or a spec that does not compile, mostly."""


@contextmanager
def environment(**changes: str) -> Iterator[dict[str, str]]:
    """Variables under which `forge` is found and finds its compiler; halmos and slither call it too."""
    binaries = sorted(PACKAGES.glob("forge-*/bin/forge"))
    if not binaries:
        raise ForgeFailed(f"no forge here; install it: {INSTALL}")
    ensure_node_modules()
    with solc_binary() as solc:
        path = os.pathsep.join([str(binaries[0].parent), os.environ.get("PATH", os.defpath)])
        yield os.environ | {"PATH": path, "FOUNDRY_SOLC": solc} | changes


def run(
    arguments: Sequence[str], env: Mapping[str, str], contracts: Path = CONTRACTS
) -> subprocess.CompletedProcess[str]:
    # from inside: under --root it would keep its failures in the folder that it is called from
    return subprocess.run(
        ["forge", *arguments], cwd=contracts, env=env, capture_output=True, text=True, check=False
    )


def build(env: Mapping[str, str], contracts: Path = CONTRACTS) -> None:
    """Compile into `contracts`/out. Raises ForgeFailed with what the compiler says."""
    done = run(["build", "--quiet"], env, contracts)
    if done.returncode != 0:
        raise ForgeFailed(done.stdout + done.stderr)


def try_specs(
    env: Mapping[str, str], contracts: Path = CONTRACTS, *arguments: str
) -> dict[str, dict[str, Any]]:
    """`Contract.test` -> forge's own account of it: `status`, `reason`, `kind`. Raises ForgeFailed."""
    done = run(["test", "--json", *arguments], env, contracts)
    try:
        suites: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise ForgeFailed(done.stdout + done.stderr) from error
    if not suites:
        raise ForgeFailed("no spec was run")
    return {
        f"{suite.rpartition(':')[2]}.{signature.partition('(')[0]}": result
        for suite, told in suites.items()
        for signature, result in told["test_results"].items()
    }


def failures(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{name}: {result['reason']} {result['counterexample'] or ''}".strip()
        for name, result in results.items()
        if result["status"] != "Success"
    ]


def outcome() -> Outcome:
    """The specs at length: the profile `deep` of foundry.toml."""
    begin = time.monotonic()
    with environment(FOUNDRY_PROFILE="deep") as env:
        results = try_specs(env)
    kinds = [result["kind"] for result in results.values()]
    figures = {
        "specs": len(results),
        "fuzz runs": sum(kind["Fuzz"]["runs"] for kind in kinds if "Fuzz" in kind),
        "invariant calls": sum(kind["Invariant"]["calls"] for kind in kinds if "Invariant" in kind),
    }
    return Outcome("forge", time.monotonic() - begin, figures, failures(results))
