"""What is told of the quality of hospitals' data."""

from datetime import date
from typing import Any, Literal

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


class Finding(BaseModel):
    """Something to look into; it says of nobody that they did wrong."""

    code: str = Field(examples=["patrol.volume.low"])
    hospital_code: str = Field(examples=["H31010100001"])
    numbers: dict[str, Any] = Field(
        description="what it rests on, by name",
        examples=[{"received": 12, "median_before": 39.0, "weekdays": 8, "spread": 6.24, "score": -4.32}],
    )
    next_step: str


class PatrolReport(BaseModel):
    day: date
    findings: list[Finding]
    thresholds: dict[str, int | float] = Field(examples=[{"weeks": 8, "volume_score": 4.0}])
