"""The access log's kept subtrees, and its checkpoints with their signatures: every query."""

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, func, select

from engine.store.tables import Checkpoint, CheckpointSignature, LogSubtree

KEPT_FROM_LEVEL = 8
"""Smaller subtrees are read from the log itself, at most 256 entries at a time: keeping two hashes an entry
would be two hundred million rows for a city's log; from here on it is one for every 128 entries."""
STRETCH = 1 << KEPT_FROM_LEVEL
OPEN, RECORDED, OVERTAKEN, REFUSED = "open", "recorded", "overtaken", "refused"


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
