"""`check` of files that people write: a report of each with its problems by line, and one exit for all.

0 when all are right, 1 when one is wrong, 2 when one cannot be read.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

EXIT_NO, EXIT_CANNOT = 1, 2

Report = dict[str, Any]


def checked(path: Path, read: Callable[[Path], Report], invalid: type[Exception]) -> Report:
    """read: what to tell of a right file. invalid: raised of a wrong one, with its `problems`."""
    report: Report = {"path": str(path), "valid": False, "unreadable": False, "problems": []}
    try:
        told = read(path)
    except invalid as error:
        report["problems"] = [
            {"line": p.line, "column": p.column, "field": p.pointer, "rule": p.rule, "message": p.message}
            for p in error.problems  # type: ignore[attr-defined]
        ]
        return report
    except OSError as error:
        typer.echo(f"{path}: {error.strerror or error}", err=True)
        return report | {"unreadable": True}
    return report | {"valid": True, **told}


def tell(reports: Sequence[Report], right: Callable[[Report], Sequence[str]], *, as_json: bool) -> None:
    """Print the reports and exit. right: the lines, in rich's markup, that say that a file is right."""
    if as_json:
        typer.echo(json.dumps({"files": reports}, ensure_ascii=False, indent=2))
    else:
        console = Console()
        for report in reports:
            lines = [_wrong(report, problem) for problem in report["problems"]]
            for line in right(report) if report["valid"] else lines:
                console.print(line, soft_wrap=True, highlight=False)
    if any(report["unreadable"] for report in reports):
        raise typer.Exit(EXIT_CANNOT)
    if not all(report["valid"] for report in reports):
        raise typer.Exit(EXIT_NO)


def _wrong(report: Report, problem: dict[str, Any]) -> str:
    place = f"{report['path']}:{problem['line']}:{problem['column']}"
    text = f"{place}: {problem['message']} [{problem['rule']}]"
    return f"[red]{escape(text)}[/]"
