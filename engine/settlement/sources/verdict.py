"""What becomes of a record: accepted, or quarantined with everything that is wrong with it."""

from engine.settlement.errors import Violation
from engine.settlement.reversal import validate_reversal
from engine.settlement.sources.record import Record
from engine.settlement.sources.rules import SOURCE_RULES
from engine.settlement.validation import check

_MOST_OF_A_KEY = 200
"""Parts and reports are kept by it."""


def errors_of(record: Record) -> list[Violation]:
    """Every violation that quarantines the record; empty when it is accepted.

    What was said on the way of a field is the reason: the settlement's rules add nothing about the same one.
    """
    own = stated_errors(record)
    told = {one.field for one in own}
    return own + [one for one in _of_the_rules(record) if one.field not in told]


def stated_errors(record: Record) -> list[Violation]:
    """What the reader and the mapping found, before any rule of the settlement is asked."""
    return [one for one in record.violations if _is_error(one)]


def _of_the_rules(record: Record) -> list[Violation]:
    if record.kind == "settlement":
        return check(record.body).errors
    if record.kind == "reversal":
        return validate_reversal(record.body)
    if len(record.key) > _MOST_OF_A_KEY:
        message = f"names its stay in more than {_MOST_OF_A_KEY} characters"
        return [Violation("", "source.part.key", message)]
    return []


def _is_error(violation: Violation) -> bool:
    rule = SOURCE_RULES.get(violation.rule)
    return rule is None or rule.severity == "error"
