"""The bank's book-keeping: accept, settle, refuse, return. Each function is one step of a transaction."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from engine.sandbox.bank.faults import Faults
from engine.sandbox.bank.schema import accounts, outbox, postings, transfers

VAULT = "0000000000000000"
_MAX_AMOUNT_FEN = 10**15

Transfer = Mapping[Any, Any]
"""A row of `transfers` by column name."""


class Order(BaseModel):
    """The body of POST /v1/transfers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    payout_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")
    amount_fen: int = Field(gt=0, le=_MAX_AMOUNT_FEN)
    currency: str = Field(pattern="^CNY$")
    payee_name: str = Field(min_length=1, max_length=140)
    payee_account: str = Field(min_length=1, max_length=34)
    payee_bank: str = Field(min_length=1, max_length=140)
    purpose: str = Field(min_length=1, max_length=140)

    def sha256(self) -> str:
        """Over the fields, not the bytes: white space does not make it another order."""
        fields = json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(fields.encode()).hexdigest()


class KeyReused(Exception):
    """The payout id already stands for an order with another body."""


def open_funding(connection: Connection, account_no: str, deposit_fen: int, now_ms: int) -> None:
    """The client's account with its opening deposit; nothing if it is open already."""
    if connection.execute(select(accounts.c.account_no).where(accounts.c.account_no == account_no)).first():
        return
    opened = {"bank": "Sandbox Bank", "opened_at_ms": now_ms}
    connection.execute(
        insert(accounts),
        [
            {"account_no": VAULT, "kind": "vault", "name": "Vault", **opened},
            {"account_no": account_no, "kind": "funding", "name": "Insurer pool", **opened},
        ],
    )
    if deposit_fen:
        deposit = {"debit_account": VAULT, "credit_account": account_no, "amount_fen": deposit_fen}
        connection.execute(insert(postings).values(kind="deposit", value_time_ms=now_ms, **deposit))


def accept(
    connection: Connection,
    order: Order,
    *,
    payer: str,
    bank_ref: str,
    now_ms: int,
    settle_after_ms: int,
    faults: Faults,
) -> tuple[str, bool]:
    """Take an order: (the answer's JSON, whether it is a repeat). Raises KeyReused.

    A repeat gets the first answer, byte for byte. What can be refused at once is kept as refused, so
    that a query tells the same as the answer did.
    """
    digest = order.sha256()
    kept = connection.execute(
        select(transfers.c.body_sha256, transfers.c.first_answer).where(
            transfers.c.payout_id == order.payout_id
        )
    ).first()
    if kept is not None:
        if kept.body_sha256 != digest:
            raise KeyReused(order.payout_id)
        return kept.first_answer, True
    reason = _refused_at_once(connection, order, payer)
    fate: dict[str, Any] = {"status": "refused", "reason": reason, "due_at_ms": None}
    if reason is None:
        fate = {"status": "accepted", "reason": None, "due_at_ms": now_ms + settle_after_ms}
        fate |= _fate(order, faults)
        _open_payee(connection, order, now_ms)
        _hold(connection, payer, order.amount_fen)
    transfer = {
        "payout_id": order.payout_id,
        "bank_ref": bank_ref,
        "body_sha256": digest,
        "amount_fen": order.amount_fen,
        "payer_account": payer,
        "payee_account": order.payee_account,
        "accepted_at_ms": now_ms,
        **fate,
    }
    answer = transfer_json(transfer | {"settled_at_ms": None})
    connection.execute(insert(transfers).values(first_answer=answer, **transfer))
    return answer, False


def _refused_at_once(connection: Connection, order: Order, payer: str) -> str | None:
    if not is_account_no(order.payee_account) or order.payee_account in (payer, VAULT):
        return "invalid_payee_account"
    known = connection.execute(
        select(accounts.c.account_no, accounts.c.name, accounts.c.balance_fen, accounts.c.held_fen).where(
            accounts.c.account_no.in_((payer, order.payee_account))
        )
    ).all()
    by_no = {row.account_no: row for row in known}
    payee = by_no.get(order.payee_account)
    if payee is not None and payee.name != _same_name(order.payee_name):
        return "payee_name_mismatch"
    if by_no[payer].balance_fen - by_no[payer].held_fen < order.amount_fen:
        return "insufficient_funds"
    return None


