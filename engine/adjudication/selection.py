"""What a benefit takes of a bill: which lines, how much of each counts, and how its limits tell them apart.

Every line of every settlement passes here, so it is one pass, and costs are read column by column.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import add, attrgetter
from typing import Any

from engine.adjudication.eligibility import indicated
from engine.adjudication.history import ALL_ITEMS
from engine.settlement.model import DetailLine, Settlement
from engine.terms.model import Apart, BasePart, Benefit, Column, Limit, ListedItem

Group = tuple[int, str]
"""Index of a limit, and the item, line or calendar day that it counts apart."""
FREE: Group = (-1, "")
"""What no limit selects."""


@dataclass(slots=True)
class Selection:
    """Lines of a benefit with a cost that counts: those it takes, and those of which nobody can tell."""

    taken: list[DetailLine]
    eligible_fen: dict[Group, int]
    """Of the lines taken, by group. Below 0 where refunds exceed charges."""
    not_listed: list[DetailLine]
    """The list is not public, so that the line may stand on it."""
    not_indicated: list[DetailLine]
    """On the list, but the main diagnosis is no known indication."""


def select(benefit: Benefit, settlement: Settlement, lines: Sequence[DetailLine]) -> Selection:
    """Of the lines, those that the benefit is about and that have a cost in its base.

    A line falls under the first limit that selects it.
    """
    selection, selector, items = Selection([], {}, [], []), benefit.lines, benefit.items
    if selector is None:
        return selection
    taken, groups, limits_of = selection.taken, selection.eligible_fen, benefit.limits_of
    named = bool(selector.name_contains)
    for line, fen in zip(lines, _costs(benefit.base, lines), strict=True):
        limits = limits_of.get(line.category)
        if limits is None or not fen:
            continue
        if named and not selector.names(line.name):
            continue
        if items is not None:
            entry = entry_of(line, items.items)
            if entry is None:
                if not items.complete:
                    selection.not_listed.append(line)
                continue
            if entry.diagnoses and not indicated(settlement.main_diagnosis, entry.diagnoses):
                selection.not_indicated.append(line)
                continue
        taken.append(line)
        group = FREE
        for index, limit, by_name in limits:
            if not by_name or limit.lines.names(line.name):
                apart = limit.apart
                group = index, item_of_code(limit, line.code) if apart == "item" else _APART[apart](line)
                break
        groups[group] = groups.get(group, 0) + fen
    return selection


def item_of_code(limit: Limit, code: str) -> str:
    """The item that a code belongs to, where each has the limit to itself."""
    return code[: limit.item_code_prefix.get(code[:1])] or ALL_ITEMS


_APART: Mapping[Apart, Callable[[DetailLine], str]] = {
    "nothing": lambda _: ALL_ITEMS,
    "line": lambda line: line.sn,
    "day": lambda line: line.occurred_on.isoformat(),
}


def _costs(base: tuple[BasePart, ...], lines: Sequence[DetailLine]) -> Iterable[int]:
    """What counts of each line: fen."""
    if len(base) == 1 and not base[0].categories:
        return _column_by_column(base[0].columns)(lines)
    columns = {category: part.columns for part in base for category in part.categories}
    return [_sum_fen(line, columns.get(line.category, ())) for line in lines]


@cache
def _column_by_column(columns: tuple[Column, ...]) -> Callable[[Sequence[DetailLine]], Iterable[int]]:
    first, *others = [attrgetter(f"{column}_fen") for column in columns]

    def costs(lines: Sequence[DetailLine]) -> Iterable[int]:
        sums: Iterable[int] = map(first, lines)
        for read in others:
            sums = map(add, sums, map(read, lines))
        return sums

    return costs


def base_fen(settlement: Settlement, benefit: Benefit) -> int:
    """The cost of a whole settlement in the columns that count: fen; 0 where there are none."""
    return _sum_fen(settlement, benefit.columns)


def _sum_fen(bill: Settlement | DetailLine, columns: Iterable[Column]) -> int:
    return sum([_fen(bill, column) for column in columns])


def _fen(bill: Any, column: Column) -> int:
    fen: int = getattr(bill, f"{column}_fen")
    return fen


def entry_of(line: DetailLine, items: Sequence[ListedItem]) -> ListedItem | None:
    """The entry of a list that the line is, on its day."""
    for item in items:
        if not item.first_day <= line.occurred_on <= item.last_day:
            continue
        if item.name in line.name or (item.codes and line.code.startswith(item.codes)):
            return item
    return None
