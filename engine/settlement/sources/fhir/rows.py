"""A bill's values under FHIR's own names, by node of the national list, for a mapping file to rename.

docs/fhir.md lists the names. What has several codes, identifiers or amounts carries the system or category
in its name (`Claim.identifier[system]`, `line.adjudication[category]`), so that a mapping picks by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.settlement.sources.fhir.bills import Bill
from engine.settlement.sources.fhir.document import Entry
from engine.settlement.sources.fhir.elements import (
    Codes,
    Node,
    amount,
    display,
    extensions,
    identifiers,
    node,
    nodes,
    number,
    shanghai,
    text,
)
from engine.settlement.sources.fhir.resources import Resources

Row = dict[str, str]

PRINCIPAL: Final = "principal"
"""Of HL7's ex-diagnosistype."""
SUBMITTED: Final = "submitted"
"""Of HL7's adjudication: what was billed."""


def nodes_of(
    bill: Bill, resources: Resources, codes: Codes, certificates: Mapping[str, str]
) -> Mapping[str, Any]:
    """All nodes that the bill has something for."""
    groups, lines = _items(bill, codes)
    read: dict[str, Any] = {
        "setlinfo": {
            **_of_claim(bill, codes),
            **_of_stay(bill, codes),
            **_of_people(bill, codes, certificates),
        },
        "diseinfo": list(_diagnoses(bill, resources, codes)),
        "oprninfo": list(_procedures(bill, resources, codes)),
        "iteminfo": groups,
        "payinfo": list(_funds(bill, codes)),
        "feedetail": lines,
    }
    return {name: rows for name, rows in read.items() if rows}


def _of_claim(bill: Bill, codes: Codes) -> Row:
    row: Row = {}
    for entry in (bill.claim, bill.benefit):
        if entry is None:
            continue
        resource, kind = entry.resource, entry.type
        period = node(resource.get("billablePeriod"))
        row |= {
            f"{kind}.id": text(resource.get("id")),
            f"{kind}.created": shanghai(resource.get("created")),
            f"{kind}.billablePeriod.start": shanghai(period.get("start")),
            f"{kind}.billablePeriod.end": shanghai(period.get("end")),
            **dict(identifiers(resource.get("identifier"), f"{kind}.identifier")),
            **dict(extensions(resource, kind)),
        }
    total = submitted_total(bill)
    row["total"] = "" if total is None else format(total, "f")
    row["payment.amount"] = number(node(payment(bill).get("amount")).get("value"))
    row["payment.date"] = shanghai(payment(bill).get("date"))
    for category, stated in _totals(bill, codes, "settlement_amount"):
        row[f"total[{category}]"] = stated
    return filled(row)


def payment(bill: Bill) -> Node:
    return node(bill.benefit.resource.get("payment")) if bill.benefit else {}


def submitted_total(bill: Bill) -> Any:
    """What was billed: the benefit's total of that category, or else the claim's. Decimal or None."""
    for row in nodes(bill.benefit.resource.get("total")) if bill.benefit else ():
        if _has_code(row.get("category"), SUBMITTED):
            return amount(row.get("amount"))
    return amount(bill.claim.resource.get("total")) if bill.claim else None


def _has_code(concept: object, code: str) -> bool:
    return any(coding.get("code") == code for coding in nodes(node(concept).get("coding")))


def _totals(bill: Bill, codes: Codes, dictionary: str) -> Iterator[tuple[str, str]]:
    for row in nodes(bill.benefit.resource.get("total")) if bill.benefit else ():
        fund = codes.is_standard(codes.coding(row.get("category"), "fund_type"), "fund_type")
        if not fund and not _has_code(row.get("category"), SUBMITTED):
            yield codes.token(row.get("category"), dictionary), number(node(row.get("amount")).get("value"))


def _funds(bill: Bill, codes: Codes) -> Iterator[Row]:
    """A total whose category is a fund says what that fund paid."""
    for row in nodes(bill.benefit.resource.get("total")) if bill.benefit else ():
        if codes.is_standard(codes.coding(row.get("category"), "fund_type"), "fund_type"):
            yield filled(
                {
                    "fund.category": codes.token(row.get("category"), "fund_type"),
                    "fund.amount": number(node(row.get("amount")).get("value")),
                }
            )


