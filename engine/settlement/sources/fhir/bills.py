"""Which claim, which explanation of benefit and which stay belong together."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.settlement.errors import Violation
from engine.settlement.sources.fhir.document import Entry
from engine.settlement.sources.fhir.elements import Node, node, nodes, text
from engine.settlement.sources.fhir.resources import Resources

INPATIENT = frozenset({"IMP", "ACUTE", "NONAC"})
"""HL7's v3-ActCode: an inpatient encounter, acute or not."""
OVER = frozenset({"finished", "discharged", "completed"})
"""R4 says finished; R5 discharged (records may follow) and completed."""
PHARMACY = "pharmacy"


@dataclass(slots=True)
class Bill:
    """One settlement as FHIR tells it: the claim, what became of it, the stay and the patient.

    Where both speak, the explanation of benefit is believed: it is later, and it alone says who paid.
    """

    claim: Entry | None = None
    benefit: Entry | None = None
    encounter: Entry | None = None
    patient: Entry | None = None
    coverage: Entry | None = None
    provider: Entry | None = None
    found: list[Violation] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        """The claim's own resource first: it says where the record stands."""
        own = (self.claim, self.benefit, self.encounter, self.patient, self.coverage, self.provider)
        return [entry for entry in own if entry is not None]

    @property
    def place(self) -> str:
        return self.entries[0].pointer

    def speaking(self, element: str) -> Entry | None:
        """The resource whose `element` counts."""
        for entry in (self.benefit, self.claim):
            if entry is not None and entry.resource.get(element) not in (None, [], {}):
                return entry
        return None

    def value(self, element: str) -> object:
        entry = self.speaking(element)
        return entry.resource.get(element) if entry else None

    @property
    def is_purchase(self) -> bool:
        """Drugs bought at a pharmacy: no stay."""
        return any(coding.get("code") == PHARMACY for coding in nodes(node(self.value("type")).get("coding")))


def bills_of(resources: Resources) -> Iterator[Bill]:
    """Every claim, every explanation of benefit without one, every inpatient stay that neither names."""
    benefits: dict[str, list[Entry]] = {}
    alone: list[Entry] = []
    for benefit in resources.of_type("ExplanationOfBenefit"):
        claim = resources.resolve(benefit.resource.get("claim"), benefit)
        if claim is not None and claim.type == "Claim":
            benefits.setdefault(claim.pointer, []).append(benefit)
        else:
            alone.append(benefit)
    billed: set[str] = set()
    for claim in resources.of_type("Claim"):
        answers = benefits.get(claim.pointer, [])
        bill = Bill(claim=claim, benefit=answers[0] if answers else None)
        if len(answers) > 1:
            _add(
                bill, answers[1], "source.fhir.several_benefits", "explains a claim that another explains too"
            )
        yield _joined(bill, resources, billed)
    for benefit in alone:
        yield _joined(Bill(benefit=benefit), resources, billed)
    for encounter in resources.of_type("Encounter"):
        if encounter.pointer not in billed and _awaits_a_claim(encounter, resources):
            bill = Bill(encounter=encounter)
            _add(bill, encounter, "source.fhir.no_claim", "is a stay for which no claim was sent")
            _name_parties(bill, resources)
            yield bill


def _awaits_a_claim(encounter: Entry, resources: Resources) -> bool:
    """An inpatient stay that is over, and no part of another, such as its days in intensive care."""
    over = text(encounter.resource.get("status")) in OVER
    whole = resources.resolve(encounter.resource.get("partOf"), encounter) is None
    return over and whole and is_inpatient(encounter.resource)


def is_inpatient(encounter: Node) -> bool:
    """R4 has one Coding as class, R5 a list of CodeableConcept."""
    classes = nodes(encounter.get("class"))
    codings = [coding for one in classes for coding in (one, *nodes(one.get("coding")))]
    return any(text(coding.get("code")) in INPATIENT for coding in codings)


def _joined(bill: Bill, resources: Resources, billed: set[str]) -> Bill:
    main = bill.entries[0]
    stays = _stays(bill, resources)
    billed.update(stays)
    if len(stays) == 1:
        bill.encounter = next(iter(stays.values()))
    elif stays:
        _add(bill, main, "source.fhir.several_stays", f"is a bill for {len(stays)} encounters")
    elif not bill.is_purchase:
        _add(bill, main, "source.fhir.no_stay", "names no encounter that is in the document exactly once")
    _name_parties(bill, resources)
    bill.coverage = _coverage(bill, resources)
    return bill


def _name_parties(bill: Bill, resources: Resources) -> None:
    """The patient, who is one, and the hospital: the stay's before the biller's."""
    patients: dict[str, Entry] = {}
    for entry in (bill.benefit, bill.claim, bill.encounter):
        if entry is None:
            continue
        patient, provider = _PARTIES[entry.type == "Encounter"]
        person = _typed(resources, entry, entry.resource.get(patient), "Patient")
        if person is not None:
            patients[person.pointer] = person
        bill.provider = (
            _typed(resources, entry, entry.resource.get(provider), "Organization") or bill.provider
        )
    bill.patient = next(iter(patients.values()), None)
    main = bill.entries[0]
    if bill.patient is None:
        _add(bill, main, "source.fhir.no_patient", "names no patient that is in the document exactly once")
    elif len(patients) > 1:
        _add(
            bill, main, "source.fhir.several_patients", "is of one patient and its stay or benefit of another"
        )


_PARTIES = {False: ("patient", "provider"), True: ("subject", "serviceProvider")}


def _typed(resources: Resources, within: Entry, reference: object, kind: str) -> Entry | None:
    entry = resources.resolve(reference, within)
    return entry if entry is not None and entry.type == kind else None


def _stays(bill: Bill, resources: Resources) -> dict[str, Entry]:
    """The encounters of the bill and of its items, by where they stand."""
    stays: dict[str, Entry] = {}
    for entry in (bill.benefit, bill.claim):
        if entry is None:
            continue
        references = nodes(entry.resource.get("encounter"))
        for item in nodes(entry.resource.get("item")):
            references += nodes(item.get("encounter"))
        for reference in references:
            stay = _typed(resources, entry, reference, "Encounter")
            if stay is not None:
                stays[stay.pointer] = stay
    return stays


def _coverage(bill: Bill, resources: Resources) -> Entry | None:
    """The first insurance that settled: the basic one comes before the one that is asked to add."""
    entry = bill.speaking("insurance")
    rows = nodes(entry.resource.get("insurance")) if entry else []
    for row in rows:
        coverage = _typed(resources, entry, row.get("coverage"), "Coverage") if entry else None
        if coverage is not None:
            return coverage
    return None


def _add(bill: Bill, entry: Entry, rule: str, message: str) -> None:
    bill.found.append(Violation(entry.pointer, rule, message))
