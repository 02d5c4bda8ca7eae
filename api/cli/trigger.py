"""`autoclaim trigger EVENT`: have the engine handle one chain event again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from api.cli.running import RunningEngine
from api.client import ApiError

EXIT_NO = 1


def trigger(
    event: Annotated[str, typer.Argument(help="TX_HASH:LOG_INDEX, as `/v1/chain/events` names it.")],
    home: Annotated[Path | None, typer.Option(help="The running engine's home [AUTOCLAIM_HOME].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Handle one event on chain by hand: a result recorded starts its payout, unless it has already.

    Safe to repeat: what was handled before changes nothing. Exits 1 when there is no such event, 2 when
    no engine runs.
    """
    tx_hash, _, log_index = event.partition(":")
    if not log_index.isdigit():
        raise typer.BadParameter("TX_HASH:LOG_INDEX is expected, for example 0x12…ef:0", param_hint="EVENT")
    with RunningEngine.find(home).client() as client:
        try:
            answer = client.trigger(tx_hash, int(log_index))
        except ApiError as error:
            typer.echo(f"autoclaim trigger: {error.detail} [{error.code}]", err=True)
            raise typer.Exit(EXIT_NO) from error
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    payout = answer["payout"]
    typer.echo(f"{answer['event']['event']} handled")
    typer.echo(f"payout {payout['payout_id']} is {payout['state']}" if payout else "it starts no payout")
