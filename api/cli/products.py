"""`autoclaim products`: check product files and say what is wrong, with the line; list those at hand."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.checking import EXIT_CANNOT, Report, checked, tell

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
    from engine.terms import TermsInvalid

    tell([checked(path, _read, TermsInvalid) for path in files], _right, as_json=as_json)


def _read(path: Path) -> Report:
    from engine.terms import load_product

    terms = load_product(path)
    return {
        "product": terms.product,
        "edition": terms.edition,
        "terms_digest": terms.digest_hex,
        "uncertain": list(terms.uncertain),
    }


def _right(report: Report) -> list[str]:
    lines = [f"[green]{escape(report['path'])}: right[/]", f"  digest {report['terms_digest']}"]
    return lines + [f"  uncertain: {escape(note)}" for note in report["uncertain"]]


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
