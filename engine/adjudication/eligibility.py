"""What a benefit is about: which settlements, behind which gates.

A gate has three answers. What is not known, or what the terms leave open, is never taken for a yes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from engine.adjudication.coverage import Coverage
from engine.settlement.model import Settlement
from engine.terms.model import Benefit


class Answer(Enum):
    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A gate that did not answer yes: the code of its reason, and the facts that the wording needs."""

    code: str
    answer: Answer
    facts: dict[str, Any]


def concerned(benefit: Benefit, settlement: Settlement) -> Answer:
    """Whether the benefit looks at settlements of this kind at all."""
    concern, visit = benefit.concerns, settlement.visit_type
    if concern.hospitals and not settlement.hospital_code.startswith(concern.hospitals):
        return Answer.NO
    if not concern.visit_types or visit in concern.visit_types:
        return Answer.YES
    return Answer.UNCLEAR if not visit or visit in concern.visit_types_unclear else Answer.NO


def obstacles(benefit: Benefit, coverage: Coverage, settlement: Settlement) -> Iterator[Obstacle]:
    """The gates that do not answer yes."""
    requires = benefit.requires
    if requires.waiting_days and not coverage.continuous_years:
        covered_on = coverage.effective + timedelta(days=requires.waiting_days)
        if settlement.admitted_on < covered_on:
            facts = {"waiting_days": requires.waiting_days, "covered_on": covered_on}
            yield Obstacle("gate.waiting", Answer.NO, facts)
    ward, area, diagnosis = settlement.ward_type, settlement.insured_area, settlement.main_diagnosis
    if requires.insured_areas and not area:
        yield Obstacle("gate.insured_area_unknown", Answer.UNCLEAR, {})
    elif requires.insured_areas and not area.startswith(requires.insured_areas):
        yield Obstacle("gate.insured_area", Answer.NO, {"insured_area": area})
    if requires.hospitals and not settlement.hospital_code.startswith(requires.hospitals):
        yield Obstacle("gate.hospital", Answer.NO, {"hospital": settlement.hospital_code})
    grade_min = 0 if settlement.of_pharmacy else requires.hospital_grade_min
    if grade_min and not settlement.hospital_grade:
        yield Obstacle("gate.hospital_grade_unknown", Answer.UNCLEAR, {})
    elif settlement.hospital_grade < grade_min:
        facts = {"grade_min": grade_min, "grade": settlement.hospital_grade}
        yield Obstacle("gate.hospital_grade", Answer.NO, facts)
    if requires.ward_types and ward not in requires.ward_types:
        if ward in requires.ward_types_unclear or ward in ("", "unknown"):
            yield Obstacle("gate.ward_type_unclear", Answer.UNCLEAR, {"ward_type": ward})
        else:
            yield Obstacle("gate.ward_type", Answer.NO, {"ward_type": ward})
    if requires.diagnoses and not indicated(diagnosis, requires.diagnoses):
        yield Obstacle("gate.diagnosis_unclear", Answer.UNCLEAR, {"main_diagnosis": diagnosis or ""})


def indicated(diagnosis: str | None, prefixes: tuple[str, ...]) -> bool:
    return diagnosis is not None and diagnosis.startswith(prefixes)
