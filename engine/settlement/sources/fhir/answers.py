"""What a sender of FHIR is told, in FHIR: OperationOutcome and ClaimResponse, in the sender's version."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from engine.settlement.errors import Violation
from engine.settlement.sources.fhir.document import read_document
from engine.settlement.sources.fhir.elements import NATIONAL, Node, node, text
from engine.settlement.sources.fhir.resources import Resources, Version, model_of

RULES_SYSTEM: Final = f"{NATIONAL}rule"
CLAIMS_SYSTEM: Final = f"{NATIONAL}identifier:claim_id"
_MOST_ISSUES: Final = 500
_INDEX: Final = re.compile(r"/([0-9]+)(?=/|$)")
_OF_FHIR: Final = "source.fhir."
_CODES: Final[Mapping[str, str]] = {
    "source.fhir.too_large": "too-long",
    "source.fhir.json": "structure",
    "source.fhir.object": "structure",
    "source.fhir.encoding": "structure",
    "source.fhir.nesting": "too-costly",
    "source.fhir.resource": "structure",
    "source.fhir.resource_type": "not-supported",
    "source.fhir.bundle_type": "not-supported",
    "source.fhir.several_benefits": "duplicate",
    "settlement.field.required": "required",
    "settlement.code.dictionary": "code-invalid",
}
"""Rule -> HL7's issue-type. Every other rule is the list's business: business-rule."""


def operation_outcome(
    violations: Sequence[Violation], version: Version, root: str = "Bundle", severity: str = "error"
) -> str:
    """JSON of an OperationOutcome: an issue a violation, its rule as a coding, its place as a FHIRPath.

    root: the type of the document that was sent. A violation of the list's own rules has no place in that
    document: its pointer into the native body stands before the message. No violation is all well.
    """
    issues = [_issue(one, root, severity) for one in violations[:_MOST_ISSUES]]
    well = {"severity": "information", "code": "informational", "diagnostics": "accepted"}
    return _json("OperationOutcome", version, {"issue": issues or [well]})


def _issue(violation: Violation, root: str, severity: str) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": severity,
        "code": _CODES.get(violation.rule, "business-rule"),
        "details": _concept(RULES_SYSTEM, violation.rule),
        "diagnostics": f"{violation.field or '/'}: {violation.message}",
    }
    if violation.rule.startswith(_OF_FHIR):
        issue["expression"] = [fhir_path(violation.field, root)]
    return issue


def fhir_path(pointer: str, root: str) -> str:
    """/entry/3/resource/total of a Bundle -> Bundle.entry[3].resource.total"""
    return root + _INDEX.sub(r"[\1]", pointer).replace("/", ".")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record: accepted under a claim_id, or kept with its violations."""

    place: str
    """Of the Raw."""
    claim_id: str = ""
    violations: tuple[Violation, ...] = ()


def answer(document: bytes, layout: Mapping[str, Any], created: datetime, outcomes: Sequence[Outcome]) -> str:
    """JSON that answers a document which the reader has read: to one Claim its ClaimResponse, to a Bundle
    a Bundle of answers in the order of the outcomes. What is no valid claim is answered by an
    OperationOutcome. Raises SourceRefused when the document is not the one that was read.
    """
    resources = Resources(read_document(BytesIO(document)), layout.get("version"))
    by_place = {entry.pointer: entry for entry in resources.entries}
    version, answers = resources.version, []
    for outcome in outcomes:
        entry = by_place[outcome.place]
        valid = entry.type in _ANSWERED and not resources.problems(entry)
        answers.append(
            claim_response(entry.resource, version, created, outcome.claim_id, outcome.violations)
            if valid
            else operation_outcome(outcome.violations, version, "Bundle" if entry.pointer else entry.type)
        )
    if len(answers) == 1 and not outcomes[0].place:
        return answers[0]
    entries = [{"resource": json.loads(one)} for one in answers]
    return _json("Bundle", version, {"type": "collection", "entry": entries})


_ANSWERED: Final = frozenset({"Claim", "ExplanationOfBenefit"})


def claim_response(
    claim: Node,
    version: Version,
    created: datetime,
    claim_id: str = "",
    violations: Sequence[Violation] = (),
) -> str:
    """JSON of the ClaimResponse to a Claim that is valid FHIR: `queued` under the engine's claim_id, or
    `error` with the rules that keep it in quarantine. created: aware. Nothing is decided here yet.
    """
    document: dict[str, Any] = {
        "status": "active",
        "type": claim.get("type"),
        "use": claim.get("use"),
        "patient": _outside(claim.get("patient"), "Patient"),
        "created": created.isoformat(timespec="seconds"),
        "insurer": {"type": "Organization", "display": "autoclaim"},
        "outcome": "error" if violations else "queued",
        "disposition": _DISPOSITIONS[bool(violations)],
    }
    if text(claim.get("id")):
        document["request"] = {"reference": f"{claim.get('resourceType')}/{claim['id']}"}
    if claim_id:
        document["identifier"] = [{"system": CLAIMS_SYSTEM, "value": claim_id}]
    if violations:
        document["error"] = [{"code": _error(one)} for one in violations[:_MOST_ISSUES]]
    return _json("ClaimResponse", version, document)


_DISPOSITIONS: Final = {
    True: "Kept in quarantine: correct the record or the mapping, and it is read again.",
    False: "Accepted and kept. The decision follows without any further request.",
}


def _error(violation: Violation) -> dict[str, Any]:
    said = f"{violation.field or '/'}: {violation.message}"
    return {**_concept(RULES_SYSTEM, violation.rule), "text": said}


def _outside(reference: object, kind: str) -> Node:
    """A reference that still means something once it has left the document."""
    stated = text(node(reference).get("reference"))
    return {"reference": stated} if stated and not stated.startswith("#") else {"type": kind, "display": kind}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _json(kind: str, version: Version, document: Node) -> str:
    return model_of(version, kind).model_validate({"resourceType": kind, **document}).model_dump_json()
