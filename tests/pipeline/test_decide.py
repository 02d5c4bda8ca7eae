"""Decided in the order of a person's settlements, whatever the order of arrival."""

from datetime import date
from typing import Any

import pytest
from sqlmodel import Session, select

from engine.adjudication import adjudicate
from engine.pipeline import claims, decide
from engine.store import tables
from tests.pipeline.world import World, payable_fen


def eligible_fen(world: World, claim_id: str) -> int:
    decision = claims.get_claim(world.ctx, claim_id)["decision"]
    return sum(benefit["eligible_fen"] for benefit in decision["benefits"])


def test_a_stay_beyond_the_deductible_is_payable(either: World) -> None:
    claim = either.accepted(self_paid_fen=3_000_000)
    either.decided(claim)
    assert either.state(claim) == "decided"
    assert either.claim(claim).payable_fen == payable_fen(eligible_fen(either, claim)) > 0


def test_the_deductible_carries_over_within_the_policy_year(world: World) -> None:
    first = world.accepted(0, admitted=date(2024, 8, 1), self_paid_fen=900_000)
    second = world.accepted(0, admitted=date(2024, 10, 1), self_paid_fen=2_000_000)
    world.decided(first)
    world.decided(second)
    used = eligible_fen(world, first)
    assert 0 < used < 1_200_000
    assert (world.state(first), world.state(second)) == ("nothing", "decided")
    assert world.claim(second).payable_fen == payable_fen(eligible_fen(world, second), 1_200_000 - used)


@pytest.mark.parametrize("arrival", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_within_a_batch_the_settlements_order_decides_not_the_arrivals(
    world: World, arrival: tuple[int, ...]
) -> None:
    stays = [
        world.native(0, admitted=date(2024, month, 1), self_paid_fen=cost)
        for month, cost in ((8, 900_000), (9, 1_000_000), (10, 2_000_000))
    ]
    sent = {at: world.send(stays[at]).claim_id for at in arrival}
    world.decided(*sent.values())
    costs = [eligible_fen(world, sent[at]) for at in range(3)]
    left, expected = 1_200_000, []
    for cost in costs:
        expected.append(payable_fen(cost, left))
        left = max(left - cost, 0)
    assert [world.claim(sent[at]).payable_fen for at in range(3)] == expected
    assert expected[0] == 0
    assert expected[1] > 0


def test_a_stay_before_one_that_is_decided_is_decided_on_what_is_before_it(either: World) -> None:
    """What it changes for the later one: test_reopen."""
    later = either.accepted(0, admitted=date(2024, 10, 1))
    earlier = either.accepted(0, admitted=date(2024, 8, 1))
    either.decided(later)
    either.decided(earlier)
    assert either.state(later) == either.state(earlier) == "decided"
    assert either.claim(earlier).payable_fen == payable_fen(eligible_fen(either, earlier))


def test_a_stay_after_an_undecided_one_is_for_a_person(world: World) -> None:
    died = world.accepted(0, admitted=date(2024, 8, 1), discharge_way="5")
    after = world.accepted(0, admitted=date(2024, 10, 1))
    world.decided(died)
    assert world.state(died) == "review"
    world.decided(after)
    assert (world.state(after), world.reasons(after)) == ("review", ["history.earlier_undecided"])


def test_a_reversed_stay_uses_up_nothing(world: World) -> None:
    first = world.accepted(0, admitted=date(2024, 8, 1), self_paid_fen=900_000)
    world.decided(first)
    world.reverse(first)
    second = world.accepted(0, admitted=date(2024, 10, 1), self_paid_fen=2_000_000)
    world.decided(second)
    assert world.claim(second).payable_fen == payable_fen(eligible_fen(world, second))


def test_one_persons_costs_are_nobody_elses(world: World) -> None:
    mine, theirs = (world.accepted(index, self_paid_fen=2_500_000) for index in (0, 1))
    world.decided(mine, theirs)
    for claim in (mine, theirs):
        assert world.claim(claim).payable_fen == payable_fen(eligible_fen(world, claim))


def test_deciding_again_changes_nothing(world: World) -> None:
    claim = world.accepted(0)
    batch = world.decided(claim)
    before = world.claim(claim).model_dump()
    assert decide.decide_batch(world.ctx, batch) == 0
    assert world.claim(claim).model_dump() == before


def test_a_batch_is_decided_whole_or_not_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claims_of_batch = [world.accepted(index) for index in range(3)]
    batch = world.matched(*claims_of_batch)
    seen: list[object] = []

    def third_time(*inputs: Any) -> Any:
        seen.append(inputs)
        if len(seen) == 3:
            raise MemoryError
        return adjudicate(*inputs)

    monkeypatch.setattr(decide, "adjudicate", third_time)
    with pytest.raises(MemoryError):
        decide.decide_batch(world.ctx, batch)
    assert {world.state(claim) for claim in claims_of_batch} == {"matched"}


def test_the_decision_says_what_it_stands_on(world: World) -> None:
    claim = world.accepted(0)
    world.decided(claim)
    decision = claims.get_claim(world.ctx, claim)["decision"]
    with Session(world.ctx.database.engine) as session:
        (product,) = session.exec(select(tables.Product)).all()
    assert decision["terms_digest"].removeprefix("0x") == product.digest.removeprefix("0x")
    assert decision["engine_version"]
    assert decision["trace"]
