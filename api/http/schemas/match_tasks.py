"""Matching tasks: what an insurer orders and is shown, and what a provider's node says in one."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas.common import Body, Hex32

_Bytes32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["5e" * 32])]
_HospitalCode = Annotated[str, Field(pattern="^[HP][0-9]{11}$", examples=["H31010100001"])]
_Count = Annotated[int, Field(ge=0, le=2**53 - 1)]


class MatchTaskOrder(Body):
    """Discharges of these days, both included, of hospitals that one provider's node speaks for.

    most: blinded elements that may be evaluated for it; a person takes two.
    """

    provider: str = Field(pattern="^0x[0-9a-f]{40}$", examples=["0x" + "5e" * 20])
    hospitals: list[_HospitalCode] = Field(min_length=1, max_length=10_000)
    product: str = Field(max_length=100, examples=["huhuibao"])
    since: date = Field(alias="from", examples=["2025-03-01"])
    until: date = Field(examples=["2025-03-31"])
    most: int = Field(ge=1, le=10**9, examples=[20_000])
    engine: Literal["voprf", "rr22"] = "voprf"


class TaskCounts(BaseModel):
    elements: int
    discharges: int
    released: int


class MatchTaskView(BaseModel):
    """state: as the chain has it. spent: elements evaluated, those of lost answers included.

    ours, theirs: what it comes to by each party's books; theirs is null until the provider has told it.
    """

    task_id: Hex32
    state: str = Field(examples=["running"])
    document: dict[str, Any]
    opened_at: datetime
    deadline: datetime
    spent: int
    ours: TaskCounts
    theirs: TaskCounts | None
    our_digest: Hex32 | None
    their_digest: Hex32 | None
    claims: int


class MatchTaskViews(BaseModel):
    items: list[MatchTaskView]


class TaskResolution(Body):
    """digest: which of the two committed ones is right; null: neither."""

    digest: Hex32 | None = Field(examples=["0x" + "5e" * 32])


class MatchTaskDocument(BaseModel):
    """Its digest is the task's id on chain."""

    document: dict[str, Any]


class MatchBatch(Body):
    """Some of the task's discharges, as commitments, and the blinded elements of whoever they are of.

    number: of the batch in its task; the same number is the same batch, asked again.
    """

    number: int = Field(ge=0, le=2**31 - 1)
    discharges: list[_Bytes32]
    elements: list[Annotated[str, Field(pattern="^([0-9a-f]{2}){0,64}$", examples=["5e" * 32])]]


class MatchBatchAnswer(BaseModel):
    evaluated: list[str]
    proof: str


class StagedOutcome(BaseModel):
    """outcome: a claim, or the code of why it became none; null: nothing yet."""

    discharge: str
    handle: str
    outcome: str | None


class StagedOutcomes(BaseModel):
    items: list[StagedOutcome]


class ProviderCounts(Body):
    """What the task came to by the provider's books."""

    elements: _Count
    discharges: _Count
    released: _Count
    releases: Hex32


class ScaleJoining(Body):
    """place: host:port, where a side listens. certificate: PEM, of this run."""

    place: str = Field(max_length=300, examples=["10.0.0.7:40511"])
    certificate: str = Field(max_length=8_192, examples=["-----BEGIN CERTIFICATE-----\n…"])
