"""A person's ruling on a claim that the terms could not decide (PIPL 24: review of automated decisions).

The machine's decision stays as it is, in review and byte for byte; the ruling stands beside it, says who
ruled and why, and only then is something payable. A re-run reproduces the machine's part and shows the rest.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engine.money import format_yuan

_KEY = "ruling"


class RulingInvalid(ValueError):
    """A ruling that the decision does not allow. `field` names the part, `rule` the reason."""

    def __init__(self, field: str, rule: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.rule = rule


def with_ruling(
    decision: Mapping[str, Any],
    *,
    payable_fen: int,
    most_fen: int,
    reason: str,
    decided_by: str,
    decided_at: datetime,
) -> dict[str, Any]:
    """A decision in review -> the same with a ruling to pay. most_fen: what the stay cost in all.

    Raises RulingInvalid: nothing is ruled over a decision that the terms could take.
    """
    if decision.get("decision") != "review":
        raise RulingInvalid("/action", "ruling.not_in_review", "only a decision in review can be ruled on")
    if not 0 < payable_fen <= most_fen:
        message = f"must be above 0 and at most what the stay cost, {format_yuan(most_fen)} yuan"
        raise RulingInvalid("/payable_fen", "ruling.amount", message)
    ruling = {
        "payable_fen": payable_fen,
        "reason": reason,
        "decided_by": decided_by,
        "decided_at": decided_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {**without_ruling(decision), _KEY: ruling}


def without_ruling(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The machine's part of a decision."""
    return {name: value for name, value in decision.items() if name != _KEY}


def ruling_of(decision: Mapping[str, Any]) -> Mapping[str, Any] | None:
    ruling = decision.get(_KEY)
    return ruling if isinstance(ruling, Mapping) else None


def payable_of(decision: Mapping[str, Any]) -> int:
    """What is payable in the end: by the terms, or by the ruling on a review."""
    ruling = ruling_of(decision)
    return int(ruling["payable_fen"] if ruling is not None else decision["payable_fen"])
