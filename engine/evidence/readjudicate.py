"""Run the adjudication again on the bundle's own papers: the same facts must give the same decision."""

from typing import Any

from engine.adjudication import Coverage, History, adjudicate
from engine.adjudication.ruling import without_ruling
from engine.adjudication.withheld import WHOLE, is_partial, part_of
from engine.evidence.bundle import Papers
from engine.evidence.canonical import canonical_bytes
from engine.evidence.documents import coverage_for_adjudication
from engine.evidence.errors import ProofInvalid
from engine.evidence.manifest import withheld_under
from engine.evidence.report import Unsettled
from engine.settlement.model import Settlement
from engine.terms import terms_from_document

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
"""What the rooms below raise on papers that are not theirs."""


def check_adjudication(papers: Papers) -> tuple[str, None]:
    """The machine's decision, byte for byte; a person's ruling stands beside it.

    Another engine version is named, and must agree in all else. Of what a provider decided, what left of it
    is compared. Raises Unsettled where the settlement is withheld: only whoever has it can re-run anything.
    """
    withheld = withheld_under(papers.settlement)
    if withheld is not None:
        raise Unsettled(
            f"NOT RE-RUN: the provider decided {papers.decision.get('payable_fen')} fen, and withholds the "
            "settlement; demand its disclosure to check this",
            needed=False,
        )
    try:
        terms = terms_from_document(papers.terms)
        decision = adjudicate(
            terms,
            Coverage.parse(coverage_for_adjudication(papers.coverage)),
            History.parse(papers.history),
            Settlement.parse(papers.settlement),
        )
    except _UNREADABLE as error:
        raise ProofInvalid(f"the papers cannot be adjudicated: {error}") from error
    again, recorded = decision.document(), without_ruling(papers.decision)
    if is_partial(recorded):
        again = part_of(again, terms, str(recorded[WHOLE]))
    by = f"engine {recorded.get('engine_version')}"
    if recorded.get("engine_version") != again["engine_version"]:
        by += f", re-run by {again['engine_version']}"
        again = {**again, "engine_version": recorded.get("engine_version")}
    if canonical_bytes(again) != canonical_bytes(recorded):
        place = _first_difference(recorded, again, "")
        raise ProofInvalid(f"the re-run decides otherwise at {place} ({by})")
    return f"the same decision, {recorded['payable_fen']} fen ({by})", None


def _first_difference(recorded: Any, again: Any, pointer: str) -> str:
    """JSON pointer of the first place where two documents differ, with both values."""
    if isinstance(recorded, dict) and isinstance(again, dict):
        for key in sorted(recorded.keys() | again.keys()):
            if recorded.get(key) != again.get(key) or (key in recorded) != (key in again):
                return _first_difference(recorded.get(key), again.get(key), f"{pointer}/{key}")
    if isinstance(recorded, list) and isinstance(again, list):
        for index, (left, right) in enumerate(zip(recorded, again, strict=False)):
            if left != right:
                return _first_difference(left, right, f"{pointer}/{index}")
    return f"{pointer or '/'}: recorded {_short(recorded)}, now {_short(again)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
