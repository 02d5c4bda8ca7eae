"""What a reader finds in a delivery, and what it is once it stands under the national names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal, Protocol

from engine.settlement.errors import SettlementError, Violation

Kind = Literal["settlement", "part", "reversal", "report", "reconciliation"]
"""settlement: whole, to be accepted. part: of a stay whose rest comes in other messages (2301, DFT charges);
`key` says of which, and the one that `closes` brings the settlement about. reversal: takes a settlement
back (2305, 2601). report: an examination or test of the stay `key`. reconciliation: what a hospital counts
for a day (3201, 3202)."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as its sender wrote it: values under local names, by node of the national list.

    A node of the list's lists (diseinfo, feedetail, ...) is a sequence of rows, any other one row.
    """

    kind: Kind
    place: str
    """Where in the delivery, for whoever corrects it: "line 12", "sheet 结算 row 5", "/entry/3/resource"."""
    nodes: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]]
    key: str = ""
    """The stay that a part or a report belongs to: mdtrt_id, or what the sender has for it."""
    closes: bool = False
    violations: tuple[Violation, ...] = ()
    """What the reader itself could not make out: the record is for quarantine, with all that was read."""


OTHERS: Final = "(others)"
"""Stands for all names that a bound leaves no room for: nothing that we keep grows with every name that a
sender makes up."""


def others_of(name: str) -> str:
    """ "node/name" or "dictionary/code" -> what stands for all others of that node or dictionary."""
    return f"{name.partition('/')[0]}/{OTHERS}"


@dataclass(frozen=True, slots=True)
class UnmappedCode:
    """A local code that neither stands in the standard dictionary nor has a mapping; nothing is guessed."""

    dictionary: str
    local: str
    field: str
    """JSON pointer into the native body."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record under the national names. `body` is a native settlement (or part, reversal, report, ...)."""

    kind: Kind
    place: str
    body: dict[str, Any]
    key: str = ""
    closes: bool = False
    violations: tuple[Violation, ...] = ()
    unmapped: tuple[UnmappedCode, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Of what the purpose does not list ("node/name"), how many values were dropped at the edge. The first
    200 names; those after them together, as OTHERS of their node."""


class SourceRefused(SettlementError):
    """The delivery as a whole cannot be read (not what it claims, a bomb, too large). Nothing is kept of it
    but its digest and these violations."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)
        super().__init__("; ".join(f"{v.field or '/'}: {v.message} [{v.rule}]" for v in self.violations))


class Reader(Protocol):
    """Reads one format: in the delivery's order, as it goes, with memory bounded by one record where the
    format allows it. Raises SourceRefused, before or between records; never anything else on bad input."""

    def __call__(self, delivery: BinaryIO, layout: Mapping[str, Any]) -> Iterator[Raw]: ...
