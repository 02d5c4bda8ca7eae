"""One adjudication under way: its inputs, and what has been found so far."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import BenefitResult, Reason, Step, Trace
from engine.adjudication.history import Standing
from engine.settlement.model import Settlement
from engine.terms.model import Benefit, Terms


@dataclass(slots=True)
class Case:
    terms: Terms
    coverage: Coverage
    settlement: Settlement
    standing: Standing
    steps: Trace
    reviews: list[Reason] = field(default_factory=list)
    refusals: list[Reason] = field(default_factory=list)
    results: list[BenefitResult] = field(default_factory=list)
    covered_from: date | None = None
    """First day whose costs count, where the stay began before it."""
    covered_to: date | None = None
    """Last day whose costs count, where the stay runs past it."""

    def review(self, code: str, benefit: Benefit | None = None, **facts: Any) -> None:
        self.reviews.append(Reason(code, benefit, facts))
        if benefit is not None:
            self.steps.append(Step("benefit.undecided", benefit, facts, {"code": code}))

    def refuse(self, code: str, benefit: Benefit | None = None, **facts: Any) -> None:
        self.refusals.append(Reason(code, benefit, facts))
        if benefit is not None:
            self.steps.append(Step("benefit.not_met", benefit, facts, {"code": code}))
