"""Every table, once. Personal fields are sealed (`*_sealed`); money is fen; times are UTC.

Hexadecimal ids (`claim_key`, `task_id`, digests) are 0x-prefixed lower case, as on chain.
"""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel

BIG_ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite gives a row id only to INTEGER PRIMARY KEY."""


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite forgets the zone; a naive time is refused on the way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without its zone")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ApiKey(SQLModel, table=True):
    """Who may call. The key itself is never kept: only its digest."""

    __tablename__ = "api_key"
    key_id: str = Field(primary_key=True)
    key_digest: str = Field(unique=True)
    role: str
    principal: str
    created_at: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Hospital(SQLModel, table=True):
    """The hospital register, and the Ed25519 key that signs a hospital's messages."""

    __tablename__ = "hospital"
    code: str = Field(primary_key=True)
    name: str
    grade: int
    area: str
    kind: str
    wards: list[str] = Field(sa_type=JSON)
    key_id: str | None = Field(default=None, unique=True)
    public_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    tls_pin: str | None = None
    """SHA-256 of the key (SPKI) of its provider node's certificate, hexadecimal."""


class AccessEntry(SQLModel, table=True):
    """One call. Append-only: the database refuses changes, and each entry chains the one before."""

    __tablename__ = "access_log"
    seq: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    at: datetime = Field(sa_type=UtcTime, index=True)
    request_id: str = Field(index=True)
    key_id: str | None
    role: str | None
    principal: str | None
    method: str
    path: str
    status: int
    remote: str
    previous_digest: str
    digest: str


class IdempotentAnswer(SQLModel, table=True):
    """What was answered to a caller's Idempotency-Key, so that a retry gets the same."""

    __tablename__ = "idempotent_answer"
    key_id: str = Field(primary_key=True)
    idempotency_key: str = Field(primary_key=True)
    request_digest: str
    status: int
    body: bytes = Field(sa_type=LargeBinary)
    at: datetime = Field(sa_type=UtcTime)


class Product(SQLModel, table=True):
    """One wording of an edition's terms as loaded; `digest` is what stands on chain.

    version: its number; 1 where the terms name none, as long as the edition never changes.
    """

    __tablename__ = "product"
    product: str = Field(primary_key=True)
    edition: str = Field(primary_key=True)
    version: int = Field(default=1, primary_key=True)
    digest: str
    document: dict[str, Any] = Field(sa_type=JSON)
    loaded_at: datetime = Field(sa_type=UtcTime)


