"""What the contracts promise, once more in plain Python, written from the rules and not from the Solidity.

A test that asked the contract's own view for the expected answer could not fail; these answers come from
records that the tests keep themselves.
"""

from dataclasses import dataclass, field
from enum import IntEnum


class Liveness(IntEnum):
    LIVE = 0
    UNKNOWN = 1
    REVOKED = 2
    NOT_YET_GRANTED = 3
    EXPIRED = 4
    OUT_OF_SCOPE = 5
    OTHER_SUBJECT = 6


class GrantRefusal(IntEnum):
    NONE = 0
    ZERO_FIELD = 1
    GUARDIAN_IS_INSURED = 2
    SCOPE_NOT_ADMITTED = 3
    ALREADY_KNOWN = 4
    EXPIRY_PASSED = 5
    BAD_SIGNATURE = 6


class Refusal(IntEnum):
    NONE = 0
    AUTHORIZATION_UNKNOWN = 1
    AUTHORIZATION_REVOKED = 2
    AUTHORIZATION_NOT_YET_GRANTED = 3
    AUTHORIZATION_EXPIRED = 4
    AUTHORIZATION_OUT_OF_SCOPE = 5
    AUTHORIZATION_OTHER_SUBJECT = 6
    ALREADY_RECORDED = 7
    RECORDED_IN_PREDECESSOR = 8
    REPEATED_IN_BATCH = 9
    ZERO_FIELD = 10
    CLAIM_UNKNOWN = 11
    RESULT_UNCHANGED = 12
    VERSIONS_EXHAUSTED = 13


class PayoutRefusal(IntEnum):
    NONE = 0
    ZERO_FIELD = 1
    CLAIM_UNKNOWN = 2
    NOT_THE_CURRENT_VERSION = 3
    ALREADY_PAID = 4
    REVERSED = 5


class PayoutState(IntEnum):
    NONE = 0
    RECORDED = 1
    PAID = 2
    REVERSED = 3


class TaskState(IntEnum):
    NONE = 0
    OPEN = 1
    ACCEPTED = 2
    RUNNING = 3
    COMPLETED = 4
    FAILED = 5
    EXPIRED = 6
    CANCELLED = 7
    DISPUTED = 8


class TaskKind(IntEnum):
    ONE_OFF = 0
    STANDING = 1


TASK_MOVES: dict[TaskState, set[TaskState]] = {
    TaskState.NONE: {TaskState.OPEN},
    TaskState.OPEN: {TaskState.ACCEPTED, TaskState.CANCELLED, TaskState.EXPIRED},
    TaskState.ACCEPTED: {
        TaskState.RUNNING,
        TaskState.OPEN,
        TaskState.FAILED,
        TaskState.CANCELLED,
        TaskState.EXPIRED,
    },
    TaskState.RUNNING: {
        TaskState.COMPLETED,
        TaskState.DISPUTED,
        TaskState.OPEN,
        TaskState.FAILED,
        TaskState.CANCELLED,
        TaskState.EXPIRED,
    },
    TaskState.COMPLETED: set(),
    TaskState.FAILED: set(),
    TaskState.EXPIRED: set(),
    TaskState.CANCELLED: set(),
    TaskState.DISPUTED: {TaskState.COMPLETED, TaskState.FAILED},
}


@dataclass
class Consent:
    scope: bytes
    subject: bytes
    granted: int
    expires: int
    revoked: bool = False


@dataclass
class Claim:
    paid: list[int] = field(default_factory=list)
    version: int = 1
    state: PayoutState = PayoutState.RECORDED
    last: tuple[bytes, ...] = ()


Item = tuple[bytes, bytes, bytes, bytes]


@dataclass
class Ledger:
    """Consents by id and claims by key."""

    consents: dict[bytes, Consent] = field(default_factory=dict)
    claims: dict[bytes, Claim] = field(default_factory=dict)

    def consent_refusal(self, id_: bytes, subject: bytes, purpose: bytes, now: int) -> Refusal:
        consent = self.consents.get(id_)
        if consent is None:
            return Refusal.AUTHORIZATION_UNKNOWN
        rules = (
            (not consent.revoked, Refusal.AUTHORIZATION_REVOKED),
            (consent.granted <= now, Refusal.AUTHORIZATION_NOT_YET_GRANTED),
            (now < consent.expires, Refusal.AUTHORIZATION_EXPIRED),
            (consent.scope == purpose, Refusal.AUTHORIZATION_OUT_OF_SCOPE),
            (consent.subject == subject, Refusal.AUTHORIZATION_OTHER_SUBJECT),
        )
        return next((refusal for holds, refusal in rules if not holds), Refusal.NONE)

    def refusals(self, items: list[Item], purpose: bytes, now: int) -> list[Refusal]:
        seen: set[bytes] = set()
        answer = []
        for claim_key, digest, id_, subject in items:
            if not all(any(value) for value in (claim_key, digest, id_, subject)):
                answer.append(Refusal.ZERO_FIELD)
            elif claim_key in seen:
                answer.append(Refusal.REPEATED_IN_BATCH)
            elif claim_key in self.claims:
                answer.append(Refusal.ALREADY_RECORDED)
            else:
                answer.append(self.consent_refusal(id_, subject, purpose, now))
            seen.add(claim_key)
        return answer

    def payout_refusal(self, claim_key: bytes, version: int) -> PayoutRefusal:
        claim = self.claims.get(claim_key)
        if claim is None:
            return PayoutRefusal.CLAIM_UNKNOWN
        if version != claim.version:
            return PayoutRefusal.NOT_THE_CURRENT_VERSION
        return {
            PayoutState.RECORDED: PayoutRefusal.NONE,
            PayoutState.PAID: PayoutRefusal.ALREADY_PAID,
            PayoutState.REVERSED: PayoutRefusal.REVERSED,
        }[claim.state]
