"""The committed artifacts are what the sources compile to, on any machine that has this repository."""

import ast
import json
import re
import shutil
from enum import IntEnum
from pathlib import Path

import pytest

from engine.chain import compile as compiler
from tests.contracts import model
from tests.contracts.world import artifact

TESTS = Path(__file__).parent
SOURCES = compiler.CONTRACTS / "src"


@pytest.mark.timeout(300)  # the first run fetches the compiler
def test_the_committed_artifacts_are_what_the_sources_compile_to() -> None:
    assert compiler.differences(compiler.artifacts()) == []


@pytest.mark.timeout(300)
def test_a_machine_without_node_compiles_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The wheel's node and npm, with none on the PATH, into an empty node_modules."""
    wallet = ["contracts/test/OneKeyWallet.sol"]
    with_any_node = compiler.compile_sources(wallet)
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("node", "npm") else found(name))
    for name in ("package.json", "package-lock.json", "solc-node.js"):
        shutil.copy(compiler.CONTRACTS / name, tmp_path / name)
    monkeypatch.setattr(compiler, "CONTRACTS", tmp_path)
    assert compiler.compile_sources(wallet) == with_any_node


def test_check_says_which_artifact_differs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed = {name: artifact(name) for name in compiler.NAMES}
    monkeypatch.setattr(compiler, "artifacts", lambda: committed)
    monkeypatch.setattr(compiler, "ARTIFACTS", tmp_path / "artifacts")
    assert compiler.main(["--check"]) == 1
    assert compiler.main([]) == 0
    assert compiler.main(["--check"]) == 0
    left_over = tmp_path / "artifacts" / "Gone.json"
    left_over.write_text("{}")
    changed = tmp_path / "artifacts" / "DataCatalog.json"
    changed.write_text(changed.read_text() + "\n")
    capsys.readouterr()
    assert compiler.main(["--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "check": True,
        "different": ["DataCatalog.json", "Gone.json"],
    }
    assert compiler.main([]) == 0
    assert compiler.main(["--check"]) == 0
    assert not left_over.exists()


def test_another_compiler_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "solc"
    other.write_text("#!/bin/sh\necho 'Version: 0.8.36+commit.12345678.Linux.g++'\n")
    other.chmod(0o700)
    monkeypatch.setenv("SOLC_BINARY", str(other))
    with pytest.raises(compiler.CompileError, match=re.escape("0.8.36+commit.12345678")):
        compiler.artifacts()


def test_a_source_that_does_not_compile_is_an_error_with_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "Broken.sol").write_text("pragma solidity 0.8.37;\ncontract Broken { uint x = ; }\n")
    monkeypatch.setattr(compiler, "ROOT", tmp_path)
    with pytest.raises(compiler.CompileError, match=re.escape("Broken.sol:2")):
        compiler.compile_sources(["Broken.sol"])
    with pytest.raises(compiler.CompileError, match=re.escape("Missing.sol")):
        compiler.compile_sources(["Missing.sol"])


@pytest.mark.parametrize("name", compiler.NAMES)
def test_an_artifact_says_nothing_about_the_machine(name: str) -> None:
    text = (compiler.ARTIFACTS / f"{name}.json").read_text()
    assert str(compiler.ROOT) not in text
    assert "astId" not in text
    loaded = json.loads(text)
    assert loaded["settings"]["metadata"] == {"appendCBOR": False, "bytecodeHash": "none"}
    assert loaded["settings"]["evmVersion"] == "prague"
    assert re.fullmatch(r"0\.8\.37\+commit\.[0-9a-f]{8}", loaded["compiler"])


def test_the_lock_names_no_place_to_download_from() -> None:
    assert "resolved" not in (compiler.CONTRACTS / "package-lock.json").read_text()


def promises() -> set[str]:
    """The tests there are."""
    return {
        node.name
        for path in TESTS.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("name", compiler.NAMES)
def test_every_external_function_names_a_test_that_exists(name: str) -> None:
    """Its own, and what it has of our base contracts; OpenZeppelin's are tested where they come from."""
    loaded = artifact(name)
    ours = {
        match
        for path in [SOURCES / f"{name}.sol", *(SOURCES / "base").glob("*.sol")]
        for match in re.findall(
            r"^    function ([a-z]\w*)\([^{;]*\b(?:external|public)\b", path.read_text(), re.MULTILINE
        )
    } & {entry["name"] for entry in loaded["abi"] if entry["type"] == "function"}
    assert {"pause", "unpause", "announceRoleChange", "grantRole"} <= ours
    documented = {
        signature.partition("(")[0]: entry["custom:invariant"]
        for signature, entry in loaded["devdoc"]["methods"].items()
        if "custom:invariant" in entry
    }
    assert ours - documented.keys() == set()
    assert set(documented.values()) - promises() == set()


def test_every_test_that_a_source_speaks_of_exists() -> None:
    spoken_of = {
        match for path in SOURCES.rglob("*.sol") for match in re.findall(r"\btest_\w+", path.read_text())
    }
    assert spoken_of - promises() == set()
    assert "test_a_wave_granted_before_the_last_expires_leaves_no_gap" in spoken_of


@pytest.mark.parametrize(
    ("file", "enum"),
    [
        ("IAuthorizationRegistry", model.Liveness),
        ("IAuthorizationRegistry", model.GrantRefusal),
        ("IMatchResultStore", model.Refusal),
        ("IMatchResultStore", model.PayoutRefusal),
        ("IMatchResultStore", model.PayoutState),
        ("ITaskScheduler", model.TaskState),
        ("ITaskScheduler", model.TaskKind),
    ],
)
def test_the_enums_agree_value_by_value(file: str, enum: type[IntEnum]) -> None:
    """Off-chain code reads these numbers; an inserted value would silently shift the rest."""
    text = (SOURCES / "interfaces" / f"{file}.sol").read_text()
    body = re.search(rf"^enum {enum.__name__} \{{(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    names = re.findall(r"^    (\w+)", body[1], re.MULTILINE)
    assert [name.upper() for name in names] == [member.name.replace("_", "") for member in enum]
