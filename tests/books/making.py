"""Books of given policies and settlements, in memory and on disk, by the tables that a book is made of."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from engine.adjudication import Coverage
from engine.adjudication.replay.columns import Kind, Part
from engine.books import rows, schema
from engine.books.reading import File, part_of
from engine.settlement.model import Settlement

Claims = Sequence[tuple[Coverage, Sequence[Settlement]]]


def tables(claims: Claims, kinds: rows.Kinds) -> dict[str, object]:
    """Settlements stand by policy, each policy's as given; policies are P-0, P-1, ..."""
    policies = [rows.policy_row(f"P-{number}", coverage) for number, (coverage, _) in enumerate(claims)]
    under = [(number, bill) for number, (_, bills) in enumerate(claims) for bill in bills]
    bills = [rows.settlement_row(number, bill) for number, bill in under]
    lines = [row for number, (_, bill) in enumerate(under) for row in rows.line_rows(number, bill, kinds)]
    return {
        schema.POLICIES_FILE: rows.table_of(schema.POLICIES, policies),
        schema.SETTLEMENTS_FILE: rows.table_of(schema.SETTLEMENTS, bills),
        schema.LINES_FILE: rows.table_of(schema.LINES, lines),
    }


def part_from(claims: Claims) -> tuple[Part, list[Kind]]:
    kinds = rows.Kinds()
    files = [File(Path(name), table) for name, table in tables(claims, kinds).items()]
    return part_of(*files, len(kinds)).part, kinds.list()


def write_book(folder: Path, parts: Sequence[Claims]) -> Path:
    kinds = rows.Kinds()
    for number, claims in enumerate(parts):
        where = folder / schema.part_name(number)
        where.mkdir(parents=True)
        for name, table in tables(claims, kinds).items():
            pq.write_table(table, where / name)
    pq.write_table(kinds.table(), folder / schema.KINDS_FILE)
    manifest = {"format": schema.FORMAT, "parts": len(parts)}
    (folder / schema.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder
