"""What is committed reads the same on anybody's machine, and its instructions work."""

import re
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from api.cli.main import app
from tests.house.source import text, tracked_files

_MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:root|home|work|Users)/\w")
_MAKE_COMMAND = re.compile(r"\bmake ([a-z][a-z-]*)\b")
_CLI_COMMAND = re.compile(r"\bautoclaim ([a-z]+)\b")
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_TEST = re.compile(r"`(test_\w+)`")
_BINARY = {".png", ".ico", ".woff2"}


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    places = [
        f"{path}:{number} {line.strip()[:80]}"
        for path in tracked_files()
        if path.suffix not in _BINARY
        for number, line in enumerate(text(path).splitlines(), start=1)
        if _MACHINE_PATH.search(line)
    ]
    assert not places


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_that_is_written_down_exists(document: str) -> None:
    targets = set(_TARGET.findall(text(Path("Makefile"))))
    code = " ".join(_CODE.findall(text(Path(document))))
    named = set(_MAKE_COMMAND.findall(code))
    assert named, f"{document} tells nobody how to start"
    assert named <= targets


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_autoclaim_command_that_is_written_down_exists(document: str) -> None:
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    code = " ".join(_CODE.findall(text(Path(document))))
    assert set(_CLI_COMMAND.findall(code)) <= set(commands.commands)


def test_the_readme_opens_with_the_three_commands() -> None:
    readme = text(Path("README.md"))
    assert all(command in readme for command in ("make demo", "make test", "make serve"))


def test_every_test_that_a_document_names_is_there() -> None:
    tests = "\n".join(text(path) for path in tracked_files() if path.name.startswith("test_"))
    defined = set(re.findall(r"^(?:async )?def (test_\w+)\(", tests, re.MULTILINE))
    documents = [path for path in tracked_files() if path.suffix == ".md"]
    named = {(str(path), name) for path in documents for name in _TEST.findall(text(path))}
    assert named
    assert [one for one in sorted(named) if one[1] not in defined] == []
