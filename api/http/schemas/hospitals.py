"""What hospitals are told."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.http.schemas.common import ClaimIdField, Cursor


class AcceptedSettlement(BaseModel):
    """The settlement is kept. `state` is that of acceptance; GET the settlement for where it is now."""

    setl_id: str = Field(examples=["S20250301000017"])
    claim_id: ClaimIdField
    state: Literal["accepted"]
    received_at: datetime


class BrokenRule(BaseModel):
    """One rule that a settlement breaks, at one place."""

    field: str = Field(description="RFC 6901 JSON pointer into the settlement", examples=["/iteminfo/3/amt"])
    rule: str = Field(examples=["settlement.identity.row_sum"])
    message: str


class BatchLine(BaseModel):
    """One line's answer: as POST /v1/settlements (202), or its problem."""

    line: int = Field(description="counts from 1, empty lines left out")
    status: int
    setl_id: str | None = None
    claim_id: str | None = None
    state: Literal["accepted"] | None = None
    received_at: datetime | None = None
    code: str | None = None
    detail: str | None = None
    errors: list[BrokenRule] = []
    quarantine_id: int | None = None


class ReversedSettlement(BaseModel):
    """`state` is the claim's: reversed, recovery_due, or as it was while the bank holds the order."""

    setl_id: str
    claim_id: ClaimIdField
    state: str = Field(examples=["reversed"])
    received_at: datetime


class SettlementView(BaseModel):
    setl_id: str
    claim_id: ClaimIdField
    state: str = Field(examples=["confirmed"])
    received_at: datetime
    updated_at: datetime


class SettlementPage(BaseModel):
    items: list[SettlementView]
    next: Cursor


class QuarantinedView(BaseModel):
    """What was refused. `corrected`: a settlement of the same number has been accepted since."""

    quarantine_id: int
    setl_id: str | None
    violations: list[BrokenRule]
    received_at: datetime
    corrected: bool


class QuarantinePage(BaseModel):
    items: list[QuarantinedView]
    next: Cursor
