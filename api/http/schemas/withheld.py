"""What a provider that keeps its settlements and the insurer say to each other (docs/privacy.md)."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.http.schemas.common import Body, ClaimIdField, Hex32
from api.http.schemas.matching import Bytes32, Epoch, Protocol

_SetlId = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$", examples=["S20250301000017"])]


class Stay(Body):
    """What a settlement is known and ordered by; setl_id is its reference in evidence."""

    fixmedins_code: str = Field(pattern="^[HP][0-9]{11}$", examples=["H31010100001"])
    setl_id: str = Field(pattern="^E-[0-9a-f]{32}$", examples=["E-" + "5e" * 16])
    adm: date = Field(examples=["2025-02-26"])
    dscg: date = Field(examples=["2025-03-01"])
    settled: AwareDatetime = Field(examples=["2025-03-01T02:20:00Z"])


class MatchCaseQuestion(Body):
    """For which discharge of a matched person a case is asked. discharge, handle: as in a release. setl_id
    and salt open the stay's reference."""

    protocol: Protocol
    epoch: Epoch
    discharge: Bytes32
    handle: Bytes32
    authorization: Hex32
    settlement: Stay
    setl_id: _SetlId
    salt: Bytes32


class MatchCase(BaseModel):
    """What the settlement is to be decided on. case: coverage without a name, and of earlier stays sums
    alone; terms: the wording that the case names; terms_register: digests of all wordings, whose digest the
    task was opened with; signature: of the task's requester, EIP-712, over the case's digest and the task."""

    case: dict[str, Any]
    terms: dict[str, Any]
    terms_register: list[Hex32]
    task_id: Hex32
    signature: str


class MatchDecision(MatchCaseQuestion):
    """What the provider has decided of a settlement that stays with it.

    case: the digest of the case that it was made of. decision: a decision document without what only the bill
    tells. commitment: to the settlement in its evidence form.
    """

    mode: Literal["decision"]
    case: Bytes32
    decision: dict[str, Any] = Field(examples=[{}])
    commitment: Bytes32


class Want(BaseModel):
    """decide_again: what the decision stands on has changed. disclose: the settlement is to be shown."""

    discharge: str
    handle: str
    why: Literal["decide_again", "disclose"]
    asked_at: datetime


class Wants(BaseModel):
    items: list[Want]


class MatchDisclosure(Body):
    """A settlement that was withheld, in its evidence form, and what opens the commitments to it and to the
    whole decision."""

    protocol: Protocol
    discharge: Bytes32
    handle: Bytes32
    document: dict[str, Any] = Field(description="schema settlement.minimised/1", examples=[{}])
    salt: Bytes32
    decision_salt: Bytes32


class Disclosed(BaseModel):
    """Whether the settlement comes to what its provider had decided."""

    claim_id: ClaimIdField
    outcome: Literal["agrees", "differs"]


class Demanded(BaseModel):
    claim_id: ClaimIdField


class Draw(Body):
    """About one in so many is drawn; the same draw finds the same claims."""

    one_in: int = Field(ge=1, le=1_000_000, examples=[50])


class Drawn(BaseModel):
    """withheld: how many claims there are whose settlement is withheld; demanded: those that were drawn."""

    withheld: int
    demanded: list[str]
