"""Terms that the columns do not know go to the scalar engine, and are never taken for others."""

from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adjudication import ENGINE_VERSION
from engine.adjudication.messages import REASONS
from engine.adjudication.replay import features
from engine.adjudication.replay.arithmetic import times_over
from engine.adjudication.replay.features import FIELDS, MIRRORED_ENGINE, unknown_features
from engine.adjudication.replay.reasons import BIT, codes_of
from engine.adjudication.replay.scalar import decide_in_order
from engine.adjudication.replay.whole_book import Adjudicator
from engine.terms import Terms, model
from engine.terms.model import Benefit, Tail
from tests.adjudication.builder import line, policy, stay, terms
from tests.adjudication.replay.lives import SEEDS
from tests.books.making import part_from


def test_the_columns_follow_the_engine_as_it_is() -> None:
    """Raised rules have to be proven again: see tests/adjudication/replay/test_equal.py."""
    assert MIRRORED_ENGINE == ENGINE_VERSION


def test_every_field_of_the_terms_is_known_to_the_columns() -> None:
    kinds = [kind for kind in vars(model).values() if isinstance(kind, type) and is_dataclass(kind)]
    unknown = [
        f"{kind.__name__}.{one.name}"
        for kind in kinds
        for one in fields(kind)
        if one.init and one.name not in FIELDS.get(kind, "").split()
    ]
    assert not unknown, f"teach the kernel and its random terms, then name them in features.FIELDS: {unknown}"


@pytest.mark.parametrize("name", SEEDS)
def test_every_product_of_the_seeds_is_decided_by_columns(name: str) -> None:
    assert unknown_features(terms(name)) == []


@dataclass(frozen=True, slots=True)
class LongTail(Tail):
    """As if the language had gained a word."""

    weekends: bool = False


def grown() -> Terms:
    return replace(terms("huhuibao-2021"), tail=LongTail(30, unlimited_if_renewed=True))


def test_a_field_that_nobody_has_proven_is_unknown_whatever_it_holds() -> None:
    assert "LongTail.weekends" in unknown_features(grown())


def test_a_word_that_nobody_has_proven_is_unknown() -> None:
    changed = replace(terms("huhuibao-2021"), rounding="half_even")  # type: ignore[arg-type]
    assert unknown_features(changed) == ["Terms.rounding: half_even"]


def test_another_engine_version_makes_all_terms_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "ENGINE_VERSION", "adjudication/99")
    assert unknown_features(terms("huhuibao-2021")) == [
        f"engine adjudication/99 (the columns follow {MIRRORED_ENGINE})"
    ]


def test_terms_with_an_unknown_feature_are_decided_by_the_scalar_engine() -> None:
    bill = stay([line(40_000)])
    part, kinds = part_from([(policy("2021"), [bill])])
    adjudicator = Adjudicator(grown(), kinds)
    _, out = adjudicator.by_columns(part, np.ones(1, dtype=np.bool_))
    assert out.left_over.all()
    assert out.payable[0] == 0
    adjudicator.by_scalar(part, out)
    (decision,) = decide_in_order(grown(), policy("2021"), [bill])
    assert out.left_over.all()
    assert out.payable[0] == decision.payable_fen == 14_000_00


def test_more_benefits_than_there_are_bits_go_to_the_scalar_engine() -> None:
    by = terms("huhuibao-2021")
    many: tuple[Benefit, ...] = tuple(replace(by.benefits[-1], code=f"B{n}") for n in range(61))
    assert unknown_features(replace(by, benefits=many)) == ["61 benefits"]


def test_every_reason_has_its_bit() -> None:
    assert set(BIT) == set(REASONS)
    assert codes_of(sum(BIT.values())) == tuple(BIT)
    assert max(BIT.values()) < 1 << 62


WORD = st.integers(0, 2**63 - 1)


@given(st.integers(0, 2**48), WORD, st.integers(1, 2**63 - 1))
def test_a_product_of_two_words_over_a_third_is_exact(amount: int, factor: int, divisor: int) -> None:
    if amount * factor // divisor >= 2**63:
        divisor = amount
    assert times_over(amount, factor, divisor) == divmod(amount * factor, divisor)
