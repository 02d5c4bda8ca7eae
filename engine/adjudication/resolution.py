"""A review decided by a person: a decision document of the same form, for payment and for history."""

from collections.abc import Mapping
from typing import Any, Literal


class NotInReview(ValueError):
    """The decision document is not one that waits for a person."""


def resolve_review(
    document: Mapping[str, Any], outcome: Literal["pay", "refuse"], why_en: str, why_zh: str
) -> dict[str, Any]:
    """The document of a review -> that of the decision a person took, who may pay what was proposed or
    refuse; another amount needs other inputs and a new adjudication. Re-running the rules still gives
    the review: its reasons and trace are kept, and the last of both is the person's.

    Raises NotInReview, also when there is nothing proposed to pay.
    """
    proposed = next((step["out"] for step in document["trace"] if step["step"] == "review.proposed"), None)
    if document["decision"] != "review" or proposed is None:
        raise NotInReview(f"the decision is {document['decision']}, not review")
    payable = proposed["proposed_fen"] if outcome == "pay" else 0
    if outcome == "pay" and not payable:
        raise NotInReview("nothing was proposed to pay: correct the inputs and adjudicate again")
    reason = {"code": f"person.{outcome}", "message_en": why_en, "message_zh": why_zh}
    step = {
        "step": "review.resolved",
        "rule": f"{document['terms']['product']}-{document['terms']['edition']}",
        "zh": why_zh,
        "en": why_en,
        "in": {"proposed_fen": proposed["proposed_fen"]},
        "out": {"decision": outcome, "payable_fen": payable},
    }
    return {
        **document,
        "decision": outcome,
        "payable_fen": payable,
        "benefits": proposed["benefits"] if outcome == "pay" else [],
        "reasons": [*document["reasons"], reason],
        "trace": [*document["trace"], step],
        "used": proposed["used"] if outcome == "pay" else {},
    }
