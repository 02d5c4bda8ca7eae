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
    # table: the file
    ("source.table.empty", "error", "complete", "A delivery holds something."),
    ("source.table.kind", "error", "valid", "A table is CSV or Excel, by its bytes."),
    ("source.table.header", "error", "complete", "One of the first 50 rows names the key column."),
    ("source.table.rows", "error", "valid", "A table has at most 5,000,000 rows."),
    ("source.table.column_twice", "error", "unique", "Two columns of a node have two names."),
    ("source.text.encoding", "error", "valid", "A CSV file is UTF-8, UTF-16 or GB18030 throughout."),
    ("source.text.encoding_unclear", "error", "valid", "Bytes of two readings have their encoding stated."),
    ("source.text.nul", "error", "valid", "A text file holds no NUL."),
    ("source.text.line", "error", "valid", "A line has at most 1,048,576 characters."),
    ("source.text.columns", "error", "valid", "A row has at most 500 columns."),
    ("source.text.quoting", "error", "valid", "Quotes are closed; a cell has at most 128 KiB."),
    ("source.workbook.unreadable", "error", "valid", "A workbook can be read as one."),
    ("source.workbook.password", "error", "valid", "A workbook is not locked."),
    ("source.workbook.sheet", "error", "complete", "A workbook has the sheets that the mapping states."),
    ("source.workbook.too_large", "error", "valid", "A workbook has at most 64 MiB, a sheet 4 m cells."),
    ("source.workbook.bomb", "error", "valid", "A workbook unpacks to no more than a workbook needs."),
    # table: the rows
    ("source.row.key", "error", "complete", "A row says to which settlement it belongs."),
    ("source.row.width", "error", "valid", "A row has no cell beyond the header's last column."),
    ("source.row.disagree", "error", "consistent", "The rows of a settlement state it alike."),
    ("source.row.scattered", "error", "unique", "The rows of a settlement stand together."),
    ("source.row.orphan", "error", "complete", "Lines and diagnoses have their settlement in its sheet."),
)  # fmt: skip

SOURCE_RULES: Final[Mapping[str, SourceRule]] = MappingProxyType({row[0]: SourceRule(*row) for row in _TABLE})

if len(SOURCE_RULES) != len(_TABLE):
    raise AssertionError("two rules of sources share an id")
