"""Reports of examinations and tests, each with its results and the stay it belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from engine.settlement.errors import Violation
from engine.settlement.sources.fhir.document import Entry
from engine.settlement.sources.fhir.elements import (
    Codes,
    Node,
    display,
    identifiers,
    node,
    nodes,
    number,
    shanghai,
    text,
)
from engine.settlement.sources.fhir.resources import Resources
from engine.settlement.sources.fhir.rows import Row, filled

_FINAL: Final = frozenset({"final", "amended", "corrected", "appended"})
_MOST_RESULTS: Final = 500


@dataclass(slots=True)
class Report:
    """A DiagnosticReport; `stay` is what its encounter is called, the key by which a report is linked."""

    entry: Entry
    stay: str = ""
    results: list[Entry] = field(default_factory=list)
    found: list[Violation] = field(default_factory=list)


def reports_of(resources: Resources) -> Iterator[Report]:
    """All of the document, in its order."""
    for entry in resources.of_type("DiagnosticReport"):
        report = Report(entry)
        encounter = resources.resolve(entry.resource.get("encounter"), entry)
        if encounter is not None and encounter.type == "Encounter":
            report.stay = stay_of(encounter.resource)
        if not report.stay:
            _add(report, "", "no_stay", "names no encounter that is in the document exactly once")
        if text(entry.resource.get("status")) not in _FINAL:
            _add(report, "/status", "not_final", f"must be {' or '.join(sorted(_FINAL))}")
        for reference in nodes(entry.resource.get("result"))[:_MOST_RESULTS]:
            result = resources.resolve(reference, entry)
            if result is not None and result.type == "Observation":
                report.results.append(result)
        for one in (entry, *report.results):
            report.found += resources.problems(one)
        yield report


def stay_of(encounter: Node) -> str:
    """What the sender calls the stay: the encounter's identifier, or its id where it has none."""
    named = [stated for _, stated in identifiers(encounter.get("identifier"), "")]
    return named[0] if named else text(encounter.get("id"))


def rows_of_report(report: Report, codes: Codes) -> dict[str, Row | list[Row]]:
    """The nodes report and result, under FHIR's names."""
    resource = report.entry.resource
    concept = resource.get("code")
    row = {
        "stay": report.stay,
        "report.id": text(resource.get("id")),
        **dict(identifiers(resource.get("identifier"), "report.identifier")),
        "report.issued": shanghai(resource.get("issued")) or shanghai(resource.get("effectiveDateTime")),
        "report.code": codes.token(concept, "examination"),
        "report.display": display(concept, codes.coding(concept, "examination")),
        "report.conclusion": text(resource.get("conclusion")),
    }
    results = [_result(result.resource, codes) for result in report.results]
    return {"report": filled(row), "result": results} if results else {"report": filled(row)}


def _result(observation: Node, codes: Codes) -> Row:
    concept, measured = observation.get("code"), node(observation.get("valueQuantity"))
    worded = node(observation.get("valueCodeableConcept"))
    ranges = nodes(observation.get("referenceRange")) or [{}]
    interpretations = nodes(observation.get("interpretation")) or [{}]
    return filled(
        {
            "result.code": codes.token(concept, "examination"),
            "result.display": display(concept, codes.coding(concept, "examination")),
            "result.value": number(measured.get("value"))
            or text(observation.get("valueString"))
            or display(worded, codes.coding(worded, "examination")),
            "result.unit": text(measured.get("unit")),
            "result.range": text(ranges[0].get("text")),
            "result.interpretation": text(codes.coding(interpretations[0], "interpretation").get("code")),
        }
    )


def _add(report: Report, pointer: str, rule: str, message: str) -> None:
    report.found.append(Violation(report.entry.pointer + pointer, f"source.fhir.{rule}", message))
