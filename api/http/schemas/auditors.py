"""What auditors read."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas.common import Address, Body, Cursor, Hex32
from engine.store.api_keys import Role


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
    not_checked: list[str] = Field(description="names of the steps that could not be settled")
    claim_key: str | None
    version: int | None
    amount_fen: int | None
    standing: Literal["paid", "covered", "reversed", "superseded"] | None
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


class WithheldEntryView(BaseModel):
    """An entry that is not the reader's to see."""

    seq: int
    digest: Hex32


class AccessLogPage(BaseModel):
    items: list[AccessEntryView | WithheldEntryView]
    next: Cursor


class LogHead(BaseModel):
    size: int = Field(description="entries of the log", examples=[318])
    root: Hex32 = Field(description="RFC 9162 tree head over their digests; zero for size 0")


class Witness(BaseModel):
    kind: Literal["engine", "hospital", "auditor"]
    signer: Address


class RecordedCheckpoint(LogHead):
    """The latest on chain; size 0 before the first."""

    tx_hash: Hex32 | None = Field(description="null where this engine did not see it recorded")
    signed_by: list[Witness]


class ProposedCheckpoint(LogHead):
    previous: LogHead
    consistency: list[Hex32] = Field(description="RFC 9162 section 2.1.4: that this log extends `previous`")
    typed_data: dict[str, Any] = Field(description="what a witness signs: EIP-712, eth_signTypedData_v4")
    signed_by: list[Witness] = Field(description="who has signed it so far")


class CheckpointView(BaseModel):
    latest: RecordedCheckpoint
    proposal: ProposedCheckpoint | None = Field(description="null where the log has not grown")


class CheckpointSignature(Body):
    size: int = Field(ge=1, le=2**63 - 1, description="of the proposal that was signed", examples=[318])
    signer: Address
    signature: str = Field(
        pattern="^0x([0-9a-fA-F]{2}){1,4096}$",
        description="65 bytes r, s, v; or what a contract wallet (EIP-1271) takes",
        examples=["0x" + "5e" * 65],
    )


class SignedCheckpoint(LogHead):
    """`open` until it is on chain, or another checkpoint is (`overtaken`)."""

    state: Literal["open", "recorded", "overtaken", "refused"]
    tx_hash: Hex32 | None
    signed_by: list[Witness]
