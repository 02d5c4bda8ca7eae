"""What auditors read."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas.common import Cursor, Hex32
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
