"""Invoices that settlements hold: every query."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, func, select

from engine.store.tables import Claim, InvoiceCheck, Payout, Reversal, Settlement

_PAID = ("settled", "confirmed")


def of_settlement(session: Session, settlement_id: int) -> InvoiceCheck | None:
    return session.get(InvoiceCheck, settlement_id)


def holder(session: Session, invoice: str) -> InvoiceCheck | None:
    """The settlement that holds it, kept from changing until this transaction ends."""
    return session.exec(select(InvoiceCheck).where(InvoiceCheck.invoice == invoice).with_for_update()).first()


def paid_on(
    session: Session, outcome: str, paid_since: datetime, looked_up_before: datetime, limit: int
) -> Sequence[tuple[Claim, Settlement]]:
    """Settlements that hold an invoice of that outcome and stand, on which money was paid since: each with
    the claim that it was accepted as. Those that were not looked up for longest come first."""
    # Not correlated: SQLite would go through the payouts of a state for each settlement.
    paid = (
        select(Claim.settlement_id)
        .join(Payout, col(Payout.claim_id) == col(Claim.id))
        .where(col(Payout.state).in_(_PAID), col(Payout.settled_at) >= paid_since)
    )
    query = (
        select(Claim, Settlement)
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .join(InvoiceCheck, col(InvoiceCheck.settlement_id) == col(Settlement.id))
        .where(
            InvoiceCheck.outcome == outcome,
            col(InvoiceCheck.invoice).is_not(None),
            InvoiceCheck.checked_at < looked_up_before,
            col(Claim.beside).is_(None),
            col(Claim.erased_at).is_(None),
            col(Settlement.id).not_in(select(Reversal.settlement_id)),
            col(Settlement.id).in_(paid),
        )
        .order_by(col(InvoiceCheck.checked_at), col(InvoiceCheck.settlement_id))
        .limit(limit)
    )
    return session.exec(query).all()


def held_and_not(
    session: Session, good: Sequence[str], begins: datetime, ends: datetime, hospital_code: str | None
) -> Sequence[tuple[str, str, str, int]]:
    """(hospital, outcome, claim, fen paid), in this order, of settlements that stand and hold an invoice of
    which another outcome was found from `begins` to before `ends`."""
    key = (col(Claim.hospital_code), col(InvoiceCheck.outcome), col(Claim.claim_id))
    query = (
        select(*key, func.sum(Payout.amount_fen))
        .join(InvoiceCheck, col(InvoiceCheck.settlement_id) == col(Claim.settlement_id))
        .join(Payout, col(Payout.claim_id) == col(Claim.id))
        .where(
            col(InvoiceCheck.outcome).not_in(good),
            col(InvoiceCheck.invoice).is_not(None),
            col(InvoiceCheck.checked_at) >= begins,
            col(InvoiceCheck.checked_at) < ends,
            col(Payout.state).in_(_PAID),
            col(Claim.settlement_id).not_in(select(Reversal.settlement_id)),
        )
    )
    if hospital_code is not None:
        query = query.where(Claim.hospital_code == hospital_code)
    rows = session.exec(query.group_by(*key).order_by(*key)).all()
    return [(code, outcome, claim_id, int(fen)) for code, outcome, claim_id, fen in rows]