def is_account_no(text: str) -> bool:
    """8 to 32 digits; a UnionPay card number (62, 16 to 19 digits) must also carry its Luhn digit."""
    if not (text.isascii() and text.isdigit() and 8 <= len(text) <= 32):
        return False
    if not (text.startswith("62") and 16 <= len(text) <= 19):
        return True
    digits = [int(digit) for digit in reversed(text)]
    doubled = [2 * digit - 9 if digit > 4 else 2 * digit for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _same_name(name: str) -> str:
    """A holder's name without what differs only in writing: width, spaces, letter case."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _open_payee(connection: Connection, order: Order, now_ms: int) -> None:
    connection.execute(
        sqlite_insert(accounts)
        .values(
            account_no=order.payee_account,
            kind="payee",
            name=_same_name(order.payee_name),
            bank=order.payee_bank,
            opened_at_ms=now_ms,
        )
        .on_conflict_do_nothing()
    )


def _hold(connection: Connection, account_no: str, delta_fen: int) -> None:
    connection.execute(
        update(accounts)
        .where(accounts.c.account_no == account_no)
        .values(held_fen=accounts.c.held_fen + bindparam("delta_fen", delta_fen))
    )


def _fate(order: Order, faults: Faults) -> dict[str, Any]:
    """What the switches hold for this transfer, as columns."""
    fate: dict[str, Any] = {}
    for rule in faults.on_transfer(order.payee_account, order.amount_fen):
        match rule.fault:
            case "refuse":
                fate["refuse_reason"] = rule.reason
            case "return_payment":
                fate |= {"return_reason": "returned_by_payee_bank", "return_after_ms": rule.delay_ms}
            case "callback_twice":
                fate["callback_copies"] = 2
            case "callback_never":
                fate["callback_copies"] = 0
            case "callback_late":
                fate["callback_delay_ms"] = rule.delay_ms
            case _:
                raise AssertionError(f"{rule.fault} is no fault of a transfer")
    return fate


def advance(connection: Connection, now_ms: int, *, limit: int, call_back: bool) -> int:
    """Settle, refuse or return what is due, and put the results into the outbox. How many were due."""
    found = connection.execute(
        select(transfers)
        .where(transfers.c.due_at_ms.is_not(None), transfers.c.due_at_ms <= now_ms)
        .order_by(transfers.c.due_at_ms)
        .limit(limit)
    )
    due = found.mappings().all()
    if not due:
        return 0
    opened = [row for row in due if row["status"] == "accepted"]
    refused = [row for row in opened if row["refuse_reason"] is not None]
    settled = [row for row in opened if row["refuse_reason"] is None]
    returned = [row for row in due if row["status"] == "settled"]
    for payer in {row["payer_account"] for row in opened}:
        _hold(connection, payer, -sum(row["amount_fen"] for row in opened if row["payer_account"] == payer))
    _post(connection, "payment", settled, now_ms)
    _post(connection, "return", returned, now_ms)
    changes = [_change(row, status="refused", reason=row["refuse_reason"]) for row in refused]
    changes += [_change(row, status="returned", reason=row["return_reason"]) for row in returned]
    for row in settled:
        due_at_ms = None if row["return_after_ms"] is None else now_ms + row["return_after_ms"]
        changes.append(_change(row, status="settled", settled_at_ms=now_ms, due_at_ms=due_at_ms))
    _record(connection, changes)
    if call_back:
        _call_back(connection, changes, now_ms)
    return len(due)


def _change(row: Transfer, **new: Any) -> dict[str, Any]:
    return {**row, "due_at_ms": None, **new}


def _post(connection: Connection, kind: str, rows: Sequence[Transfer], now_ms: int) -> None:
    if not rows:
        return
    sides = ("payer_account", "payee_account") if kind == "payment" else ("payee_account", "payer_account")
    connection.execute(
        insert(postings),
        [
            {
                "kind": kind,
                "payout_id": row["payout_id"],
                "debit_account": row[sides[0]],
                "credit_account": row[sides[1]],
                "amount_fen": row["amount_fen"],
                "value_time_ms": now_ms,
            }
            for row in rows
        ],
    )


def _record(connection: Connection, changes: Sequence[dict[str, Any]]) -> None:
    columns = ("status", "reason", "settled_at_ms", "due_at_ms")
    connection.execute(
        update(transfers)
        .where(transfers.c.payout_id == bindparam("of_payout"))
        .values({column: bindparam(f"new_{column}") for column in columns}),
        [
            {"of_payout": change["payout_id"], **{f"new_{column}": change[column] for column in columns}}
            for change in changes
        ],
    )


def _call_back(connection: Connection, changes: Sequence[dict[str, Any]], now_ms: int) -> None:
    rows = [
        {
            "payout_id": change["payout_id"],
            "body": transfer_json(change),
            "next_attempt_ms": now_ms + change["callback_delay_ms"],
        }
        for change in changes
        for _ in range(change["callback_copies"])
    ]
    if rows:
        connection.execute(insert(outbox), rows)


def transfer_json(transfer: Transfer) -> str:
    """A transfer as answers and callbacks tell it."""
    return json.dumps(
        {
            "payout_id": transfer["payout_id"],
            "bank_ref": transfer["bank_ref"],
            "status": transfer["status"],
            "amount_fen": transfer["amount_fen"],
            "reason": transfer["reason"],
            "accepted_at": rfc3339(transfer["accepted_at_ms"]),
            "settled_at": rfc3339(transfer["settled_at_ms"]),
        }
    )


def rfc3339(unix_ms: int | None) -> str | None:
    if unix_ms is None:
        return None
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")


def find_transfer(connection: Connection, payout_id: str) -> Transfer | None:
    return connection.execute(select(transfers).where(transfers.c.payout_id == payout_id)).mappings().first()


def find_account(connection: Connection, account_no: str) -> Transfer | None:
    return connection.execute(select(accounts).where(accounts.c.account_no == account_no)).mappings().first()


def next_due_ms(connection: Connection) -> int | None:
    """When the worker is next needed; None while nothing waits."""
    earliest: int | None = connection.execute(
        select(func.min(transfers.c.due_at_ms)).where(transfers.c.due_at_ms.is_not(None))
    ).scalar()
    return earliest
