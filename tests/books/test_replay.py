"""A replay decides a whole book, keeps what is finished, and refuses what it cannot read."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.adjudication.replay.scalar import decide_in_order
from engine.books import replay as replaying
from engine.books import results, schema
from engine.books.book import adjudicator_of
from engine.books.errors import BookInvalid, NotInABook
from engine.books.replay import Worker, replay
from engine.books.results import Summary
from engine.terms import Terms, terms_from_document
from tests.adjudication.builder import PRODUCTS, line, policy, stay, terms
from tests.adjudication.replay.lives import COMPILES
from tests.books.conftest import EDITION, PARTS
from tests.books.making import Claims, write_book
from tests.support.process import REPOSITORY

pytestmark = COMPILES
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
    expected = _decided_one_by_one([terms(EDITION)], claims)
    found = decisions(tmp_path).to_pylist()
    by_scalar = [row.pop("by_scalar") for row in found]
    assert [row | {"reasons": sorted(row["reasons"].split())} for row in found] == expected
    assert sorted(told) == [schema.part_name(number) for number in range(PARTS)]
    assert summary.settlements == len(expected)
    assert summary.lines == sum(len(bill.lines) for part in claims for _, bills in part for bill in bills)
    assert summary.payable_fen == sum(row["payable_fen"] for row in expected) > 0
    assert 0 < summary.by_scalar == sum(by_scalar) < len(expected)
    assert summary.reasons == Counter(code for row in expected for code in row["reasons"])
    assert {k: n for k, n in summary.decisions.items() if n} == Counter(row["decision"] for row in expected)
    for name, figures in summary.benefits.items():
        results = [one for row in expected for one in row["benefits"] if name == f"{EDITION}/{one['code']}"]
        sums = {key: sum(one[key] for one in results) for key in figures if key.endswith("_fen")}
        assert figures == {"settlements": sum(one["payable_fen"] > 0 for one in results), **sums}


def _decided_one_by_one(by: list[Terms], parts: Sequence[Claims]) -> list[dict[str, object]]:
    return [
        {
            "policy_no": f"P-{number}",
            "hospital_code": bill.hospital_code,
            "setl_id": bill.setl_id,
            "decision": decision.outcome.value,
            "payable_fen": decision.payable_fen,
            "reasons": sorted({reason.code for reason in decision.reasons}),
            "benefits": [
                {
                    "code": result.benefit.code,
                    "eligible_fen": result.eligible_fen,
                    "deductible_fen": result.deductible_fen,
                    "payable_fen": result.payable_fen,
                }
                for result in decision.results
            ],
        }
        for part in parts
        for number, (coverage, bills) in enumerate(part)
        for bill, decision in zip(
            bills,
            decide_in_order(next(one for one in by if one.edition == coverage.edition), coverage, bills),
            strict=True,
        )
    ]


def test_two_editions_in_one_part_decide_each_its_own(tmp_path: Path) -> None:
    """Policy by policy in turn, so that neither's results stand together."""
    by = [terms("huhuibao-2022"), terms("huhuibao-2023")]
    claims = [
        (policy(one.edition, product=one.product), [stay([line(40_000 + n)], year=int(one.edition))])
        for n in range(3)
        for one in by
    ]
    out = tmp_path / "out"
    replay(write_book(tmp_path / "book", [claims]), by, out, workers=1, announce=lambda *_: None)
    found = decisions(out).drop_columns(["by_scalar"]).to_pylist()
    expected = _decided_one_by_one(by, [claims])
    assert [row | {"reasons": sorted(row["reasons"].split())} for row in found] == expected
    assert all(row["decision"] == "pay" for row in found)


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


def test_a_part_is_marked_with_all_that_its_decisions_come_from(
    tmp_path: Path, claims: list[Claims], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = write_book(tmp_path / "book", claims[:2])

    def marks() -> list[str]:
        worker = Worker(book, [terms(EDITION)])
        return [worker.mark(schema.part_name(number)) for number in range(2)]

    before = marks()
    assert marks() == before
    assert before[0] != before[1]
    for name in (schema.POLICIES_FILE, schema.SETTLEMENTS_FILE, schema.LINES_FILE):
        path = book / "part-0001" / name
        kept = path.read_bytes()
        pq.write_table(pq.read_table(path).slice(0, 1), path)
        assert marks()[0] == before[0]
        assert marks()[1] != before[1], name
        path.write_bytes(kept)
    kinds = book / schema.KINDS_FILE
    kept = kinds.read_bytes()
    pq.write_table(pq.read_table(kinds)[::-1], kinds)
    assert not set(marks()) & set(before)
    kinds.write_bytes(kept)
    assert marks() == before
    monkeypatch.setattr(replaying, "ENGINE_VERSION", "adjudication/99")
    assert not set(marks()) & set(before)


def test_a_part_that_died_in_the_writing_is_not_there(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(table: pa.Table, path: Path, **_: object) -> None:
        path.write_bytes(b"PAR1 half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(results.pq, "write_table", half)
    with pytest.raises(OSError, match="no space"):
        run(book, tmp_path)
    assert list(tmp_path.glob("*.parquet")) == []
    monkeypatch.undo()
    _, told = run(book, tmp_path)
    assert len(told) == PARTS


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
