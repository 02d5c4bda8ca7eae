"""`autoclaim`: one command a face. Exit 0 fine, 1 the answer is no, 2 it could not be done.

Data goes to stdout, talk to stderr; `--json` everywhere; colour only on a terminal.
"""

import sys

import typer

from api.cli import matching, products, provider, quality, sources, tls
from api.cli.adjudicate import adjudicate
from api.cli.books import make_book, replay, simulate
from api.cli.deliver import deliver
from api.cli.demo.command import demo
from api.cli.fsck import fsck
from api.cli.mllp import mllp
from api.cli.persons import erase, retention
from api.cli.remittance import remittance
from api.cli.serve import serve
from api.cli.trigger import trigger
from api.cli.verify import verify
from api.cli.witness import witness
from engine import __version__
from engine.errors import AutoclaimError

EXIT_CANNOT = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Health-insurance claims that nobody had to file, paid in a way that anyone can check.",
)
app.command("demo")(demo)
app.command("serve")(serve)
app.command("adjudicate")(adjudicate)
app.command("book")(make_book)
app.command("replay")(replay)
app.command("verify")(verify)
app.command("fsck")(fsck)
app.command("trigger")(trigger)
app.command("deliver")(deliver)
app.command("mllp")(mllp)
app.command("remittance")(remittance)
app.command("erase")(erase)
app.command("retention")(retention)
app.command("witness")(witness)
products.app.command("simulate")(simulate)
app.add_typer(products.app, name="products")
app.add_typer(sources.app, name="sources")
app.add_typer(quality.app, name="quality")
app.add_typer(matching.app, name="matching")
app.add_typer(provider.app, name="provider")
app.add_typer(tls.app, name="tls")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """The entry point: an error of ours is one line with its code, not a traceback."""
    try:
        app()
    except AutoclaimError as error:
        print(f"autoclaim: {error.message} [{error.code}]", file=sys.stderr)
        sys.exit(EXIT_CANNOT)


if __name__ == "__main__":
    main()
