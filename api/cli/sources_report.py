"""What `autoclaim sources` prints: one document, and the same for people to read."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from engine.settlement.sources.dry_run import DryRun, Outcome, Summary

_MOST_FREQUENT = 30
_COLOUR = {"mapped": "green", "ignored": "dim", "unknown": "yellow"}


def as_document(
    path: str,
    trying: "DryRun | None",
    summary: "Summary",
    shown: "list[Outcome]",
    refusal: list[dict[str, str]],
) -> dict[str, Any]:
    """The whole result of a dry run, JSON types only."""
    mapping = trying.mapping if trying else None
    return {
        "path": path,
        "source": mapping.source if mapping else None,
        "mapping_version": mapping.number if mapping else None,
        "mapping_digest": mapping.digest_hex if mapping else None,
        "refused": refusal,
        "records": summary.records,
        "accepted": summary.accepted,
        "quarantined": summary.quarantined,
        "waiting": summary.waiting,
        "columns": [
            {
                "node": one.node,
                "name": one.local,
                "state": one.state,
                "becomes": one.becomes,
                "values": one.values,
                "kinds": sorted(one.kinds),
                "example": one.example,
            }
            for one in (trying.columns() if trying else ())
        ],
        "rules": [
            {"rule": rule, "field": field, "times": times}
            for (rule, field), times in summary.rules.most_common()
        ],
        "unmapped": [
            {"dictionary": dictionary, "local": local, "times": times}
            for (dictionary, local), times in summary.unmapped.most_common()
        ],
        "quarantine": [
            {
                "place": one.place,
                "kind": one.kind,
                "violations": [
                    {"field": v.field, "rule": v.rule, "message": v.message} for v in one.violations
                ],
            }
            for one in shown
        ],
    }


def print_tried(report: dict[str, Any], console: Console) -> None:
    """Columns, then records, then what to do about it."""
    if report["columns"]:
        table = Table("node", "column", "becomes", "values", "kinds", "example")
        for one in report["columns"]:
            becomes = one["becomes"] or one["state"]
            state = "unknown" if one["state"] == "mapped" and not one["values"] else one["state"]
            table.add_row(
                one["node"],
                escape(one["name"]),
                f"[{_COLOUR[state]}]{becomes}[/]",
                str(one["values"]),
                " ".join(one["kinds"]),
                escape(one["example"]),
            )
        console.print(table)
    for record in report["quarantine"]:
        _line(console, f"[red]{escape(record['place'])}[/] would be quarantined")
        for one in record["violations"]:
            _line(console, f"  {_said(one['field'] or '/', one)}")
    hidden = report["quarantined"] - len(report["quarantine"])
    if hidden:
        _line(console, f"and {hidden} more; --show N shows N of them")
    _counts(report, console)


def _counts(report: dict[str, Any], console: Console) -> None:
    for title, rows, words in (
        ("rules broken", report["rules"], ("rule", "field")),
        ("codes without a mapping", report["unmapped"], ("dictionary", "local")),
    ):
        if rows:
            _line(console, f"{title}, most frequent first:")
            for row in rows[:_MOST_FREQUENT]:
                _line(console, f"  {row['times']:>7}  {escape(row[words[0]])}  {escape(row[words[1]])}")
        if len(rows) > _MOST_FREQUENT:
            _line(console, f"  and {len(rows) - _MOST_FREQUENT} more; --json has all")
    for one in report["refused"]:
        _line(console, f"[red]the file would be refused:[/] {_said('it', one)}")
    counted = f"{report['records']} records: {report['accepted']} accepted, "
    counted += f"{report['quarantined']} quarantined"
    if report["waiting"]:
        counted += f"; {report['waiting']} parts of stays whose rest is not in this file"
    colour = "red" if report["quarantined"] or report["refused"] else "green"
    _line(console, f"[{colour}]{counted}[/]")


def right_lines(report: dict[str, Any]) -> list[str]:
    """That one mapping file is right, in rich's markup."""
    named = f"{report['source']} version {report['version']} of {report['hospital']}"
    return [f"[green]{escape(report['path'])}: right[/]  {named}, digest {report['mapping_digest']}"]


def _said(subject: str, one: dict[str, Any]) -> str:
    return escape(f"{subject} {one['message']} [{one['rule']}]")


def _line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)
