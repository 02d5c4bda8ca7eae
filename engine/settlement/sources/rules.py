"""Every rule that a delivery is held to before the rules of the settlement see it, as data.

Ids are stable: API, CLI and quarantine show them. An "error" quarantines the record, or refuses the
delivery where nothing can be read on; a "warning" is kept beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from engine.settlement.rules import Dimension, Severity


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
    ("source.workbook.too_large", "error", "valid", "A workbook has at most 64 MiB and 2 m cells."),
    ("source.workbook.bomb", "error", "valid", "A workbook unpacks to no more than a workbook needs."),
    # table: the rows
    ("source.row.key", "error", "complete", "A row says to which settlement it belongs."),
    ("source.row.width", "error", "valid", "A row has no cell beyond the header's last column."),
    ("source.row.disagree", "error", "consistent", "The rows of a settlement state it alike."),
    ("source.row.scattered", "error", "unique", "The rows of a settlement stand together."),
    ("source.row.orphan", "error", "complete", "Lines and diagnoses have their settlement in its sheet."),
    # wire: any message
    ("source.encoding", "error", "valid", "A delivery is text of its charset and holds no NUL."),
    ("source.part.key", "error", "complete", "A part, report or reversal names its stay."),
    ("source.parts_disagree", "error", "consistent", "What two parts of a stay state is the same."),
    # wire: the national calls
    ("source.json.object", "error", "valid", "A delivery of calls is JSON objects, in an array or without."),
    ("source.json.truncated", "error", "complete", "A delivery of calls ends where its JSON does."),
    ("source.json.too_large", "error", "valid", "A call is at most 2 MiB."),
    ("source.call.unknown", "error", "valid", "A call is one that is read, by infno or by its nodes."),
    ("source.call.input", "error", "complete", "A call has its input, an object."),
    ("source.call.node", "error", "valid", "A node of a call is a list, or an object, as the list has it."),
    ("source.reversal.message", "error", "complete", "2601 takes back a settlement that can be found."),
    ("source.statement.columns", "error", "valid", "A line of the detail file of 3202 has seven columns."),
    ("source.statement.too_large", "error", "valid", "A detail file is at most 32 MiB."),
    ("source.zip.entries", "error", "valid", "A zip holds one file."),
    ("source.zip.too_large", "error", "valid", "A zip is at most 32 MiB."),
    ("source.zip.unreadable", "error", "valid", "A zip is whole, deflated or stored, and not encrypted."),
    # wire: HL7 v2
    ("source.hl7.framing", "error", "valid", "Segments stand in messages, these in frames and batches."),
    ("source.hl7.truncated", "error", "complete", "A frame or a batch that begins also ends."),
    ("source.hl7.batch_count", "error", "complete", "BTS-1 and FTS-1 state what came."),
    ("source.hl7.too_large", "error", "valid", "A segment is at most 256 KiB, a message at most 8 MiB."),
    ("source.hl7.charset", "error", "valid", "MSH-18 states a charset that is read, and is right."),
    ("source.hl7.separators", "error", "valid", "MSH-1 and MSH-2 state five separators."),
    ("source.hl7.segment", "error", "valid", "A segment has a name of three characters."),
    ("source.hl7.message", "error", "valid", "A message is ADT^A03, ADT^A13, DFT^P03 or ORU^R01."),
    ("source.hl7.transaction", "error", "consistent", "FT1-6 says whether a line is charged or credited."),
    # wire: X12 (837I)
    ("source.x12.unreadable", "error", "valid", "A delivery is an X12 interchange."),
    ("source.x12.guide", "error", "valid", "A functional group is of 005010X223A2 (837I)."),
    ("source.x12.truncated", "error", "complete", "Interchange, group and transaction end; all is read."),
    ("source.x12.too_large", "error", "valid", "A segment has at most 65,536 characters, a claim 60,000."),
    ("source.x12.segment", "error", "valid", "A segment stands where the guide has it, and none is missing."),
    ("source.x12.frequency", "error", "valid", "A claim is original (CLM05-3 = 1) or void (8)."),
    # FHIR: the document
    ("source.fhir.too_large", "error", "valid", "A document is at most 16 MiB."),
    ("source.fhir.encoding", "error", "valid", "A document is UTF-8 with no NUL or lone surrogate."),
    ("source.fhir.json", "error", "valid", "A document is JSON (RFC 8259)."),
    ("source.fhir.duplicate_key", "error", "unique", "No object names a key twice."),
    ("source.fhir.number", "error", "valid", "Numbers are finite and of bounded length."),
    ("source.fhir.nesting", "error", "valid", "Objects and lists nest at most 40 deep."),
    ("source.fhir.object", "error", "valid", "A document is one JSON object."),
    ("source.fhir.resource_type", "error", "valid",
     "A document is a Bundle, a Claim or an ExplanationOfBenefit, or Parameters around one."),
    ("source.fhir.bundle_type", "error", "valid", "A Bundle is of a type that carries new records."),
    ("source.fhir.bundle_entry", "error", "valid", "A Bundle is a bounded list of entries with a resource."),
    # FHIR: a claim with its explanation of benefit, stay and patient
    ("source.fhir.resource", "error", "valid", "A resource is what FHIR's definition of its type allows."),
    ("source.fhir.no_claim", "error", "complete", "An inpatient encounter has a claim."),
    ("source.fhir.no_stay", "error", "complete", "A claim (but a pharmacy's) or report names an encounter."),
    ("source.fhir.several_stays", "error", "consistent", "A claim is for one encounter."),
    ("source.fhir.no_patient", "error", "complete", "A claim names a patient."),
    ("source.fhir.several_patients", "error", "consistent", "Claim, benefit and stay are of one patient."),
    ("source.fhir.several_benefits", "error", "unique", "A claim has one explanation of benefit."),
    ("source.fhir.not_final", "error", "valid", "What is sent is active, settled and final."),
    ("source.fhir.use", "error", "valid", "A claim is a claim, not a pre-authorization."),
    ("source.fhir.day", "error", "complete", "A stay begins and ends on a stated day."),
    ("source.fhir.certificate", "error", "complete", "A patient's identifiers include a certificate."),
    ("source.fhir.currency", "error", "valid", "Amounts are in yuan (CNY), and say so."),
    ("source.fhir.amount_precision", "error", "valid", "An amount that is no price has two decimals."),
    ("source.fhir.total_of_items", "error", "consistent", "A total is the sum of the nets below it."),
    ("source.fhir.totals_disagree", "error", "consistent", "A claim and its benefit state the same total."),
)  # fmt: skip

SOURCE_RULES: Final[Mapping[str, SourceRule]] = MappingProxyType({row[0]: SourceRule(*row) for row in _TABLE})

if len(SOURCE_RULES) != len(_TABLE):
    raise AssertionError("two rules of sources share an id")
