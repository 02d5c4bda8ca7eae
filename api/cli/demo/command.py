"""`autoclaim demo`: hospital discharges in at one end, money and evidence out at the other."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.cli.demo.outcome import Outcome

EXIT_NO, EXIT_CANNOT = 1, 2
_SETTLEMENTS = 66
_POLICIES_A_SETTLEMENT = 3
_FEWEST_POLICIES = 240
HOME = Path(".autoclaim/demo")


def demo(
    settlements: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many settlements the hospitals send.")
    ] = _SETTLEMENTS,
    home: Annotated[Path, typer.Option(help="Where the demo keeps everything; cleared at a new run.")] = HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Run the main job on real parts: an engine, a chain, a bank, hospitals that sign, people who consent.

    One hospital is a party of its own, with a provider node that keeps its settlements.
    Invented people; real programs, each its own process on this machine. An interrupted demo goes on where
    it stopped. Exits 1 when a claim was not paid exactly once with evidence that verifies, 2 when it
    could not run.
    """
    from api.cli.demo.evidence import collect_and_verify
    from api.cli.demo.outcome import bank_duplicates, summarise
    from api.cli.demo.play import Play
    from api.cli.demo.provider import HOSPITAL, Provider
    from api.cli.demo.screen import Screen
    from api.cli.demo.stage import Stage
    from api.cli.demo.watching import co_sign
    from api.cli.processes import ChildFailed
    from api.client import ApiError
    from api.witness import Refusal
    from engine.sandbox.population import generate
    from engine.settlement import load_register

    screen = Screen(talk=not as_json)
    population = generate(max(_FEWEST_POLICIES, settlements * _POLICIES_A_SETTLEMENT), settlements)
    started = time.monotonic()
    try:
        with Stage(home, settlements) as stage:
            screen.opened(stage)
            provider = Provider(stage, load_register().hospitals[HOSPITAL])
            claims = Play(stage, population, screen, provider).run()
            co_sign(stage, "hospital")
            evidence = collect_and_verify(stage, claims, screen)
            checkpoint = co_sign(stage, "auditor")
            outcome = summarise(stage, claims, evidence, bank_duplicates(stage), checkpoint, provider)
            screen.closed(stage, outcome, time.monotonic() - started)
            stage.finish()
    except (ApiError, ChildFailed, TimeoutError) as error:
        print(f"autoclaim demo: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_CANNOT) from error
    except Refusal as refusal:
        print(f"autoclaim demo: the audit log was not co-signed: {refusal}", file=sys.stderr)
        raise typer.Exit(EXIT_NO) from refusal
    if as_json:
        typer.echo(json.dumps(outcome.document(), ensure_ascii=False))
    if not _as_promised(outcome):
        raise typer.Exit(EXIT_NO)


def _as_promised(outcome: "Outcome") -> bool:
    return outcome.duplicate_payouts == 0 and outcome.evidence_verified == outcome.paid
