"""`autoclaim verify`: check an evidence bundle, alone or against a chain, and name what does not hold."""

import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from engine.money import format_yuan

if TYPE_CHECKING:
    from engine.evidence.anchors import Anchor, TrustedDeployment
    from engine.evidence.report import Report

EXIT_CANNOT = 2
_MARKS = {True: ("ok", "green"), False: ("FAILED", "red"), None: ("open", "yellow")}


def verify(
    bundle: Annotated[str, typer.Argument(help="Evidence bundle (JSON); - reads standard input.")],
    rpc: Annotated[
        str | None, typer.Option("--rpc", help="JSON-RPC endpoint of a node of the bundle's chain.")
    ] = None,
    block_hash: Annotated[
        str | None,
        typer.Option("--block-hash", help="Hash of the bundle's anchor block, from who you trust."),
    ] = None,
    deployment: Annotated[
        Path | None,
        typer.Option("--deployment", help="Published deployment manifest: the addresses of the contracts."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Verify that a claim was consented to, decided by its terms, and paid.

    Without --rpc and --block-hash, the anchor block must be in this machine's list of trusted blocks
    ($AUTOCLAIM_TRUST, or .autoclaim/trusted-blocks.json here). Exits 0 when everything holds, 1 when a step
    fails, 2 when it could not be settled.
    """
    from engine.evidence.errors import EvidenceError
    from engine.evidence.verify import verify_bundle

    with ExitStack() as stack:
        try:
            raw = _read(bundle)
            anchor = _anchor(stack, rpc, block_hash, deployment)
        except (OSError, EvidenceError) as error:
            _cannot(str(error), as_json=as_json)
        report = verify_bundle(raw, anchor)
    if as_json:
        typer.echo(json.dumps(report.document(), ensure_ascii=False, indent=2))
    else:
        _render(report)
    raise typer.Exit(report.exit_code)


def _read(bundle: str) -> bytes:
    from engine.evidence.bundle import MAX_BYTES

    # One byte more than a bundle may have: enough for the verifier to say that it is too large.
    if bundle == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(bundle).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _anchor(stack: ExitStack, rpc: str | None, block_hash: str | None, deployment: Path | None) -> "Anchor":
    import httpx

    from engine.evidence.anchors import TrustStore
    from engine.evidence.endpoint import HttpEndpoint

    anchor = TrustStore.default().anchor()
    if deployment is not None:
        anchor = replace(anchor, deployments=(_published(deployment),))
    if block_hash is not None:
        anchor = replace(anchor, block_hash=_hash(block_hash))
    if rpc is not None:
        # A proxy that the environment names must not stand between the auditor and their own node.
        direct = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
        client = stack.enter_context(httpx.Client(mounts=direct))
        anchor = replace(anchor, endpoint=HttpEndpoint(rpc, client))
    return anchor


def _published(path: Path) -> "TrustedDeployment":
    from engine.evidence.anchors import CONTRACTS, TrustedDeployment
    from engine.evidence.errors import TrustStoreInvalid

    try:
        manifest = json.loads(path.read_bytes())
        contracts = {name: str(manifest["addresses"][name]) for name in CONTRACTS}
        return TrustedDeployment(int(manifest["chain_id"]), contracts, source=str(path), added_at="now")
    except (ValueError, TypeError, KeyError) as error:
        raise TrustStoreInvalid(f"{path}: not a deployment manifest ({error!r})") from error


def _hash(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise typer.BadParameter("not 32 bytes in hexadecimal", param_hint="--block-hash")
    return raw


def _cannot(message: str, *, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"outcome": "unreadable", "error": message}, ensure_ascii=False))
    typer.echo(f"cannot verify: {message}", err=True)
    raise typer.Exit(EXIT_CANNOT)


def _render(report: "Report") -> None:
    for step in report.steps:
        word, colour = _MARKS[step.ok]
        typer.echo(f"{typer.style(f'{word:>6}', fg=colour)}  {step.name:<20} {step.detail}")
    failed = [step.name for step in report.steps if step.ok is False]
    if failed:
        typer.secho(f"FAILED: {', '.join(failed)}", fg="red", bold=True)
    elif report.exit_code == EXIT_CANNOT:
        unsettled = [step for step in report.steps if step.ok is None and step.needed]
        typer.secho("NOT SETTLED: everything inside is consistent, but:", fg="yellow", bold=True)
        for step in unsettled:
            typer.echo(f"  {step.name}: {step.detail}")
    else:
        paid = f"and paid: {format_yuan(report.amount_fen or 0)} yuan"
        if not report.amount_fen:
            paid = "and nothing more to pay than was paid before"
        typer.secho(f"VERIFIED: consented, decided by its terms, {paid}", fg="green", bold=True)
        unchecked = [step.name for step in report.steps if step.ok is None]
        if unchecked:
            typer.secho(f"NOT CHECKED: {', '.join(unchecked)}", fg="yellow", bold=True)
        if report.standing not in ("paid", "covered"):
            typer.secho(
                f"NOTE: this version of the claim is {report.standing} by now", fg="yellow", bold=True
            )
