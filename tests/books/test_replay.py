"""A replay decides a whole book, keeps what is finished, and refuses what it cannot read."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.adjudication.replay.scalar import decide_in_order
from engine.books import schema
from engine.books.book import adjudicator_of
from engine.books.errors import BookInvalid, NotInABook
from engine.books.replay import replay
from engine.books.results import Summary
from engine.terms import Terms, terms_from_document
from tests.adjudication.builder import PRODUCTS, line, policy, stay, terms
from tests.books.conftest import EDITION, PARTS
from tests.books.making import Claims, write_book
from tests.support.process import REPOSITORY

PRODUCT = PRODUCTS / f"{EDITION}.yaml"


def run(book: Path, out: Path, by: Terms | None = None, **options: object) -> tuple[Summary, list[str]]:
    told: list[str] = []
    options = {"workers": 1, "ray": None, **options}
    summary = replay(book, [by or terms(EDITION)], out, announce=lambda part, _: told.append(part), **options)  # type: ignore[arg-type]
    return summary, told


def decisions(out: Path) -> pa.Table:
    return pa.concat_tables(
        pq.read_table(path) for path in sorted(out.glob("*.parquet"))
    ).unify_dictionaries()


def test_every_settlement_gets_the_decision_of_the_scalar_engine(
    book: Path, claims: list[Claims], tmp_path: Path
) -> None:
    summary, told = run(book, tmp_path)
    expected = [
        (
            bill.setl_id,
            decision.outcome.value,
            decision.payable_fen,
            [
                {
                    "code": result.benefit.code,
                    "eligible_fen": result.eligible_fen,
                    "deductible_fen": result.deductible_fen,
                    "payable_fen": result.payable_fen,
                }
                for result in decision.results
            ],
        )
        for part in claims
        for coverage, bills in part
        for bill, decision in zip(bills, decide_in_order(terms(EDITION), coverage, bills), strict=True)
    ]
    found = decisions(tmp_path).select(["setl_id", "decision", "payable_fen", "benefits"]).to_pylist()
    assert [tuple(row.values()) for row in found] == expected
    assert sorted(told) == [schema.part_name(number) for number in range(PARTS)]
    assert summary.settlements == len(expected)
    assert summary.payable_fen == sum(row[2] for row in expected) > 0
    assert summary.by_scalar < len(expected)


def test_two_workers_decide_the_same(book: Path, tmp_path: Path) -> None:
    alone, _ = run(book, tmp_path / "alone")
    together, _ = run(book, tmp_path / "together", workers=2)
    assert alone.document() == together.document()
    assert decisions(tmp_path / "alone").equals(decisions(tmp_path / "together"))


def test_a_ray_cluster_decides_the_same(book: Path, tmp_path: Path) -> None:
    alone, _ = run(book, tmp_path / "alone")
    spread, told = run(book, tmp_path / "spread", ray="local")
    assert len(told) == PARTS
    assert alone.document() == spread.document()
    assert decisions(tmp_path / "alone").equals(decisions(tmp_path / "spread"))


def test_a_killed_replay_goes_on_where_it_was(book: Path, tmp_path: Path) -> None:
    out = _killed_in_between(book, tmp_path)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert 0 < len(kept) < PARTS
    resumed, told = run(book, out)
    fresh, _ = run(book, tmp_path / "fresh")
    assert len(told) == PARTS
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert resumed.document() == fresh.document()
    assert decisions(out).equals(decisions(tmp_path / "fresh"))


def _killed_in_between(book: Path, tmp_path: Path) -> Path:
    """A run that kill -9 met after its first part and before its last; tried again if it was too quick."""
    for attempt in range(5):
        out = tmp_path / f"killed-{attempt}"
        command = [sys.executable, "-m", "api.cli.main", "replay", "--workers", "1"]
        options = ["--product", str(PRODUCT), "--book", str(book), "--out", str(out)]
        with subprocess.Popen([*command, *options], cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(out.glob("*.parquet")):
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        if len(list(out.glob("*.parquet"))) < PARTS:
            return out
    raise AssertionError("five runs were finished before they could be killed")


def test_other_terms_decide_all_parts_again(book: Path, tmp_path: Path) -> None:
    run(book, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.parquet")}
    other = terms("huhuibao-2024")
    changed = _as_of_2023(other)
    run(book, tmp_path, changed)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.parquet")}
    assert all(after[name] > before[name] for name in before)


def _as_of_2023(other: Terms) -> Terms:
    mine = terms(EDITION).document
    return terms_from_document({**other.document, **{key: mine[key] for key in ("edition", "period")}})


def test_a_changed_part_is_decided_again_and_no_other(tmp_path: Path, claims: list[Claims]) -> None:
    book = write_book(tmp_path / "book", claims[:3])
    out = tmp_path / "out"
    run(book, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    path = book / "part-0001" / schema.SETTLEMENTS_FILE
    table = pq.read_table(path)
    zero = pa.array([0] * len(table), type=pa.int64())
    place = table.schema.get_field_index("cash_fen")
    pq.write_table(table.set_column(place, table.schema.field(place), zero), path)
    summary, _ = run(book, out)
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert [name for name in sorted(before) if after[name] != before[name]] == ["part-0001.parquet"]
    assert pq.read_table(out / "part-0001.parquet")["payable_fen"].to_numpy().sum() == 0
    assert summary.settlements == sum(len(bills) for part in claims[:3] for _, bills in part)


# ---------------------------------------------------------------------------------------- bad books

Change = Callable[[pa.Table], pa.Table]


def _with(name: str, values: Callable[[list[object]], list[object]]) -> Change:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        column = pa.array(values(table.column(name).to_pylist()), type=plain)
        if pa.types.is_dictionary(field.type):
            column = column.dictionary_encode()
        return table.set_column(place, pa.field(name, column.type), column)

    return change


def _second(value: object) -> Callable[[list[object]], list[object]]:
    return lambda values: [values[0], value, *values[2:]]


@pytest.mark.parametrize(
    ("file", "change", "field", "rule", "row"),
    [
        ("settlements", lambda table: table.drop_columns(["cash_fen"]), "cash_fen", "book.column", None),
        ("settlements", _with("policy", _second(10**6)), "policy", "book.row", 1),
        ("settlements", _with("hospital_grade", _second(9)), "hospital_grade", "book.grade", 1),
        ("settlements", _with("total_fen", _second(10**16)), "total_fen", "book.money", 1),
        ("settlements", _with("setl_id", _second("")), "setl_id", "book.empty", 1),
        ("settlements", _with("visit_type", _second(None)), "visit_type", "book.null", 1),
        ("policies", _with("continuous_years", _second(-1)), "continuous_years", "book.count", 1),
        ("policies", _with("policy_no", _second("P-0")), "policy_no", "book.repeated", 1),
        ("policies", _with("edition", _second("1999")), "edition", "book.no_terms", 1),
        ("lines", _with("kind", _second(10**6)), "kind", "book.row", 1),
        ("lines", _with("settlement", lambda rows: rows[::-1]), "settlement", "book.order", None),
        ("lines", _with("own_pay_fen", _second(-(10**16))), "own_pay_fen", "book.money", 1),
    ],
)
def test_a_bad_book_is_refused_with_file_row_field_and_rule(
    tmp_path: Path, claims: list[Claims], file: str, change: Change, field: str, rule: str, row: int | None
) -> None:
    book = write_book(tmp_path / "book", claims[:1])
    path = book / "part-0000" / f"{file}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(BookInvalid) as refused:
        run(book, tmp_path / "out")
    assert (refused.value.file, refused.value.field, refused.value.code) == (path, field, rule)
    assert row is None or refused.value.row == row
    assert str(path) in refused.value.message


def test_what_a_worker_refuses_reaches_the_caller(tmp_path: Path, claims: list[Claims]) -> None:
    book = write_book(tmp_path / "book", claims[:3])
    path = book / "part-0002" / schema.POLICIES_FILE
    pq.write_table(_with("edition", _second("1999"))(pq.read_table(path)), path)
    with pytest.raises(BookInvalid, match=r"row 1: edition: of huhuibao.* 1999"):
        run(book, tmp_path / "out", workers=2)


@pytest.mark.parametrize(
    "manifest", ["{", "[]", '{"format": "other/9", "parts": 1}', '{"format": "autoclaim.book/1"}']
)
def test_a_folder_that_is_no_book_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "book.json").write_text(manifest)
    with pytest.raises(BookInvalid):
        run(tmp_path, tmp_path / "out")


def test_amounts_beyond_measure_go_to_the_scalar_engine(tmp_path: Path) -> None:
    """And come out the same: the columns never guess."""
    huge = stay([line("9999999999999.99"), line("20000.01")], year=2023)
    coverage = policy("2023")
    book = write_book(tmp_path / "book", [[(coverage, [huge])]])
    summary, _ = run(book, tmp_path / "out")
    (decision,) = decide_in_order(terms(EDITION), coverage, [huge])
    assert summary.by_scalar == 1
    assert summary.payable_fen == decision.payable_fen > 0


def test_a_book_of_no_settlements_is_decided_too(tmp_path: Path) -> None:
    summary, _ = run(write_book(tmp_path / "book", [[]]), tmp_path / "out")
    assert summary.settlements == 0
    assert json.loads(json.dumps(summary.document()))["decisions"]["pay"] == 0
    assert np.sum(decisions(tmp_path / "out")["payable_fen"].to_numpy()) == 0


def test_terms_that_ask_for_a_family_are_refused() -> None:
    """A book does not say who is of one, and a deductible borne twice would pay too little."""
    by = terms(EDITION)
    (first,) = (one for one in by.benefits if one.deductible)
    assert first.deductible
    family = replace(first, deductible=replace(first.deductible, shared_id="home", family=True))
    with pytest.raises(NotInABook, match="family"):
        adjudicator_of(replace(by, benefits=(family,)), [])
