"""A part of a book as columns: what `Settlement` and `Coverage` hold, one array a field.

Money is int64 fen, a day is int32 days since 1970-01-01, an instant is int64 microseconds UTC. Rows of
settlements name their policy by its row, rows of lines their settlement and their kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Small = NDArray[np.int32]
Flags = NDArray[np.bool_]
V = TypeVar("V")

_EPOCH = date(1970, 1, 1)
_EPOCH_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Coded(Generic[V]):
    """A column of few values: row r holds values[codes[r]]. No two values are equal."""

    codes: Small
    values: Sequence[V]

    def at(self, row: int) -> V:
        return self.values[self.codes[row]]

    def matching(self, answers: Sequence[int]) -> NDArray[np.int8]:
        """One answer a value -> one a row."""
        return np.array(answers, dtype=np.int8)[self.codes]


class Kind(NamedTuple):
    """What a detail line is of: everything about it that terms select by, apart from its day."""

    code: str
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class PolicyColumns:
    product: Coded[str]
    edition: Coded[str]
    effective: Small
    expires: Small
    pre_existing: Coded[tuple[str, ...]]
    continuous_years: Whole
    claim_free_years: Whole
    renewed: Flags

    def __len__(self) -> int:
        return len(self.effective)


@dataclass(frozen=True, slots=True)
class BillColumns:
    """Settlements without their lines."""

    policy: Small
    setl_id: Coded[str]
    hospital_code: Coded[str]
    hospital_grade: Small
    insured_area: Coded[str]
    visit_type: Coded[str]
    ward_type: Coded[str]
    admitted_on: Small
    discharged_on: Small
    settled_at: Whole
    discharge_way: Coded[str]
    main_diagnosis: Coded[str | None]
    other_diagnoses: Coded[tuple[str, ...]]
    total_fen: Whole
    own_pay_fen: Whole
    over_limit_fen: Whole
    pre_self_pay_fen: Whole
    in_scope_fen: Whole
    fund_fen: Whole
    account_fen: Whole
    cash_fen: Whole
    other_compensation_fen: Whole

    def __len__(self) -> int:
        return len(self.policy)


class LineColumns(NamedTuple):
    """Detail lines, those of a settlement together: lines first[s] to first[s + 1] are of settlement s.

    A column of amounts that nobody wants may be empty.
    """

    first: Whole
    kind: Small
    occurred_on: Small
    amount_fen: Whole
    own_pay_fen: Whole
    over_limit_fen: Whole
    pre_self_pay_fen: Whole
    in_scope_fen: Whole


@dataclass(frozen=True, slots=True)
class Part:
    """The policies of some persons, and all settlements under them."""

    policies: PolicyColumns
    bills: BillColumns
    lines: LineColumns


def day_number(day: date) -> int:
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    return _EPOCH + timedelta(days=int(number))


def instant_of(microseconds: int) -> datetime:
    return _EPOCH_INSTANT + timedelta(microseconds=int(microseconds))
