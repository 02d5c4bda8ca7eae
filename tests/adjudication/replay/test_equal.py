"""Over any book, the columns decide what the scalar engine decides, to the fen."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adjudication import Decision
from engine.adjudication.replay.reasons import codes_of
from engine.adjudication.replay.scalar import decide_in_order
from engine.adjudication.replay.whole_book import OUTCOMES, Adjudicator
from engine.terms import Terms
from tests.adjudication.builder import terms
from tests.adjudication.replay.lives import COMPILES, SEEDS, Life
from tests.adjudication.replay.wordings import Wordings
from tests.books.making import Claims, part_from

pytestmark = COMPILES


def by_columns(by: Terms, book: Claims) -> tuple[list[object], int]:
    """What is decided of each settlement, and how many of them the scalar engine had to decide."""
    part, kinds = part_from(book)
    adjudicator = Adjudicator(by, kinds)
    assert not adjudicator.unknown_features
    _, out = adjudicator.by_columns(part, np.ones(len(part.policies), dtype=np.bool_))
    adjudicator.by_scalar(part, out)
    found: list[object] = []
    for row in range(len(part.bills)):
        results = [
            (benefit.code, int(out.eligible[row, b]), int(out.deductible[row, b]), int(out.paid[row, b]))
            for b, benefit in enumerate(by.benefits)
            if out.has[row, b]
        ]
        reasons = set(codes_of(int(out.reasons[row])))
        found.append((OUTCOMES[out.outcome[row]], int(out.payable[row]), results, reasons))
    return found, int(out.left_over.sum())


def by_scalar(by: Terms, book: Claims) -> list[object]:
    return [_told(decision) for coverage, bills in book for decision in decide_in_order(by, coverage, bills)]


def _told(decision: Decision) -> object:
    results = [(r.benefit.code, r.eligible_fen, r.deductible_fen, r.payable_fen) for r in decision.results]
    return (decision.outcome, decision.payable_fen, results, {reason.code for reason in decision.reasons})


SEED, TROUBLE = st.integers(0, 2**32), st.sampled_from([0.0, 0.02, 0.1, 0.3])
CASES = settings(max_examples=300)


@CASES
@given(SEED, TROUBLE)
def test_random_terms_over_random_books(seed: int, trouble: float) -> None:
    life = Life(seed, trouble)
    by = Wordings(life).terms()
    book = life.book(by)
    found, _ = by_columns(by, book)
    assert found == by_scalar(by, book)


@CASES
@given(st.sampled_from(SEEDS), SEED, TROUBLE)
def test_every_product_of_the_seeds_over_random_books(name: str, seed: int, trouble: float) -> None:
    by = terms(name)
    book = Life(seed, trouble).book(by)
    found, _ = by_columns(by, book)
    assert found == by_scalar(by, book)
