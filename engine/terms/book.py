"""All wordings of one edition: what held when, and what was known when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from engine.authored import Problem
from engine.terms.model import Terms
from engine.terms.problems import TermsInvalid


@dataclass(frozen=True, slots=True)
class TermsBook:
    """The wordings of an edition, in the order in which they became known; at least one.

    One wording without a version is an edition that never changed: it held and was known from the start.
    """

    wordings: tuple[Terms, ...]

    @classmethod
    def of(cls, wordings: Iterable[Terms]) -> "TermsBook":
        """Raises TermsInvalid where they are no one edition's, or not in one order."""
        ordered = sorted(wordings, key=lambda terms: terms.version.number if terms.version else 0)
        problems = list(_problems(ordered))
        if problems:
            raise TermsInvalid(problems)
        return cls(tuple(ordered))

    def wording(self, admitted_on: date, known_on: date) -> Terms | None:
        """What was known on a day about a stay that began on another; None: nothing held for it yet.

        Of the wordings that hold for the stay, the latest known: a retroactive one replaces what was known
        before it, from the day on which it is known and not earlier.
        """
        for terms in reversed(self.wordings):
            version = terms.version
            if version is None or (version.holds_from <= admitted_on and version.known_from <= known_on):
                return terms
        return None

    def known_on(self, day: date) -> "TermsBook | None":
        """The book as it was on a day; None before the first wording."""
        known = [terms for terms in self.wordings if terms.version is None or terms.version.known_from <= day]
        return TermsBook(tuple(known)) if known else None


def _problems(ordered: Sequence[Terms]) -> Iterable[Problem]:
    if not ordered:
        yield _problem("", "book.empty", "an edition has at least one wording")
    for before, after in pairwise(ordered):
        name = after.full_name
        if (before.product, before.edition) != (after.product, after.edition):
            yield _problem(name, "book.other_edition", f"{name} is no wording of {before.full_name}")
        elif before.version is None or after.version is None:
            yield _problem(name, "book.no_version", "of several wordings each states its version")
        elif before.version.number == after.version.number:
            yield _problem(name, "book.repeated", f"version {after.version.number} stands twice")
        elif after.version.known_from < before.version.known_from:
            message = f"version {after.version.number} is known before version {before.version.number}"
            yield _problem(name, "book.out_of_order", message)
        elif before.order_by != after.order_by:
            message = "a version cannot change the order in which settlements are adjudicated"
            yield _problem(name, "book.other_order", message)


def _problem(name: str, rule: str, message: str) -> Problem:
    return Problem(name or "book", 0, 0, "", rule, message)
