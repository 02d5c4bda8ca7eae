"""What `autoclaim quality` prints for people to read."""

import sys
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from engine.pipeline.patrol import Finding
    from engine.pipeline.scorecard import Scorecard

_COUNTS = ("received", "accepted", "repeated", "quarantined", "refused", "corrected")
_PIPED_COLUMNS = 140
_COLOUR = {"error": "red", "warning": "yellow"}


def print_rules(rules: list[dict[str, Any]], console: Console) -> None:
    """A line each, as wide as it is: to be searched."""
    for rule in rules:
        severity = f"[{_COLOUR[rule['severity']]}]{rule['severity']:<8}[/]"
        said = f"{rule['id']:<36}  {severity}  {rule['dimension']:<10}  {escape(rule['meaning'])}"
        console.print(said, **_PLAIN)


def wide() -> Console:
    """The terminal as it is; what is piped is not folded to 80 columns."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_COLUMNS)


def print_scorecards(day: date, cards: "Sequence[Scorecard]", console: Console) -> None:
    """Counts of every source, then the share without error, then the rules."""
    if not cards:
        console.print(f"nothing was received on {day}", highlight=False)
        return
    table = _table("source", *_COUNTS, "lag p50", "lag p95")
    shares = _table("without error, of judged", "judged", *(one.dimension for one in cards[0].dimensions))
    broken = _table("rule", "severity", "dimension", "records")
    for card in cards:
        named = f"{card.hospital_code} {card.source}"
        lags = ("-" if lag is None else f"{lag} d" for lag in (card.lag_p50_days, card.lag_p95_days))
        table.add_row(named, *(str(getattr(card, name)) for name in _COUNTS), *lags)
        said = (
            "-" if one.share_without_error is None else f"{one.share_without_error:.2%}"
            for one in card.dimensions
        )
        shares.add_row(named, str(card.judged), *said)
        for rule in card.top_rules:
            severity = f"[{_COLOUR[rule.severity]}]{rule.severity}[/]" if rule.severity else "-"
            broken.add_row(f"{named} {rule.rule}", severity, rule.dimension or "-", str(rule.records))
    console.print(f"received on {day}", highlight=False)
    for one in (table, shares, broken):
        if one.row_count:
            console.print(one)


def print_findings(day: date, findings: "Sequence[Finding]", console: Console) -> None:
    for one in findings:
        numbers = "  ".join(f"{name} {value}" for name, value in one.numbers.items() if name != "moved")
        console.print(f"[bold red]{one.code}[/]  {one.hospital_code}  {escape(numbers)}", **_PLAIN)
        for code in one.numbers.get("moved", ()):
            console.print(
                f"    {code['code']}: {code['share_before']:.2%} before, {code['share']:.2%} now", **_PLAIN
            )
        console.print(f"    next: {escape(one.next_step)}", **_PLAIN)
    said = f"{len(findings)} to look into of {day}" if findings else f"nothing to look into of {day}"
    console.print(f"[{'red' if findings else 'green'}]{said}[/]", **_PLAIN)


_PLAIN: Any = {"highlight": False, "soft_wrap": True}


def _table(first: str, *columns: str) -> Table:
    table = Table(first, box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("severity", "dimension") else "right")
    return table
