"""What is told of the quality of hospitals' data."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

SeverityName = Literal["error", "warning"]
DimensionName = Literal["complete", "valid", "consistent", "unique", "timely"]


class QualityRule(BaseModel):
    """An error quarantines a record or refuses it; a warning is counted."""

    id: str = Field(examples=["settlement.identity.payer_split"])
    severity: SeverityName
    dimension: DimensionName
    meaning: str


class QualityRules(BaseModel):
    items: list[QualityRule]


class DimensionScore(BaseModel):
    """Of the settlements judged; share_without_error is null when none was."""

    dimension: DimensionName
    with_error: int
    with_warning: int
    share_without_error: float | None = Field(examples=[0.9975])


class RuleScore(BaseModel):
    """severity and dimension are null of a rule that there no longer is."""

    rule: str
    severity: SeverityName | None
    dimension: DimensionName | None
    records: int = Field(description="how many broke the rule, each once")


class Scorecard(BaseModel):
    """One source on one day of receipt (Shanghai).

    received = accepted + repeated + quarantined + refused + waiting + noted + reversed;
    judged = accepted + quarantined. Lag: calendar days from discharge to receipt, by nearest rank.
    """

    hospital_code: str = Field(examples=["H31010100001"])
    source: str = Field(description='the mapping\'s source; "native" and "correction" have none')
    received: int
    accepted: int
    repeated: int
    quarantined: int
    refused: int
    waiting: int
    noted: int
    reversed: int
    corrected: int
    judged: int
    lag_p50_days: int | None
    lag_p95_days: int | None
    dimensions: list[DimensionScore]
    top_rules: list[RuleScore]
    refusals: dict[str, int] = Field(description="code of a refusal -> records")


class Scorecards(BaseModel):
    """By hospital and source; a source of which nothing came has none."""

    day: date
    items: list[Scorecard]
