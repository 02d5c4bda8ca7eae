"""What the demo ends in: counts from the engine and the node, duplicates from the bank's own statement."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from api.cli.demo.evidence import PAID
from api.cli.demo.play import INSURER, details
from api.cli.demo.players import Keys, patiently
from api.cli.demo.provider import Provider
from api.cli.demo.stage import Stage
from api.client import Client
from engine.evidence.endpoint import HttpEndpoint
from engine.payout.http_bank import HttpBank
from engine.payout.signing import BankCredentials


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of settlements by what became of them; amounts in fen; p50 and p99 from accepted to paid.

    What the provider node accepts counts once, released or not: there nobody's is uninsured, doubtful is for
    review, and what breaks rules is quarantined. p50 and p99 begin where the engine accepts. provider: how
    the node stands by itself; None: there was none.
    """

    accepted: int
    matched: int
    paid: int
    nothing: int
    refused: int
    review: int
    uninsured: int
    no_consent: int
    reversed: int
    quarantined: int
    payout_fen: int
    duplicate_payouts: int
    evidence_verified: int
    p50_ms: int
    p99_ms: int
    settlements_per_s: float
    engine_restarts: int
    chain: dict[str, Any]
    evidence: list[str]
    checkpoint: dict[str, Any]
    provider: dict[str, Any] | None

    def document(self) -> dict[str, Any]:
        return asdict(self)


def bank_duplicates(stage: Stage) -> int:
    """Payouts that the bank's statement debits more than once; the engine's word is not asked."""
    credentials = BankCredentials.load(stage.home / "engine" / "bank.secret")
    today = datetime.now(UTC).date()
    with HttpBank(stage.bank_url, credentials) as bank:
        lines = bank.statement(today - timedelta(days=1), today + timedelta(days=1))
    debits = Counter(line.payout_id for line in lines if line.direction == "debit")
    return sum(count - 1 for count in debits.values())


def summarise(
    stage: Stage,
    claims: list[dict[str, Any]],
    evidence: dict[str, Path],
    duplicates: int,
    checkpoint: dict[str, Any],
    provider: Provider | None = None,
) -> Outcome:
    operator = stage.operator()
    keys = Keys(stage.home, operator)
    insurer = Client(stage.url, keys.of("insurer", INSURER))
    totals = patiently(operator.totals)
    states = totals["claims"]
    paid = list(details(insurer, [claim for claim in claims if claim["state"] in PAID]))
    settled = {claim["claim_id"]: _settled_at(claim) for claim in paid}
    spans = sorted(_ms(settled[claim["claim_id"]] - _time(claim["created_at"])) for claim in paid)
    first = min((_time(claim["created_at"]) for claim in claims), default=None)
    whole_ms = _ms(max(settled.values()) - first) if settled and first else 0
    node = provider.counts(claims) if provider is not None else None
    at_node: Mapping[str, int] = node or Counter()
    uninsured = states["uninsured"] + at_node["nobodys"]
    no_consent = states["no_consent"] + at_node["no_consent"]
    return Outcome(
        accepted=totals["accepted"] + at_node["kept"] - at_node["accepted"],
        matched=sum(1 for claim in claims if claim["policy_no"] is not None),
        paid=len(paid),
        nothing=states["nothing"],
        refused=states["refused"] + uninsured + no_consent,
        review=states["review"] + at_node["doubtful"],
        uninsured=uninsured,
        no_consent=no_consent,
        reversed=states["reversed"] + states["recovery_due"],
        quarantined=totals["quarantined"] + at_node["refused"],
        payout_fen=totals["payout_fen"],
        duplicate_payouts=duplicates,
        evidence_verified=len(evidence),
        p50_ms=_percentile(spans, 50),
        p99_ms=_percentile(spans, 99),
        settlements_per_s=round(len(paid) * 1000 / whole_ms, 1) if whole_ms else 0.0,
        engine_restarts=stage.engine.restarts,
        chain=_chain(stage, paid),
        evidence=[str(path) for path in evidence.values()],
        checkpoint=checkpoint,
        provider=node,
    )


def _settled_at(claim: dict[str, Any]) -> datetime:
    return max(_time(p["settled_at"]) for p in claim["payouts"] if p["settled_at"])


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _percentile(sorted_values: list[int], percent: int) -> int:
    """Nearest rank; 0 of nothing."""
    if not sorted_values:
        return 0
    return sorted_values[max(0, -(-len(sorted_values) * percent // 100) - 1)]


def _chain(stage: Stage, paid: list[dict[str, Any]]) -> dict[str, Any]:
    """The chain's identity and height, and the gas that recording and confirming a claim took."""
    with httpx.Client(trust_env=False) as http:
        endpoint = HttpEndpoint(f"{stage.url}/chain/rpc", http)
        transactions = {claim["record_tx"] for claim in paid}
        transactions |= {p["confirm_tx"] for claim in paid for p in claim["payouts"]}
        transactions -= {None}
        receipts = [endpoint.request("eth_getTransactionReceipt", [tx]) for tx in sorted(transactions)]
        gas = sum(int(receipt["gasUsed"], 16) for receipt in receipts)
        return {
            "kind": "rpc" if os.environ.get("AUTOCLAIM_CHAIN_RPC_URL") else "embedded",
            "chain_id": int(endpoint.request("eth_chainId", []), 16),
            "block_number": int(endpoint.request("eth_blockNumber", []), 16),
            "gas_per_claim": gas // len(paid) if paid else 0,
        }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
