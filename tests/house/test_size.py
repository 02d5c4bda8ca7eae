"""A file is one idea and so is a function. Past the bounds, ask what second idea has moved in."""

import ast
from pathlib import Path

from tests.house.source import nodes, text, tracked_files

FILE_LINES = 400
FUNCTION_LINES = 70

LONGER_FILES: dict[str, str] = {}
"""file: why it is one idea all the same."""

LONGER_FUNCTIONS: dict[str, str] = {
    "engine/store/migrations/versions/0001_first_tables.py::upgrade": "one schema, as created",
}
"""file::function: why it is one idea all the same."""


def _source_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix in {".py", ".sol"}]


def _long_functions() -> dict[str, int]:
    return {
        f"{path}::{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, node in nodes("engine", "api", "tests")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES
    }


def test_files_are_one_idea_long() -> None:
    lengths = {str(path): len(text(path).splitlines()) for path in _source_files()}
    long = {name: count for name, count in lengths.items() if count > FILE_LINES}
    assert not {name: count for name, count in long.items() if name not in LONGER_FILES}
    assert set(LONGER_FILES) <= set(long), "an exception that is no longer needed"


def test_functions_are_one_idea_long() -> None:
    long = _long_functions()
    assert not {name: count for name, count in long.items() if name not in LONGER_FUNCTIONS}
    assert set(LONGER_FUNCTIONS) <= set(long), "an exception that is no longer needed"