def _of_stay(bill: Bill, codes: Codes) -> Row:
    """Days from the encounter; of a purchase at a pharmacy, which has none, from the claim's own period."""
    encounter = bill.encounter.resource if bill.encounter else {}
    # R5 renamed what R4 calls period and hospitalization.
    period = node(encounter.get("period") or encounter.get("actualPeriod"))
    if not encounter and bill.is_purchase and bill.claim is not None:
        period = node(bill.claim.resource.get("billablePeriod"))
    leaving = node(encounter.get("hospitalization") or encounter.get("admission"))
    length = node(encounter.get("length"))
    purchase = codes.token(bill.value("type"), "visit_type") if bill.is_purchase else ""
    classes = nodes(encounter.get("class"))
    types = [one for one in nodes(encounter.get("type")) if _is_visit(one, codes)]
    visit = codes.token((types or classes or [{}])[0], "visit_type")
    return filled(
        {
            "Encounter.id": text(encounter.get("id")),
            "visit": purchase or visit,
            "period.start": shanghai(period.get("start")),
            "period.end": shanghai(period.get("end")),
            "Encounter.length": number(length.get("value")) if length.get("code") == "d" else "",
            "Encounter.dischargeDisposition": codes.token(
                leaving.get("dischargeDisposition"), "discharge_way"
            ),
            **dict(identifiers(encounter.get("identifier"), "Encounter.identifier")),
            **dict(extensions(encounter, "Encounter")),
            **_of_hospital(bill),
        }
    )


def _is_visit(concept: Node, codes: Codes) -> bool:
    return codes.is_standard(codes.coding(concept, "visit_type"), "visit_type")


def _of_hospital(bill: Bill) -> Row:
    """The organization, or the identifier by which a reference names one that was not sent."""
    named: Row = {}
    for entry, name in (
        (bill.benefit, "provider"),
        (bill.claim, "provider"),
        (bill.encounter, "serviceProvider"),
    ):
        if entry is not None:
            reference = node(entry.resource.get(name))
            named |= dict(identifiers(reference.get("identifier"), "Organization.identifier"))
    provider = bill.provider.resource if bill.provider else {}
    named |= dict(identifiers(provider.get("identifier"), "Organization.identifier"))
    return named | {"Organization.name": text(provider.get("name"))}


def _of_people(bill: Bill, codes: Codes, certificates: Mapping[str, str]) -> Row:
    patient = bill.patient.resource if bill.patient else {}
    kind, certificate = certificate_of(patient, certificates)
    coverage = bill.coverage.resource if bill.coverage else {}
    # R4: a string; R5: identifiers. R4: payor; R5: insurer.
    subscriber = text(coverage.get("subscriberId")) or next(
        (stated for _, stated in identifiers(coverage.get("subscriberId"), "")), ""
    )
    insurers = [*nodes(coverage.get("payor")), *nodes(coverage.get("insurer"))]
    return filled(
        {
            "Patient.name": _name(patient),
            "Patient.gender": text(patient.get("gender")),
            "Patient.birthDate": shanghai(patient.get("birthDate")),
            "Patient.address": " ".join(_address(patient)),
            "Patient.telecom": " ".join(text(one.get("value")) for one in nodes(patient.get("telecom"))),
            "certificate.type": kind,
            "certificate.number": certificate,
            **_other_numbers(patient, certificate),
            **dict(extensions(patient, "Patient")),
            "Coverage.subscriberId": subscriber,
            "Coverage.type": codes.token(coverage.get("type"), "insurance_type"),
            **dict(identifiers(coverage.get("identifier"), "Coverage.identifier")),
            **dict(identifiers([node(one.get("identifier")) for one in insurers], "Coverage.insurer")),
        }
    )


def certificate_of(patient: Node, certificates: Mapping[str, str]) -> tuple[str, str]:
    """(certificate type, number) of the first identifier whose system or kind (v2-0203) is a certificate's,
    in the order of `certificates`; nothing where none is."""
    stated = nodes(patient.get("identifier"))
    for known, kind in certificates.items():
        for identifier in stated:
            if known == text(identifier.get("system")) or _has_code(identifier.get("type"), known):
                return kind, text(identifier.get("value"))
    return "", ""


def _other_numbers(patient: Node, certificate: str) -> Row:
    numbers = dict(identifiers(patient.get("identifier"), "Patient.identifier"))
    return {name: stated for name, stated in numbers.items() if stated != certificate}


def _name(patient: Node) -> str:
    """The official name as it is read, or its parts in their order: given, then family."""
    names = nodes(patient.get("name"))
    official = [name for name in names if name.get("use") == "official"] or names
    if not official:
        return ""
    given = official[0].get("given")
    parts = [text(part) for part in given] if isinstance(given, list) else []
    return text(official[0].get("text")) or " ".join([*parts, text(official[0].get("family"))]).strip()


