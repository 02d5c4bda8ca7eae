"""The access log as a Merkle tree: its leaves are the entries' digests, so a head commits to every field.

A digest, not the entry: whoever may not read an entry, or reads it after it had to be erased, can still check
the log from end to end. Entries are checked against their digests and their order as they enter the tree.
"""

from sqlmodel import Session

from engine.chain.eip712 import LogHead
from engine.evidence import merkle_log
from engine.evidence.merkle_log import Frontier, leaf_hash
from engine.pipeline.values import raw
from engine.store import access_log, checkpoints
from engine.store.checkpoints import KEPT_FROM_LEVEL, STRETCH
from engine.store.database import Database

_STRETCHES_AT_ONCE = 32
"""Entries that one `extend` takes in: a fraction of a second's work, as all that runs in the dispatcher."""


def extend(database: Database) -> int:
    """Take new whole stretches of the log into the tree; how many entries that were. Raises LogBroken."""
    with database.reading() as session:
        covered = checkpoints.covered(session)
        newest, _ = access_log.head(session)
        stretches = min((newest - covered) // STRETCH, _STRETCHES_AT_ONCE)
        if stretches <= 0:
            return 0
        frontier = _frontier(session, covered)
        until = covered + stretches * STRETCH
        completed = [
            subtree
            for entry in access_log.walk(session, covered, until)
            for subtree in frontier.append(leaf_hash(raw(entry.digest)))
            if subtree[0] >= KEPT_FROM_LEVEL
        ]
    with database.transaction() as session:
        checkpoints.keep_subtrees(session, completed)
    return until - covered


def _frontier(session: Session, covered: int) -> Frontier:
    levels = (level for level in reversed(range(covered.bit_length())) if covered >> level & 1)
    return Frontier(
        covered, [checkpoints.subtree(session, level, (covered >> level) - 1) for level in levels]
    )


class LogTree:
    """The tree as it stands, for one reading session: heads and proofs up to `size` entries.

    Reads log n kept subtrees, and those entries that no kept one covers: at most 255 of the newest and
    a stretch where a proof needs to look into one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.entries, _ = access_log.head(session)
        self.size = min(self.entries, checkpoints.covered(session) + STRETCH - 1)
        """Below the log's own where the newest entries have not been taken in yet (`extend`)."""
        self._stretches: dict[int, list[bytes]] = {}

    def head(self, size: int) -> LogHead:
        """Raises LogBroken, and LookupError beyond `self.size`."""
        return LogHead(size, merkle_log.head(size, self._subtree) if size else bytes(32))

    def consistency_proof(self, old_size: int, size: int) -> list[bytes]:
        return merkle_log.consistency_proof(old_size, size, self._subtree)

    def inclusion_proof(self, seq: int, size: int) -> list[bytes]:
        """Of the entry with that seq (from 1) in the log of `size`. Raises ValueError."""
        return merkle_log.inclusion_proof(seq - 1, size, self._subtree)

    def _subtree(self, level: int, index: int) -> bytes:
        if level >= KEPT_FROM_LEVEL:
            return checkpoints.subtree(self._session, level, index)
        first = index << level
        leaves = self._leaves(first // STRETCH)
        frontier = Frontier()
        for leaf in leaves[first % STRETCH : first % STRETCH + (1 << level)]:
            frontier.append(leaf)
        return frontier.head()

    def _leaves(self, stretch: int) -> list[bytes]:
        """The hashes of one stretch's leaves, as far as `size` reaches into it."""
        if stretch not in self._stretches:
            first = stretch * STRETCH
            entries = access_log.walk(self._session, first, min(first + STRETCH, self.size))
            self._stretches[stretch] = [leaf_hash(raw(entry.digest)) for entry in entries]
        return self._stretches[stretch]
