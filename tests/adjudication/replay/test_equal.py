"""Over any book, the columns decide what the scalar engine decides, to the fen."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adjudication import Decision
from engine.adjudication.replay.reasons import codes_of
from engine.adjudication.replay.scalar import decide_in_order
from engine.adjudication.replay.whole_book import OUTCOMES, Adjudicator
from engine.terms import Terms
from tests.adjudication.builder import terms
from tests.adjudication.replay.books import Claims, part_from
from tests.adjudication.replay.lives import SEEDS, claims, random_terms


def by_columns(by: Terms, book: Claims) -> tuple[list[object], int]:
    """What is decided of each settlement, and how many of them the scalar engine had to decide."""
    part, kinds = part_from(book)
    adjudicator = Adjudicator(by, kinds)
    assert not adjudicator.unknown_features
    _, out = adjudicator.decide(part, np.ones(len(part.policies), dtype=np.bool_))
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


CASES = settings(max_examples=300)


@CASES
@given(random_terms().flatmap(lambda by: st.tuples(st.just(by), claims(by))))
def test_random_terms_over_random_books(case: tuple[Terms, Claims]) -> None:
    by, book = case
    found, _ = by_columns(by, book)
    assert found == by_scalar(by, book)


@CASES
@given(st.sampled_from(SEEDS).map(terms).flatmap(lambda by: st.tuples(st.just(by), claims(by))))
def test_every_product_of_the_seeds_over_random_books(case: tuple[Terms, Claims]) -> None:
    by, book = case
    found, _ = by_columns(by, book)
    assert found == by_scalar(by, book)
