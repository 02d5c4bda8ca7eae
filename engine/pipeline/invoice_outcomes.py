"""What is noted of a settlement's electronic invoice."""

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """As it was last looked up."""

    GOOD = "good"  # issued, in force, for this hospital and amount, used by nobody else
    NOT_LOOKED_UP = "not_looked_up"  # nobody is asked; used by nobody else
    NOT_NAMED = "not_named"  # the settlement does not name its whole invoice, and goes on
    MISSING = "missing"  # the same where an invoice is required
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    OTHER_AMOUNT = "other_amount"
    OTHER_HOSPITAL = "other_hospital"
    USED_TWICE = "used_twice"


GOES_ON: Final = (Outcome.GOOD, Outcome.NOT_LOOKED_UP, Outcome.NOT_NAMED)
"""With these a claim is decided; the others are for a person."""
