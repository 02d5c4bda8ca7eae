"""A case: all that a settlement is decided on but itself and the terms, given to whoever decides it where it
lies. Of earlier stays it holds sums alone, of the insured neither name nor policy number."""

from collections.abc import Mapping
from typing import Any

from engine.evidence.manifest import Document

FORMAT = "autoclaim-case/1"


def case_document(
    *,
    authorization: str,
    terms_digest: str,
    coverage: Mapping[str, Any],
    history: Mapping[str, Any],
    settlement: Mapping[str, Any],
) -> Document:
    """Whose digest names it between the two parties. coverage: as Coverage.parse takes it; history: as
    Standing.document makes it; settlement: as SettlementRef.document makes it."""
    return {
        "format": FORMAT,
        "authorization": authorization,
        "terms_digest": terms_digest,
        "coverage": dict(coverage),
        "history": dict(history),
        "settlement": dict(settlement),
    }
