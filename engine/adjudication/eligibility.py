"""What a benefit is about: which settlements, behind which gates, which lines.

A gate has three answers. What is not known, or what the terms leave open, is never taken for a yes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from operator import add, attrgetter
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


Counted = tuple[DetailLine, int]
"""A line and the fen of it that count."""


@dataclass(slots=True)
class Selection:
    """Lines of a benefit with a cost that counts: those it takes, and those of which nobody can tell."""

    taken: list[Counted]
    not_listed: list[Counted]
    """The list is not public, so that the line may stand on it."""
    not_indicated: list[Counted]
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
    categories, cost = selector.categories, cost_of(benefit.base)
    taken = [(line, fen) for line in lines if line.category in categories and (fen := cost(line))]
    if selector.name_contains:
        taken = [counted for counted in taken if selector.names(counted[0].name)]
    if items is None:
        return Selection(taken, [], [])
    selection = Selection([], [], [])
    for counted in taken:
        item = item_of(counted[0], items.items)
        if item is None:
            if not items.complete:
                selection.not_listed.append(counted)
        elif item.diagnoses and not indicated(settlement.main_diagnosis, item.diagnoses):
            selection.not_indicated.append(counted)
        else:
            selection.taken.append(counted)
    return selection


_Cost = Callable[[Any], int]


@cache
def cost_of(base: tuple[BasePart, ...]) -> _Cost:
    """Reads what counts off a line: fen."""
    if len(base) == 1 and not base[0].categories:
        return _sum_of(base[0].columns)
    readers = {category: _sum_of(part.columns) for part in base for category in part.categories}
    return lambda line: readers[line.category](line) if line.category in readers else 0


@cache
def _sum_of(columns: tuple[Column, ...]) -> _Cost:
    names = [f"{column}_fen" for column in columns]
    read: Callable[[Any], Any] = attrgetter(*names)
    if len(names) == 1:
        return read
    if len(names) == 2:  # the usual base, on the hot path: unpacking costs a third of a sum
        return lambda bill: add(*read(bill))
    return lambda bill: sum(read(bill))


@cache
def columns_of(base: tuple[BasePart, ...]) -> frozenset[Column]:
    """Every column that counts for some line."""
    return frozenset(column for part in base for column in part.columns)


def base_fen(settlement: Settlement, base: tuple[BasePart, ...]) -> int:
    """The cost of a whole settlement in the columns that count: fen; 0 where there are none."""
    return _sum_of(tuple(sorted(columns_of(base))))(settlement) if base else 0


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
