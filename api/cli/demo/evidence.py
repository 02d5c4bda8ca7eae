"""Evidence of every claim that was paid: fetched as an auditor, kept, and verified against the chain."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from api.cli.demo.players import Keys, patiently
from api.cli.demo.screen import Screen
from api.cli.demo.stage import Stage
from api.client import Client
from engine.evidence.anchors import TrustStore
from engine.evidence.endpoint import HttpEndpoint
from engine.evidence.report import Outcome, Report
from engine.evidence.verify import verify_bundle

PAID = frozenset({"confirmed", "covered", "recovery_due"})


def collect_and_verify(stage: Stage, claims: list[dict[str, Any]], screen: Screen) -> dict[str, Path]:
    """claim_key -> bundle file, for every paid claim whose evidence verifies.

    The anchors are vouched for by the chain's own endpoint, not by the bundles, and noted in this
    machine's trust store, so that `autoclaim verify FILE` works afterwards without any server.
    """
    keys = Keys(stage.home, stage.operator())
    auditor = Client(stage.url, keys.of("auditor", "demo auditor"))
    folder = stage.home / "evidence"
    folder.mkdir(exist_ok=True)
    paid = [claim for claim in claims if claim["state"] in PAID]
    verified: dict[str, Path] = {}
    with httpx.Client(trust_env=False) as http:
        chain = HttpEndpoint(f"{stage.url}/chain/rpc", http)
        anchor = replace(TrustStore.default().anchor(), endpoint=chain)
        for done, claim in enumerate(paid, start=1):
            key = claim["claim_key"]
            raw = patiently(lambda k=key: auditor.evidence(k))  # type: ignore[misc]
            path = folder / f"{key}.json"
            path.write_bytes(raw)
            report = patiently(lambda r=raw: verify_bundle(r, anchor))  # type: ignore[misc]
            if report.outcome is Outcome.VERIFIED:
                _trust(chain, report)
                verified[key] = path
            screen.verified(done, len(paid), report)
    return verified


def _trust(chain: HttpEndpoint, report: Report) -> None:
    if report.chain_id is None or report.anchor_number is None:
        return
    block = chain.request("eth_getBlockByNumber", [hex(report.anchor_number), False])
    TrustStore.default().add(
        report.chain_id,
        {report.anchor_number: bytes.fromhex(block["hash"][2:])},
        source="autoclaim demo, from its own node",
        at=datetime.now(UTC),
    )
