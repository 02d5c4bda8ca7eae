"""What a check finds: differences by stable code, what is still under way, counts and sums."""

from dataclasses import dataclass, field
from enum import StrEnum


class Code(StrEnum):
    """Every difference there is. docs/fsck.md says of each what to do."""

    CLAIM_MISSING = "claim.missing"
    CLAIM_TWICE = "claim.twice"
    CLAIM_ORPHAN = "claim.orphan"
    TRANSITION_START = "transition.start"
    TRANSITION_GAP = "transition.gap"
    TRANSITION_FORBIDDEN = "transition.forbidden"
    REVERSAL_MISSING = "reversal.missing"
    REVERSAL_IGNORED = "reversal.ignored"
    REVERSAL_NOT_ON_CHAIN = "reversal.not_on_chain"
    REVERSAL_FOREIGN = "reversal.foreign"
    ACCESS_LOG_BROKEN = "access_log.broken"
    CHECKPOINT_OTHER_LOG = "checkpoint.other_log"
    CHECKPOINT_BEYOND_LOG = "checkpoint.beyond_log"
    TERMS_DOCUMENT = "terms.document"
    TERMS_NOT_PUBLISHED = "terms.not_published"
    TASK_CONTENT = "task.content"
    AUTHORIZATION_STATE = "authorization.state"
    AUTHORIZATION_CONTENT = "authorization.content"
    CONSENT_NOT_GRANTED = "consent.not_granted"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_EXPIRED = "consent.expired"
    CONSENT_SCOPE = "consent.scope"
    RESULT_FOREIGN = "result.foreign"
    RESULT_UNEXPECTED = "result.unexpected"
    RESULT_CONTENT = "result.content"
    RESULT_MISSING = "result.missing"
    RESULT_TRANSACTION = "result.transaction"
    RESULT_TWICE = "result.twice"
    RESULT_COMMITMENT = "result.commitment"
    PAYOUT_ORPHAN = "payout.orphan"
    PAYOUT_UNTRIGGERED = "payout.untriggered"
    PAYOUT_TWICE = "payout.twice"
    PAYOUT_MISSING = "payout.missing"
    PAYOUT_STATE = "payout.state"
    PAYOUT_AMOUNT = "payout.amount"
    PAYOUT_SUM = "payout.sum"
    SET_OFF = "set_off.foreign"
    CONFIRMATION_FOREIGN = "confirmation.foreign"
    CONFIRMATION_MISSING = "confirmation.missing"
    CONFIRMATION_CONTENT = "confirmation.content"
    CONFIRMATION_TWICE = "confirmation.twice"
    CHAIN_PAYOUT_STATE = "chain.payout_state"
    BANK_MISSING = "bank.missing"
    BANK_AMOUNT = "bank.amount"
    BANK_TWICE = "bank.twice"
    BANK_REFERENCE = "bank.reference"
    BANK_UNKNOWN = "bank.unknown"
    BANK_UNEXPECTED = "bank.unexpected"
    BANK_RETURN_MISSING = "bank.return_missing"
    BANK_RETURN_UNKNOWN = "bank.return_unknown"
    SUM_BANK = "sum.bank"
    IN_FLIGHT = "in_flight"
    """Only of a check that was told that everything has settled."""


@dataclass(frozen=True, slots=True)
class Difference:
    """subject: the claim_id, payout_id, transaction or row that it is about."""

    code: Code
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """in_flight: what is under way, by subject, and where it stands. counts: pieces, or fen (`*_fen`)."""

    differences: list[Difference]
    in_flight: dict[str, str]
    counts: dict[str, int]
    claims_by_state: dict[str, int]

    @property
    def clean(self) -> bool:
        return not self.differences


@dataclass(slots=True)
class Findings:
    """Collects while the checks run."""

    differences: list[Difference] = field(default_factory=list)
    in_flight: dict[str, str] = field(default_factory=dict)

    def differ(self, code: Code, subject: str, detail: str) -> None:
        self.differences.append(Difference(code, subject, detail))

    def under_way(self, subject: str, where: str) -> None:
        """The first word on a subject stands: one claim under way is counted once."""
        self.in_flight.setdefault(subject, where)
