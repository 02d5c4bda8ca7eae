"""What operators send and read."""

import base64
import binascii
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from api.http.schemas.auditors import ChainEventView
from api.http.schemas.common import Body
from engine.store.api_keys import Role


class KeyRequest(Body):
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


class HospitalEntry(Body):
    """A hospital of the register. `kind`: ordinary, proton for the direct-settlement hospital, or pharmacy
    (code P and 11 digits, grade 0, no ward)."""

    code: str = Field(pattern="^[HP][0-9]{11}$", examples=["H31010100001"])
    name: str = Field(min_length=1, max_length=200)
    grade: int = Field(ge=0, le=3, description="0: not known")
    area: str = Field(max_length=20)
    kind: Literal["ordinary", "proton", "pharmacy"] = "ordinary"
    wards: list[Annotated[str, Field(max_length=20)]] = Field(default=[], max_length=50)
    key_id: str | None = Field(None, min_length=1, max_length=64, description="keyid of its signatures")
    public_key: str | None = Field(None, description="Ed25519, 32 bytes in base64")
    tls_pin: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the key (SPKI) of its provider node's certificate, if it has one",
    )

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
    to_reopen: int = Field(description="policies whose decisions are to be looked at again")
    payouts: dict[str, PayoutSum]
    payout_fen: int


class TriggeredPayout(BaseModel):
    payout_id: str
    state: str


class Triggered(BaseModel):
    """The event, and the payout it is about, if any."""

    event: ChainEventView
    payout: TriggeredPayout | None


class PersonToErase(Body):
    """Named by a certificate, which is neither kept nor logged."""

    cert_type: str = Field(max_length=10, examples=["01"])
    cert_no: str = Field(min_length=1, max_length=50)


class Erased(BaseModel):
    """How much was erased. `deliveries`: whose bytes are gone, other people's records in them included."""

    policies: int
    authorizations: int
    settlements: int
    claims: int
    quarantined: int
    deliveries: int


class RetentionDue(BaseModel):
    """What is due of one kind of data. `oldest`: since when it is kept, or a policy's last day."""

    kind: str = Field(examples=["policies"])
    kept_days: int
    due: int
    oldest: date | None


class Retention(BaseModel):
    items: list[RetentionDue]
