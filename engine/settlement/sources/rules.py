"""Every rule that a delivery is held to before the rules of the settlement see it, as data.

Ids are stable: API, CLI and quarantine show them. An "error" quarantines the record, or refuses the
delivery where nothing can be read on; a "warning" is kept beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from engine.settlement.rules import Severity

Dimension = Literal["complete", "valid", "consistent", "unique", "timely"]


@dataclass(frozen=True, slots=True)
class SourceRule:
    """dimension is the side of data quality that a broken rule counts against."""

    id: str
    severity: Severity
    dimension: Dimension
    description: str


_TABLE: Final[tuple[tuple[str, Severity, Dimension, str], ...]] = (
    # mapping: a record under the sender's names, held against its mapping file
    ("source.code.unmapped", "error", "valid", "A local code stands in its dictionary or is mapped to it."),
    ("source.name.disagree", "error", "consistent", "Two names of one field state the same."),
    ("source.hospital.other", "error", "valid", "A record is of the hospital whose mapping reads it."),
    ("source.value.precision", "error", "valid", "A number of a sheet has at most the 15 digits it keeps."),
)  # fmt: skip

SOURCE_RULES: Final[Mapping[str, SourceRule]] = MappingProxyType({row[0]: SourceRule(*row) for row in _TABLE})

if len(SOURCE_RULES) != len(_TABLE):
    raise AssertionError("two rules of sources share an id")
