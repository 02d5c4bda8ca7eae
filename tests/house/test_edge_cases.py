"""What docs/edge-cases.md promises is held by the tests that it names."""

import ast
import re
from pathlib import Path

from tests.house.source import nodes, text

_PAGE = Path("docs/edge-cases.md")
_NAMED = re.compile(r"`(test_\w+)`")


def _rows() -> list[str]:
    lines = [line for line in text(_PAGE).splitlines() if line.startswith("|")]
    return [line for line in lines if not line.startswith(("| case |", "|---"))]


def test_every_test_named_for_an_edge_case_exists() -> None:
    defined = {
        node.name
        for path, node in nodes("tests")
        if path.name.startswith("test_") and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    missing = sorted({name for row in _rows() for name in _NAMED.findall(row)} - defined)
    assert not missing, f"{_PAGE} names tests that are not there: {', '.join(missing)}"


def test_every_edge_case_has_an_answer_and_a_test() -> None:
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in _rows()]
    assert len(rows) > 1
    for row in rows:
        case, answer, held_by = row
        assert case
        assert answer, f"{case}: no answer"
        assert _NAMED.findall(held_by), f"{case}: no test"
