"""What is told of deliveries, of the mappings that read them, and of where a claim came from."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas.common import ClaimIdField, Cursor
from api.http.schemas.hospitals import BrokenRule

Outcome = Literal["accepted", "quarantined", "refused", "waiting", "reversed", "noted"]


class Receipt(BaseModel):
    """First line of an answer: the bytes are kept. `created` is false where they had been before."""

    delivery_id: str = Field(examples=["dlv_4f1c9a0d27b35e6688aa01c2"])
    body_digest: str = Field(description="sha256 of the bytes, hexadecimal")
    size: int
    received_at: datetime
    created: bool


class RecordLine(BaseModel):
    """What became of one record: kept in the commit before this line was sent."""

    ordinal: int = Field(description="counts from 1, in the delivery's order")
    place: str = Field(examples=["line 12"])
    kind: str = Field(examples=["settlement"])
    outcome: Outcome
    setl_id: str | None = None
    claim_id: str | None = None
    code: str | None = None
    quarantine_id: int | None = None
    errors: list[BrokenRule] = []


class LastLine(BaseModel):
    """Last line of an answer. refused: why the rest of the delivery cannot be read."""

    records: dict[str, int] = Field(description="outcome -> records")
    refused: list[BrokenRule] = []


class ReadingView(BaseModel):
    """One reading, under one version of everything that has a say in what comes out."""

    run: int
    mapping_number: int
    mapping_digest: str
    cleaning: str
    dictionaries: str
    begun_at: datetime
    ended_at: datetime | None
    refused: list[BrokenRule] | None
    records: dict[str, int]


class DeliverySummary(BaseModel):
    delivery_id: str
    source: str
    body_digest: str
    size: int
    received_at: datetime


class DeliveryView(DeliverySummary):
    readings: list[ReadingView]


class DeliveryPage(BaseModel):
    items: list[DeliverySummary]
    next: str | None


class SourceView(BaseModel):
    """One version of a source's mapping."""

    hospital_code: str
    source: str
    number: int
    holds_from: date
    digest: str
    registered_at: datetime


class SourceList(BaseModel):
    items: list[SourceView]


class UnmappedCode(BaseModel):
    """A local code that neither is a standard one nor has a mapping. "(others)" are all that came after the
    first 500 of a version of the mapping."""

    hospital_code: str
    source: str
    mapping_number: int
    dictionary: str
    local: str
    seen: int
    last_at: datetime


class UnmappedCodes(BaseModel):
    """The most frequent first."""

    items: list[UnmappedCode]


class DroppedField(BaseModel):
    """A field that was sent and not kept. "node/(others)" are all that came after the first 500 of a version
    of the mapping."""

    hospital_code: str
    source: str
    mapping_number: int
    field: str = Field(examples=["setlinfo/coner_tel"])
    seen: int
    last_at: datetime


class DroppedFields(BaseModel):
    """The most frequent first."""

    items: list[DroppedField]


class OriginView(BaseModel):
    """One record of one delivery, in one reading."""

    delivery_id: str
    source: str
    body_digest: str
    size: int
    received_at: datetime
    run: int
    place: str
    mapping_number: int
    mapping_digest: str
    cleaning: str
    dictionaries: str


class CorrectionView(BaseModel):
    """A refused record that was put right by hand."""

    quarantine_id: int
    body_digest: str
    received_at: datetime
    actor: str
    at: datetime


class Lineage(BaseModel):
    """Where a claim's settlement came from; no deliveries: a message of its own."""

    claim_id: ClaimIdField
    hospital_code: str
    content_digest: str
    received_at: datetime
    delivered: list[OriginView]
    corrected: list[CorrectionView]
    reports: list[OriginView] = Field(description="of the stay: examinations and tests")


class StayReports(BaseModel):
    """Where the reports on a stay came from, each in every reading; their content is in the deliveries."""

    items: list[OriginView]


class QuarantinedItem(BaseModel):
    """What was refused, of whichever hospital."""

    quarantine_id: int
    hospital_code: str
    setl_id: str | None
    violations: list[BrokenRule]
    received_at: datetime
    corrected: bool


class QuarantineList(BaseModel):
    items: list[QuarantinedItem]
    next: Cursor


class RefusedBody(BaseModel):
    """A refused record; what names the patient is masked. null: it is no JSON object."""

    quarantine_id: int
    hospital_code: str
    body_digest: str
    violations: list[BrokenRule]
    body: dict[str, Any] | None
