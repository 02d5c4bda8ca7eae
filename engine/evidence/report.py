"""What a verification found: every step by name, and one outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar

from engine.evidence.errors import EndpointUnavailable, EvidenceError

T = TypeVar("T")
Standing = Literal["paid", "covered", "reversed", "superseded"]
"""covered: the version pays nothing more than earlier ones did."""


class Outcome(StrEnum):
    VERIFIED = "verified"
    FAILED = "failed"
    UNANCHORED = "unanchored"  # all consistent, but nothing trusted vouches for it


EXIT_CODES = {Outcome.VERIFIED: 0, Outcome.FAILED: 1, Outcome.UNANCHORED: 2}


@dataclass(frozen=True, slots=True)
class Step:
    """ok: True, False, or None where it could not be settled. needed: whether the outcome waits for it."""

    name: str
    ok: bool | None
    detail: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """claim_key, version, amount_fen and the anchor are what the bundle says; trust them only if verified.

    standing: "reversed" or "superseded" when a later move on chain took the claim back or replaced this
    version of it; what the bundle proves stays true, and the outcome does not change.
    """

    steps: tuple[Step, ...]
    claim_key: str | None = None
    version: int | None = None
    amount_fen: int | None = None
    chain_id: int | None = None
    anchor_number: int | None = None
    anchor_hash: str | None = None
    standing: Standing | None = None

    @property
    def outcome(self) -> Outcome:
        if any(step.ok is False for step in self.steps):
            return Outcome.FAILED
        if any(step.ok is None and step.needed for step in self.steps):
            return Outcome.UNANCHORED
        return Outcome.VERIFIED

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]

    def document(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "outcome": self.outcome.value,
            "failed": [step.name for step in self.steps if step.ok is False],
            "not_checked": [step.name for step in self.steps if step.ok is None],
            "claim_key": self.claim_key,
            "version": self.version,
            "amount_fen": self.amount_fen,
            "standing": self.standing,
            "anchor": {"chain_id": self.chain_id, "number": self.anchor_number, "hash": self.anchor_hash},
            "steps": [{"name": step.name, "ok": step.ok, "detail": step.detail} for step in self.steps],
        }


class Unsettled(EvidenceError):
    """A step that can be neither confirmed nor refuted with what is at hand."""

    def __init__(self, detail: str, *, needed: bool) -> None:
        super().__init__(detail)
        self.needed = needed


class Steps:
    """The list under construction. A step that raises is written down, and the next one still runs."""

    def __init__(self) -> None:
        self.taken: list[Step] = []

    def take(self, name: str, check: Callable[[], tuple[str, T]]) -> T | None:
        """Run a check that gives its detail and what later steps need; None when it did not hold."""
        try:
            detail, value = check()
        except EndpointUnavailable as error:
            self.taken.append(Step(name, None, str(error)))
            return None
        except Unsettled as open_question:
            self.taken.append(Step(name, None, str(open_question), open_question.needed))
            return None
        except EvidenceError as error:
            self.taken.append(Step(name, False, str(error)))
            return None
        self.taken.append(Step(name, True, detail))
        return value
