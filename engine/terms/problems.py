"""What can be wrong with a product file, and the errors that carry it.

TermsError
  x TermsInvalid     the file or document breaks rules: all of them, each with its place
"""

from collections.abc import Sequence

from engine.authored import Problem


class TermsError(ValueError):
    """Base of every error this room raises."""


class TermsInvalid(TermsError):
    """The terms break at least one rule; `problems` holds all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
