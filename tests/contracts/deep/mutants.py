"""Contracts with one mistake each (mutants.toml): every one has to fail a spec or a test.

A mutant is applied to a copy of the tree, compiled once, tried on the specs with forge, and what survives
those on the Python tests that speak of it. One that does not apply exactly once, does not compile, or
compiles to the same bytecode proves nothing about the tests and is an error. `python -m
tests.contracts.deep.mutants NAME…` tries some of them.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from engine.chain.compile import NAMES
from tests.contracts.deep import forge
from tests.contracts.deep.outcome import Outcome
from tests.support.process import REPOSITORY

LIST = Path(__file__).with_name("mutants.toml")
AT_ONCE = 2
_COPIES = REPOSITORY / "build" / "mutants"
_COPIED = ("contracts", "engine", "tests", "pyproject.toml")
_FAILED_TEST = re.compile(r"^(?:FAILED|ERROR) \S*?(\w+\.py::\w+)", re.MULTILINE)


class MutantInvalid(RuntimeError):
    """A mutant that says nothing about the tests, or tests that fail without any mutant."""


@dataclass(frozen=True)
class Mutant:
    """In contracts/<file>, `old`, found exactly once, becomes `new`: the mistake that `name` tells.

    `tests` are the files of tests/contracts that speak of it.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied_to(self, source: str) -> str:
        if source.count(self.old) != 1:
            raise MutantInvalid(
                f"{self.name}: found {source.count(self.old)} times in {self.file}: {self.old}"
            )
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    killer: str  # empty: it survived, or was never tried
    seconds: float
    fault: str = ""  # why it could not be tried


def listed() -> list[Mutant]:
    return [
        Mutant(**entry | {"tests": tuple(entry["tests"])})
        for entry in tomllib.loads(LIST.read_text())["mutant"]
    ]


def outcome() -> Outcome:
    begin = time.monotonic()
    verdicts = judge(listed())
    figures = {"mutants": len(verdicts), "killed": sum(bool(verdict.killer) for verdict in verdicts)}
    lines = [_line(verdict) for verdict in verdicts]
    failures = [line for line, verdict in zip(lines, verdicts, strict=True) if not verdict.killer]
    return Outcome("mutants", time.monotonic() - begin, figures, failures, lines)


def judge(mutants: Sequence[Mutant]) -> list[Verdict]:
    """Try each mutant. Raises MutantInvalid where one does not apply, or a spec fails without any."""
    for mutant in mutants:
        mutant.applied_to((REPOSITORY / "contracts" / mutant.file).read_text())
    with forge.environment() as env:
        courts: SimpleQueue[Court] = SimpleQueue()
        for number in range(AT_ONCE):
            courts.put(Court(_COPIES / str(number), env))

        def try_one(mutant: Mutant) -> Verdict:
            court = courts.get()
            try:
                return court.judge(mutant)
            except MutantInvalid as error:
                return Verdict(mutant, "", 0.0, str(error))
            finally:
                courts.put(court)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = courts.get()
            first.acquit()
            courts.put(first)
            return [_told(verdict) for verdict in pool.map(try_one, mutants)]


class Court:
    """A copy of the tree in which one mutant at a time is tried."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._env, self._tree, self._clean = env, folder / "tree", folder / "clean"
        shutil.rmtree(folder, ignore_errors=True)
        for name in _COPIED:
            _copy(REPOSITORY / name, self._tree / name)
        self._contracts = self._tree / "contracts"
        node_modules = self._contracts / "node_modules"
        node_modules.symlink_to(REPOSITORY / "contracts" / "node_modules")
        forge.build(env, self._contracts)
        for built in ("out", "cache"):
            _copy(self._contracts / built, self._clean / built)

    def acquit(self) -> None:
        """The contracts as they are pass. Raises MutantInvalid: otherwise any mutant would seem killed."""
        if killer := self._failing_spec():
            raise MutantInvalid(f"{killer} fails without any mutant")

    def judge(self, mutant: Mutant) -> Verdict:
        begin = time.monotonic()
        with self._mutated(mutant):
            killer = self._failing_spec() or self._failing_test(mutant.tests)
        # the specs have been acquitted, a test is now: by itself, on the contracts as they are
        if "::" in killer and self._failing_test([killer]):
            raise MutantInvalid(f"{killer} fails without {mutant.name}")
        return Verdict(mutant, killer, time.monotonic() - begin)

    @contextmanager
    def _mutated(self, mutant: Mutant) -> Iterator[None]:
        source, before = self._contracts / mutant.file, self._bytecodes()
        original = source.read_text()
        source.write_text(mutant.applied_to(original))
        try:
            try:
                forge.build(self._env, self._contracts)
            except forge.ForgeFailed as error:
                raise MutantInvalid(f"{mutant.name} does not compile: {error}") from error
            if self._bytecodes() == before:
                raise MutantInvalid(f"{mutant.name} compiles to the same bytecode")
            yield
        finally:
            source.write_text(original)
            for built in ("out", "cache"):
                shutil.rmtree(self._contracts / built)
                _copy(self._clean / built, self._contracts / built)

    def _failing_spec(self) -> str:
        results = forge.try_specs(self._env, self._contracts, "--fail-fast")
        return min((name for name, result in results.items() if result["status"] != "Success"), default="")

    def _failing_test(self, tests: Sequence[str]) -> str:
        """The first of these that fails, as `file.py::test`; or nothing."""
        self._take_over_artifacts()
        files = [f"tests/contracts/{name}" for name in tests]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files],
            cwd=self._tree, env=self._env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return ""
        if found := _FAILED_TEST.search(done.stdout):
            return found[1]
        raise MutantInvalid(f"pytest failed without a test that does:\n{done.stdout}{done.stderr}")

    def _take_over_artifacts(self) -> None:
        """What forge has built becomes the artifacts that the Python tests deploy."""
        for name in NAMES:
            built = self._built(name)
            path = self._contracts / "artifacts" / f"{name}.json"
            artifact = json.loads(path.read_text()) | {"abi": built["abi"]}
            for code in ("bytecode", "deployedBytecode"):
                artifact[code] = built[code]["object"]
            path.write_text(json.dumps(artifact))

    def _bytecodes(self) -> list[str]:
        return [self._built(name)["bytecode"]["object"] for name in NAMES]

    def _built(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(
            (self._contracts / "out" / f"{name}.sol" / f"{name}.json").read_text()
        )
        return loaded


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    else:
        shutil.copy2(source, target)


def _told(verdict: Verdict) -> Verdict:
    sys.stderr.write(f"  {_line(verdict)}\n")
    return verdict


def _line(verdict: Verdict) -> str:
    killer = f"killed by {verdict.killer}" if verdict.killer else verdict.fault or "SURVIVED"
    return f"{verdict.seconds:4.0f} s  {verdict.mutant.name}: {killer}"


def main(names: Sequence[str]) -> int:
    """Exit 0: all killed, 1: one survived."""
    verdicts = judge([mutant for mutant in listed() if not names or mutant.name in names])
    return 0 if verdicts and all(verdict.killer for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
