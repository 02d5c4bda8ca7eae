"""Invoices that settlements hold: every query."""

from sqlmodel import Session, select

from engine.store.tables import InvoiceCheck


def of_settlement(session: Session, settlement_id: int) -> InvoiceCheck | None:
    return session.get(InvoiceCheck, settlement_id)


def holder(session: Session, invoice: str) -> InvoiceCheck | None:
    """The settlement that holds it, kept from changing until this transaction ends."""
    return session.exec(select(InvoiceCheck).where(InvoiceCheck.invoice == invoice).with_for_update()).first()
