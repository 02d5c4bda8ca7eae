"""`autoclaim book`, `replay` and `products simulate`: many settlements at once, from Parquet to Parquet."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engine.adjudication.messages import grouped_yuan

if TYPE_CHECKING:
    from engine.terms import Terms

EXIT_NO, EXIT_CANNOT = 1, 2

Book = Annotated[Path, typer.Option("--book", help="Folder of the book (docs/replay.md).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one object.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes; this machine's cores by default.")]
CORES = len(os.sched_getaffinity(0))


def replay(
    product: Annotated[list[Path], typer.Option("--product", help="Product terms (YAML); one an edition.")],
    book: Book,
    out: Annotated[Path, typer.Option("--out", help="Folder for the decisions; what is in it is kept.")],
    workers: Workers = CORES,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray", help="Address of a Ray cluster that sees the same folders; `local` starts one."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide every settlement of a book again, each policy's in the order of its terms.

    Parts that were decided from the same terms, settlements and engine before are kept, so that a run that
    was broken off goes on where it was. Exits 0 when all are decided, 2 when something cannot be read.
    """
    with _telling():
        from engine.books.replay import replay as replay_book

        terms = [_terms(path) for path in product]
        with _parts(book, "deciding") as done:
            started = time.perf_counter()
            summary = replay_book(book, terms, out, workers=workers, announce=done, ray=ray)
            seconds = time.perf_counter() - started
    told = {**summary.document(), "seconds": round(seconds, 3), "out": str(out)}
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print_summary(told, Console())


def simulate(
    book: Book,
    now: Annotated[Path, typer.Option("--now", help="Product terms (YAML) as they stand.")],
    then: Annotated[Path, typer.Option("--then", help="Product terms (YAML) to try on the same policies.")],
    workers: Workers = CORES,
    as_json: AsJson = False,
) -> None:
    """Show what other terms would have paid over a book of settlements.

    --then is read as if it had been the edition of --now: the same policies, the same period. Exits 0 when
    the book is decided by both, 2 when something cannot be read.
    """
    with _telling():
        from engine.books.simulate import simulate as simulate_book

        terms = _terms(now), _terms(then)
        with _parts(book, "simulating") as done:
            comparison = simulate_book(book, *terms, workers=workers, announce=done)
    told = comparison.document()
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print_comparison(told, Console())


