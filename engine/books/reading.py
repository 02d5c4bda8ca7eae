"""Parts of a book from its files, held to the rules; a bad one is refused with file, row, field and rule."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.adjudication.replay.columns import (
    BillColumns,
    Coded,
    Flags,
    Kind,
    LineColumns,
    Part,
    PolicyColumns,
    Small,
    Whole,
    day_number,
)
from engine.books import schema
from engine.books.errors import BookInvalid
from engine.settlement.dictionaries import dictionary

_FIRST_DAY, _LAST_DAY = day_number(date(1900, 1, 1)), day_number(date(2200, 12, 31))
_MOST_FEN = 10**16
"""Precision 16,2 of the national list."""


class Book:
    """A directory of parts. Raises BookInvalid where it is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        manifest = folder / schema.MANIFEST
        try:
            stated = json.loads(manifest.read_bytes())
            if stated["format"] != schema.FORMAT:
                raise BookInvalid(manifest, "format", "book.format", f"is not {schema.FORMAT}")
            self.parts = tuple(schema.part_name(number) for number in range(stated["parts"]))
        except OSError as error:
            raise BookInvalid(manifest, "", "book.missing", error.strerror or "cannot be read") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BookInvalid(manifest, "", "book.manifest", f"cannot be understood: {error}") from error

    def kinds(self) -> list[Kind]:
        path = self.folder / schema.KINDS_FILE
        file = _File(path, _read(path, schema.KINDS))
        categories = file.words("category")
        file.hold("category", categories, dictionary("fee_category").codes, "is no fee category")
        columns = (file.table.column(name).to_pylist() for name in ("code", "name"))
        return [Kind(*row) for row in zip(*columns, map(categories.at, range(len(categories.codes))), strict=True)]

    def part(self, name: str, kinds: int) -> Part:
        """kinds: how many kinds of lines the book has."""
        folder = self.folder / name
        return part_of(
            _File(folder / schema.POLICIES_FILE, _read(folder / schema.POLICIES_FILE, schema.POLICIES)),
            _File(folder / schema.SETTLEMENTS_FILE, _read(folder / schema.SETTLEMENTS_FILE, schema.SETTLEMENTS)),
            _File(folder / schema.LINES_FILE, _read(folder / schema.LINES_FILE, schema.LINES)),
            kinds,
        )


def _read(path: Path, wanted: pa.Schema) -> pa.Table:
    """The wanted columns, each of its type and without nulls where it has none. Raises BookInvalid."""
    words = [one.name for one in wanted if pa.types.is_dictionary(one.type)]
    try:
        file = pq.ParquetFile(path, read_dictionary=words)
        missing = [name for name in wanted.names if name not in file.schema_arrow.names]
        if missing:
            raise BookInvalid(path, missing[0], "book.column", "is missing")
        table = file.read(columns=wanted.names).select(wanted.names)
    except (OSError, pa.ArrowException) as error:
        raise BookInvalid(path, "", "book.unreadable", str(error).splitlines()[0]) from error
    for one in wanted:
        found = table.schema.field(one.name).type
        if found != one.type:
            raise BookInvalid(path, one.name, "book.type", f"is {found}, not {one.type}")
        column = table.column(one.name)
        if column.null_count and not one.nullable:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise BookInvalid(path, one.name, "book.null", "has no value", row)
    return table.unify_dictionaries().combine_chunks()


class _File:
    """One file's columns as arrays; every rule names the first row that breaks it."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        self.path = path
        self.table = table

    def _array(self, name: str) -> Any:
        column = self.table.column(name)
        return column.chunk(0) if column.num_chunks else pa.array([], type=column.type)

    def refuse(self, field: str, rule: str, message: str, broken: NDArray[np.bool_]) -> None:
        if broken.any():
            raise BookInvalid(self.path, field, rule, message, int(np.flatnonzero(broken)[0]))

    def whole(self, name: str) -> NDArray[Any]:
        return cast("NDArray[Any]", self._array(name).to_numpy(zero_copy_only=False))

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
        values = cast(Small, self._array(name).view(pa.int32()).to_numpy())
        outside = (values < _FIRST_DAY) | (values > _LAST_DAY)
        self.refuse(name, "book.date", "is outside the years 1900 to 2200", outside)
        return values

    def count(self, name: str) -> Whole:
        values = self.whole(name).astype(np.int64)
        self.refuse(name, "book.count", "is negative", values < 0)
        return values

    def words(self, name: str) -> Coded[Any]:
        """A column of words; None where it has no value."""
        array = self._array(name)
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        values, codes = array.dictionary.to_pylist(), array.indices
        if codes.null_count:
            codes, values = codes.fill_null(len(values)), [*values, None]
        return Coded(codes.to_numpy(zero_copy_only=False), values)

    def hold(self, field: str, column: Coded[Any], known: frozenset[str], message: str) -> None:
        self.where(field, column, lambda value: value in known, "book.word", message)

    def where(self, field: str, column: Coded[Any], fits: Callable[[Any], bool], rule: str, message: str) -> None:
        wrong = [not fits(value) for value in column.values]
        if any(wrong):
            self.refuse(field, rule, message, np.array(wrong, dtype=np.bool_)[column.codes])


def part_of(policies: _File, bills: _File, lines: _File, kinds: int) -> Part:
    read_policies = _policies(policies)
    read_bills = _bills(bills, len(read_policies))
    return Part(read_policies, read_bills, _lines(lines, len(read_bills), kinds))


def _policies(file: _File) -> PolicyColumns:
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
        pre_existing=_coded([tuple(one) for one in file.table.column("pre_existing").to_pylist()]),
        continuous_years=file.count("continuous_years"),
        claim_free_years=file.count("claim_free_years"),
        renewed=cast(Flags, file.whole("renewed")),
    )


def _coded(rows: Sequence[tuple[str, ...]]) -> Coded[tuple[str, ...]]:
    place: dict[tuple[str, ...], int] = {}
    codes = [place.setdefault(row, len(place)) for row in rows]
    return Coded(np.array(codes, dtype=np.int32), list(place))


def _bills(file: _File, policies: int) -> BillColumns:
    admitted, discharged = file.day("admitted_on"), file.day("discharged_on")
    file.refuse("discharged_on", "book.dates", "is before admitted_on", discharged < admitted)
    grade = file.whole("hospital_grade")
    file.refuse("hospital_grade", "book.grade", "is none of 0 to 3", (grade < 0) | (grade > 3))
    identity = {name: file.words(name) for name in ("setl_id", "hospital_code")}
    for name, column in identity.items():
        file.where(name, column, bool, "book.empty", "is empty")
    words = ("insured_area", "visit_type", "ward_type", "discharge_way", "main_diagnosis")
    return BillColumns(
        policy=file.row("policy", policies),
        **identity,
        hospital_grade=grade,
        admitted_on=admitted,
        discharged_on=discharged,
        settled_at=cast(Whole, file._array("settled_at").view(pa.int64()).to_numpy()),
        **{name: file.words(name) for name in words},
        **{name: file.fen(name) for name in schema.AMOUNTS},
    )


def _lines(file: _File, bills: int, kinds: int) -> LineColumns:
    settlement = file.row("settlement", bills)
    back = np.diff(settlement, prepend=settlement[:1]) < 0
    file.refuse("settlement", "book.order", "is not in the order of the settlements", back)
    return LineColumns(
        first=np.searchsorted(settlement, np.arange(bills + 1)).astype(np.int64),
        kind=file.row("kind", kinds),
        occurred_on=file.day("occurred_on"),
        **{name: file.fen(name) for name in schema.LINE_AMOUNTS},
    )
