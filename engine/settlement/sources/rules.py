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
    # FHIR: the document
    ("source.fhir.too_large", "error", "valid", "A document is at most 16 MiB."),
    ("source.fhir.encoding", "error", "valid", "A document is UTF-8 and holds no lone surrogate."),
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
    ("source.fhir.no_stay", "error", "complete", "A claim names an encounter, unless it is a pharmacy's."),
    ("source.fhir.several_stays", "error", "consistent", "A claim is for one encounter."),
    ("source.fhir.no_patient", "error", "complete", "A claim names a patient."),
    ("source.fhir.several_patients", "error", "consistent", "Claim, benefit and stay are of one patient."),
    ("source.fhir.several_benefits", "error", "unique", "A claim has one explanation of benefit."),
    ("source.fhir.not_final", "error", "timely", "A claim is active and adjudicated, its stay over."),
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
