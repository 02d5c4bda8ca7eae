"""The statement of transfers on one account, page by page, as of one instant.

The first page fixes the last booking it knows (`as_of`); the cursor carries it, so that bookings made
while a client reads neither shift the pages nor break the control totals that stand on every page.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from engine.sandbox.bank.ledger import rfc3339
from engine.sandbox.bank.schema import postings, transfers

BANK_TIME = timezone(timedelta(hours=8))
"""China Standard Time has no summer time: a bank day is a fixed span."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """As of which booking the statement is read, and after which one to go on."""

    as_of: int
    after: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises ValueError."""
        as_of, _, after = text.partition("-")
        return cls(int(as_of), int(after))

    def __str__(self) -> str:
        return f"{self.as_of}-{self.after}"


def statement_page(
    connection: Connection, account_no: str, day_from: date, day_to: date, cursor: Cursor | None, limit: int
) -> dict[str, Any]:
    """Lines of the bank days day_from..day_to, both included, in booking order, with control totals."""
    if cursor is None:
        last = connection.execute(select(func.coalesce(func.max(postings.c.seq), 0))).scalar_one()
        cursor = Cursor(as_of=last, after=0)
    within = _within(account_no, day_from, day_to, cursor.as_of)
    rows = connection.execute(
        select(postings, transfers.c.bank_ref)
        .join(transfers, transfers.c.payout_id == postings.c.payout_id)
        .where(within, postings.c.seq > cursor.after)
        .order_by(postings.c.seq)
        .limit(limit + 1)
    ).all()
    page = rows[:limit]
    more = len(rows) > limit
    return {
        "account_no": account_no,
        "from": day_from.isoformat(),
        "to": day_to.isoformat(),
        "lines": [_line(row, account_no) for row in page],
        "next_cursor": str(Cursor(cursor.as_of, page[-1].seq)) if more else None,
        **_totals(connection, account_no, within),
    }


def _within(account_no: str, day_from: date, day_to: date, as_of: int) -> ColumnElement[bool]:
    start_ms = _midnight_ms(day_from)
    end_ms = _midnight_ms(day_to + timedelta(days=1))
    return and_(
        or_(postings.c.debit_account == account_no, postings.c.credit_account == account_no),
        postings.c.payout_id.is_not(None),
        postings.c.value_time_ms >= start_ms,
        postings.c.value_time_ms < end_ms,
        postings.c.seq <= as_of,
    )


def _midnight_ms(day: date) -> int:
    return int(datetime.combine(day, time.min, BANK_TIME).timestamp() * 1000)


def _totals(connection: Connection, account_no: str, within: ColumnElement[bool]) -> dict[str, int]:
    debit = case((postings.c.debit_account == account_no, postings.c.amount_fen), else_=0)
    credit = case((postings.c.credit_account == account_no, postings.c.amount_fen), else_=0)
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(debit), 0), func.coalesce(func.sum(credit), 0)).where(
            within
        )
    ).one()
    return {"line_count": row[0], "debit_total_fen": row[1], "credit_total_fen": row[2]}


def _line(row: Any, account_no: str) -> dict[str, Any]:
    return {
        "bank_ref": row.bank_ref,
        "payout_id": row.payout_id,
        "direction": "debit" if row.debit_account == account_no else "credit",
        "amount_fen": row.amount_fen,
        "value_time": rfc3339(row.value_time_ms),
        "kind": row.kind,
    }
