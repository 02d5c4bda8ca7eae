"""`autoclaim adjudicate`: decide one settlement from four files, and show how."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

EXIT_CANNOT = 2


def adjudicate(
    product: Annotated[Path, typer.Option("--product", help="Product terms (YAML).")],
    coverage: Annotated[Path, typer.Option("--coverage", help="The policy's coverage (JSON).")],
    settlement: Annotated[Path, typer.Option("--settlement", help="The native settlement (JSON).")],
    history: Annotated[
        Path | None, typer.Option("--history", help="Earlier decisions of the policy (JSON).")
    ] = None,
    hospitals: Annotated[
        Path | None,
        typer.Option(
            "--hospitals",
            help="Hospital register (CSV); grade and ward are then its, not what the settlement states.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision document.")] = False,
) -> None:
    """Decide one settlement: pay, nothing, review or refuse, with every step of the way.

    Exits 0 when a decision was reached, whichever it is, and 2 when an input cannot be read.
    """
    try:
        document = decide(product, coverage, settlement, history, hospitals)
    except InputRefused as error:
        for line in error.lines:
            typer.echo(line, err=True)
        raise typer.Exit(EXIT_CANNOT) from error
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        render_trace(document, Console())


class InputRefused(Exception):
    """An input file that cannot be read or breaks rules: one line a problem, naming file, field and rule."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def decide(
    product: Path, coverage: Path, settlement: Path, history: Path | None, hospitals: Path | None
) -> dict[str, Any]:
    """The decision document for these files. Raises InputRefused."""
    from engine.adjudication import Coverage, DocumentInvalid, History
    from engine.adjudication import adjudicate as decide_settlement
    from engine.settlement.errors import SettlementInvalid
    from engine.settlement.hospitals import load_register
    from engine.settlement.model import Settlement
    from engine.terms import TermsInvalid, load_product

    reading = product
    try:
        terms = load_product(product)
        reading = coverage
        policy = Coverage.parse(_json(coverage))
        if history is not None:
            reading = history
        past = History(()) if history is None else History.parse(_json(history))
        if hospitals is not None:
            reading = hospitals
        register = None if hospitals is None else load_register(hospitals)
        reading = settlement
        bill = Settlement.parse(_json(settlement), register)
    except TermsInvalid as error:
        raise InputRefused([str(problem) for problem in error.problems]) from error
    except (DocumentInvalid, SettlementInvalid) as error:
        lines = [f"{reading}: {v.field or '/'}: {v.message} [{v.rule}]" for v in error.violations]
        raise InputRefused(lines) from error
    except (OSError, ValueError, TypeError) as error:
        raise InputRefused([f"{reading}: {error}"]) from error
    return decide_settlement(terms, policy, past, bill).document()


def _json(path: Path) -> Any:
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return value


def render_trace(document: dict[str, Any], console: Console) -> None:
    """Print a decision for a person: outcome, reasons, benefits, and each step in two languages."""
    colour = {"pay": "green", "nothing": "yellow", "review": "cyan", "refuse": "red"}[document["decision"]]
    payable = _yuan(document["payable_fen"])
    terms = document["terms"]
    console.print(
        Panel(
            f"[bold {colour}]{document['decision']}[/]  {payable} yuan  ({document['payable_fen']} fen)",
            title=f"{terms['product']} {terms['edition']}",
            subtitle=f"terms {document['terms_digest'][:16]} · {document['engine_version']}",
            expand=False,
        )
    )
    for reason in document["reasons"]:
        console.print(
            f"[bold]{reason['code']}[/]  {escape(reason['message_zh'])}\n  {escape(reason['message_en'])}"
        )
    if document["benefits"]:
        table = Table("benefit", "", title="Benefits", title_justify="left")
        for heading in ("eligible", "deductible", "ratio", "payable"):
            table.add_column(heading, justify="right")
        for benefit in document["benefits"]:
            table.add_row(
                benefit["code"],
                benefit["name"]["zh"],
                _yuan(benefit["eligible_fen"]),
                _yuan(benefit["deductible_fen"]),
                benefit["ratio"],
                _yuan(benefit["payable_fen"]),
            )
        console.print(table)
    console.print("How it was decided", style="italic")
    steps = Table.grid(padding=(0, 1))
    steps.add_column(justify="right")
    steps.add_column(overflow="fold")
    for number, step in enumerate(document["trace"], start=1):
        rule = step["rule"].removeprefix(f"{terms['product']}-{terms['edition']}").lstrip("/")
        where = f" [dim]({escape(rule)})[/]" if rule else ""
        steps.add_row(f"{number}.", f"{escape(step['zh'])}{where}\n[dim]{escape(step['en'])}[/]")
    console.print(steps)


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"


if __name__ == "__main__":
    typer.run(adjudicate)
