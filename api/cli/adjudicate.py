"""`autoclaim adjudicate`: decide one settlement from four files, and show how."""

import json
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from api.cli.trace import Languages
    from engine.adjudication import Decision
    from engine.settlement import Settlement

EXIT_CANNOT = 2


class Lang(StrEnum):
    ZH = "zh"
    EN = "en"
    BOTH = "both"


_LANGUAGES: dict[Lang, "Languages"] = {Lang.ZH: ("zh",), Lang.EN: ("en",), Lang.BOTH: ("zh", "en")}


def adjudicate(
    product: Annotated[
        list[Path],
        typer.Option("--product", help="Product terms (YAML); once for each wording of the edition."),
    ],
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
    known_on: Annotated[
        datetime | None,
        typer.Option(
            "--known-on",
            formats=["%Y-%m-%d"],
            help="By the wordings known on that day. Without it, by all of them.",
        ),
    ] = None,
    lang: Annotated[Lang, typer.Option("--lang", help="Language of the explanation.")] = Lang.BOTH,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision document.")] = False,
) -> None:
    """Decide one settlement: pay, nothing, review or refuse, with every step of the way.

    Exits 0 when a decision was reached, whichever it is, and 2 when an input cannot be read.
    """
    from api.cli.trace import render

    try:
        known = known_on.date() if known_on else date.max
        decision, bill = decide(product, coverage, settlement, history, hospitals, known)
    except InputRefused as error:
        for line in error.lines:
            typer.echo(line, err=True)
        raise typer.Exit(EXIT_CANNOT) from error
    if as_json:
        typer.echo(json.dumps(decision.document(), ensure_ascii=False, indent=2))
    else:
        render(decision, bill, Console(), _LANGUAGES[lang])


class InputRefused(Exception):
    """An input file that cannot be read or breaks rules: one line a problem, naming file, field and rule."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def decide(
    products: list[Path],
    coverage: Path,
    settlement: Path,
    history: Path | None,
    hospitals: Path | None,
    known_on: date,
) -> "tuple[Decision, Settlement]":
    """The decision on these files, and the settlement as it was read. Raises InputRefused."""
    from engine.adjudication import Coverage, DocumentInvalid, History
    from engine.adjudication import adjudicate as decide_settlement
    from engine.settlement.errors import SettlementInvalid
    from engine.settlement.hospitals import load_register
    from engine.settlement.model import Settlement
    from engine.terms import TermsBook, TermsInvalid, load_product

    reading = products[0]
    try:
        book = TermsBook.of([load_product(reading := path) for path in products])
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
    terms = book.wording(bill.admitted_on, known_on)
    if terms is None:
        message = f"no wording known on {known_on} holds for a stay that begins on {bill.admitted_on}"
        raise InputRefused([f"{', '.join(map(str, products))}: {message} [book.no_wording]"])
    return decide_settlement(terms, policy, past, bill), bill


def _json(path: Path) -> Any:
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return value


if __name__ == "__main__":
    typer.run(adjudicate)
