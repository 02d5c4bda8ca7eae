"""Where violations collect while a settlement is checked."""

from collections.abc import Mapping

from engine.money import format_yuan
from engine.settlement.errors import Violation
from engine.settlement.rules import Rule


class Findings:
    """Sorts violations by the severity their rule has in the table in force."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self.errors: list[Violation] = []
        self.warnings: list[Violation] = []
        self.unreadable = False
        """A value could not be read, so sums over it would say nothing."""

    def add(self, field: str, rule: str, message: str) -> None:
        """Raises KeyError for a rule that is not in the table: a programming error."""
        into = self.errors if self._rules[rule].severity == "error" else self.warnings
        into.append(Violation(field, rule, message))

    def equal(self, field: str, rule: str, stated: int, expected: int, meaning: str) -> None:
        """Two sides of an identity, in fen, may lie apart by the rule's tolerance."""
        if abs(stated - expected) > self._rules[rule].tolerance_fen:
            self.add(field, rule, f"is {format_yuan(stated)} but {meaning} is {format_yuan(expected)}")
