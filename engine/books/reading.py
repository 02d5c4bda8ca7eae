"""Tables of a part as columns, held to the rules; a bad one is refused with file, row, field and rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.adjudication.replay.columns import (
    BillColumns,
    Coded,
    Flags,
    LineColumns,
    Part,
    PolicyColumns,
    Small,
    Whole,
    day_number,
)
from engine.books import schema
from engine.books.errors import BookInvalid

_FIRST_DAY, _LAST_DAY = day_number(date(1900, 1, 1)), day_number(date(2200, 12, 31))
_UNREAD = np.zeros(0, dtype=np.int64)
_MOST_FEN = 10**16
"""Precision 16,2 of the national list."""


class File:
    """One file's columns as arrays; every rule names the first row that breaks it."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        self.path = path
        self.table = table

    def array(self, name: str) -> Any:
        column = self.table.column(name)
        return column.chunk(0) if column.num_chunks else pa.array([], type=column.type)

    def refuse(self, field: str, rule: str, message: str, broken: NDArray[np.bool_]) -> None:
        if broken.any():
            raise BookInvalid(self.path, field, rule, message, int(np.flatnonzero(broken)[0]))

    def whole(self, name: str) -> NDArray[Any]:
        return cast("NDArray[Any]", self.array(name).to_numpy(zero_copy_only=False))

    def row(self, name: str, rows: int) -> Small:
        values = self.whole(name)
        self.refuse(name, "book.row", f"names none of {rows} rows", (values < 0) | (values >= rows))
        return values

    def fen(self, name: str) -> Whole:
        values = self.whole(name)
        if len(values) and max(int(values.max()), -int(values.min())) >= _MOST_FEN:
            self.refuse(name, "book.money", "is beyond precision 16,2", np.abs(values) >= _MOST_FEN)
        return values

    def day(self, name: str) -> Small:
        values = cast(Small, self.array(name).view(pa.int32()).to_numpy())
        outside = (values < _FIRST_DAY) | (values > _LAST_DAY)
        self.refuse(name, "book.date", "is outside the years 1900 to 2200", outside)
        return values

    def count(self, name: str) -> Whole:
        values = self.whole(name).astype(np.int64)
        self.refuse(name, "book.count", "is negative", values < 0)
        return values

    def words(self, name: str) -> Coded[Any]:
        """A column of words; None where it has no value."""
        array = self.array(name)
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
            return Coded(array.indices.to_numpy(), _Texts(array.dictionary))
        values, codes = array.dictionary.to_pylist(), array.indices
        if codes.null_count:
            codes, values = codes.fill_null(len(values)), [*values, None]
        return Coded(codes.to_numpy(zero_copy_only=False), values)

    def lists(self, name: str) -> Coded[tuple[str, ...]]:
        """A column of lists of words, most of which are empty or of one word."""
        column = self.array(name)
        words = column.flatten().dictionary_encode()
        place: dict[tuple[str, ...], int] = {(): 0}
        for word in words.dictionary.to_pylist():
            place[word,] = len(place)
        lengths = column.value_lengths().to_numpy()
        begins = np.cumsum(lengths) - lengths
        codes = np.zeros(len(column), dtype=np.int32)
        single = lengths == 1
        codes[single] = words.indices.to_numpy()[begins[single]] + 1
        for row in np.flatnonzero(lengths > 1):
            codes[row] = place.setdefault(tuple(column[int(row)].as_py()), len(place))
        return Coded(codes, list(place))

    def hold(self, field: str, column: Coded[Any], known: frozenset[str], message: str) -> None:
        wrong = [value not in known for value in column.values]
        if any(wrong):
            self.refuse(field, "book.word", message, np.array(wrong, dtype=np.bool_)[column.codes])

    def not_empty(self, field: str) -> None:
        empty = pc.equal(self.array(field), "")
        if pc.any(empty).as_py():
            self.refuse(field, "book.empty", "is empty", empty.to_numpy(zero_copy_only=False))


class _Texts(Sequence[str]):
    """Different texts, of which few are ever looked at."""

    def __init__(self, texts: pa.StringArray) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        found = self._texts[place]
        return _Texts(found) if isinstance(place, slice) else str(found)


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part's columns, and how its policies and settlements are called."""

    part: Part
    policy_no: pa.Array
    setl_id: pa.Array
    hospital_code: pa.Array


def part_of(policies: File, bills: File, lines: File, kinds: int) -> ReadPart:
    read_policies = _policies(policies)
    read_bills = _bills(bills, len(read_policies))
    part = Part(read_policies, read_bills, _lines(lines, len(read_bills), kinds))
    return ReadPart(part, policies.array("policy_no"), bills.array("setl_id"), bills.array("hospital_code"))


def _policies(file: File) -> PolicyColumns:
    effective, expires = file.day("effective"), file.day("expires")
    file.refuse("expires", "book.dates", "is before effective", expires < effective)
    numbers = file.words("policy_no")
    if len(numbers.values) < len(numbers.codes):
        again = np.ones(len(numbers.codes), dtype=np.bool_)
        again[np.unique(numbers.codes, return_index=True)[1]] = False
        file.refuse("policy_no", "book.repeated", "stands twice", again)
    return PolicyColumns(
        product=file.words("product"),
        edition=file.words("edition"),
        effective=effective,
        expires=expires,
        pre_existing=file.lists("pre_existing"),
        continuous_years=file.count("continuous_years"),
        claim_free_years=file.count("claim_free_years"),
        renewed=cast(Flags, file.whole("renewed")),
    )


def _bills(file: File, policies: int) -> BillColumns:
    admitted, discharged = file.day("admitted_on"), file.day("discharged_on")
    file.refuse("discharged_on", "book.dates", "is before admitted_on", discharged < admitted)
    grade = file.whole("hospital_grade")
    file.refuse("hospital_grade", "book.grade", "is none of 0 to 3", (grade < 0) | (grade > 3))
    file.not_empty("setl_id")
    file.not_empty("hospital_code")
    amounts = {name: file.fen(name) for name in schema.AMOUNTS}
    return BillColumns(
        policy=file.row("policy", policies),
        setl_id=file.words("setl_id"),
        hospital_code=file.words("hospital_code"),
        hospital_grade=grade,
        insured_area=file.words("insured_area"),
        visit_type=file.words("visit_type"),
        ward_type=file.words("ward_type"),
        admitted_on=admitted,
        discharged_on=discharged,
        settled_at=cast(Whole, file.array("settled_at").view(pa.int64()).to_numpy()),
        discharge_way=file.words("discharge_way"),
        main_diagnosis=file.words("main_diagnosis"),
        other_diagnoses=file.lists("other_diagnoses"),
        **amounts,
    )


def _lines(file: File, bills: int, kinds: int) -> LineColumns:
    settlement = file.row("settlement", bills)
    back = settlement[1:] < settlement[:-1]
    file.refuse("settlement", "book.order", "is not in the order of the settlements", np.append(False, back))
    return LineColumns(
        first=np.searchsorted(settlement, np.arange(bills + 1, dtype=np.int32)).astype(np.int64),
        kind=file.row("kind", kinds),
        occurred_on=file.day("occurred_on"),
        **{
            name: file.fen(name) if name in file.table.schema.names else _UNREAD
            for name in schema.LINE_AMOUNTS
        },
    )
