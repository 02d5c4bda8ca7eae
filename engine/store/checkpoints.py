"""The access log's kept subtrees, and its checkpoints with their signatures: tables, and every query."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary
from sqlmodel import Field, Session, SQLModel, col, func, select

from engine.store.tables import UtcTime

KEPT_FROM_LEVEL = 8
"""Smaller subtrees are read from the log itself, at most 256 entries at a time: keeping two hashes an entry
would be two hundred million rows for a city's log; from here on it is one for every 128 entries."""
STRETCH = 1 << KEPT_FROM_LEVEL
OPEN, RECORDED, OVERTAKEN, REFUSED = "open", "recorded", "overtaken", "refused"


class LogSubtree(SQLModel, table=True):
    """The root of a complete subtree of the access log's Merkle tree: 2**level entries from the
    `position`-th such stretch on. Derived from the log, and kept so that no checkpoint reads all of it.
    """

    __tablename__ = "log_subtree"
    level: int = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)


class Checkpoint(SQLModel, table=True):
    """A head of the access log that a witness has signed, to follow that earlier one on chain."""

    __tablename__ = "checkpoint"
    __table_args__ = (Index("checkpoint_by_state", "state"),)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    previous_size: int = Field(primary_key=True, sa_type=BigInteger)
    root: str
    previous_root: str
    state: str
    tx_hash: str | None = None
    signed_at: datetime = Field(sa_type=UtcTime)


class CheckpointSignature(SQLModel, table=True):
    """One witness's signature (EIP-712) over a checkpoint. kind: engine, hospital or auditor."""

    __tablename__ = "checkpoint_signature"
    __table_args__ = (
        ForeignKeyConstraint(["size", "previous_size"], ["checkpoint.size", "checkpoint.previous_size"]),
    )
    size: int = Field(primary_key=True, sa_type=BigInteger)
    previous_size: int = Field(primary_key=True, sa_type=BigInteger)
    signer: str = Field(primary_key=True)
    kind: str
    signature: str
    received_at: datetime = Field(sa_type=UtcTime)


def covered(session: Session) -> int:
    """How many entries of the log the kept subtrees cover; a multiple of STRETCH."""
    query = select(func.coalesce(func.max(LogSubtree.position), -1))
    newest: int = session.exec(query.where(LogSubtree.level == KEPT_FROM_LEVEL)).one()
    return (newest + 1) * STRETCH


def subtree(session: Session, level: int, position: int) -> bytes:
    """Raises LookupError where it is not kept."""
    kept = session.get(LogSubtree, (level, position))
    if kept is None:
        raise LookupError(f"the log's subtree {position} of level {level} is not kept")
    return kept.root


def keep_subtrees(session: Session, completed: Iterable[tuple[int, int, bytes]]) -> None:
    """(level, position, root) each."""
    session.add_all(
        LogSubtree(level=level, position=position, root=root) for level, position, root in completed
    )


def in_state(session: Session, state: str) -> Sequence[Checkpoint]:
    query = select(Checkpoint).where(Checkpoint.state == state)
    return session.exec(query.order_by(col(Checkpoint.size))).all()


def following(session: Session, previous_size: int, previous_root: str) -> Sequence[Checkpoint]:
    """Those that witnesses signed to follow that checkpoint, and that the contract has not refused."""
    query = select(Checkpoint).where(
        Checkpoint.previous_size == previous_size,
        Checkpoint.previous_root == previous_root,
        Checkpoint.state != REFUSED,
    )
    return session.exec(query.order_by(col(Checkpoint.size))).all()


def recorded(session: Session, size: int, root: str) -> Checkpoint | None:
    query = select(Checkpoint).where(
        Checkpoint.size == size, Checkpoint.root == root, Checkpoint.state == RECORDED
    )
    return session.exec(query).first()


def signatures(session: Session, checkpoint: Checkpoint) -> Sequence[CheckpointSignature]:
    query = select(CheckpointSignature).where(
        CheckpointSignature.size == checkpoint.size,
        CheckpointSignature.previous_size == checkpoint.previous_size,
    )
    return session.exec(query.order_by(CheckpointSignature.signer)).all()
