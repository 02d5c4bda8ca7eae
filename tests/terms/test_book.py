"""Wordings of an edition: which held for a stay, by what was known on a day."""

from dataclasses import replace
from datetime import date

import pytest

from engine.terms import Terms, TermsBook, TermsInvalid
from engine.terms.model import Version
from tests.adjudication.builder import terms

BEGIN = date(2024, 7, 1)
WIDENED_ON = date(2024, 12, 20)


def wording(number: int, holds_from: date, known_from: date, name: str = "huhuibao-2024") -> Terms:
    return replace(terms(name), version=Version(number, holds_from, known_from))


FIRST = wording(1, BEGIN, date(2024, 5, 20))
RETROACTIVE = wording(2, BEGIN, WIDENED_ON)
LATER = wording(3, date(2025, 2, 1), date(2025, 1, 15))
BOOK = TermsBook.of([LATER, FIRST, RETROACTIVE])


@pytest.mark.parametrize(
    ("admitted_on", "known_on", "expected"),
    [
        (date(2024, 9, 1), date(2024, 12, 19), FIRST),
        (date(2024, 9, 1), WIDENED_ON, RETROACTIVE),  # a closed case, topped up
        (date(2024, 9, 1), date(2025, 6, 1), RETROACTIVE),  # what came later does not hold for it
        (date(2025, 1, 31), date(2025, 6, 1), RETROACTIVE),
        (date(2025, 2, 1), date(2025, 6, 1), LATER),
        (date(2025, 2, 1), date(2025, 1, 14), RETROACTIVE),  # not known yet
        (date(2024, 6, 30), date(2025, 6, 1), None),  # before the first day of any
        (date(2024, 9, 1), date(2024, 5, 19), None),
    ],
)
def test_the_latest_known_wording_that_holds_for_a_stay_is_its_terms(
    admitted_on: date, known_on: date, expected: Terms | None
) -> None:
    assert BOOK.wording(admitted_on, known_on) is expected


def test_a_book_as_of_a_day_knows_nothing_that_came_later() -> None:
    assert TermsBook.known_on(BOOK, date(2024, 12, 19)) == TermsBook((FIRST,))
    assert BOOK.known_on(date(2024, 5, 19)) is None
    earlier = BOOK.known_on(WIDENED_ON)
    assert earlier is not None
    assert earlier.wording(date(2025, 2, 1), date(2025, 6, 1)) is RETROACTIVE


def test_an_edition_with_one_wording_needs_no_version() -> None:
    book = TermsBook.of([terms("huhuibao-2024")])
    assert book.wording(date(1999, 1, 1), date(1999, 1, 1)) is terms("huhuibao-2024")


@pytest.mark.parametrize(
    ("wordings", "rule"),
    [
        ([], "book.empty"),
        ([FIRST, wording(2, BEGIN, WIDENED_ON, "huhuibao-2023")], "book.other_edition"),
        ([FIRST, terms("huhuibao-2024")], "book.no_version"),
        ([FIRST, wording(1, BEGIN, WIDENED_ON)], "book.repeated"),
        ([wording(1, BEGIN, WIDENED_ON), wording(2, BEGIN, BEGIN)], "book.out_of_order"),
        ([FIRST, replace(RETROACTIVE, order_by=("discharged_on",))], "book.other_order"),
    ],
)
def test_wordings_that_make_no_book_are_refused(wordings: list[Terms], rule: str) -> None:
    with pytest.raises(TermsInvalid) as refused:
        TermsBook.of(wordings)
    assert [problem.rule for problem in refused.value.problems] == [rule]
