"""Lines of JSON become a book: nothing is lost, what is refused is named, and memory stays bounded."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from engine.adjudication import Coverage
from engine.adjudication.replay.scalar import coverage_at, settlements_at
from engine.books import convert as converter
from engine.books.book import Book
from engine.books.convert import Converted, OutputInUse, convert
from engine.books.schema import LINE_AMOUNTS
from engine.settlement import Settlement, load_register, minimise
from tests.support.process import REPOSITORY

SEEDS = REPOSITORY / "seeds"
POLICIES = SEEDS / "policies" / "huhuibao.ndjson"


def discharges() -> list[dict[str, Any]]:
    lines = (SEEDS / "settlements" / "discharges.ndjson").read_text(encoding="utf-8").splitlines()
    known = {json.loads(line)["policy_no"] for line in POLICIES.read_text(encoding="utf-8").splitlines()}
    found = [json.loads(line) for line in lines]
    return [
        one
        for one in found
        if one["policy_no"] in known and one["outcome"] != "refused" and "settlement" in one
    ]


def made(
    tmp_path: Path, claims: list[dict[str, Any]], policies: Path = POLICIES, **options: Any
) -> Converted:
    source = tmp_path / "claims.ndjson"
    source.write_text(
        "\n".join(json.dumps(one, ensure_ascii=False) for one in claims) + "\n", encoding="utf-8"
    )
    options = {"parts": 3, "register": None, "announce": lambda _: None, **options}
    return convert(policies, source, tmp_path / "book", **options)


def test_every_settlement_and_policy_comes_out_as_it_went_in(tmp_path: Path) -> None:
    register = load_register()
    claims = discharges()
    done = made(tmp_path, claims, register=register)
    assert (done.refused, done.settlements) == (0, len(claims))
    coverages = {
        document["policy_no"]: Coverage.parse(document)
        for document in map(json.loads, POLICIES.read_text(encoding="utf-8").splitlines())
    }
    expected = [
        (one["policy_no"], coverages[one["policy_no"]], _kept(Settlement.parse(one["settlement"], register)))
        for one in claims
    ]
    assert sorted(_read_back(tmp_path / "book"), key=_by_place) == sorted(expected, key=_by_place)


def _by_place(one: tuple[str, Coverage, Any]) -> tuple[str, ...]:
    return one[0], *map(str, one[2][:2]), repr(one[2])


def _kept(settlement: Settlement) -> tuple[Any, ...]:
    """What a book keeps of a settlement: all but age, and quantity, price and number of its lines."""
    names = [name for name in Settlement.__slots__ if name not in ("age_years", "lines")]
    lines = [
        (row.code, row.name, row.category, row.occurred_on, *(getattr(row, name) for name in LINE_AMOUNTS))
        for row in settlement.lines
    ]
    return (*(getattr(settlement, name) for name in names), lines)


def _read_back(folder: Path) -> list[tuple[str, Coverage, Any]]:
    book = Book(folder)
    kinds = book.kinds()
    found = []
    for name in book.parts:
        read = book.part(name, len(kinds))
        settlements = settlements_at(read.part, kinds, range(len(read.part.bills)))
        for row, settlement in zip(read.part.bills.policy, settlements, strict=True):
            policy_no = read.policy_no[int(row)].as_py()
            found.append((policy_no, coverage_at(read.part, int(row)), _kept(settlement)))
    return found


def test_minimised_settlements_make_the_same_book(tmp_path: Path) -> None:
    register = load_register()
    claims = discharges()
    made(tmp_path, claims, register=register)
    (tmp_path / "again").mkdir()
    minimised = [{**one, "settlement": minimise(one["settlement"], register)} for one in claims]
    made(tmp_path / "again", minimised)
    assert _read_back(tmp_path / "book") == _read_back(tmp_path / "again" / "book")


def test_all_policies_of_a_person_stand_in_one_part(tmp_path: Path) -> None:
    policies = tmp_path / "policies.ndjson"
    base = json.loads(POLICIES.read_text(encoding="utf-8").splitlines()[0])
    person = base["person"]
    spelt = [person, {**person, "cert_no": f" {person['cert_no'].lower()} "}, {**person, "name": "别名"}]
    rows = [{**base, "policy_no": f"N-{n}", "person": spelt[n % 3]} for n in range(12)]
    policies.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    made(tmp_path, [], policies, parts=5)
    book = Book(tmp_path / "book")
    assert sorted(len(book.part(name, 0).part.policies) for name in book.parts) == [0, 0, 0, 0, 12]


def test_what_is_refused_is_named_with_file_line_field_and_rule(tmp_path: Path) -> None:
    good = discharges()[0]
    native = good["settlement"]
    bad = {**native, "setlinfo": {**native["setlinfo"], "medfee_sumamt": "1.005"}}
    claims = [
        {**good, "policy_no": "nobody's"},
        good,
        {"policy_no": good["policy_no"]},
        {**good, "settlement": bad},
    ]
    done = made(tmp_path, claims)
    named = (tmp_path / "book" / "refused.ndjson").read_text(encoding="utf-8").splitlines()
    refused = [json.loads(line) for line in named]
    assert (done.settlements, done.refused) == (1, 3)
    assert {"file", "line", "field", "rule", "message"} == set(refused[0])
    assert [(one["line"], one["field"], one["rule"]) for one in refused[:3]] == [
        (1, "/policy_no", "book.policy"),
        (3, "/settlement", "book.settlement"),
        (4, "/settlement/setlinfo/medfee_sumamt", refused[2]["rule"]),
    ]
    assert sum(len(Book(tmp_path / "book").part(f"part-{n:04d}", 99).part.bills) for n in range(3)) == 1


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    made(tmp_path, [])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "book").rglob("*")}
    with pytest.raises(OutputInUse):
        made(tmp_path, discharges())
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "book").rglob("*")} == before


def test_memory_does_not_grow_with_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter, "ROOM", 1_000)

    def peak(folder: str, times: int) -> int:
        (tmp_path / folder).mkdir()
        claims = []
        for n in range(times):
            for one in discharges()[:5]:
                info = {
                    **one["settlement"]["setlinfo"],
                    "setl_id": f"{one['settlement']['setlinfo']['setl_id']}-{n}",
                }
                claims.append({**one, "settlement": {**one["settlement"], "setlinfo": info}})
        source = tmp_path / folder / "claims.ndjson"
        source.write_text("\n".join(map(json.dumps, claims)), encoding="utf-8")
        del claims
        tracemalloc.start()
        done = convert(
            POLICIES, source, tmp_path / folder / "book", parts=2, register=None, announce=lambda _: None
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert done.settlements == times * 5
        return most

    peak("warm", 1)
    assert peak("large", 120) < 1.3 * peak("small", 30)
