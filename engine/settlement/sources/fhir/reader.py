"""The reader of FHIR R4 and R5 in JSON: one document in, one record a claim or unclaimed stay out."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from engine.settlement.dictionaries import dictionary
from engine.settlement.sources.fhir.bills import bills_of
from engine.settlement.sources.fhir.document import read_document
from engine.settlement.sources.fhir.elements import NATIONAL, Codes
from engine.settlement.sources.fhir.quality import MOST_VIOLATIONS, violations_of
from engine.settlement.sources.fhir.reports import reports_of, rows_of_report
from engine.settlement.sources.fhir.resources import Resources
from engine.settlement.sources.fhir.rows import nodes_of
from engine.settlement.sources.record import Raw

_OWN_CERTIFICATES: Final = {
    f"{NATIONAL}certificate:{code}": code for code in dictionary("certificate_type").entries
}


def read_fhir(delivery: BinaryIO, layout: Mapping[str, Any]) -> Iterator[Raw]:
    """Every claim, explanation of benefit without one, inpatient stay without either, and report, in that
    order.

    layout: `version` "R4" or "R5" (else the resources show it); `systems`, dictionary -> URI of the
    system whose codes are the standard ones; `certificates`, identifier system or v2-0203 kind ->
    certificate type, the one to prefer first. Raises SourceRefused before the first record or not at all.
    """
    resources = Resources(read_document(delivery), layout.get("version"))
    codes = Codes(layout.get("systems", {}))
    certificates = {**layout.get("certificates", {}), **_OWN_CERTIFICATES}
    for bill in bills_of(resources):
        yield Raw(
            kind="settlement",
            place=bill.place,
            nodes=nodes_of(bill, resources, codes, certificates),
            violations=violations_of(bill, resources, certificates),
        )
    for report in reports_of(resources):
        yield Raw(
            kind="report",
            place=report.entry.pointer,
            nodes=rows_of_report(report, codes),
            key=report.stay,
            violations=tuple(report.found[:MOST_VIOLATIONS]),
        )
