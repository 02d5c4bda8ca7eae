"""Those who watch the audit log: each looks for itself, by its own key and memory, and signs what it saw."""

from typing import Any

from api.cli.demo.players import WITNESSES, Keys, patiently, witness_account
from api.cli.demo.stage import Stage
from api.client import Client, wait_until
from api.witness import CannotCheck, Outcome, Witness

_WITHIN_S = 60.0


def co_sign(stage: Stage, kind: str) -> dict[str, Any]:
    """Have the witness check the log and sign it; {size, root, tx, signed_by} once that is on chain.

    Raises Refusal where the log is not what it was, TimeoutError where the engine stays away.
    """
    client = Client(stage.url, Keys(stage.home, stage.operator()).of(kind, WITNESSES[kind]))
    memory = stage.home / f"witness-{kind}.json"
    witness = Witness(client, witness_account(kind), memory, needs_all=kind == "auditor")

    def signed() -> Outcome | None:
        try:
            return witness.run()
        except CannotCheck:
            return None  # the engine may be killed at any moment

    outcome = wait_until(signed, timeout_s=_WITHIN_S)

    def on_chain() -> dict[str, Any] | None:
        latest: dict[str, Any] = patiently(client.checkpoint)["latest"]
        return latest if latest["size"] >= outcome.size else None

    latest = wait_until(on_chain, timeout_s=_WITHIN_S)
    kinds = [one["kind"] for one in latest["signed_by"]]
    return {
        "size": latest["size"],
        "root": latest["root"],
        "tx": latest["tx_hash"],
        "signed_by": sorted(kinds),
    }
