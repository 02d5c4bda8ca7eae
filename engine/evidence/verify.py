"""Verify a bundle: each step by name, every step that can still be taken, one outcome.

The steps with a meaning come first, so that a changed byte is reported as what it falsifies; the seal, which
any change breaks, comes last.
"""

from functools import partial
from typing import Any, TypeVar

from engine.evidence import chain_checks, endpoint, paper_checks, payment_checks
from engine.evidence.anchors import Anchor, ChainReader
from engine.evidence.bundle import Bundle, parse_bundle, seal_of
from engine.evidence.consent import ConsentPaper, check_id, read_consent
from engine.evidence.errors import ProofInvalid
from engine.evidence.manifest import hex32
from engine.evidence.mpt import Header
from engine.evidence.readjudicate import check_adjudication
from engine.evidence.report import Report, Standing, Steps, Unsettled

T = TypeVar("T")


def verify_bundle(raw: bytes, anchor: Anchor) -> Report:
    """Check everything a bundle says. Raises nothing on the bundle's account: what is wrong is in the report.

    The outcome is VERIFIED, FAILED (a step found a contradiction) or UNANCHORED (no contradiction, but no
    trusted block, or the endpoint does not answer).
    """
    steps = Steps()
    parsed = steps.take("form", lambda: _form(raw))
    if parsed is None:
        return Report(steps=tuple(steps.taken))
    bundle, body = parsed
    for name in paper_checks.MANIFEST_DOCUMENTS:
        steps.take(f"document {name}", partial(paper_checks.check_document, bundle, name))
    amount_fen = steps.take("amount", lambda: payment_checks.check_amount(bundle))
    steps.take("adjudication", lambda: check_adjudication(bundle.documents))
    tip, standing = _chain_steps(steps, bundle, anchor)
    if anchor.endpoint is not None:
        standing = _live_steps(steps, bundle, anchor.endpoint) or standing
    steps.take("seal", lambda: _seal(bundle, body))
    return Report(
        steps=tuple(steps.taken),
        claim_key=hex32(bundle.claim_key),
        version=bundle.version,
        amount_fen=amount_fen,
        chain_id=bundle.chain.chain_id,
        anchor_number=tip.number if tip else None,
        anchor_hash=hex32(tip.hash) if tip else None,
        standing=standing,
    )


def _chain_steps(steps: Steps, bundle: Bundle, anchor: Anchor) -> tuple[Header | None, Standing | None]:
    """What the chain says of the papers. Returns the anchor's header and where the claim stood at it."""
    take = steps.take
    headers = take("headers", lambda: chain_checks.check_headers(bundle))
    tip = headers[-1] if headers else None
    take("anchor", lambda: _anchor(bundle, _have(tip), anchor))
    take("contracts", lambda: chain_checks.check_contracts(bundle, anchor))
    signed = take("consent form", lambda: _consent(bundle))
    words = take("state", lambda: chain_checks.check_state(bundle, _have(tip), _have(signed).grant))
    recorded = take("record receipt", lambda: chain_checks.prove_recorded(bundle, _have(headers)))
    proof = bundle.chain.confirmed
    confirmed = None
    if proof is not None:
        confirmed = take(
            "payment receipt", lambda: chain_checks.prove_confirmed(bundle, _have(headers), proof)
        )
    result = take("result", lambda: paper_checks.check_result(bundle, _have(words), _have(signed)))
    take("terms", lambda: paper_checks.check_terms(bundle, _have(words)))
    take("consent text", lambda: paper_checks.check_consent_text(bundle, _have(words), _have(signed)))
    take("consent signature", lambda: paper_checks.check_signature(bundle, _have(signed)))
    take(
        "authorization",
        lambda: paper_checks.check_authorization(bundle, _have(words), _have(signed), _have(recorded)),
    )
    live = anchor.endpoint
    take(
        "record",
        lambda: paper_checks.check_recorded(bundle, _have(recorded), _have(signed), _have(result), live),
    )
    if proof is None:
        return tip, take("payment", lambda: payment_checks.check_covered(bundle, _have(words)))
    standing = take(
        "payment", lambda: payment_checks.check_payment(bundle, _have(words), _have(confirmed), live)
    )
    return tip, standing


def _live_steps(steps: Steps, bundle: Bundle, chain: ChainReader) -> Standing | None:
    steps.take("wiring", lambda: endpoint.check_wiring(chain, bundle))
    return steps.take("standing", lambda: endpoint.check_standing(chain, bundle))


def _anchor(bundle: Bundle, tip: Header, anchor: Anchor) -> tuple[str, None]:
    if anchor.endpoint is not None and anchor.block_hash is not None:
        chain_checks.check_anchor(bundle, tip, anchor)
    if anchor.endpoint is not None:
        return endpoint.check_block(anchor.endpoint, bundle.chain.chain_id, tip), None
    return chain_checks.check_anchor(bundle, tip, anchor)


def _consent(bundle: Bundle) -> tuple[str, ConsentPaper]:
    signed = read_consent(bundle.documents.consent)
    check_id(signed.grant)
    return f"authorization {hex32(signed.grant.id)}", signed


def _form(raw: bytes) -> tuple[str, tuple[Bundle, dict[str, Any]]]:
    bundle, body = parse_bundle(raw)
    return f"{bundle.format}, {len(raw)} bytes", (bundle, body)


def _seal(bundle: Bundle, body: dict[str, Any]) -> tuple[str, None]:
    if seal_of(body) != bundle.seal:
        raise ProofInvalid("the bytes are not those that were sealed")
    return hex32(bundle.seal), None


def _have(found: T | None) -> T:
    """What an earlier step found; without it this one cannot be taken, and the earlier one says why."""
    if found is None:
        raise Unsettled("not checked: it leans on a step that did not hold", needed=False)
    return found
