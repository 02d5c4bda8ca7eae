"""A book on disk: its parts, one at a time, each read whole and checked."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.adjudication.replay.columns import Kind
from engine.adjudication.replay.whole_book import Adjudicator
from engine.books import schema
from engine.books.errors import BookInvalid, NotInABook
from engine.books.reading import File, ReadPart, part_of
from engine.settlement.dictionaries import dictionary
from engine.terms.model import Terms


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
        file = File(path, _read(path, schema.KINDS))
        categories = file.words("category")
        file.hold("category", categories, dictionary("fee_category").codes, "is no fee category")
        columns = (file.table.column(name).to_pylist() for name in ("code", "name"))
        return [
            Kind(*row) for row in zip(*columns, map(categories.at, range(len(categories.codes))), strict=True)
        ]

    def part(self, name: str, kinds: int, amounts: Collection[str] = schema.LINE_AMOUNTS) -> ReadPart:
        """kinds: how many kinds of lines the book has. amounts: the columns of lines that are wanted."""
        folder = self.folder / name
        unread = [column for column in schema.LINE_AMOUNTS if column not in amounts]
        lines = pa.schema([one for one in schema.LINES if one.name not in unread])

        def file(name: str, wanted: pa.Schema) -> File:
            return File(folder / name, _read(folder / name, wanted))

        policies, bills = (
            file(schema.POLICIES_FILE, schema.POLICIES),
            file(schema.SETTLEMENTS_FILE, schema.SETTLEMENTS),
        )
        return part_of(policies, bills, file(schema.LINES_FILE, lines), kinds)


def adjudicator_of(terms: Terms, kinds: Sequence[Kind]) -> Adjudicator:
    """For terms that a book can be decided by. Raises NotInABook."""
    if any(benefit.deductible and benefit.deductible.family for benefit in terms.benefits):
        raise NotInABook(terms.full_name)
    return Adjudicator(terms, kinds)


def _read(path: Path, wanted: pa.Schema) -> pa.Table:
    """The wanted columns, each of its type and without nulls where it has none. Raises BookInvalid."""
    words = [one.name for one in wanted if pa.types.is_dictionary(one.type)]
    try:
        file = pq.ParquetFile(path, read_dictionary=words)
        missing = [name for name in wanted.names if name not in file.schema_arrow.names]
        if missing:
            raise BookInvalid(path, missing[0], "book.column", "is missing")
        table = file.read(columns=wanted.names, use_threads=False).select(wanted.names)
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