def _address(patient: Node) -> list[str]:
    found = []
    for address in nodes(patient.get("address")):
        lines = address.get("line")
        found += [
            text(address.get("text")),
            *(text(line) for line in (lines if isinstance(lines, list) else ())),
        ]
    return [line for line in found if line]


def _diagnoses(bill: Bill, resources: Resources, codes: Codes) -> Iterator[Row]:
    entry = bill.speaking("diagnosis")
    for row in nodes(entry.resource.get("diagnosis")) if entry else ():
        concept = row.get("diagnosisCodeableConcept") or _coded(
            row.get("diagnosisReference"), entry, resources
        )
        coding = codes.coding(concept, "icd10")
        kinds = nodes(row.get("type"))
        kind = next((one for one in kinds if _is_kind(one, codes)), {})
        yield filled(
            {
                "diagnosis.code": codes.token(concept, "icd10"),
                "diagnosis.display": display(concept, coding),
                "diagnosis.type": codes.token(kind, "diagnosis_type"),
                "diagnosis.principal": _yes_or_no(kinds),
                "diagnosis.onAdmission": codes.token(row.get("onAdmission"), "condition_on_admission"),
            }
        )


def _is_kind(concept: Node, codes: Codes) -> bool:
    return codes.is_standard(codes.coding(concept, "diagnosis_type"), "diagnosis_type")


def _yes_or_no(kinds: list[Node]) -> str:
    """Whether it is the main diagnosis; nothing where no kind is stated at all."""
    return str(int(any(_has_code(kind, PRINCIPAL) for kind in kinds))) if kinds else ""


def _procedures(bill: Bill, resources: Resources, codes: Codes) -> Iterator[Row]:
    entry = bill.speaking("procedure")
    for row in nodes(entry.resource.get("procedure")) if entry else ():
        concept = row.get("procedureCodeableConcept") or _coded(
            row.get("procedureReference"), entry, resources
        )
        yield filled(
            {
                "procedure.code": codes.token(concept, "icd9cm3"),
                "procedure.display": display(concept, codes.coding(concept, "icd9cm3")),
                "procedure.date": shanghai(row.get("date")),
                "procedure.type": codes.token((nodes(row.get("type")) or [{}])[0], "operation_type"),
            }
        )


def _coded(reference: object, within: Entry | None, resources: Resources) -> object:
    """The code of a Condition or Procedure that a row refers to."""
    entry = resources.resolve(reference, within) if within else None
    return entry.resource.get("code") if entry else None


def _items(bill: Bill, codes: Codes) -> tuple[list[Row], list[Row]]:
    """An item with details is a group (a fee category and its sums) of lines; one without is a line."""
    groups, lines = [], []
    entry = bill.speaking("item")
    for item in nodes(entry.resource.get("item")) if entry else ():
        details = nodes(item.get("detail"))
        if details:
            groups.append(filled(_charge(item, "group", {}, codes)))
        lines += [filled(_charge(line, "line", item, codes)) for line in details or [item]]
    return groups, lines


def _charge(item: Node, prefix: str, group: Node, codes: Codes) -> Row:
    concept = item.get("productOrService")
    served = {**group, **item}
    period = node(served.get("servicedPeriod"))
    row = {
        f"{prefix}.sequence": number(item.get("sequence")),
        f"{prefix}.productOrService": codes.token(concept, "med_list"),
        f"{prefix}.display": display(concept, codes.coding(concept, "med_list")),
        f"{prefix}.category": codes.token(served.get("category"), "fee_category"),
        f"{prefix}.quantity": number(node(item.get("quantity")).get("value")),
        f"{prefix}.unitPrice": number(node(item.get("unitPrice")).get("value")),
        f"{prefix}.net": number(node(item.get("net")).get("value")),
        f"{prefix}.serviced": shanghai(served.get("servicedDate")) or shanghai(period.get("start")),
        **dict(extensions(item, prefix)),
    }
    for adjudication in nodes(item.get("adjudication")):
        category = codes.token(adjudication.get("category"), "settlement_amount")
        row[f"{prefix}.adjudication[{category}]"] = number(node(adjudication.get("amount")).get("value"))
    return row


def filled(row: Mapping[str, str]) -> Row:
    """Without what nobody stated."""
    return {name: value for name, value in row.items() if value}
