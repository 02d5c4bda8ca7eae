"""The bank's own tables. What a bank must never get wrong is held here, not in Python.

Balances move only through the triggers of `postings`, whose rows name both sides with one positive
amount: debits and credits cannot differ, and a transfer has at most one payment and one return.
Times are Unix milliseconds, money is fen.
"""

from pathlib import Path

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("account_no", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("bank", String, nullable=False),
    Column("balance_fen", Integer, nullable=False, server_default="0"),
    Column("held_fen", Integer, nullable=False, server_default="0"),
    Column("opened_at_ms", Integer, nullable=False),
    CheckConstraint("kind IN ('vault', 'funding', 'payee')", name="account_kind"),
    CheckConstraint("held_fen >= 0", name="hold_not_negative"),
    CheckConstraint("kind = 'vault' OR balance_fen >= held_fen", name="no_overdraft"),
)
"""`held_fen`: promised to accepted transfers and not available. The vault is the counterpart of deposits."""

transfers = Table(
    "transfers",
    metadata,
    Column("payout_id", String, primary_key=True),
    Column("bank_ref", String, nullable=False, unique=True),
    Column("body_sha256", String, nullable=False),
    Column("first_answer", String, nullable=False),
    Column("amount_fen", Integer, nullable=False),
    Column("payer_account", String, ForeignKey("accounts.account_no"), nullable=False),
    Column("payee_account", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String),
    Column("accepted_at_ms", Integer, nullable=False),
    Column("due_at_ms", Integer),
    Column("settled_at_ms", Integer),
    # What the switches decided at acceptance, so that a restart does not change a transfer's fate.
    Column("refuse_reason", String),
    Column("return_reason", String),
    Column("return_after_ms", Integer),
    Column("callback_copies", Integer, nullable=False, server_default="1"),
    Column("callback_delay_ms", Integer, nullable=False, server_default="0"),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("status IN ('accepted', 'settled', 'refused', 'returned')", name="transfer_status"),
    CheckConstraint(
        "(status IN ('settled', 'returned')) = (settled_at_ms IS NOT NULL)", name="settled_has_time"
    ),
    CheckConstraint("(status IN ('refused', 'returned')) = (reason IS NOT NULL)", name="no_has_reason"),
    Index("transfers_due", "due_at_ms", sqlite_where=text("due_at_ms IS NOT NULL")),
)
"""`due_at_ms`: when the worker acts next on it; NULL when nothing is left to do."""

postings = Table(
    "postings",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("payout_id", String, ForeignKey("transfers.payout_id")),
    Column("debit_account", String, ForeignKey("accounts.account_no"), nullable=False),
    Column("credit_account", String, ForeignKey("accounts.account_no"), nullable=False),
    Column("amount_fen", Integer, nullable=False),
    Column("value_time_ms", Integer, nullable=False),
    CheckConstraint("amount_fen > 0", name="posting_positive"),
    CheckConstraint("debit_account <> credit_account", name="posting_two_sides"),
    CheckConstraint("kind IN ('deposit', 'payment', 'return')", name="posting_kind"),
    CheckConstraint("(kind = 'deposit') = (payout_id IS NULL)", name="posting_of_transfer"),
    UniqueConstraint("payout_id", "kind", name="posted_once"),
    Index("postings_by_time", "value_time_ms"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("payout_id", String, ForeignKey("transfers.payout_id"), nullable=False),
    Column("body", String, nullable=False),
    Column("state", String, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", Integer, nullable=False),
    CheckConstraint("state IN ('pending', 'delivered', 'abandoned')", name="outbox_state"),
    Index("outbox_pending", "next_attempt_ms", sqlite_where=text("state = 'pending'")),
    sqlite_autoincrement=True,
)

_TRIGGERS = (
    """
    CREATE TRIGGER IF NOT EXISTS posting_moves_balances AFTER INSERT ON postings BEGIN
        UPDATE accounts SET balance_fen = balance_fen - NEW.amount_fen WHERE account_no = NEW.debit_account;
        UPDATE accounts SET balance_fen = balance_fen + NEW.amount_fen WHERE account_no = NEW.credit_account;
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS postings_are_final BEFORE UPDATE ON postings BEGIN
        SELECT RAISE(ABORT, 'a posting is never changed');
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS postings_are_kept BEFORE DELETE ON postings BEGIN
        SELECT RAISE(ABORT, 'a posting is never deleted');
    END
    """,
)


def create_tables(connection: Connection) -> None:
    """Tables and triggers, where they are not there yet."""
    metadata.create_all(connection)
    for trigger in _TRIGGERS:
        connection.exec_driver_sql(trigger)


def open_database(path: Path, *, begin: str) -> Engine:
    """An engine on the file. begin: the statement that opens a transaction (BEGIN, or BEGIN IMMEDIATE).

    WAL with synchronous=FULL: what was committed is on disk, whatever kills the process or the machine.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 30},
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
