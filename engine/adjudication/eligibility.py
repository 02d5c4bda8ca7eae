"""What a benefit is about: which settlements, behind which gates, which lines.

A gate has three answers. What is not known, or what the terms leave open, is never taken for a yes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any

from engine.adjudication.coverage import Coverage
from engine.settlement.model import DetailLine, Settlement
from engine.terms.model import BasePart, Benefit, Column, ListedItem


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


@dataclass(slots=True)
class Selection:
    """Lines of a benefit with a cost that counts: those it takes, and those of which nobody can tell."""

    taken: list[DetailLine]
    not_listed: list[DetailLine]
    """The list is not public, so that the line may stand on it."""
    not_indicated: list[DetailLine]
    """On the list, but the main diagnosis is no known indication."""


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
    covered_on = coverage.effective + timedelta(days=requires.waiting_days)
    if requires.waiting_days and not coverage.continuous_years and settlement.admitted_on < covered_on:
        facts = {"waiting_days": requires.waiting_days, "covered_on": covered_on.isoformat()}
        yield Obstacle("gate.waiting", Answer.NO, facts)
    ward, area, diagnosis = settlement.ward_type, settlement.insured_area, settlement.main_diagnosis
    if requires.insured_areas and not area:
        yield Obstacle("gate.insured_area_unknown", Answer.UNCLEAR, {})
    elif requires.insured_areas and not area.startswith(requires.insured_areas):
        yield Obstacle("gate.insured_area", Answer.NO, {"insured_area": area})
    if requires.hospitals and not settlement.hospital_code.startswith(requires.hospitals):
        yield Obstacle("gate.hospital", Answer.NO, {"hospital": settlement.hospital_code})
    if requires.hospital_grade_min and not settlement.hospital_grade:
        yield Obstacle("gate.hospital_grade_unknown", Answer.UNCLEAR, {})
    elif settlement.hospital_grade < requires.hospital_grade_min:
        facts = {"grade_min": requires.hospital_grade_min, "grade": settlement.hospital_grade}
        yield Obstacle("gate.hospital_grade", Answer.NO, facts)
    if requires.ward_types and ward not in requires.ward_types:
        if ward in requires.ward_types_unclear or ward in ("", "unknown"):
            yield Obstacle("gate.ward_type_unclear", Answer.UNCLEAR, {"ward_type": ward})
        else:
            yield Obstacle("gate.ward_type", Answer.NO, {"ward_type": ward})
    if requires.diagnoses and not indicated(diagnosis, requires.diagnoses):
        yield Obstacle("gate.diagnosis_unclear", Answer.UNCLEAR, {"main_diagnosis": diagnosis or ""})


def select(benefit: Benefit, settlement: Settlement, lines: Sequence[DetailLine]) -> Selection:
    """Of the lines, those that the benefit is about and that have a cost in its base."""
    selector, items = benefit.lines, benefit.items
    if selector is None:
        return Selection([], [], [])
    categories, names, cost = selector.categories, selector.names, cost_of(benefit.base)
    taken = [
        line for line in lines if line.category in categories and names(line.name) and sum(cost(line)) != 0
    ]
    if items is None:
        return Selection(taken, [], [])
    selection = Selection([], [], [])
    for line in taken:
        item = item_of(line, items.items)
        if item is None:
            if not items.complete:
                selection.not_listed.append(line)
        elif item.diagnoses and not indicated(settlement.main_diagnosis, item.diagnoses):
            selection.not_indicated.append(line)
        else:
            selection.taken.append(line)
    return selection


_Cost = Callable[[Any], tuple[int, ...]]


@cache
def cost_of(base: tuple[BasePart, ...]) -> _Cost:
    """Reads the columns that count off a line: fen, one a column."""
    if len(base) == 1 and not base[0].categories:
        return _columns(base[0].columns)
    readers = {category: _columns(part.columns) for part in base for category in part.categories}
    return lambda line: readers[line.category](line) if line.category in readers else ()


def _columns(columns: tuple[Column, ...]) -> _Cost:
    names = [f"{column}_fen" for column in columns]
    if len(names) > 1:
        return attrgetter(*names)
    only: Callable[[Any], int] = attrgetter(names[0])
    return lambda bill: (only(bill),)


@cache
def columns_of(base: tuple[BasePart, ...]) -> tuple[Column, ...]:
    """Every column that counts for some line, sorted."""
    return tuple(sorted({column for part in base for column in part.columns}))


def base_fen(settlement: Settlement, base: tuple[BasePart, ...]) -> int:
    """The cost of a whole settlement in the columns that count: fen; 0 where there are none."""
    return sum(_columns(columns_of(base))(settlement)) if base else 0


def indicated(diagnosis: str | None, prefixes: tuple[str, ...]) -> bool:
    return diagnosis is not None and diagnosis.startswith(prefixes)


def item_of(line: DetailLine, items: Sequence[ListedItem]) -> ListedItem | None:
    """The entry of a list that the line is, on its day."""
    for item in items:
        if not item.first_day <= line.occurred_on <= item.last_day:
            continue
        if item.name in line.name or (item.codes and line.code.startswith(item.codes)):
            return item
    return None
