"""What insurers send and read."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas.common import Address, Body, ClaimIdField, Cursor, Hex32


class Product(BaseModel):
    product: str = Field(examples=["huhuibao"])
    edition: str = Field(examples=["2024"])
    version: int
    terms_digest: Hex32
    terms_dataset: Hex32
    loaded_at: datetime


class ProductList(BaseModel):
    items: list[Product]


class PolicyView(BaseModel):
    policy_no: str
    product: str
    edition: str
    effective: date
    expires: date
    cancelled_on: date | None = Field(description="The first day without cover (退保).")
    loaded_at: datetime


class PolicyPage(BaseModel):
    items: list[PolicyView]
    next: Cursor


class RefusedRow(BaseModel):
    line: int
    field: str
    rule: str
    message: str


class LoadReport(BaseModel):
    """`loaded`: new, or something new was said of it. `unchanged`: held before with the same content."""

    loaded: int
    unchanged: int
    refused: list[RefusedRow]


class ClaimSummary(BaseModel):
    """`claim_key`, the name on chain, exists from the match on."""

    claim_id: ClaimIdField
    claim_key: Hex32 | None
    beside: ClaimIdField | None = Field(
        description="Of a further policy's claim: the claim that its settlement was accepted as."
    )
    state: str = Field(examples=["confirmed"])
    hospital_code: str
    product: str | None
    edition: str | None
    policy_no: str | None
    version: int
    payable_fen: int
    recovery_fen: int = Field(description="Paid on earlier versions beyond what this one pays.")
    created_at: datetime
    updated_at: datetime


class ClaimPage(BaseModel):
    items: list[ClaimSummary]
    next: Cursor


class Reason(BaseModel):
    """Why a claim is where it is, for a person."""

    code: str = Field(examples=["ward_unknown"])
    message_en: str
    message_zh: str


class Transition(BaseModel):
    """One move of a claim."""

    model_config = ConfigDict(serialize_by_alias=True)
    from_state: str | None = Field(alias="from", examples=["decided"])
    to_state: str = Field(alias="to", examples=["recorded"])
    actor: str
    reason: str
    at: datetime


class PayoutView(BaseModel):
    payout_id: str
    claim_key: Hex32 | None
    version: int
    amount_fen: int
    state: str = Field(examples=["confirmed"])
    bank_ref: str | None
    bank_reason: str | None
    trigger_tx: str
    confirm_tx: str | None
    submitted_at: datetime | None
    settled_at: datetime | None


class PayoutPage(BaseModel):
    items: list[PayoutView]
    next: Cursor


class InvoiceCheck(BaseModel):
    """What was found of the settlement's electronic invoice when the claim was last to be decided."""

    outcome: str = Field(examples=["good"])
    checked_at: datetime


class Disclosure(BaseModel):
    """A settlement that was demanded. outcome: whether it comes to what its provider had decided (agrees,
    differs); null until it is shown."""

    asked_at: datetime
    answered_at: datetime | None
    outcome: str | None


class ClaimDetail(ClaimSummary):
    """`decision` is the decision document: benefits, amounts, and the trace that explains each of them."""

    reasons: list[Reason]
    withheld: Hex32 | None = Field(
        description="the provider has decided and keeps the settlement, under this commitment to it"
    )
    disclosure: Disclosure | None
    invoice: InvoiceCheck | None
    reports: int = Field(description="examinations and tests that the hospital delivered of the stay")
    authorization_id: Hex32 | None
    task_id: Hex32 | None
    record_tx: str | None
    decision: dict[str, Any] | None
    transitions: list[Transition]
    payouts: list[PayoutView]


class Ruling(Body):
    """A person's word on a claim: pay or refuse what is in review, or run it again once it was put right."""

    action: Literal["pay", "refuse", "readjudicate"]
    reason: str = Field(
        min_length=1,
        max_length=1000,
        description="stands in the evidence: name nobody",
        examples=["heirs' certificate seen; payable to the estate"],
    )
    payable_fen: int | None = Field(
        None, gt=0, lt=2**53, description="with the action pay, and with no other", examples=[2388813]
    )


class Preparation(Body):
    policy_no: str = Field(min_length=1, max_length=64, examples=["SHB2024-000017"])
    insured: Address | None = Field(
        default=None, description="the account that will sign; may be left out where a guardian signs"
    )
    guardian: Address | None = Field(default=None, description="signs in a minor's place")


class ToSign(BaseModel):
    """`typed_data` goes to eth_signTypedData_v4 as it is."""

    authorization_id: Hex32
    state: str = Field(examples=["pending"])
    consent_text: str
    typed_data: dict[str, Any]
