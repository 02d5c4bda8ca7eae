"""What can be wrong with a settlement, as one tree.

SettlementError
├── BodyRefused          the bytes are not a JSON object this room reads; carries its Violations
├── SettlementInvalid    a JSON object that breaks rules; carries all its Violations
└── IdentityMissing      a valid settlement that does not say who the patient is; goes to review
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken at one place.

    field is an RFC 6901 JSON pointer into the native body ("" is the whole body), rule the stable id
    of a rule in engine.settlement.rules, message one English sentence. A message never repeats the
    value of a personal field: it is logged and returned.
    """

    field: str
    rule: str
    message: str


class SettlementError(ValueError):
    """Base of every error this room raises on bad input."""


class _WithViolations(SettlementError):
    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)
        super().__init__("; ".join(f"{v.field or '/'}: {v.message} [{v.rule}]" for v in self.violations))


class BodyRefused(_WithViolations):
    """The bytes cannot be read as one bounded JSON object."""


class SettlementInvalid(_WithViolations):
    """The settlement breaks at least one rule; violations holds all of them."""


class IdentityMissing(SettlementError):
    """The settlement is valid but identifies nobody (a newborn without an ID): a person must look.

    reason is a stable code: "newborn" or "no_certificate".
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the settlement does not identify the patient: {reason}")
