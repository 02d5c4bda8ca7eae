"""The bank's JSON, checked and turned into the port's types.

Strict on what moves money (id, status, amount, times), tolerant of fields a bank may add later.
"""

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from engine.money import Fen
from engine.payout.errors import BankAnswerInvalid
from engine.payout.port import StatementLine, TransferResult, TransferStatus

PositiveFen = Annotated[int, Field(gt=0, strict=True)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TransferAnswer(_Answer):
    """One transfer as the bank tells it, in an answer or in a callback."""

    payout_id: str
    status: Literal["accepted", "settled", "refused", "returned"]
    bank_ref: str = Field(min_length=1)
    amount_fen: PositiveFen
    reason: str | None = None
    settled_at: AwareDatetime | None = None

    def result(self) -> TransferResult:
        status = TransferStatus(self.status)
        return TransferResult(self.payout_id, status, self.bank_ref, self.reason, self.settled_at)


class StatementEntry(_Answer):
    """One booking on the funding account."""

    bank_ref: str
    payout_id: str
    direction: Literal["debit", "credit"]
    amount_fen: PositiveFen
    value_time: AwareDatetime
    kind: Literal["payment", "return"]

    def line(self) -> StatementLine:
        when: datetime = self.value_time
        return StatementLine(
            self.bank_ref, self.payout_id, self.direction, Fen(self.amount_fen), when, self.kind
        )


class StatementPage(_Answer):
    """A page, with the control totals of the whole period on every page."""

    lines: list[StatementEntry]
    next_cursor: str | None
    line_count: int = Field(ge=0)
    debit_total_fen: int = Field(ge=0)
    credit_total_fen: int = Field(ge=0)


class ProblemAnswer(_Answer):
    """RFC 9457 problem; `code` is the bank's stable code."""

    code: str
    detail: str = ""
    field: str | None = None


_A = TypeVar("_A", bound=_Answer)


def parse(model: type[_A], body: bytes) -> _A:
    """Validate a JSON answer. Raises BankAnswerInvalid naming the fields, never their values."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise BankAnswerInvalid(f"{model.__name__}: {fields}") from error
