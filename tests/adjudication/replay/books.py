"""Policies with their settlements as a part of a book, by way of the tables that a book is made of."""

from collections.abc import Sequence
from pathlib import Path

from engine.adjudication import Coverage
from engine.adjudication.replay.columns import Kind, Part
from engine.books import rows, schema
from engine.books.reading import File, part_of
from engine.settlement.model import Settlement

Claims = Sequence[tuple[Coverage, Sequence[Settlement]]]


def part_from(claims: Claims) -> tuple[Part, list[Kind]]:
    """Settlements stand by policy, each policy's as given."""
    kinds = rows.Kinds()
    policies = [rows.policy_row(f"P-{number}", coverage) for number, (coverage, _) in enumerate(claims)]
    under = [(number, bill) for number, (_, bills) in enumerate(claims) for bill in bills]
    bills = [rows.settlement_row(number, bill) for number, bill in under]
    lines = [row for number, (_, bill) in enumerate(under) for row in rows.line_rows(number, bill, kinds)]
    tables = (rows.table_of(schema.POLICIES, policies), rows.table_of(schema.SETTLEMENTS, bills), rows.table_of(schema.LINES, lines))
    files = (File(Path(name), table) for name, table in zip(("policies", "settlements", "lines"), tables, strict=True))
    return part_of(*files, len(kinds)).part, kinds.list()