class Policy(SQLModel, table=True):
    """One insured person under one edition."""

    __tablename__ = "policy"
    __table_args__ = (
        Index("policy_by_person", "pseudonym", "effective", "expires"),
        Index("policy_by_family", "family"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    policy_no: str = Field(unique=True)
    product: str
    edition: str
    effective: date
    expires: date
    pseudonym: str
    family: str | None = None
    """A pseudonym too: the same for all policies of one edition that the roll puts into one family."""
    coverage_digest: str
    coverage_sealed: bytes = Field(sa_type=LargeBinary)
    salts_sealed: bytes = Field(sa_type=LargeBinary)
    loaded_at: datetime = Field(sa_type=UtcTime)
    cancelled_on: date | None = None
    """The first day without cover (退保)."""

    @property
    def order(self) -> tuple[date, str]:
        """In which the policies of one person pay for a settlement."""
        return self.effective, self.coverage_digest


class PolicyAlias(SQLModel, table=True):
    """Another certificate, or another name, of a policy's insured: a pseudonym of it."""

    __tablename__ = "policy_alias"
    policy_id: int = Field(primary_key=True, foreign_key="policy.id", sa_type=BigInteger)
    pseudonym: str = Field(primary_key=True, index=True)
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What it is a pseudonym of. None: the roll said it before that was kept, and has to say it again."""


class ConsentText(SQLModel, table=True):
    """The words that were signed, kept; their digest is on chain inside a salted commitment."""

    __tablename__ = "consent_text"
    digest: str = Field(primary_key=True)
    text: str


class Authorization(SQLModel, table=True):
    """A recorded consent. `signature` is over the EIP-712 Grant, the guardian's if there is one.

    insured, guardian: addresses, zero for none.
    """

    __tablename__ = "authorization"
    __table_args__ = (Index("authorization_by_person", "pseudonym", "scope"),)
    authorization_id: str = Field(primary_key=True)
    pseudonym: str
    subject: str
    scope: str
    product: str
    consent_digest: str
    text_digest: str = Field(foreign_key="consent_text.digest")
    insured: str
    guardian: str
    expires_s: int = Field(sa_type=BigInteger)
    nonce: int
    deadline_s: int = Field(sa_type=BigInteger)
    signature: str
    salts_sealed: bytes = Field(sa_type=LargeBinary)
    state: str = Field(index=True)
    grant_tx: str | None = None
    revoke_tx: str | None = None
    received_at: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Settlement(SQLModel, table=True):
    """What a hospital sent and we accepted. Kept as sent, sealed; `document` is the minimised form. released:
    a provider sent that form and no other, for one policy; `body` is the same, and names nobody. withheld:
    the commitment to it, while only its provider has it and nothing is sealed."""

    __tablename__ = "settlement"
    __table_args__ = (UniqueConstraint("hospital_code", "setl_id"),)
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    hospital_code: str = Field(foreign_key="hospital.code")
    setl_id: str
    reference: str
    """What stands for setl_id in evidence; the order of settlements of one moment."""
    content_digest: str
    body_sealed: bytes = Field(sa_type=LargeBinary)
    document_sealed: bytes = Field(sa_type=LargeBinary)
    pseudonym: str | None = None
    admitted_on: date
    discharged_on: date
    settled_at: datetime = Field(sa_type=UtcTime)
    received_at: datetime = Field(sa_type=UtcTime)
    released: bool = False
    withheld: str | None = None


class Quarantined(SQLModel, table=True):
    """What was refused, kept with its reasons until it is corrected and sent again."""

    __tablename__ = "quarantined"
    __table_args__ = (
        Index("quarantined_by_body", "hospital_code", "body_digest"),
        Index(
            "quarantined_waiting",
            "id",
            sqlite_where=text("corrected_by IS NULL"),
            postgresql_where=text("corrected_by IS NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    hospital_code: str
    setl_id: str | None = Field(default=None, index=True)
    body_digest: str
    body_sealed: bytes = Field(sa_type=LargeBinary)
    violations: list[dict[str, Any]] = Field(sa_type=JSON)
    received_at: datetime = Field(sa_type=UtcTime)
    corrected_by: int | None = Field(default=None, foreign_key="settlement.id")


class Reversal(SQLModel, table=True):
    """A hospital took a settlement back."""

    __tablename__ = "reversal"
    settlement_id: int = Field(primary_key=True, foreign_key="settlement.id")
    body_sealed: bytes = Field(sa_type=LargeBinary)
    reason_digest: str
    received_at: datetime = Field(sa_type=UtcTime)


class InvoiceCheck(SQLModel, table=True):
    """What was found of a settlement's electronic invoice, and whether the settlement holds it.

    invoice: a keyed digest of code and number while it does; no two settlements hold one.
    """

    __tablename__ = "invoice_check"
    settlement_id: int = Field(primary_key=True, foreign_key="settlement.id", sa_type=BigInteger)
    invoice: str | None = Field(default=None, unique=True)
    outcome: str
    checked_at: datetime = Field(sa_type=UtcTime)


class Claim(SQLModel, table=True):
    """The life of one settlement under one policy; `state` moves only along pipeline's table.

    `claim_id` names it from acceptance on; `claim_key`, its name on chain, from the match on. A settlement
    has one claim from its acceptance, and one more for each further policy that answers for it.
    """

    __tablename__ = "claim"
    __table_args__ = (
        UniqueConstraint("settlement_id", "policy_id"),
        Index(
            "claim_first",
            "settlement_id",
            unique=True,
            sqlite_where=text("beside IS NULL"),
            postgresql_where=text("beside IS NULL"),
        ),
        Index("claim_by_state", "state", "id"),
        Index("claim_by_batch", "batch_id"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    claim_id: str = Field(unique=True)
    claim_key: str | None = Field(default=None, unique=True)
    settlement_id: int = Field(foreign_key="settlement.id")
    beside: str | None = Field(default=None, foreign_key="claim.claim_id")
    """Of a further policy's claim: the claim that the settlement was accepted as."""
    hospital_code: str
    state: str
    batch_id: str | None = None
    policy_id: int | None = Field(default=None, foreign_key="policy.id", index=True)
    authorization_id: str | None = Field(default=None, foreign_key="authorization.authorization_id")
    version: int = 1
    payable_fen: int = Field(default=0, sa_type=BigInteger)
    recovery_fen: int = Field(default=0, sa_type=BigInteger)
    """Of what was paid on all versions, what the one that stands does not pay: to be recovered."""
    reasons: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    decision_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    history_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    salts_sealed: bytes = Field(sa_type=LargeBinary)
    result_digest: str | None = None
    task_id: str | None = None
    record_tx: str | None = None
    reverse_tx: str | None = None
    created_at: datetime = Field(sa_type=UtcTime)
    updated_at: datetime = Field(sa_type=UtcTime)
    erased_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """Since then nothing is known of the person: no body, no decision, no salt."""


class Reopening(SQLModel, table=True):
    """A policy whose decisions something has touched: to be looked at again, once nothing of it is moving.

    asked_at: not before then.
    """

    __tablename__ = "reopening"
    policy_id: int = Field(primary_key=True, foreign_key="policy.id", sa_type=BigInteger)
    asked_at: datetime = Field(primary_key=True, sa_type=UtcTime)


class ClaimTransition(SQLModel, table=True):
    """Every move of every claim: who, when, why. Append-only."""

    __tablename__ = "claim_transition"
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    from_state: str | None
    to_state: str
    actor: str
    reason: str
    at: datetime = Field(sa_type=UtcTime)


class Payout(SQLModel, table=True):
    """One transfer. (policy, settlement, version) is unique: the database's own hold on paying once."""

    __tablename__ = "payout"
    __table_args__ = (
        UniqueConstraint("policy_id", "settlement_id", "version"),
        Index("payout_by_state", "state"),
    )
    payout_id: str = Field(primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    policy_id: int = Field(foreign_key="policy.id")
    settlement_id: int = Field(foreign_key="settlement.id")
    version: int
    amount_fen: int = Field(sa_type=BigInteger)
    state: str
    batch_id: str | None = None
    trigger_tx: str
    trigger_block: int
    trigger_log_index: int
    order_sealed: bytes = Field(sa_type=LargeBinary)
    order_digest: str
    bank_ref: str | None = None
    bank_reason: str | None = None
    submitted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcTime)
    payment_document: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    payout_digest: str | None = None
    confirm_tx: str | None = None
    created_at: datetime = Field(sa_type=UtcTime)


class ProcessingTask(SQLModel, table=True):
    """A standing task on chain: one day's discharges under all terms of a product then in force."""

    __tablename__ = "processing_task"
    __table_args__ = (UniqueConstraint("product", "day", "terms_root"),)
    task_id: str = Field(primary_key=True)
    product: str
    day: date
    terms_root: str
    terms_register: list[str] = Field(sa_type=JSON)
    running: bool = False
    closed: bool = False


class ChainCursor(SQLModel, table=True):
    """How far a reader of the chain has come: the next block to read, and the hash of the one before."""

    __tablename__ = "chain_cursor"
    name: str = Field(primary_key=True)
    next_block: int
    last_block_hash: str | None = None


class GivenEvent(SQLModel, table=True):
    """An event that the payout feed was given and the chain still holds."""

    __tablename__ = "given_event"
    block_number: int = Field(primary_key=True, sa_type=BigInteger)
    log_index: int = Field(primary_key=True)
    block_hash: str
    tx_hash: str
    name: str
    args: dict[str, Any] = Field(sa_type=JSON)
