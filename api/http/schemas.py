"""What goes over the wire. Not the tables: a column becomes public only by being named here.

Money is integer fen, times are RFC 3339 UTC, ids of the chain are 0x and lower-case hex.
"""

import base64
import binascii
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from engine.store.api_keys import Role

Hex32 = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$", examples=["0x" + "5e" * 32])]
Address = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x" + "5e" * 20])]
Signature65 = Annotated[
    str, Field(pattern="^0x[0-9a-fA-F]{130}$", description="65 bytes: r, s, v", examples=["0x" + "5e" * 65])
]
ClaimIdField = Annotated[str, Field(examples=["clm_4f1c9a0d27b35e6688aa01c2"])]
Cursor = Annotated[int | str | None, Field(description="`after` of the next page; null at the end")]


class _In(BaseModel):
    """A body: what it does not name is refused, so that a misspelt field is told."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


# Hospitals


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


# Insurers


class Product(BaseModel):
    product: str = Field(examples=["huhuibao"])
    edition: str = Field(examples=["2024"])
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
    """`unchanged`: held before with the same content."""

    loaded: int
    unchanged: int
    refused: list[RefusedRow]


class ClaimSummary(BaseModel):
    """`claim_key`, the name on chain, exists from the match on."""

    claim_id: ClaimIdField
    claim_key: Hex32 | None
    state: str = Field(examples=["confirmed"])
    hospital_code: str
    product: str | None
    edition: str | None
    policy_no: str | None
    version: int
    payable_fen: int
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


class ClaimDetail(ClaimSummary):
    """`decision` is the decision document: benefits, amounts, and the trace that explains each of them."""

    reasons: list[Reason]
    authorization_id: Hex32 | None
    task_id: Hex32 | None
    record_tx: str | None
    decision: dict[str, Any] | None
    transitions: list[Transition]
    payouts: list[PayoutView]


class Ruling(_In):
    """A person's word on a claim: run it again after what was missing was put right, or refuse it."""

    action: Literal["readjudicate", "refuse"]
    reason: str = Field(
        min_length=1, max_length=1000, examples=["drug's indication confirmed by the hospital"]
    )


class Preparation(_In):
    policy_no: str = Field(min_length=1, max_length=64, examples=["SHB2024-000017"])
    insured: Address = Field(description="the account that will sign")


class ToSign(BaseModel):
    """`typed_data` goes to eth_signTypedData_v4 as it is."""

    authorization_id: Hex32
    state: str = Field(examples=["pending"])
    consent_text: str
    typed_data: dict[str, Any]


# Insured


class Grant(_In):
    """A prepared authorization, signed by the insured (EIP-712)."""

    authorization_id: Hex32
    signature: Signature65

    def pair(self) -> tuple[str, str]:
        return self.authorization_id, self.signature


class Grants(RootModel[Annotated[list[Grant], Field(min_length=1, max_length=200)]]):
    """Several grants for one transaction."""


class Authorization(BaseModel):
    authorization_id: Hex32
    state: str = Field(examples=["granted"])
    product: str
    scope: Hex32
    expires_s: int = Field(description="Unix seconds")
    grant_tx: str | None
    revoke_tx: str | None


class AuthorizationList(RootModel[list[Authorization]]):
    """As the grants were sent, in order."""


class RevocationToSign(BaseModel):
    authorization_id: Hex32
    deadline: int = Field(description="Unix seconds; goes back with the signature")
    typed_data: dict[str, Any]


class Revocation(_In):
    deadline: int = Field(ge=0, le=2**48 - 1, description="as it stood in what was signed")
    signature: Signature65


# Auditors


class VerificationStep(BaseModel):
    """`ok` null: could not be settled with what was at hand."""

    name: str = Field(examples=["adjudication"])
    ok: bool | None
    detail: str


class VerificationAnchor(BaseModel):
    chain_id: int | None
    number: int | None
    hash: str | None


class Verification(BaseModel):
    """A bundle checked step by step against this engine's chain."""

    outcome: Literal["verified", "failed", "unanchored"]
    failed: list[str] = Field(description="names of the steps that found a contradiction")
    claim_key: str | None
    version: int | None
    amount_fen: int | None
    standing: Literal["paid", "reversed", "superseded"] | None
    anchor: VerificationAnchor
    steps: list[VerificationStep]


class ChainEventView(BaseModel):
    contract: str = Field(examples=["MatchResultStore"])
    event: str = Field(examples=["ResultRecorded"])
    args: dict[str, Any]
    block_number: int
    block_hash: Hex32
    tx_hash: Hex32
    log_index: int


class ChainEventPage(BaseModel):
    items: list[ChainEventView]
    next: Annotated[int | None, Field(description="`from_block` of the next page; null at the end")]


class AccessEntryView(BaseModel):
    """One call. `digest` is sha256 over the RFC 8785 form of all other fields."""

    seq: int
    at: datetime
    request_id: str
    key_id: str | None
    role: Role | None
    principal: str | None
    method: str
    path: str = Field(description="the route, with opaque ids in place; #claim where one was named")
    status: int
    remote: str
    previous_digest: Hex32
    digest: Hex32


class AccessLogPage(BaseModel):
    items: list[AccessEntryView]
    next: Cursor


# Operators


class KeyRequest(_In):
    role: Role
    principal: str = Field(
        min_length=1,
        max_length=64,
        description="for a hospital, its code of the national list",
        examples=["H31010100001"],
    )


class IssuedKey(BaseModel):
    key_id: str
    token: str = Field(description="Authorization: Bearer <token>; shown once")
    role: Role
    principal: str


class HospitalEntry(_In):
    """A hospital of the register. `kind`: ordinary, or proton for the direct-settlement hospital."""

    code: str = Field(pattern="^H[0-9]{11}$", examples=["H31010100001"])
    name: str = Field(min_length=1, max_length=200)
    grade: int = Field(ge=0, le=3, description="0: not known")
    area: str = Field(max_length=20)
    kind: Literal["ordinary", "proton"] = "ordinary"
    wards: list[Annotated[str, Field(max_length=20)]] = Field(default=[], max_length=50)
    key_id: str | None = Field(None, min_length=1, max_length=64, description="keyid of its signatures")
    public_key: str | None = Field(None, description="Ed25519, 32 bytes in base64")

    @field_validator("public_key")
    @classmethod
    def _is_base64(cls, value: str | None) -> str | None:
        try:
            base64.b64decode(value or "", validate=True)
        except binascii.Error as error:
            raise ValueError("base64 is required") from error
        return value


class PayoutSum(BaseModel):
    count: int
    fen: int


class Totals(BaseModel):
    """`claims` and `payouts` by state; `payout_fen`: what settled transfers moved."""

    claims: dict[str, int]
    accepted: int
    quarantined: int
    payouts: dict[str, PayoutSum]
    payout_fen: int


class TriggeredPayout(BaseModel):
    payout_id: str
    state: str


class Triggered(BaseModel):
    """The event, and the payout it is about, if any."""

    event: ChainEventView
    payout: TriggeredPayout | None
