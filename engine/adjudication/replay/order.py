"""Settlements of each policy in the order that the terms name, and the policies where it is not plain."""

from dataclasses import dataclass

import numpy as np

from engine.adjudication.replay.columns import BillColumns, Coded, Whole
from engine.terms.model import Terms


@dataclass(frozen=True, slots=True)
class Order:
    """Settlements by policy, each policy's earliest first."""

    rows: Whole
    unusual: Whole
    """Policies with two settlements in one place of the order, or one settlement twice."""


def in_order(terms: Terms, bills: BillColumns, rows: Whole) -> Order:
    """rows: the settlements in question, in any order."""
    policy = bills.policy[rows].astype(np.int64)
    place = policy
    for key in terms.order_by:
        tied = np.bincount(place)[place] > 1
        if not tied.any():
            break
        if key == "setl_id":
            values = np.zeros(len(rows), dtype=np.int64)
            values[tied] = _ranks(bills.setl_id, rows[tied])
        else:
            values = getattr(bills, key)[rows]
        place = _numbered(place, values)
    by_place = np.argsort(place, kind="stable")
    together = np.argsort(policy[by_place], kind="stable")
    ordered = by_place[together]
    tied = np.bincount(place, minlength=1)[place] > 1
    repeated = _repeated(bills, rows)
    return Order(rows[ordered], np.unique(policy[tied | repeated]))


def _numbered(place: Whole, values: Whole) -> Whole:
    """Numbers that sort by place, then by value; equal where both are."""
    order = np.lexsort((values, place))
    steps = (np.diff(place[order], prepend=place[order[:1]]) != 0) | (
        np.diff(values[order], prepend=values[order[:1]]) != 0
    )
    numbered = np.empty(len(place), dtype=np.int64)
    numbered[order] = np.cumsum(steps)
    return numbered


def _ranks(texts: Coded[str], rows: Whole) -> Whole:
    codes, place = np.unique(texts.codes[rows], return_inverse=True)
    rank = {text: number for number, text in enumerate(sorted(texts.values[code] for code in codes))}
    return np.array([rank[texts.values[code]] for code in codes], dtype=np.int64)[place]


def _repeated(bills: BillColumns, rows: Whole) -> np.typing.NDArray[np.bool_]:
    """Whether the settlement stands a second time under its policy."""
    codes = bills.setl_id.codes[rows]
    found = np.bincount(codes, minlength=1)[codes] > 1
    again = np.flatnonzero(found)
    if len(again):
        keys = np.column_stack(
            [bills.policy[rows[again]], bills.hospital_code.codes[rows[again]], codes[again]]
        )
        _, place, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        found[again] = count[place.reshape(-1)] > 1
    return found
