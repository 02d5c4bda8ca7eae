"""The database by plain SQL: one consistent view of it, never written to."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from engine.fsck.errors import CannotCheck

_Row = TypeVar("_Row")
_READ_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Settlement:
    id: int
    hospital_code: str
    setl_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    id: int
    claim_id: str
    claim_key: str | None
    settlement_id: int
    beside: str | None
    policy_id: int | None
    authorization_id: str | None
    state: str
    version: int
    payable_fen: int
    recovery_fen: int
    result_digest: str | None
    task_id: str | None
    record_tx: str | None
    reverse_tx: str | None


@dataclass(frozen=True, slots=True)
class Transition:
    claim_id: int
    from_state: str | None
    to_state: str


@dataclass(frozen=True, slots=True)
class Payout:
    payout_id: str
    claim_id: int
    policy_id: int
    settlement_id: int
    version: int
    amount_fen: int
    state: str
    trigger_tx: str
    trigger_block: int
    trigger_log_index: int
    bank_ref: str | None
    payout_digest: str | None
    confirm_tx: str | None


@dataclass(frozen=True, slots=True)
class SetOff:
    id: int
    debtor_id: int
    claim_id: int
    version: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Authorization:
    authorization_id: str
    subject: str
    scope: str
    state: str


@dataclass(frozen=True, slots=True)
class Product:
    product: str
    edition: str
    version: int
    digest: str
    document: Any


@dataclass(frozen=True, slots=True)
class Task:
    task_id: str
    terms_root: str


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """`at` as the database gives it: text on SQLite, an aware time on Postgres."""

    seq: int
    at: Any
    request_id: str
    key_id: str | None
    role: str | None
    principal: str | None
    method: str
    path: str
    status: int
    remote: str
    previous_digest: str
    digest: str


class Records:
    """Everything the checks need, in memory, with the look-ups they share."""

    def __init__(self, connection: Connection) -> None:
        self.settlements = _rows(connection, Settlement, "settlement", "id")
        self.claims = _rows(connection, Claim, "claim", "id")
        self.transitions: defaultdict[int, list[Transition]] = defaultdict(list)
        for move in _rows(connection, Transition, "claim_transition", "claim_id, id"):
            self.transitions[move.claim_id].append(move)
        self.payouts = _rows(connection, Payout, "payout", "payout_id")
        self.set_offs = _rows(connection, SetOff, "set_off", "id")
        self.authorizations = {
            row.authorization_id: row for row in _rows(connection, Authorization, "authorization", "1")
        }
        self.products = [
            Product(row.product, row.edition, row.version, row.digest, _json(row.document))
            for row in _rows(connection, Product, "product", "product, edition, version")
        ]
        self.tasks = {
            row.task_id: row
            for table in ("processing_task", "match_task")
            for row in _rows(connection, Task, table, "1")
        }
        self.reversed_settlements = frozenset(
            settlement_id
            for (settlement_id,) in connection.execute(text("SELECT settlement_id FROM reversal"))
        )
        self.claim_of_row = {claim.id: claim for claim in self.claims}
        self.claim_of_key = {claim.claim_key: claim for claim in self.claims if claim.claim_key is not None}
        self.payout_of_id = {payout.payout_id: payout for payout in self.payouts}
        self.payouts_of_claim: defaultdict[int, list[Payout]] = defaultdict(list)
        for payout in self.payouts:
            self.payouts_of_claim[payout.claim_id].append(payout)

    def name_of(self, claim_key: str) -> str:
        """The claim_id of a key on chain, or the key itself where no claim has it."""
        claim = self.claim_of_key.get(claim_key)
        return claim.claim_id if claim is not None else claim_key


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """One read-only transaction. Raises CannotCheck."""
    engine = create_engine(_read_only(url), **_options(url))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # otherwise every SELECT would see a moment of its own
            yield connection
    except SQLAlchemyError as error:
        raise CannotCheck(f"the database cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        engine.dispose()


def access_log(connection: Connection) -> Iterator[AccessEntry]:
    """Oldest first, a thousand at a time: it is the one table that only ever grows."""
    after: int | None = None
    while True:
        newer = "" if after is None else "WHERE seq > :after"
        rows = connection.execute(
            text(f"SELECT {_names(AccessEntry)} FROM access_log {newer} ORDER BY seq LIMIT {_READ_AT_ONCE}"),  # noqa: S608
            {} if after is None else {"after": after},
        ).all()
        if not rows:
            return
        for row in rows:
            yield AccessEntry(*row)
        after = rows[-1].seq


def in_utc(at: Any) -> datetime:
    """A time column as an aware UTC time, from either database."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _rows(connection: Connection, row_type: type[_Row], table: str, order: str) -> Sequence[_Row]:
    # Names are this file's own: fields of the row types above, which are the columns that are read.
    statement = f'SELECT {_names(row_type)} FROM "{table}" ORDER BY {order}'  # noqa: S608
    return [row_type(*row) for row in connection.execute(text(statement))]


def _names(row_type: Any) -> str:
    return ", ".join(field.name for field in fields(row_type))


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _read_only(url: str) -> str:
    """SQLite: the file opened for reading, never made. Postgres: the driver that is installed."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    if not url.startswith("sqlite"):
        return url
    path = Path(make_url(url).database or "")
    if not path.is_file():
        raise CannotCheck(f"there is no database {path}")
    return f"sqlite:///{path.absolute().as_uri()}?mode=ro&uri=true"


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"isolation_level": None, "timeout": 30}}
    return {"isolation_level": "REPEATABLE READ", "execution_options": {"postgresql_readonly": True}}
