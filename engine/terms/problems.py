"""What can be wrong with a product file, and the errors that carry it.

TermsError
  x TermsInvalid     the file or document breaks rules: all of them, each with its place
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule. `line` and `column` count from 1; both are 0 where there is no text (a document).

    `pointer` is the JSON pointer of the value, `rule` a stable id such as "ratio.above_one".
    """

    path: str
    line: int
    column: int
    pointer: str
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else f"{self.path}{self.pointer}"
        return f"{place}: {self.message} [{self.rule}]"


class TermsError(ValueError):
    """Base of every error this room raises."""


class TermsInvalid(TermsError):
    """The terms break at least one rule; `problems` holds all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
