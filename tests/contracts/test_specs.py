"""The Solidity specs of contracts/test hold of the contracts as they are deployed."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from engine.chain.compile import CONTRACTS, NAMES, SETTINGS
from tests.contracts.deep import forge, mutants
from tests.contracts.world import artifact

SPECS = sorted(CONTRACTS.glob("test/*.t.sol"))
pytestmark = pytest.mark.timeout(300)  # a compiler in WebAssembly, on a machine that may be busy


@pytest.fixture(scope="module")
def env() -> Iterator[Mapping[str, str]]:
    with forge.environment() as variables:
        yield variables


@pytest.fixture(scope="module")
def built(env: Mapping[str, str]) -> None:
    forge.build(env)


def test_the_specs_hold(env: Mapping[str, str], built: None) -> None:
    assert not forge.failures(forge.try_specs(env))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_specs_run_is_what_is_deployed(built: None, name: str) -> None:
    out = json.loads((CONTRACTS / "out" / f"{name}.sol" / f"{name}.json").read_bytes())
    assert out["bytecode"]["object"] == artifact(name)["bytecode"]


def test_forge_compiles_with_the_settings_of_the_artifacts(env: Mapping[str, str]) -> None:
    config = json.loads(forge.run(["config", "--json"], env).stdout)
    assert {
        "evmVersion": config["evm_version"],
        "metadata": {"appendCBOR": config["cbor_metadata"], "bytecodeHash": config["bytecode_hash"]},
        "optimizer": {"enabled": config["optimizer"], "runs": config["optimizer_runs"]},
        "viaIR": config["via_ir"],
    } == SETTINGS


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_every_check_that_halmos_proves_is_also_tried_by_forge(spec: Path) -> None:
    text = spec.read_text()
    checks = set(re.findall(r"function check_(\w+)\(", text))
    tests = set(re.findall(r"function test_(\w+)\(", text))
    assert checks <= tests


def test_every_mutant_still_applies_and_has_a_name_of_its_own() -> None:
    listed = mutants.listed()
    assert len({mutant.name for mutant in listed}) == len(listed)
    for mutant in listed:
        source = (CONTRACTS / mutant.file).read_text()
        assert mutant.applied_to(source) != source
