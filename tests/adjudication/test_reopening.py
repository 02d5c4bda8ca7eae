"""History changes money: a late stay, a reversal and new terms re-open what they touch, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from engine.adjudication import History, adjudicate, reopening
from engine.adjudication.reopening import reopen
from engine.settlement.model import Settlement
from engine.terms import Terms
from tests.adjudication.book import POLICY, TERMS, WIDENED, Book, month, of, of_document, summary
from tests.adjudication.builder import SERVICE, line, stay

# --- the cases that have names


def test_a_late_earlier_stay_uses_up_the_deductible() -> None:
    book = Book()
    assert summary(book.settle(month(2, "30000"))) == [("S-2", 7_000_00)]
    # (12,000: all of it deductible), then (30,000 - 8,000) x 70 % = 15,400
    assert summary(book.settle(month(1, "12000"))) == [("S-1", 0), ("S-2", 8_400_00)]
    assert book.settle() == []


def test_a_late_earlier_stay_that_takes_from_the_later_one_is_paid_and_recovered() -> None:
    """One PET-CT a year is paid: the first in order, whichever came first."""
    scan = {"category": "03", "code": SERVICE, "name": "PET-CT全身显像"}
    late = replace(month(1, 0), **_lines(line("60000", **scan)))
    early = replace(month(2, 0), **_lines(line("50000", **scan), line("30000", category="04", code=SERVICE)))
    book = Book()
    book.settle(early)
    changes = book.settle(late)
    # 80,000 - 20,000 at 70 % before; now 60,000 - 20,000 for the first, and 30,000 without the scan
    assert summary(changes) == [("S-1", 28_000_00), ("S-2", 21_000_00 - 42_000_00)]


def _lines(*rows: Any) -> dict[str, Any]:
    bill = stay(rows)
    names = ("lines", "total_fen", "own_pay_fen", "cash_fen")
    return {name: getattr(bill, name) for name in names}


def test_reversal_of_an_earlier_stay_gives_its_deductible_back_to_be_borne_again() -> None:
    book = Book()
    book.settle(month(1, "25000"))
    book.settle(month(2, "10000"), month(3, "8000"))
    assert [one.settled_fen for one in book.standing.values()] == [3_500_00, 7_000_00, 5_600_00]
    changes = book.reverse(month(1, "25000"))
    # S-2 bears 10,000 of the deductible, S-3 8,000: both come to nothing
    assert summary(changes) == [("S-1", -3_500_00), ("S-2", -7_000_00), ("S-3", -5_600_00)]
    assert changes[0].after is None
    assert book.settle() == []


def test_reversing_the_last_stay_touches_no_other() -> None:
    book = Book()
    book.settle(month(1, "25000"), month(2, "10000"))
    assert summary(book.reverse(month(2, "10000"))) == [("S-2", -7_000_00)]


def test_widened_terms_top_up_closed_cases_and_decide_open_ones() -> None:
    book = Book()
    book.settle(month(1, "25000"), month(2, "10000"))
    book.terms_of = lambda bill: WIDENED
    # (25,000 - 10,000) x 80 % = 12,000; 10,000 x 80 % = 8,000; the open one is decided on the new terms
    changes = book.settle(month(3, "5000"))
    assert summary(changes) == [("S-1", 8_500_00), ("S-2", 1_000_00), ("S-3", 4_000_00)]
    assert {change.after.decision["terms_digest"] for change in changes if change.after} == {
        WIDENED.digest_hex
    }


def test_terms_that_change_nothing_for_a_decision_leave_it_as_it_is() -> None:
    """What was decided stays under the terms that it was decided on, and names them."""
    book = Book()
    book.settle(month(1, "25000"))
    names = {"name": {"zh": "新名称", "en": "Another name"}}
    book.terms_of = lambda bill: of_document(b1=names, **names)
    assert book.settle() == []
    assert book.standing[of(month(1, 0))].decision["terms_digest"] == TERMS.digest_hex


def test_terms_may_be_new_for_some_settlements_only() -> None:
    book = Book()
    book.settle(month(1, "25000"), month(2, "10000"))
    since = month(2, 0).admitted_on
    book.terms_of = lambda bill: WIDENED if bill.admitted_on >= since else TERMS
    assert summary(book.settle()) == [("S-2", 1_000_00)]


def test_three_that_arrive_in_reverse_come_to_what_they_come_to_in_order() -> None:
    book = Book()
    book.settle(month(3, "30000"))
    book.settle(month(2, "15000"))
    assert summary(book.settle(month(1, "12000"))) == [("S-1", 0), ("S-2", 4_900_00), ("S-3", 3_500_00)]
    # in order: 12,000 borne; (15,000 - 8,000) x 70 % = 4,900; 30,000 x 70 % = 21,000
    assert [book.standing[of(month(n, 0))].settled_fen for n in (1, 2, 3)] == [0, 4_900_00, 21_000_00]
    assert book.differences[of(month(3, 0))] == [7_000_00, 10_500_00, 3_500_00]


def test_a_cap_that_an_earlier_stay_exhausts_is_recovered_from_the_later_one() -> None:
    book = Book()
    book.settle(month(2, "1000000"))
    assert book.standing[of(month(2, 0))].settled_fen == 686_000_00
    # The benefit pays 1,000,000 a year: 980,000 for the first, 20,000 are left for the second.
    changes = book.settle(month(1, "1420000"))
    assert summary(changes) == [("S-1", 980_000_00), ("S-2", 20_000_00 - 686_000_00)]
    assert summary(book.settle(month(0, "300000"))) == [
        ("S-0", 196_000_00),
        ("S-1", 804_000_00 - 980_000_00),
        ("S-2", -20_000_00),
    ]


# --- what is not touched


def test_behind_the_point_where_the_sums_are_equal_again_nothing_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = Book()
    book.settle(*(month(number, "30000") for number in range(1, 9)))
    computed: list[str] = []

    def counted(terms_: Terms, coverage: Any, history: History, bill: Settlement) -> Any:
        computed.append(bill.setl_id)
        return adjudicate(terms_, coverage, history, bill)

    monkeypatch.setattr(reopening, "adjudicate", counted)
    # S-0 bears the whole deductible, S-1 none any more: what both have borne and paid differs from before,
    # and so every later sum of what was paid. A refused one changes no sum at all.
    book.settle(month(0, "30000", hospital_grade=1))
    assert computed == ["S-0"]


def test_a_decision_made_on_an_unknown_history_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book()
    book.settle(month(2, "30000"))
    first = book.standing[of(month(2, 0))]
    late = Book()
    late.settle(month(1, "12000"))
    alone = [replace(first, history=None), late.standing[of(month(1, 0))]]
    changes = reopen(lambda bill: TERMS, POLICY, [month(1, "12000"), month(2, "30000")], alone)
    assert summary(changes) == [("S-2", 8_400_00)]


# --- what a person decides


def test_a_ruling_is_never_overwritten_and_goes_back_to_review_when_its_basis_changes() -> None:
    book = Book()
    unclear = month(2, "30000", hospital_grade=0)
    book.settle(unclear)
    book.rule(unclear, 6_000_00)
    assert book.settle() == []
    changes = book.settle(month(1, "12000"))
    assert summary(changes) == [("S-1", 0), ("S-2", 0)]
    after = changes[1].after
    assert after is not None
    assert (after.awaits_person, after.undecided) == (True, True)
    assert after.settled_fen == 6_000_00, "what was paid stays paid until a person has decided"
    assert book.settle() == []
    book.rule(unclear, 14_000_00)
    assert sum(book.differences[of(unclear)]) == 14_000_00


def test_a_ruling_stands_while_what_it_stood_on_does() -> None:
    book = Book()
    unclear = month(2, "30000", hospital_grade=0)
    book.settle(unclear)
    book.rule(unclear, 6_000_00)
    changes = book.settle(month(1, "12000", hospital_grade=1), month(3, "9000"))
    assert [change.settlement.setl_id for change in changes] == ["S-1", "S-3"]


def test_terms_that_would_now_decide_a_ruled_claim_leave_the_word_to_the_person() -> None:
    book = Book()
    unclear = month(1, "30000", visit_type="28")
    book.settle(unclear)
    book.rule(unclear, 6_000_00)
    book.settle(month(2, "30000"))
    clear = {"visit_types": ["21", "22", "23", "24", "28"], "visit_types_unclear": ["52"]}
    book.terms_of = lambda bill: of_document(b1={"concerns": clear})
    (change,) = [one for one in book.settle() if one.settlement.setl_id == "S-1"]
    assert change.after is not None
    assert (change.after.decision["decision"], change.after.awaits_person) == ("pay", True)
    assert change.difference_fen == 0
    # and what follows counts on no decision that nobody has taken
    assert book.standing[of(month(2, 0))].decision["reasons"][0]["code"] == "history.earlier_undecided"


def test_nothing_is_taken_back_on_a_doubt() -> None:
    book = Book()
    book.settle(month(2, "30000"), month(3, "1000"))
    changes = book.settle(month(1, "12000", hospital_grade=0))
    assert summary(changes) == [("S-1", 0)], "those behind wait until a person has decided the first"
    # decided after all (its grade was put right): now they are looked at
    assert summary(book.settle(month(1, "12000"))) == [("S-1", 0), ("S-2", 8_400_00)]


def test_versions_of_the_terms_that_name_different_orders_are_refused() -> None:
    other = of_document(order_by=["discharged_on", "setl_id"])
    book = Book(lambda bill: other if bill.setl_id == "S-2" else TERMS)
    with pytest.raises(ValueError, match="different orders"):
        book.settle(month(1, "1"), month(2, "1"))
