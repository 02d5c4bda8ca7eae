"""Whatever arrives in whichever order: all versions together come to everything adjudicated afresh."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adjudication import History, adjudicate
from engine.adjudication.reopening import Change, result_of
from engine.adjudication.ruling import payable_of
from engine.settlement.model import Settlement
from tests.adjudication.book import POLICY, TERMS, WIDENED, Book, Key, of, of_document
from tests.adjudication.builder import SERVICE, line, stay

_LIMITS = next(benefit["limits"] for benefit in TERMS.document["benefits"] if benefit["code"] == "B1")
TIGHT = of_document(
    b1={
        "cap_fen": 30_000_00,
        "limits": [one | ({"paid_max_fen": 12_000_00} if "paid_max_fen" in one else {}) for one in _LIMITS],
    }
)
VERSIONS = (
    TERMS,
    WIDENED,
    TIGHT,
    of_document(b1={"deductible": {"amount_fen": 1_500_000}}, rounding="half_up_fen_once"),
)
KINDS = (
    {"category": "04", "code": SERVICE, "name": "基因检测"},
    {"category": "03", "code": SERVICE, "name": "PET-CT全身显像"},
    {"category": "09"},
    {"category": "08", "code": "C0101010000100000001", "name": "吻合器"},
)


@st.composite
def stays(draw: st.DrawFn, grades: Sequence[int]) -> list[Settlement]:
    """Up to six stays, some settled at the same moment, in the order in which they happened."""
    bills = []
    for index in range(draw(st.integers(1, 6))):
        rows = [
            line(f"{draw(st.integers(0, 40_000_00)) / 100:.2f}", **draw(st.sampled_from(KINDS)))
            for _ in range(draw(st.integers(1, 3)))
        ]
        admitted = date(2021, 9, 1) + timedelta(days=draw(st.integers(0, 5)) * 20)
        hospital = draw(st.sampled_from(["H31010100001", "H31010400002"]))
        grade = draw(st.sampled_from(grades))
        bills.append(
            stay(
                rows,
                setl_id=f"S-{index}",
                admitted_on=admitted,
                hospital_code=hospital,
                hospital_grade=grade,
            )
        )
    return bills


@st.composite
def lives(draw: st.DrawFn, grades: Sequence[int] = (3, 3, 2, 1)) -> tuple[list[Settlement], list[Any]]:
    """Stays, and what happens: each arrives once, some are taken back later, the terms change."""
    bills = draw(stays(grades))
    events: list[Any] = [("arrive", index) for index in draw(st.permutations(range(len(bills))))]
    for index in draw(st.sets(st.integers(0, len(bills) - 1))):
        at = events.index(("arrive", index))
        events.insert(draw(st.integers(at + 1, len(events))), ("reverse", index))
    for version in draw(st.lists(st.integers(0, len(VERSIONS) - 1), max_size=2)):
        events.insert(draw(st.integers(0, len(events))), ("terms", version))
    return bills, events


def live(book: Book, bills: list[Settlement], event: Any) -> list[Change]:
    kind, which = event
    if kind == "arrive":
        return book.settle(bills[which])
    if kind == "reverse":
        return book.reverse(bills[which])
    book.terms_of = lambda bill: VERSIONS[which]
    return book.settle()


def afresh(book: Book) -> dict[Key, dict[str, Any]]:
    """Everything that stands, adjudicated once in order, by nothing that re-opening uses to walk."""
    done: dict[Key, dict[str, Any]] = {}
    for bill in sorted(book.bills.values(), key=lambda b: (b.settled_at, b.setl_id, b.hospital_code)):
        history = History.of(list(done.values()))
        done[of(bill)] = adjudicate(book.terms_of(bill), POLICY, history, bill).document()
    return done


LIVES = settings(max_examples=200, deadline=None)


@LIVES
@given(lives())
def test_all_versions_together_come_to_everything_adjudicated_afresh(
    life: tuple[list[Settlement], list[Any]],
) -> None:
    bills, events = life
    book = Book()
    for event in events:
        live(book, bills, event)
        fresh = afresh(book)
        paid = {key: sum(parts) for key, parts in book.differences.items() if sum(parts)}
        assert paid == {key: payable_of(one) for key, one in fresh.items() if payable_of(one)}
        assert {key: result_of(one.decision) for key, one in book.standing.items()} == {
            key: result_of(one) for key, one in fresh.items()
        }


@LIVES
@given(lives())
def test_re_opening_twice_changes_nothing_the_second_time(life: tuple[list[Settlement], list[Any]]) -> None:
    bills, events = life
    book = Book()
    for event in events:
        live(book, bills, event)
        assert book.settle() == []


@LIVES
@given(lives())
def test_only_what_is_touched_is_re_opened(life: tuple[list[Settlement], list[Any]]) -> None:
    """Every change is a change; what arrives late, or is taken back, touches nothing before it."""
    bills, events = life
    book = Book()
    for event in events:
        at = (bills[event[1]].settled_at, bills[event[1]].setl_id) if event[0] != "terms" else None
        for change in live(book, bills, event):
            assert at is None or (change.settlement.settled_at, change.settlement.setl_id) >= at
            if change.before is not None and change.after is not None:
                assert result_of(change.before.decision) != result_of(change.after.decision)


@LIVES
@given(lives(grades=(3, 3, 0)))
def test_a_doubt_recovers_nothing_and_leaves_what_is_decided(
    life: tuple[list[Settlement], list[Any]],
) -> None:
    bills, events = life
    book = Book()
    for event in events:
        for change in live(book, bills, event):
            if change.after is not None and change.after.undecided:
                assert change.difference_fen == 0
        for key, one in afresh(book).items():
            if one["decision"] == "review":
                break
            assert result_of(book.standing[key].decision) == result_of(one)
        for key, one in book.standing.items():
            assert sum(book.differences[key]) == one.settled_fen
