"""`autoclaim products`: check product files and say what is wrong, with the line; list those at hand."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

EXIT_NO, EXIT_CANNOT = 1, 2
SEEDS = Path(__file__).resolve().parents[2] / "seeds" / "products"

app = typer.Typer(no_args_is_help=True, help="Product terms: check files, list what is at hand.")


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Product files (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one object a file.")] = False,
) -> None:
    """Hold product files to the schema and to the rules between their numbers.

    Exits 0 when all are right, 1 when one is wrong, 2 when one cannot be read.
    """
    reports = [_report(path) for path in files]
    if as_json:
        typer.echo(json.dumps({"files": reports}, ensure_ascii=False, indent=2))
    else:
        for report in reports:
            _print(report, Console())
    if any(report["unreadable"] for report in reports):
        raise typer.Exit(EXIT_CANNOT)
    if not all(report["valid"] for report in reports):
        raise typer.Exit(EXIT_NO)


def _report(path: Path) -> dict[str, Any]:
    from engine.terms import TermsInvalid, load_product

    report: dict[str, Any] = {"path": str(path), "valid": False, "unreadable": False, "problems": []}
    try:
        terms = load_product(path)
    except TermsInvalid as error:
        report["problems"] = [
            {"line": p.line, "column": p.column, "field": p.pointer, "rule": p.rule, "message": p.message}
            for p in error.problems
        ]
        return report
    except OSError as error:
        typer.echo(f"{path}: {error.strerror or error}", err=True)
        return report | {"unreadable": True}
    return report | {
        "valid": True,
        "product": terms.product,
        "edition": terms.edition,
        "terms_digest": terms.digest_hex,
        "uncertain": list(terms.uncertain),
    }


def _print(report: dict[str, Any], console: Console) -> None:
    lines = []
    for problem in report["problems"]:
        place = f"{report['path']}:{problem['line']}:{problem['column']}"
        text = f"{place}: {problem['message']} [{problem['rule']}]"
        lines.append(f"[red]{escape(text)}[/]")
    if report["valid"]:
        lines = [f"[green]{escape(report['path'])}: right[/]", f"  digest {report['terms_digest']}"]
        lines += [f"  uncertain: {escape(note)}" for note in report["uncertain"]]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


@app.command("list")
def list_products(
    folder: Annotated[Path, typer.Option("--dir", help="Folder of product files.")] = SEEDS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """List the products of a folder with their editions and digests."""
    from engine.terms import TermsInvalid, load_product

    try:
        terms = [load_product(path) for path in sorted(folder.glob("*.yaml"))]
    except (TermsInvalid, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CANNOT) from error
    if as_json:
        rows = [
            {
                "product": one.product,
                "edition": one.edition,
                "name_zh": one.name.zh,
                "name_en": one.name.en,
                "benefits": [benefit.code for benefit in one.benefits],
                "terms_digest": one.digest_hex,
            }
            for one in terms
        ]
        typer.echo(json.dumps({"products": rows}, ensure_ascii=False, indent=2))
        return
    table = Table("edition", "name", "benefits", "digest")
    table.columns[0].no_wrap = True
    for one in terms:
        codes = " ".join(benefit.code for benefit in one.benefits)
        table.add_row(one.full_name, one.name.zh, codes, one.digest_hex[:16])
    Console().print(table)


if __name__ == "__main__":
    app()
