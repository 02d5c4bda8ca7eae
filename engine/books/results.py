"""Decisions of one part as a Parquet file, with its summary in the file's own metadata."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.adjudication.replay.columns import Whole
from engine.adjudication.replay.reasons import codes_of
from engine.adjudication.replay.whole_book import OUTCOMES
from engine.adjudication.replay.work import Decided
from engine.books import schema
from engine.books.reading import ReadPart
from engine.terms.model import Terms

_MARK, _SUMMARY = b"autoclaim.mark", b"autoclaim.summary"
_WORD = pa.dictionary(pa.int32(), pa.string())
_BENEFIT: Final = pa.struct(
    {"code": _WORD, "eligible_fen": pa.int64(), "deductible_fen": pa.int64(), "payable_fen": pa.int64()}
)
DECISIONS: Final = pa.schema(
    {
        "policy_no": _WORD,
        "hospital_code": _WORD,
        "setl_id": pa.string(),
        "decision": _WORD,
        "payable_fen": pa.int64(),
        "reasons": _WORD,
        "benefits": pa.list_(_BENEFIT),
        "by_scalar": pa.bool_(),
    }
)
"""One row a settlement. `reasons`: codes in a fixed order, a blank between; `by_scalar`: the columns could
not say it, and the scalar engine decided."""


def add_counts(sums: dict[str, int], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Each count added to its sum; the sums."""
    for key, count in counts:
        sums[key] = sums.get(key, 0) + count
    return sums


@dataclass(slots=True)
class Summary:
    """What was decided of a book or of a part of it; fen, and counts of settlements."""

    settlements: int = 0
    lines: int = 0
    by_scalar: int = 0
    payable_fen: int = 0
    decisions: dict[str, int] = field(default_factory=lambda: {outcome.value: 0 for outcome in OUTCOMES})
    reasons: dict[str, int] = field(default_factory=dict)
    benefits: dict[str, dict[str, int]] = field(default_factory=dict)
    """Full name of the edition and code of the benefit -> settlements paid, fen eligible, borne and paid."""

    def add(self, other: "Summary") -> None:
        self.settlements += other.settlements
        self.lines += other.lines
        self.by_scalar += other.by_scalar
        self.payable_fen += other.payable_fen
        add_counts(self.decisions, other.decisions.items())
        add_counts(self.reasons, other.reasons.items())
        for name, figures in other.benefits.items():
            add_counts(self.benefits.setdefault(name, {}), figures.items())

    def document(self) -> dict[str, Any]:
        ordered = {name: dict(sorted(getattr(self, name).items())) for name in ("reasons", "benefits")}
        return asdict(self) | ordered


@dataclass(frozen=True, slots=True)
class UnderTerms:
    """What one product's terms decided of a part."""

    terms: Terms
    rows: Whole
    decided: Decided


def summary_of(read: ReadPart, decided: Sequence[UnderTerms]) -> Summary:
    """Of the settlements that these terms decided."""
    summary = Summary()
    lines = np.diff(read.part.lines.first)
    for one in decided:
        rows, out = one.rows, one.decided
        outcomes = np.bincount(out.outcome[rows], minlength=len(OUTCOMES)).tolist()
        bits, count = np.unique(out.reasons[rows], return_counts=True)
        pairs = (
            (code, int(n)) for of_bits, n in zip(bits, count, strict=True) for code in codes_of(int(of_bits))
        )
        summary.add(
            Summary(
                settlements=len(rows),
                lines=int(lines[rows].sum()),
                by_scalar=int(out.left_over[rows].sum()),
                payable_fen=int(out.payable[rows].sum()),
                decisions={outcome.value: n for outcome, n in zip(OUTCOMES, outcomes, strict=True)},
                reasons=add_counts({}, pairs),
                benefits=dict(_benefit_figures(one)),
            )
        )
    return summary


def table_of(read: ReadPart, decided: Sequence[UnderTerms]) -> pa.Table:
    """Every settlement of the part is decided under exactly one of the terms."""
    bills = len(read.part.bills)
    outcome, payable = np.zeros(bills, dtype=np.int32), np.zeros(bills, dtype=np.int64)
    reasons, by_scalar = np.zeros(bills, dtype=np.int64), np.zeros(bills, dtype=np.bool_)
    for one in decided:
        outcome[one.rows], payable[one.rows] = one.decided.outcome[one.rows], one.decided.payable[one.rows]
        reasons[one.rows], by_scalar[one.rows] = (
            one.decided.reasons[one.rows],
            one.decided.left_over[one.rows],
        )
    bits, place = np.unique(reasons, return_inverse=True)
    texts = [" ".join(codes_of(int(one))) for one in bits]
    columns = {
        "policy_no": pa.DictionaryArray.from_arrays(read.part.bills.policy, read.policy_no),
        "hospital_code": read.hospital_code,
        "setl_id": read.setl_id,
        "decision": pa.DictionaryArray.from_arrays(outcome, [one.value for one in OUTCOMES]),
        "payable_fen": payable,
        "reasons": pa.DictionaryArray.from_arrays(place.astype(np.int32), texts),
        "benefits": _benefits(bills, decided),
        "by_scalar": by_scalar,
    }
    return pa.table(columns, schema=DECISIONS)


def _benefit_figures(one: UnderTerms) -> Iterable[tuple[str, dict[str, int]]]:
    for place, benefit in enumerate(one.terms.benefits):
        has = one.decided.has[:, place]
        paid = one.decided.paid[has, place]
        yield (
            f"{one.terms.full_name}/{benefit.code}",
            {
                "settlements": int((paid > 0).sum()),
                "eligible_fen": int(one.decided.eligible[has, place].sum()),
                "deductible_fen": int(one.decided.deductible[has, place].sum()),
                "payable_fen": int(paid.sum()),
            },
        )


def _benefits(bills: int, decided: Sequence[UnderTerms]) -> pa.ListArray:
    """Results of every settlement, in the order of its terms' benefits."""
    codes = sorted({benefit.code for one in decided for benefit in one.terms.benefits})
    rows, parts = [], []
    for one in decided:
        row, benefit = np.nonzero(one.decided.has)
        number = np.array([codes.index(each.code) for each in one.terms.benefits], dtype=np.int32)
        cells = (one.decided.eligible, one.decided.deductible, one.decided.paid)
        rows.append(row)
        parts.append((number[benefit], *(column[row, benefit] for column in cells)))
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    order = np.argsort(row, kind="stable")
    code, *amounts = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    arrays = [pa.DictionaryArray.from_arrays(code, pa.array(codes)), *map(pa.array, amounts)]
    offsets = np.searchsorted(row[order], np.arange(bills + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(arrays, fields=list(_BENEFIT)))


def write(path: Path, table: pa.Table, summary: Summary, mark: str) -> None:
    """Whole or not at all: a run that dies leaves no half of a part."""
    metadata = {_MARK: mark.encode(), _SUMMARY: json.dumps(summary.document()).encode()}
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(table.replace_schema_metadata(metadata), unfinished, **schema.written(DECISIONS))
    unfinished.replace(path)


def finished(path: Path, mark: str) -> Summary | None:
    """The summary of a part that was decided from these very inputs before; None otherwise."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    if metadata.get(_MARK) != mark.encode():
        return None
    return Summary(**json.loads(metadata[_SUMMARY]))
