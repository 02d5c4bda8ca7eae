"""The repository as the house rules read it: tracked files, and Python as syntax trees."""

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.process import REPOSITORY

PURE_ROOMS = ("engine/authored.py", "engine/money.py", "engine/terms", "engine/adjudication")
"""Rooms that do no I/O and read no clock (design: the house)."""


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that a clone would have, relative to the repository, and new ones not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    names = (Path(name) for name in listed.stdout.decode().split("\0") if name)
    return tuple(sorted(path for path in names if (REPOSITORY / path).is_file()))


def python_files(*roots: str) -> list[Path]:
    """The Python files under these folders (or these very files)."""
    wanted = tuple(Path(root) for root in roots)
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and any(path == root or root in path.parents for root in wanted)
    ]


def text(path: Path) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), filename=str(path))


def nodes(*roots: str) -> Iterator[tuple[Path, ast.AST]]:
    """Every syntax node under these folders, with its file."""
    for path in python_files(*roots):
        for node in ast.walk(tree(path)):
            yield path, node


def place(path: Path, node: ast.AST) -> str:
    """file:line, as an editor opens it."""
    return f"{path}:{getattr(node, 'lineno', 0)}"


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def imported_modules(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The dotted name of every module that is imported, wherever in the file."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node
