"""Settlements and policies as rows of a book's tables."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

import pyarrow as pa

from engine.adjudication.coverage import Coverage
from engine.adjudication.replay.columns import Kind
from engine.books import schema
from engine.settlement.model import DetailLine, Settlement


class Kinds:
    """The kinds of lines met so far, each with its number."""

    def __init__(self) -> None:
        self._numbers: dict[Kind, int] = {}

    def number(self, line: DetailLine) -> int:
        return self._numbers.setdefault(Kind(line.code, line.name, line.category), len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def list(self) -> list[Kind]:
        return list(self._numbers)

    def table(self) -> pa.Table:
        return table_of(schema.KINDS, [kind._asdict() for kind in self._numbers])


def policy_row(policy_no: str, coverage: Coverage) -> dict[str, Any]:
    names = [name for name in schema.POLICIES.names if name != "policy_no"]
    return {"policy_no": policy_no, **{name: getattr(coverage, name) for name in names}}


def settlement_row(policy: int, settlement: Settlement) -> dict[str, Any]:
    names = [name for name in schema.SETTLEMENTS.names if name not in ("policy", "settled_at")]
    row = {name: getattr(settlement, name) for name in names}
    return {"policy": policy, "settled_at": settlement.settled_at.astimezone(UTC), **row}


def line_rows(number: int, settlement: Settlement, kinds: Kinds) -> Iterable[dict[str, Any]]:
    """number: the settlement's row."""
    for line in settlement.lines:
        amounts = {name: getattr(line, name) for name in schema.LINE_AMOUNTS}
        yield {"settlement": number, "kind": kinds.number(line), "occurred_on": line.occurred_on, **amounts}


def table_of(wanted: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of a table of the book, each with all its columns."""
    return pa.table(
        {one.name: pa.array([row[one.name] for row in rows], type=one.type) for one in wanted}, schema=wanted
    )
