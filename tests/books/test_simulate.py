"""What other terms would have paid: both decided in full, and every difference told."""

from dataclasses import replace
from pathlib import Path

from engine.adjudication import Decision
from engine.adjudication.replay.scalar import decide_in_order
from engine.books.simulate import Comparison, simulate
from engine.terms import Terms, terms_from_document
from tests.adjudication.builder import terms
from tests.adjudication.replay.lives import COMPILES
from tests.books.conftest import EDITION
from tests.books.making import Claims, write_book

pytestmark = COMPILES


def compared(book: Path, now: Terms, then: Terms, workers: int = 1) -> Comparison:
    return simulate(book, now, then, workers=workers, announce=lambda part, _: None)


def with_ratio(by: Terms, ratio: str) -> Terms:
    document = by.document
    for benefit in document["benefits"]:
        if benefit["code"] == "B1":
            benefit["ratio"]["standard_bp"] = int(ratio)
    return terms_from_document(document)


def decided(by: Terms, claims: list[Claims]) -> list[Decision]:
    return [
        one for part in claims for coverage, bills in part for one in decide_in_order(by, coverage, bills)
    ]


def test_the_same_terms_differ_in_nothing(book: Path) -> None:
    told = compared(book, terms(EDITION), terms(EDITION)).document()
    assert told["now"] == told["then"]
    assert (told["difference_fen"], told["moves"], told["largest"]) == (0, {}, [])
    assert told["gain"]["settlements"] == told["lose"]["settlements"] == 0


def test_totals_gains_losses_and_largest_are_those_of_the_scalar_engine(
    book: Path, claims: list[Claims]
) -> None:
    now, other = terms(EDITION), terms("huhuibao-2021")
    then = replace(other, product=now.product, edition=now.edition, period=now.period)
    told = compared(book, now, other).document()
    before, after = decided(now, claims), decided(then, claims)
    change = [a.payable_fen - b.payable_fen for a, b in zip(after, before, strict=True)]
    assert told["now"]["payable_fen"] == sum(one.payable_fen for one in before)
    assert told["then"]["payable_fen"] == sum(one.payable_fen for one in after)
    assert told["difference_fen"] == sum(change)
    for side, sign in (("gain", 1), ("lose", -1)):
        these = [sign * one for one in change if sign * one > 0]
        assert these, f"nobody is in {side}: this book shows nothing"
        assert (told[side]["settlements"], told[side]["sum_fen"]) == (len(these), sum(these))
        bands = told[side]["bands"]
        for band, above in zip(bands, [*(one["from_fen"] for one in bands[1:]), 10**18], strict=True):
            within = [one for one in these if band["from_fen"] <= one < above]
            assert (band["settlements"], band["sum_fen"]) == (len(within), sum(within))
    largest = sorted((abs(one) for one in change if one), reverse=True)[:10]
    assert [abs(one["change_fen"]) for one in told["largest"]] == largest
    assert all(one["then_fen"] - one["now_fen"] == one["change_fen"] for one in told["largest"])
    moves = [f"{b.outcome.value} -> {a.outcome.value}" for a, b in zip(after, before, strict=True)]
    assert told["moves"] == {
        move: moves.count(move) for move in sorted(set(moves)) if len(set(move.split(" -> "))) == 2
    }


def test_two_workers_find_the_same(book: Path) -> None:
    now, then = terms(EDITION), terms("huhuibao-2021")
    assert compared(book, now, then).document() == compared(book, now, then, workers=2).document()


def test_policies_of_other_terms_are_left_out_and_counted(tmp_path: Path, claims: list[Claims]) -> None:
    part = list(claims[0])
    coverage, bills = part[0]
    part[0] = (replace(coverage, edition="1999"), bills)
    told = compared(write_book(tmp_path / "book", [part]), terms(EDITION), terms(EDITION)).document()
    assert told["left_out"] == len(bills)
    assert told["now"]["settlements"] == sum(len(one) for _, one in part[1:])
