"""What this reader believes of states and moves, written down a second time; a test compares both."""

from collections.abc import Mapping

CLAIM_MOVES: Mapping[str, frozenset[str]] = {
    "accepted": frozenset({"matched", "uninsured", "no_consent", "review", "reversed"}),
    "matched": frozenset({"decided", "nothing", "refused", "review", "reversed"}),
    "uninsured": frozenset({"accepted", "reversed"}),
    "no_consent": frozenset({"accepted", "reversed"}),
    "review": frozenset({"accepted", "matched", "decided", "refused", "reversed", "recovery_due"}),
    "nothing": frozenset({"matched", "reversed"}),
    "refused": frozenset({"matched", "reversed"}),
    "decided": frozenset({"recorded", "covered", "no_consent", "review", "reversed", "recovery_due"}),
    "recorded": frozenset({"paid", "no_consent", "review", "reversed", "recovery_due"}),
    "paid": frozenset({"confirmed", "returned", "recovery_due"}),
    "confirmed": frozenset({"matched", "returned", "recovery_due"}),
    "covered": frozenset({"matched", "returned", "reversed", "recovery_due"}),
    "returned": frozenset({"accepted", "matched", "reversed", "recovery_due"}),
    "reversed": frozenset(),
    "recovery_due": frozenset({"reversed"}),
}
FIRST_STATE = "accepted"
UNDER_WAY = frozenset({"accepted", "matched", "decided", "recorded", "paid"})
"""The engine itself moves a claim out of these."""
NOT_YET_DECIDED = frozenset({"accepted", "matched", "uninsured", "nothing"})
"""No result of the claim's present version can be on chain."""
TAKEN_BACK = frozenset({"reversed", "recovery_due"})

PAYOUT_OF: Mapping[str, frozenset[str]] = {
    "recorded": frozenset({"due", "submitted", "accepted", "unknown"}),
    "paid": frozenset({"settled"}),
    "confirmed": frozenset({"confirmed"}),
    "returned": frozenset({"settled", "confirmed", "returned"}),
    "recovery_due": frozenset({"settled", "confirmed", "returned", "refused", "cancelled"}),
}
"""Claim state -> where the payout of its present version may stand."""
OF_ANY_VERSION: Mapping[str, frozenset[str]] = {
    "returned": frozenset({"returned"}),
    "recovery_due": frozenset({"settled", "confirmed"}),
}
"""Such a claim has a payout there, of any version; in another state of PAYOUT_OF, of the present one."""
ON_CHAIN = frozenset(PAYOUT_OF) - {"recovery_due"} | {"covered"}
"""The present version of such a claim stands on chain."""
PAYOUT_OF_OTHERS = frozenset({"refused", "cancelled", "returned"})
"""Where a payout may stand whose claim is in any other state."""
OPEN = frozenset({"submitted", "accepted", "unknown"})
"""The bank may have the order."""
KEPT = frozenset({"settled", "confirmed"})
"""The insured has the money."""
PAID_OUT = KEPT | {"returned"}
"""The bank has paid, once."""
STOPPED = frozenset({"refused", "cancelled"})
PAYOUT_STATES = frozenset({"due"}) | OPEN | PAID_OUT | STOPPED

# The contract's PayoutState.
RECORDED, PAID, REVERSED = 1, 2, 3
