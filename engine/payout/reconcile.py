"""Our payouts against the bank's statement: every difference by name, none explained away.

The table of what must hold, for one payout id within the compared period:

    we say                        payment lines   return lines
    settled                       1               0
    returned                      1               1
    accepted, unknown, not_found  0 (in flight)   0
    refused                       0               0

and every line carries the ordered amount. The caller passes payouts and statement of the same period.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.money import Fen
from engine.payout.port import StatementLine, TransferStatus


@dataclass(frozen=True, slots=True)
class PayoutRecord:
    """What our ledger believes of one payout."""

    payout_id: str
    amount_fen: Fen
    status: TransferStatus


class DiscrepancyKind(StrEnum):
    MISSING_AT_BANK = "missing_at_bank"  # we say paid; the statement has no payment
    MISSING_AT_US = "missing_at_us"  # the statement has a payment we never ordered
    AMOUNT_DIFFERS = "amount_differs"  # a line carries another amount than ordered
    PAID_TWICE = "paid_twice"  # more than one payment for one payout id
    RETURNED = "returned"  # the money came back and we do not know it
    RETURN_MISSING = "return_missing"  # we say returned; the statement has no return
    RETURNED_TWICE = "returned_twice"  # more than one return for one payout id
    PAID_UNCONFIRMED = "paid_unconfirmed"  # the bank paid; we say refused, unknown or still open


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference. ours_fen, bank_fen: net outflow on either side, None where that side has nothing."""

    kind: DiscrepancyKind
    payout_id: str
    ours_fen: Fen | None
    bank_fen: Fen | None
    bank_refs: tuple[str, ...]

    def __str__(self) -> str:
        refs = ", ".join(self.bank_refs) or "none"
        amounts = f"ours {self.ours_fen} fen, bank {self.bank_fen} fen"
        return f"{self.kind} {self.payout_id}: {amounts}, bank refs {refs}"


def reconcile(payouts: Iterable[PayoutRecord], statement: Iterable[StatementLine]) -> list[Discrepancy]:
    """Every difference, ordered by payout id, then kind. Empty when both sides tell the same.

    Raises ValueError if a payout id stands twice in `payouts`: our own table must not allow it.
    """
    ours: dict[str, PayoutRecord] = {}
    for payout in payouts:
        if payout.payout_id in ours:
            raise ValueError(f"payouts: {payout.payout_id} stands twice")
        ours[payout.payout_id] = payout
    lines: defaultdict[str, list[StatementLine]] = defaultdict(list)
    for line in statement:
        lines[line.payout_id].append(line)
    found = [
        Discrepancy(
            kind,
            payout_id,
            _ours_net(ours.get(payout_id)),
            _bank_net(lines[payout_id]),
            _refs(lines[payout_id]),
        )
        for payout_id in ours.keys() | lines.keys()
        for kind in _differences(ours.get(payout_id), lines[payout_id])
    ]
    return sorted(found, key=lambda discrepancy: (discrepancy.payout_id, discrepancy.kind))


def _differences(ours: PayoutRecord | None, lines: Sequence[StatementLine]) -> Iterable[DiscrepancyKind]:
    payments = sum(line.kind == "payment" for line in lines)
    returns = len(lines) - payments
    if payments > 1:
        yield DiscrepancyKind.PAID_TWICE
    if returns > 1:
        yield DiscrepancyKind.RETURNED_TWICE
    if ours is None:
        yield DiscrepancyKind.MISSING_AT_US
        return
    we_say_paid = ours.status in (TransferStatus.SETTLED, TransferStatus.RETURNED)
    if we_say_paid and not payments:
        yield DiscrepancyKind.MISSING_AT_BANK
    if payments and not we_say_paid:
        yield DiscrepancyKind.PAID_UNCONFIRMED
    if returns and ours.status is not TransferStatus.RETURNED:
        yield DiscrepancyKind.RETURNED
    if ours.status is TransferStatus.RETURNED and not returns:
        yield DiscrepancyKind.RETURN_MISSING
    if any(line.amount_fen != ours.amount_fen for line in lines):
        yield DiscrepancyKind.AMOUNT_DIFFERS


def _ours_net(ours: PayoutRecord | None) -> Fen | None:
    if ours is None:
        return None
    return ours.amount_fen if ours.status is TransferStatus.SETTLED else Fen(0)


def _bank_net(lines: Sequence[StatementLine]) -> Fen | None:
    if not lines:
        return None
    return Fen(sum(line.amount_fen if line.direction == "debit" else -line.amount_fen for line in lines))


def _refs(lines: Sequence[StatementLine]) -> tuple[str, ...]:
    return tuple(line.bank_ref for line in lines)
