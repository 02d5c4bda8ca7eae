"""A decision: an amount, its reasons, and the trace that a patient can follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from engine.adjudication.history import SettlementRef, Used
from engine.adjudication.messages import REASONS, STEPS, fill, format_ratio, told
from engine.money import Fen
from engine.terms.model import BASIS, Benefit, Terms, Text

ENGINE_VERSION: Final = "adjudication/2"
"""Of the rules, not of the package: raised whenever any input could get another document."""


class Outcome(StrEnum):
    PAY = "pay"
    NOTHING = "nothing"
    """Covered, and the terms come to zero."""
    REVIEW = "review"
    """The terms cannot decide it: a person must."""
    REFUSE = "refuse"
    """The terms say that this is not covered."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is stable and has its wording in engine.adjudication.messages."""

    code: str
    benefit: Benefit | None
    facts: Mapping[str, Any]

    def document(self) -> dict[str, str]:
        text = fill(REASONS[self.code], told(self.facts), self.benefit.name if self.benefit else None)
        about = {"benefit": self.benefit.code} if self.benefit else {}
        return {"code": self.code, **about, "message_en": text.en, "message_zh": text.zh}


@dataclass(slots=True)  # not frozen: eight of them a decision, and freezing doubles what one costs
class Step:
    """One line of the trace: what went in, what came out, under which clause."""

    code: str
    benefit: Benefit | None
    given: Mapping[str, Any]
    found: Mapping[str, Any]
    label: Text | None = None
    """Name of the limit that a limit step is about."""

    def document(self, terms: Terms) -> dict[str, Any]:
        name = self.label or (self.benefit.name if self.benefit else terms.name)
        given, found = told(self.given), told(self.found)
        text = fill(STEPS[self.code], {**given, **found}, name)
        return {
            "step": self.code,
            "rule": f"{terms.full_name}/{self.benefit.code}" if self.benefit else terms.full_name,
            "zh": text.zh,
            "en": text.en,
            "in": given,
            "out": found,
        }


class Trace(list[Step]):
    """What was found, step by step. Where it is not wanted, the steps of every settlement are not even made:
    they are a tenth of what a decision costs."""

    __slots__ = ("wanted",)

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted


class BenefitResult(NamedTuple):
    """What one benefit comes to. payable_fen <= eligible_fen - deductible_fen, both >= 0."""

    benefit: Benefit
    eligible_fen: Fen
    deductible_fen: Fen
    """Of the annual deductible, what this settlement bears."""
    ratio_bp: int
    payable_fen: Fen
    limits: Mapping[str, Mapping[str, int]]
    """Per limit and item: fen paid under it, or occasions or days paid for."""
    after_fen: int = 0
    """Costs beyond the deductible, where the ratio has tiers."""
    carried: int = 0
    """What rounding keeps back for the next settlement, in 1/10000 fen, where the year's sum is rounded."""

    def document(self) -> dict[str, Any]:
        name = self.benefit.name
        return {
            "code": self.benefit.code,
            "name": {"zh": name.zh, "en": name.en},
            "eligible_fen": self.eligible_fen,
            "deductible_fen": self.deductible_fen,
            "ratio": format_ratio(self.ratio_bp),
            "payable_fen": self.payable_fen,
        }

    def used(self) -> Used:
        return Used(self.deductible_fen, self.payable_fen, self.limits, self.after_fen, self.carried)


class Decision(NamedTuple):
    outcome: Outcome
    payable_fen: Fen
    """0 unless the outcome is pay."""
    results: tuple[BenefitResult, ...]
    reasons: tuple[Reason, ...]
    steps: tuple[Step, ...]
    """Empty where no trace was wanted."""
    terms: Terms
    settlement: SettlementRef

    def document(self) -> dict[str, Any]:
        """JSON of whole numbers and strings; the same inputs give the same value.

        `used` is what later decisions of the policy need of this one; `settlement` is how they know it.
        """
        return {
            "decision": self.outcome.value,
            "payable_fen": self.payable_fen,
            "benefits": [result.document() for result in self.results],
            "reasons": [reason.document() for reason in self.reasons],
            "trace": [step.document(self.terms) for step in self.steps],
            "clauses": self._clauses(),
            "terms": {"product": self.terms.product, "edition": self.terms.edition},
            "terms_digest": self.terms.digest_hex,
            "engine_version": ENGINE_VERSION,
            "settlement": self.settlement.document(),
            "used": used_document(self.results),
            **self._co_insurers(),
        }

    def _clauses(self) -> dict[str, dict[str, str]]:
        """The wording of every rule that the trace names."""
        benefits = {step.benefit.code: step.benefit for step in self.steps if step.benefit is not None}
        wordings = {f"{self.terms.full_name}/{code}": one.clause for code, one in sorted(benefits.items())}
        wordings = {self.terms.full_name: self.terms.clause, **wordings}
        return {rule: {"zh": text.zh, "en": text.en} for rule, text in wordings.items()}

    def _co_insurers(self) -> dict[str, Any]:
        """How the pool shares the payment; left out where there is no pool or nothing to pay."""
        pool = self.terms.co_insurers
        if not pool or not self.payable_fen:
            return {}
        shares = [self.payable_fen * one.share_bp // BASIS for one in pool[:-1]]
        shares.append(self.payable_fen - sum(shares))
        return {
            "co_insurers": [
                {"name": one.name, "payable_fen": fen} for one, fen in zip(pool, shares, strict=True)
            ]
        }


def used_document(results: tuple[BenefitResult, ...]) -> dict[str, Any]:
    """Benefit code -> what was used up of it; a benefit of which nothing was is left out."""
    return {code: used.document() for code, used in used_by(results).items()}


def used_by(results: tuple[BenefitResult, ...]) -> dict[str, Used]:
    """Benefit code -> what was used up of it, where anything was."""
    every = {result.benefit.code: result.used() for result in results}
    return {code: used for code, used in every.items() if used.anything}
