"""The life of a claim and of a payout: every state, every allowed move, on one screen.

Nothing else in the program writes a state. A move that is not in the table is a defect and raises.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from engine.errors import Conflict
from engine.pipeline.values import stored
from engine.store import claims
from engine.store.tables import Claim, ClaimTransition, Payout


class ClaimState(StrEnum):
    ACCEPTED = "accepted"  # the settlement is kept; nothing else has happened
    MATCHED = "matched"  # a policy in force and a live authorization were found
    UNINSURED = "uninsured"  # no policy in force
    NO_CONSENT = "no_consent"  # no live authorization
    REVIEW = "review"  # a person must decide; the reasons say what
    NOTHING = "nothing"  # decided: nothing is payable
    REFUSED = "refused"  # decided: not covered
    DECIDED = "decided"  # decided: payable, or another version than the chain has; not yet on chain
    RECORDED = "recorded"  # on chain and confirmed: the payout has started
    PAID = "paid"  # the bank says the money is there
    CONFIRMED = "confirmed"  # the payment's confirmation is on chain
    COVERED = "covered"  # on chain, and pays nothing more: what it pays was paid before, or set off
    RETURNED = "returned"  # the bank took a payment back: something is due again
    REVERSED = "reversed"  # the hospital took the settlement back, and nobody has its money
    RECOVERY_DUE = "recovery_due"  # …after it was paid: the money is to be recovered, or was set off


class PayoutState(StrEnum):
    DUE = "due"  # triggered by the chain's event
    SUBMITTED = "submitted"  # about to be sent, or sent: the bank may have it
    ACCEPTED = "accepted"  # the bank has it
    UNKNOWN = "unknown"  # the bank did not answer: ask, never send blindly
    SETTLED = "settled"
    CONFIRMED = "confirmed"  # on chain
    REFUSED = "refused"  # by the bank, terminally
    CANCELLED = "cancelled"  # by us, while the bank does not have it
    RETURNED = "returned"


_C = ClaimState
CLAIM_MOVES: dict[ClaimState, frozenset[ClaimState]] = {
    _C.ACCEPTED: frozenset({_C.MATCHED, _C.UNINSURED, _C.NO_CONSENT, _C.REVIEW, _C.REVERSED}),
    _C.MATCHED: frozenset({_C.DECIDED, _C.NOTHING, _C.REFUSED, _C.REVIEW, _C.REVERSED}),
    _C.UNINSURED: frozenset({_C.ACCEPTED, _C.REVERSED}),
    _C.NO_CONSENT: frozenset({_C.ACCEPTED, _C.REVERSED}),
    _C.REVIEW: frozenset({_C.ACCEPTED, _C.MATCHED, _C.DECIDED, _C.REFUSED, _C.REVERSED, _C.RECOVERY_DUE}),
    _C.NOTHING: frozenset({_C.MATCHED, _C.REVERSED}),
    _C.REFUSED: frozenset({_C.MATCHED, _C.REVERSED}),
    _C.DECIDED: frozenset({_C.RECORDED, _C.COVERED, _C.NO_CONSENT, _C.REVIEW, _C.REVERSED, _C.RECOVERY_DUE}),
    _C.RECORDED: frozenset({_C.PAID, _C.NO_CONSENT, _C.REVIEW, _C.REVERSED, _C.RECOVERY_DUE}),
    _C.PAID: frozenset({_C.CONFIRMED, _C.RETURNED, _C.RECOVERY_DUE}),
    _C.CONFIRMED: frozenset({_C.MATCHED, _C.RETURNED, _C.RECOVERY_DUE}),
    _C.COVERED: frozenset({_C.MATCHED, _C.RETURNED, _C.REVERSED, _C.RECOVERY_DUE}),
    _C.RETURNED: frozenset({_C.ACCEPTED, _C.MATCHED, _C.REVERSED, _C.RECOVERY_DUE}),
    _C.REVERSED: frozenset(),
    _C.RECOVERY_DUE: frozenset({_C.REVERSED}),
}

_P = PayoutState
PAYOUT_MOVES: dict[PayoutState, frozenset[PayoutState]] = {
    _P.DUE: frozenset({_P.SUBMITTED, _P.CANCELLED}),
    _P.SUBMITTED: frozenset({_P.ACCEPTED, _P.UNKNOWN, _P.SETTLED, _P.REFUSED, _P.RETURNED, _P.CANCELLED}),
    _P.UNKNOWN: frozenset({_P.SUBMITTED, _P.ACCEPTED, _P.SETTLED, _P.REFUSED, _P.RETURNED, _P.CANCELLED}),
    _P.ACCEPTED: frozenset({_P.SETTLED, _P.REFUSED, _P.RETURNED}),
    _P.SETTLED: frozenset({_P.CONFIRMED, _P.RETURNED}),
    _P.CONFIRMED: frozenset({_P.RETURNED}),
    _P.REFUSED: frozenset(),
    _P.CANCELLED: frozenset(),
    _P.RETURNED: frozenset(),
}

UNDECIDED = (_C.ACCEPTED, _C.MATCHED, _C.REVIEW)
"""An earlier claim in one of these leaves the year's deductible open."""
COUNTED = (_C.NOTHING, _C.DECIDED, _C.RECORDED, _C.PAID, _C.CONFIRMED, _C.COVERED, _C.RETURNED)
"""Decisions that a later decision's history holds."""
LOOKED_AT = (*COUNTED, _C.REFUSED, _C.REVIEW)
"""Decided, or waiting for a person: what they stand on may change."""
ON_THE_WAY = (_C.ACCEPTED, _C.MATCHED, _C.DECIDED, _C.RECORDED, _C.PAID)
"""Moved on by the engine itself; no decision of the policy is re-opened before that."""


def move_claim(
    session: Session, claim: Claim, to: ClaimState, *, actor: str, reason: str, clock: Callable[[], datetime]
) -> None:
    """Move along the table and write the move down. Raises Conflict for a move that is not in it."""
    if to not in CLAIM_MOVES[ClaimState(claim.state)]:
        raise Conflict(f"a claim that is {claim.state} cannot become {to}", code="claim.transition")
    now = clock()
    session.add(
        ClaimTransition(
            claim_id=stored(claim.id),
            from_state=claim.state,
            to_state=to,
            actor=actor,
            reason=reason,
            at=now,
        )
    )
    claim.state = to
    claim.updated_at = now
    session.add(claim)


def move_claims(
    session: Session,
    row_ids: Sequence[int],
    move: tuple[ClaimState, ClaimState],
    *,
    actor: str,
    why: dict[str, Any],
    clock: Callable[[], datetime],
) -> None:
    """`move_claim` of many that make the same move for the same reason, which they then give."""
    start, to = move
    if to not in CLAIM_MOVES[start]:
        raise Conflict(f"a claim that is {start} cannot become {to}", code="claim.transition")
    of_each = {"from_state": start, "to_state": to, "actor": actor, "reason": why["code"], "at": clock()}
    claims.move_all(session, row_ids, of_each, [why])


def move_payout(session: Session, payout: Payout, to: PayoutState) -> None:
    """Move along the table. Raises Conflict for a move that is not in it."""
    if to not in PAYOUT_MOVES[PayoutState(payout.state)]:
        raise Conflict(f"a payout that is {payout.state} cannot become {to}", code="payout.transition")
    payout.state = to
    session.add(payout)
