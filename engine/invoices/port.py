"""The invoice platform as the engine sees it: invoices in, what it knows of each out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from engine.money import Fen

MOST_AT_ONCE = 200
"""Invoices in one question."""


class InvoiceStatus(StrEnum):
    """What the platform says. There is no "not known now": a silent platform raises."""

    NORMAL = "normal"
    RED = "red"  # 冲红: a red-letter invoice has cancelled it
    UNKNOWN = "unknown"  # nobody issued it, or its check code is another


@dataclass(frozen=True, slots=True)
class Invoice:
    """As the settlement names it: 票据代码, 票据号码, 校验码. Kept out of repr, so out of logs."""

    code: str = field(repr=False)
    number: str = field(repr=False)
    check_code: str = field(repr=False)
    """Six letters and digits."""


@dataclass(frozen=True, slots=True)
class Found:
    """The platform's word on one invoice; amount and issuer are None where it is unknown."""

    status: InvoiceStatus
    amount_fen: Fen | None = None
    hospital_code: str | None = None


class InvoicePort(Protocol):
    """What any adapter offers."""

    def verify(self, invoices: Sequence[Invoice]) -> list[Found]:
        """One answer an invoice, in order; asking twice changes nothing. At most MOST_AT_ONCE.

        Raises VerifierUnavailable, VerifierUnauthorized, VerifierRefused: then nothing is known of any.
        """

    def close(self) -> None: ...
