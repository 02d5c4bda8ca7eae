"""Gas of the committed artifacts and of others' contracts, on fresh in-memory chains; exact, every run alike.

Writes the committed snapshot and its page too: see `tests.contracts.gas.snapshot`.
"""

from tests.bench import Row, gas_peers
from tests.contracts import gas
from tests.contracts.gas.case import TARGETS
from tests.contracts.gas.snapshot import COMPARISONS, Snapshot, write


def run() -> list[Row]:
    snapshot = Snapshot(gas.measure(), *gas_peers.measure())
    write(snapshot)
    return [_row(snapshot, what) for what in snapshot.ours]


def _row(snapshot: Snapshot, what: str) -> Row:
    peer, limit = COMPARISONS.get(what), TARGETS.get(what)
    return Row(
        what,
        "gas",
        snapshot.ours[what],
        None if peer is None else snapshot.peers[peer],
        peer,
        None if limit is None else f"≤ {limit}",
    )
