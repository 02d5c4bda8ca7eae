"""What agrees is clean, and what merely moves is in flight."""

from tests.fsck.conftest import Inspect
from tests.fsck.world import AMOUNT_FEN, CLAIMS


def test_a_world_that_agrees_is_clean(inspect: Inspect) -> None:
    report = inspect()
    assert report.differences == []
    assert report.in_flight == {}
    kept = sum(AMOUNT_FEN[name] for name in ("confirmed", "other", "recovered", "again", "revoked"))
    assert report.counts == report.counts | {
        "accepted": len(CLAIMS),
        "recorded": 8,
        "paid": 5,
        "confirmed": 6,
        "returned": 1,
        "access_log": 5,
        "database_fen": kept,
        "bank_fen": kept,
        "bank_ahead_fen": 0,
        "confirmed_fen": kept,
    }
    assert report.claims_by_state["confirmed"] == 4
