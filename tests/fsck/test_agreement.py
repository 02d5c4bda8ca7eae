"""What agrees is clean, and what merely moves is in flight."""

from tests.fsck.conftest import Inspect
from tests.fsck.world import AMOUNT_FEN, CLAIMS, FIRST_FEN, TOO_MUCH_FEN


def test_a_world_that_agrees_is_clean(inspect: Inspect) -> None:
    report = inspect()
    assert report.differences == []
    assert report.in_flight == {}
    kept = sum(AMOUNT_FEN[name] for name in ("confirmed", "other", "recovered", "again", "revoked", "topped"))
    kept += sum(FIRST_FEN.values())
    assert report.counts == report.counts | {
        "accepted": len(CLAIMS),
        "recorded": 12,
        "paid": 8,
        "confirmed": 9,
        "returned": 1,
        "access_log": 5,
        "database_fen": kept,
        "bank_fen": kept,
        "bank_ahead_fen": 0,
        "confirmed_fen": kept,
        "recovery_fen": TOO_MUCH_FEN + AMOUNT_FEN["recovered"],
    }
    assert report.claims_by_state["confirmed"] == 5
