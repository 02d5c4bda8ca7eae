"""The bank as the engine sees it: orders out, results and statement lines in."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, Protocol

import rfc8785

from engine.money import Fen
from engine.payout.errors import BankError

_PAYOUT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_MAX_AMOUNT_FEN = 10**15
"""Ten trillion yuan: far above any sum insured, and inside what a JSON number carries exactly (2**53)."""


class TransferStatus(StrEnum):
    """Where a transfer stands. `unknown` is ours alone: the bank never says it."""

    ACCEPTED = "accepted"  # the bank holds the order and will decide
    SETTLED = "settled"  # the payee has the money
    REFUSED = "refused"  # terminal: no money moved, a new payout version may be ordered
    RETURNED = "returned"  # terminal: settled first, then sent back by the payee's bank
    UNKNOWN = "unknown"  # sent, not answered: query, never send blindly
    NOT_FOUND = "not_found"  # the bank has no such order: safe to send the same id

    @property
    def is_final(self) -> bool:
        """Whether nothing further is awaited; a settled transfer may still be returned days later."""
        return self in (TransferStatus.SETTLED, TransferStatus.REFUSED, TransferStatus.RETURNED)


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """One transfer from the pool's funding account to a payee.

    payout_id: the idempotency key, stored before the first sending and reused on every retry;
    1-128 of A-Z a-z 0-9 . _ : - starting with a letter or digit. amount_fen: integer fen, 1..10**15.
    Raises ValueError naming the field and the rule.
    """

    payout_id: str
    amount_fen: Fen
    payee_name: str
    payee_account: str
    payee_bank: str
    purpose: str

    def __post_init__(self) -> None:
        if not _PAYOUT_ID.fullmatch(self.payout_id):
            raise ValueError(f"payout_id: 1-128 of [A-Za-z0-9._:-], got {self.payout_id!r}")
        if type(self.amount_fen) is not int or not 0 < self.amount_fen <= _MAX_AMOUNT_FEN:
            raise ValueError(f"amount_fen: integer fen in 1..{_MAX_AMOUNT_FEN}, got {self.amount_fen!r}")
        for field, longest in (
            ("payee_name", 140),
            ("payee_account", 34),
            ("payee_bank", 140),
            ("purpose", 140),
        ):
            text: str = getattr(self, field)
            if not text.strip() or len(text) > longest or not text.isprintable():
                # The value is left out: it may be personal, and errors reach logs.
                raise ValueError(f"{field}: 1-{longest} printable characters, not blank")

    def body(self) -> bytes:
        """The canonical (RFC 8785) request body: the same order is the same bytes on every retry."""
        return rfc8785.dumps(
            {
                "payout_id": self.payout_id,
                "amount_fen": int(self.amount_fen),
                "currency": "CNY",
                "payee_name": self.payee_name,
                "payee_account": self.payee_account,
                "payee_bank": self.payee_bank,
                "purpose": self.purpose,
            }
        )

    def body_digest(self) -> bytes:
        """sha256 of `body()`: 32 bytes to keep beside the payout id, so that no retry can differ unseen."""
        return hashlib.sha256(self.body()).digest()


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What is known of one transfer. Idempotent: applying the same result twice changes nothing.

    bank_ref: the bank's own number, None until it took the order. reason: the bank's code for a refusal
    or return, or what made the outcome unknown. settled_at: aware UTC, set once settled (also if returned).
    """

    payout_id: str
    status: TransferStatus
    bank_ref: str | None = None
    reason: str | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One booking on the funding account. Debit: money left us. amount_fen is always positive."""

    bank_ref: str
    payout_id: str
    direction: Literal["debit", "credit"]
    amount_fen: Fen
    value_time: datetime
    kind: Literal["payment", "return"]


class BankPort(Protocol):
    """What any bank adapter offers. Implementations are safe to call from several threads."""

    def submit(self, order: TransferOrder) -> TransferResult:
        """Order one transfer; idempotent by payout id.

        Returns accepted, settled, refused or returned as the bank says; unknown when the order left and
        neither an answer nor a query told its fate; not_found when no attempt arrived, by the bank's own
        word. Raises BankUnavailable (it never left), BankUnauthorized, BankRefusedRequest,
        IdempotencyConflict.
        """

    def submit_many(self, orders: Sequence[TransferOrder]) -> list[TransferResult | BankError]:
        """`submit` for a micro-batch, one outcome an order, in order; one failure never hides another."""

    def query(self, payout_id: str) -> TransferResult:
        """The bank's present word on a payout id; not_found if it never took it.

        Raises BankUnavailable, BankAnswerInvalid, BankUnauthorized, BankRefusedRequest.
        """

    def query_many(self, payout_ids: Sequence[str]) -> list[TransferResult | BankError]:
        """`query` for each, one outcome an id, in order; one failure never hides another."""

    def statement(self, date_from: date, date_to: date) -> list[StatementLine]:
        """All bookings of the bank days from..to, both included, in booking order. Raises as `query`."""
