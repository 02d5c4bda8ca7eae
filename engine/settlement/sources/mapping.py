"""What a hospital calls things: one mapping file, which a clerk can write, for each of its systems."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, Literal

from engine.authored import Problem
from engine.settlement.errors import SettlementError

Format = Literal["table", "national", "fhir", "hl7v2", "x12"]
Amounts = Literal["yuan", "fen"]


@dataclass(frozen=True, slots=True)
class CodeRule:
    """A local code stands for a standard one, on the days from first to last (both included)."""

    local: str
    standard: str
    first_day: date = date.min
    last_day: date = date.max


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """One version of one source's mapping. Equal documents have the same digest."""

    source: str
    """Name of the hospital's system, e.g. "renji-his"."""
    hospital: str
    """fixmedins_code."""
    format: Format
    number: int
    holds_from: date
    """The first day of receipt to which this version applies."""
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """node -> local name -> national name. A national name needs no entry."""
    ignore: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """node -> local names that are known and not listed by the purpose: dropped, and the drop counted."""
    constants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """node -> national name -> value where the source has none."""
    codes: Mapping[str, tuple[CodeRule, ...]] = field(default_factory=dict)
    """Standard dictionary -> its local codes."""
    amounts: Amounts = "yuan"
    """The unit in which the source states money."""
    layout: Mapping[str, Any] = field(default_factory=dict)
    """What the reader of the format needs to know: header rows, sheets, which system a code is of, ..."""
    digest_hex: str = ""
    """sha256 of the canonical document (RFC 8785)."""


class MappingInvalid(SettlementError):
    """A mapping file, or several as one book, breaks rules; `problems` holds all, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class MappingBook:
    """All versions of one source's mapping, by number; at least one."""

    versions: tuple[SourceMapping, ...]

    @classmethod
    def of(cls, versions: Iterable[SourceMapping]) -> "MappingBook":
        """Raises MappingInvalid where they are no one source's, or not in one order."""
        ordered = sorted(versions, key=lambda mapping: mapping.number)
        problems = list(_problems(ordered))
        if problems:
            raise MappingInvalid(problems)
        return cls(tuple(ordered))

    def holding(self, day: date) -> SourceMapping | None:
        """The version for what is received on a day: the latest that holds by then; None before the first."""
        return next((one for one in reversed(self.versions) if one.holds_from <= day), None)


def _problems(ordered: Sequence[SourceMapping]) -> Iterable[Problem]:
    if not ordered:
        yield Problem("book", 0, 0, "", "book.empty", "a source has at least one mapping")
    for before, after in pairwise(ordered):
        name = f"{after.source} {after.number}"
        if (before.source, before.hospital) != (after.source, after.hospital):
            message = f"{after.source} of {after.hospital} is not {before.source} of {before.hospital}"
            yield Problem(name, 0, 0, "", "book.other_source", message)
        elif before.number == after.number:
            yield Problem(name, 0, 0, "", "book.repeated", f"version {after.number} stands twice")
        elif after.holds_from < before.holds_from:
            message = f"version {after.number} holds from before version {before.number} does"
            yield Problem(name, 0, 0, "", "book.out_of_order", message)
