"""What the demo says while it runs. Lines on a pipe, colour and a progress line on a terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from api.client import ApiError
from engine.evidence.report import Report
from engine.money import format_yuan

if TYPE_CHECKING:
    from api.cli.demo.outcome import Outcome
    from api.cli.demo.provider import Provider
    from api.cli.demo.stage import Stage

_COLOURS = {
    "confirmed": "green",
    "review": "yellow",
    "covered": "green",
    "recovery_due": "magenta",
    "returned": "magenta",
    "uninsured": "dim",
    "no_consent": "dim",
    "nothing": "dim",
}
_AT_A_NODE = {
    "nobodys": "nobody's",
    "no_consent": "no consent",
    "doubtful": "for a person there to judge",
    "turned_down": "turned down",
}
_SHORT_WAY = {"accepted": None, "confirmed": "confirmed on chain", "recorded": "on chain"}


class Screen:
    """`talk` False: nothing but errors, for --json."""

    def __init__(self, *, talk: bool) -> None:
        self.talk = talk
        self._out = Console(
            file=sys.stderr if not talk else sys.stdout, highlight=False, soft_wrap=True, quiet=not talk
        )

    def opened(self, stage: "Stage") -> None:
        if stage.resumed:
            self._out.print("[bold]going on with the demo that was interrupted[/]")
        self._out.print(f"engine   {stage.url}  (process {stage.engine.pid}, embedded chain, SQLite)")
        self._out.print(f"bank     {stage.bank_url}  (process {stage.bank.pid}, its own database)")
        self._out.print(f"invoices {stage.invoice_url}  (process {stage.invoices.pid}, its own database)")

    def loaded(self, report: dict[str, Any], hospitals: int) -> None:
        policies = report["loaded"] + report["unchanged"]
        self._out.print(f"loaded   {hospitals} hospitals, {policies} policies, the terms' digests on chain")

    def enrolled(self, done: int, total: int) -> None:
        if self._out.is_terminal:
            self._out.print(f"consent  {done}/{total} signed and recorded", end="\r")
        if done == total:
            self._out.print(f"consent  {total} policies' holders have signed (EIP-712); recorded on chain")

    def joined(self, stage: "Stage", provider: "Provider") -> None:
        self._out.print(
            f"provider {stage.provider_url}  (process {provider.pid}, its own database and keys) keeps the "
            f"settlements of {provider.hospital.code},\n"
            f"         asks blinded at {stage.partner_url} by mutual TLS, and reads keys and consent on chain"
        )

    def sending(self, total: int) -> None:
        self._out.print(f"\n[bold]{total} settlements arrive, signed by their hospitals[/]")

    def accepted(self, scenario: str, setl_id: str) -> None:
        if scenario == "duplicate":
            self._out.print(f"{setl_id}  sent twice: answered as before, nothing happens twice", style="dim")

    def stayed(self, view: dict[str, Any], scenario: str) -> None:
        """Of a discharge that its node releases nothing of."""
        state, name = _AT_A_NODE[view["state"]], scenario.replace("_", " ")
        self._out.print(
            f"{view['hospital_code']}  {name:<31} {'':13}  stays at its node · {state}  ({view['reason']})",
            style="cyan",
        )

    def refused(self, scenario: str, setl_id: str, error: ApiError) -> None:
        rules = ", ".join(sorted({e["rule"] for e in error.errors})) or error.code
        name = scenario.replace("_", " ")
        self._out.print(f"{setl_id}  {name}: refused with {error.status}, {rules}", style="red")

    def at_rest(self, claim: dict[str, Any], scenario: str) -> None:
        """One claim's whole way, from its own list of transitions."""
        steps = [_SHORT_WAY.get(t["to"], t["to"].replace("_", " ")) for t in claim["transitions"]]
        way = " · ".join(step for step in steps if step)
        money = f"¥{format_yuan(claim['payable_fen']):>12}" if claim["payable_fen"] else " " * 13
        reasons = ", ".join(reason["code"] for reason in claim["reasons"])
        hospital, name = claim["hospital_code"], scenario.replace("_", " ")
        line = f"{hospital}  {name:<31} {money}  {way}" + (f"  ({reasons})" if reasons else "")
        self._out.print(line, style=_COLOURS.get(claim["state"], ""))

    def verified(self, done: int, total: int, report: Report) -> None:
        if report.exit_code != 0:
            failed = "; ".join(f"{s.name}: {s.detail}" for s in report.steps if s.ok is not True)
            self._out.print(f"evidence of {report.claim_key} does not verify: {failed}", style="bold red")
        elif self._out.is_terminal:
            self._out.print(f"evidence {done}/{total} verified", end="\r")

    def closed(self, stage: "Stage", outcome: "Outcome", seconds: float) -> None:
        o = outcome
        self._out.print(
            f"\n[bold]{o.accepted} accepted, {o.paid} paid ¥{format_yuan(o.payout_fen)}[/], "
            f"{o.nothing} with nothing payable, {o.review} for a person to decide, {o.uninsured} uninsured, "
            f"{o.no_consent} without consent, {o.reversed} reversed, {o.quarantined} to be corrected"
        )
        self._out.print(
            f"accepted to paid: p50 {o.p50_ms / 1000:.2f} s, p99 {o.p99_ms / 1000:.2f} s; "
            f"{o.settlements_per_s} paid a second; {o.chain['gas_per_claim']} gas to record and confirm one"
        )
        if o.provider is not None:
            self._two_parties(o.provider)
        if o.engine_restarts:
            self._out.print(f"the engine was killed and started again {o.engine_restarts} time(s) on the way")
        self._out.print(
            f"evidence verified: {o.evidence_verified} of {o.paid}; paid twice, by the bank's statement: "
            f"{o.duplicate_payouts}; {seconds:.0f} s in all"
        )
        self._out.print(
            f"audit log  {o.checkpoint['size']} entries, checkpoint co-signed by "
            f"{' and '.join(reversed(o.checkpoint['signed_by']))}, on chain"
        )
        home = stage.home / "engine"
        program = sys.argv[0] if Path(sys.argv[0]).name == "autoclaim" else "autoclaim"
        self._out.print(f"\nstart it for real    {program} serve --sandbox-bank", style="bold")
        if o.evidence:
            self._out.print(f"verify a payment     {program} verify {o.evidence[0]}", style="bold")
        self._out.print(f"compare everything   {program} fsck --home {home}", style="bold")

    def _two_parties(self, node: dict[str, Any]) -> None:
        """What either knows of the provider's patients."""
        known = node["engine"]
        self._out.print(
            f"two parties: the node of {node['hospital']} keeps {node['kept']} settlements, of which "
            f"{node['asked']} were asked about blinded:\n"
            f"  {node['matched']} matched, {node['released']} released, {node['nobodys']} nobody's, "
            f"{node['no_consent']} without consent, {node['doubtful']} doubtful; "
            f"the engine knows {known['questions']} questions and {known['claims']} claims"
        )
        if node["restarts"]:
            self._out.print(f"the node was killed and started again {node['restarts']} time(s) on the way")