def make_book(
    policies: Annotated[Path, typer.Option("--policies", help="Coverage documents (NDJSON).")],
    settlements: Annotated[
        Path, typer.Option("--settlements", help='{"policy_no", "settlement"}, native or minimised (NDJSON).')
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the book; must be new or empty.")],
    parts: Annotated[
        int, typer.Option("--parts", min=1, max=9999, help="About 40,000 settlements each.")
    ] = 64,
    hospitals: Annotated[
        Path | None, typer.Option("--hospitals", help="Hospital register (CSV): grade and ward are its.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a book for `replay` and `products simulate` of lines of JSON.

    Lines that break rules are left out and named in OUT/refused.ndjson. Exits 0 when none was, 1 when some
    were, 2 when a file cannot be read.
    """
    with _telling():
        from engine.books.convert import OutputInUse, convert
        from engine.settlement.hospitals import load_register

        register = None if hospitals is None else load_register(hospitals)
        with _progress() as progress:
            task = progress.add_task("reading", total=policies.stat().st_size + settlements.stat().st_size)
            try:
                made = convert(
                    policies,
                    settlements,
                    out,
                    parts=parts,
                    register=register,
                    announce=lambda read: progress.advance(task, read),
                )
            except OutputInUse as error:
                _cannot(f"{error}: name a new folder")
    told = {name: getattr(made, name) for name in ("policies", "settlements", "lines", "kinds", "refused")}
    if as_json:
        typer.echo(json.dumps(told | {"out": str(out)}, indent=2))
    else:
        typer.echo(", ".join(f"{count:,} {name}" for name, count in told.items()))
    if made.refused:
        typer.echo(f"what was refused, and why: {out / 'refused.ndjson'}", err=True)
        raise typer.Exit(EXIT_NO)


@contextmanager
def _telling() -> Iterator[None]:
    """Input that cannot be used is one line a problem, and exit 2."""
    from engine.errors import AutoclaimError
    from engine.terms import TermsInvalid

    try:
        yield
    except TermsInvalid as error:
        _cannot(*map(str, error.problems))
    except AutoclaimError as error:
        _cannot(f"{error.message} [{error.code}]")
    except (OSError, ValueError) as error:
        _cannot(str(error))


def _cannot(*lines: str) -> NoReturn:
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(EXIT_CANNOT)


def _terms(path: Path) -> "Terms":
    from engine.terms import load_product

    return load_product(path)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


@contextmanager
def _parts(book: Path, doing: str) -> Iterator[Callable[[str, Any], object]]:
    from engine.books.book import Book

    with _progress() as progress:
        task = progress.add_task(doing, total=len(Book(book).parts))
        yield lambda *_: progress.advance(task)


def _print_summary(told: dict[str, Any], console: Console) -> None:
    rate = told["settlements"] / max(told["seconds"], 0.001)
    console.print(
        f"{told['settlements']:,} settlements, {told['lines']:,} lines in {told['seconds']:.1f} s"
        f" ({rate:,.0f} settlements/s); {told['by_scalar']:,} by the scalar engine"
    )
    console.print(f"payable {grouped_yuan(told['payable_fen'])} yuan; decisions in {told['out']}")
    _print_counts(told, console)
    _print_benefits({"": told["benefits"]}, ("eligible", "deductible", "payable"), console)


def _print_counts(told: dict[str, Any], console: Console) -> None:
    table = Table("decision", "settlements")
    table.columns[1].justify = "right"
    for decision, count in told["decisions"].items():
        table.add_row(decision, f"{count:,}")
    for reason, count in told["reasons"].items():
        table.add_row(f"  {reason}", f"{count:,}", style="dim")
    console.print(table)


def _print_benefits(sides: dict[str, dict[str, Any]], amounts: tuple[str, ...], console: Console) -> None:
    table = Table("benefit", title="Benefits, in yuan", title_justify="left")
    table.columns[0].no_wrap = True
    for side in sides:
        for heading in ("paid for", *amounts):
            table.add_column(f"{heading} {side}".strip(), justify="right")
    for name in sorted({name for benefits in sides.values() for name in benefits}):
        cells = []
        for benefits in sides.values():
            figures = benefits.get(name, {})
            cells.append(f"{figures.get('settlements', 0):,}")
            cells += [grouped_yuan(figures.get(f"{key}_fen", 0)) for key in amounts]
        table.add_row(name, *cells)
    console.print(table)


def _print_comparison(told: dict[str, Any], console: Console) -> None:
    now, then = told["now"], told["then"]
    console.print(
        f"{now['settlements']:,} settlements: {grouped_yuan(now['payable_fen'])} yuan now,"
        f" {grouped_yuan(then['payable_fen'])} then, difference {grouped_yuan(told['difference_fen'])}"
    )
    if told["left_out"]:
        console.print(f"{told['left_out']:,} settlements left out: their policies are of other terms")
    table = Table("decision", "now", "then")
    for decision in now["decisions"]:
        table.add_row(decision, *(f"{side['decisions'][decision]:,}" for side in (now, then)))
    for move, count in told["moves"].items():
        table.add_row(f"  {move}", "", f"{count:,}", style="dim")
    console.print(table)
    _print_benefits({"now": now["benefits"], "then": then["benefits"]}, ("payable",), console)
    changes = Table("change by at least (yuan)", "gain", "sum", "lose", "sum")
    for gain, lose in zip(told["gain"]["bands"], told["lose"]["bands"], strict=True):
        cells = (
            cell
            for side in (gain, lose)
            for cell in (f"{side['settlements']:,}", grouped_yuan(side["sum_fen"]))
        )
        changes.add_row(grouped_yuan(gain["from_fen"]), *cells)
    console.print(changes)
    if told["largest"]:
        largest = Table(
            "policy", "settlement", "now", "then", "change", title="Largest", title_justify="left"
        )
        for column in largest.columns[:2]:
            column.no_wrap = True
        for one in told["largest"]:
            before, after = (f"{one[side]} {grouped_yuan(one[f'{side}_fen'])}" for side in ("now", "then"))
            largest.add_row(one["policy_no"], one["setl_id"], before, after, grouped_yuan(one["change_fen"]))
        console.print(largest)
