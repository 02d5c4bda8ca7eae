"""What a provider and the insurer say to each other in a private match (docs/privacy.md)."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas.common import Address, Body, ClaimIdField, Hex32
from engine.matching.voprf import PROTOCOL, SUITE

Bytes32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["5e" * 32])]
Epoch = Annotated[int, Field(ge=1, le=2**32 - 1)]
Protocol = Annotated[str, Field(max_length=40, examples=[PROTOCOL])]
_Suite = Annotated[str, Field(max_length=40, examples=[SUITE])]


class MatchQuestion(Body):
    """Blinded elements of one discharge: of the patient, and of names that the patient may be insured by.

    discharge: a commitment to the discharge, with a salt of this question's own.
    """

    protocol: Protocol
    suite: _Suite
    mode: str = Field("VOPRF", max_length=40)
    epoch: Epoch
    discharge: Bytes32
    elements: list[Annotated[str, Field(pattern="^([0-9a-f]{2}){0,64}$", examples=["5e" * 32])]]


class MatchAnswer(BaseModel):
    """What the elements come to under the epoch's key, and the proof that it was that key.

    padding makes all answers one size.
    """

    epoch: int
    evaluated: list[str]
    proof: str
    padding: str


class MatchRelease(Body):
    """A settlement in its evidence form, for the policy that a handle of the published roll names.

    discharge: that of the question by which the handle was found. setl_id and salt open the document's
    reference: then the same stay is known for the same, however it comes.
    """

    protocol: Protocol
    mode: Literal["settlement"]
    epoch: Epoch
    discharge: Bytes32
    handle: Bytes32
    authorization: Hex32
    document: dict[str, Any] = Field(description="schema settlement.minimised/1", examples=[{}])
    setl_id: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$", examples=["S20250301000017"])
    salt: Bytes32
    padding: str = Field(default="", pattern="^0*$", description="so that the size tells of the bill less")


class ReleasedSettlement(BaseModel):
    """The claim that there is of it. `created` is false when the same release had been kept before."""

    claim_id: ClaimIdField
    created: bool


class MatchUpdate(BaseModel):
    """A file of the published roll. 0 is the whole roll, later ones what has changed since.

    digest: sha256. entries: those that pad it included.
    """

    epoch: int
    update: int
    digest: str
    previous_digest: str
    entries: int
    made_at: datetime


class MatchEpoch(BaseModel):
    epoch: int
    public_key: str = Field(description="64 hexadecimal digits; believe the one on chain")
    opened_at: datetime
    withdrawn_at: datetime | None
    updates: list[MatchUpdate]


class MatchEpochs(BaseModel):
    """dataset: under which the roll and its keys stand in the catalogue. publishing: how many entries of the
    update that is being made are ready; null when none is."""

    protocol: str
    suite: str
    dataset: str
    publishing: int | None
    items: list[MatchEpoch]


class Purpose(BaseModel):
    purpose: str
    recipient: str
    product: str


class MatchOffer(BaseModel):
    """What a provider node's settings name. roll_dataset: in the catalogue on chain."""

    hospital_code: str
    roll_dataset: Hex32
    purposes: list[Purpose]


class MatchAppointment(BaseModel):
    """not_before: when what is announced on chain can be carried out; null: the node may write."""

    address: Address
    not_before: datetime | None


class MatchUpdates(BaseModel):
    items: list[MatchUpdate]


class MatchAlarm(BaseModel):
    """What of a provider's questions of a day a person should look at, and how much it asked on that day."""

    provider: str
    day: date
    code: str = Field(examples=["match.quota_near"])
    seen: int
    last_at: datetime
    elements: int
    questions: int
    released: int


class MatchAlarms(BaseModel):
    items: list[MatchAlarm]
