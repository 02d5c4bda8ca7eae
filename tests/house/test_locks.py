"""Locks pin everything by hash, agree with one another, and name no registry."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.source import text, tracked_files

RUNTIME, DEVELOPMENT = Path("requirements.lock"), Path("requirements-dev.lock")
TOOLS = [
    Path(f"tests/{name}.lock")
    for name in ("contracts/deep/halmos", "contracts/deep/slither", "bench/peers/rules", "bench/peers/ecdh")
]
SCALE = Path("requirements-psi.lock")
_PINNED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>\S+)", re.MULTILINE)
_LOCK_LINE = re.compile(r"[a-z0-9.-]+==\S+( ; [^:]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _pins(lock: Path) -> dict[str, str]:
    return {match["name"]: match["version"] for match in _PINNED.finditer(text(lock))}


def canonical(requirement: str) -> str:
    """`ruamel.yaml[jinja2]>=1 ; marker` -> `ruamel-yaml` (the packaging specification's normal form)."""
    match = _NAME.match(requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _project() -> dict[str, Any]:
    return tomllib.loads(text(Path("pyproject.toml")))


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT, SCALE, *TOOLS], ids=str)
def test_a_python_lock_holds_pins_and_hashes_and_nothing_else(lock: Path) -> None:
    for line in text(lock).splitlines():
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ; [^:]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), (
            line
        )


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=str)
def test_every_declared_dependency_is_locked(lock: Path) -> None:
    project = _project()["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["build"]]
    if lock == DEVELOPMENT:
        declared += extras["dev"]
    assert {canonical(requirement) for requirement in declared} <= set(_pins(lock)), "run: make lock"


def test_the_extra_that_has_an_environment_of_its_own_is_locked() -> None:
    (spu,) = _project()["project"]["optional-dependencies"]["psi-scale"]
    assert canonical(spu) in _pins(SCALE), "run: make lock"


def test_tests_run_on_the_very_versions_that_users_run() -> None:
    runtime, development = _pins(RUNTIME), _pins(DEVELOPMENT)
    assert runtime.items() <= development.items(), "run: make lock"


def test_the_build_backend_is_the_locked_one() -> None:
    (backend,) = _project()["build-system"]["requires"]
    assert backend == f"hatchling=={_pins(RUNTIME)['hatchling']}"


def _npm_packages() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in tracked_files():
        if path.name == "package-lock.json":
            for name, package in json.loads(text(path))["packages"].items():
                if name:
                    yield f"{path} {name}", package


def test_an_npm_lock_names_hashes_and_no_host() -> None:
    packages = dict(_npm_packages())
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, f"{name}: npm config omit-lockfile-registry-resolved=true"
