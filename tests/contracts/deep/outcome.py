"""What a part has to say for itself, and the table of all parts."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table

from tests.support.process import REPOSITORY

SUMMARY = REPOSITORY / "build" / "contracts-deep.json"
_PARTS = REPOSITORY / "build" / "deep"


@dataclass(frozen=True)
class Outcome:
    """`figures` are counts by name; `failures` name what did not hold. No failure: the part holds.

    `details`, a line each, tell what the figures count.
    """

    part: str
    seconds: float
    figures: dict[str, int]
    failures: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


def keep(outcome: Outcome) -> Path:
    """Write build/deep/<part>.json."""
    _PARTS.mkdir(parents=True, exist_ok=True)
    path = _PARTS / f"{outcome.part}.json"
    path.write_text(json.dumps(asdict(outcome), indent=2, ensure_ascii=False) + "\n")
    return path


def summarize(outcomes: Sequence[Outcome]) -> Path:
    """Write build/contracts-deep.json."""
    document = {"holds": not any(o.failures for o in outcomes), "parts": [asdict(o) for o in outcomes]}
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return SUMMARY


def table(outcomes: Sequence[Outcome]) -> Table:
    drawn = Table(title="contracts, proven by machine", title_justify="left")
    for heading in ("part", "holds", "figures", "seconds"):
        drawn.add_column(heading, justify="right" if heading == "seconds" else "left")
    for outcome in outcomes:
        figures = ", ".join(f"{count:,} {what}" for what, count in outcome.figures.items())
        holds = "no" if outcome.failures else "yes"
        drawn.add_row(outcome.part, holds, figures, f"{outcome.seconds:,.0f}")
    return drawn
