"""What the contracts promise, once more in plain Python, written from the rules and not from the Solidity.

A test that asked the contract's own view for the expected answer could not fail; these answers come from
records that the tests keep themselves. Here stand the codes and the one table; the rules stand beside it, a
contract a file. Accounts are lower-case addresses there, times are seconds, and a refusal is `Reverts`.
"""

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
