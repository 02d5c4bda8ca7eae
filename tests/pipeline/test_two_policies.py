"""A person with policies of two products is paid by both, in their order, and never more than the cost."""

import json
from typing import Any

import pytest

from engine.evidence.report import Outcome
from engine.pipeline import audit, claims, decide, enrolment, intake
from engine.pipeline.sealed import history
from tests.pipeline.further import (
    AFTER,
    BEFORE,
    CHANGES,
    DEDUCTIBLE_FEN,
    PRODUCT,
    RATIO,
    RATIO_PERCENT,
    beside,
    consented,
    cost_fen,
    in_order,
    insured,
    loaded,
    product_of,
    run_to_rest,
    withdrawn,
)
from tests.pipeline.reopening import AUGUST, OCTOBER, large, paid_on, reopened, small
from tests.pipeline.test_audit import verified
from tests.pipeline.test_decide import eligible_fen
from tests.pipeline.test_reopen_checked import fsck, run
from tests.pipeline.world import OURS, World, payable_fen, policy, wording


def of_the_second(own_paid_fen: int, deductible_left_fen: int = DEDUCTIBLE_FEN) -> int:
    return max(own_paid_fen - deductible_left_fen, 0) * RATIO_PERCENT // 100


def expected(world: World, first: str, second: str) -> tuple[int, int]:
    """What both pay, worked out here: the second at most what the first leaves of the cost."""
    pays = of_the_second if product_of(world, first) == PRODUCT else payable_fen
    then = payable_fen if pays is of_the_second else of_the_second
    paid = pays(eligible_fen(world, first))
    left = cost_fen(world, first) - paid
    return paid, min(then(eligible_fen(world, second)), left)


@pytest.mark.parametrize("effective", [BEFORE, AFTER])
def test_both_policies_pay_the_earlier_first_and_never_more_than_the_cost(
    either: World, effective: str
) -> None:
    loaded(either)
    insured(either, effective=effective)
    claim = large(either)
    either.decided(claim)
    first, second = in_order(either, claim)
    assert (product_of(either, first) == PRODUCT) is (effective == BEFORE)
    paid = either.claim(first).payable_fen, either.claim(second).payable_fen
    assert paid == expected(either, first, second)
    assert sum(paid) == cost_fen(either, claim), "both together would come to more"
    assert min(paid) > 0


def test_each_policy_has_its_claim_its_result_on_chain_and_its_payment(alone: World) -> None:
    loaded(alone)
    insured(alone)
    claim = large(alone)
    alone.decided(claim)
    run(alone)
    first, second = in_order(alone, claim)
    assert {alone.state(first), alone.state(second)} == {"confirmed"}
    assert alone.claim(first).claim_key != alone.claim(second).claim_key
    assert sum(alone.debits(first) + alone.debits(second)) == cost_fen(alone, claim)
    for one in (first, second):
        assert verified(alone, one) == (Outcome.VERIFIED, alone.claim(one).payable_fen, "paid")
    report = fsck(alone)
    assert report.differences == []
    assert report.counts["bank_fen"] == cost_fen(alone, claim)


def test_the_evidence_of_the_second_shows_what_the_first_pays_and_nothing_else_of_it(world: World) -> None:
    loaded(world)
    number = insured(world)
    claim = large(world)
    world.decided(claim)
    first, second = in_order(world, claim)
    (entry,) = history(world.ctx.vault, world.claim(second))["decisions"]
    assert entry["terms"] == {"product": PRODUCT, "edition": "2024"}
    assert entry["used"]["all"]["paid_fen"] == world.claim(first).payable_fen
    assert entry.keys() == {"terms", "decision", "settlement", "used"}
    assert history(world.ctx.vault, world.claim(first)) == {"decisions": []}
    assert number not in json.dumps(entry)


def test_two_of_one_moment_are_decided_in_the_same_order_in_one_batch_or_in_two(world: World) -> None:
    loaded(world)
    insured(world)
    claim = large(world)
    batch = world.matched(claim)
    first, second = in_order(world, claim)
    assert {world.state(first), world.state(second)} == {"matched"}
    assert {world.claim(first).batch_id, world.claim(second).batch_id} == {batch}
    decide.decide_batch(world.ctx, world.batch(second))
    assert (world.state(second), world.reasons(second)) == ("review", ["history.other_undecided"])
    decide.decide_batch(world.ctx, world.batch(first))
    reopened(world, second)
    assert world.state(second) == "recorded"
    paid = world.claim(first).payable_fen, world.claim(second).payable_fen
    assert paid == expected(world, first, second)


def test_sent_again_it_is_the_claim_that_it_was_accepted_as(world: World) -> None:
    loaded(world)
    insured(world, effective=AFTER)
    native = world.native(0, admitted=OCTOBER)
    sent = world.send(native)
    world.decided(sent.claim_id)
    again = world.send(native)
    assert (again.claim_id, again.created) == (sent.claim_id, False)
    assert again.state == world.state(sent.claim_id)


def test_two_policies_of_one_product_are_still_for_a_person(world: World) -> None:
    report = enrolment.load_policies(
        world.ctx, [json.dumps(policy(0, policy_no="TWICE-1")).encode()], "ndjson"
    )
    assert report.loaded == 1
    loaded(world)
    insured(world)
    claim = large(world)
    world.matched(claim)
    assert (world.state(claim), world.reasons(claim)) == ("review", ["match.several_policies"])


def test_running_it_again_makes_no_third_claim(world: World) -> None:
    loaded(world)
    insured(world)
    died = world.accepted(0, admitted=OCTOBER, discharge_way="5")
    world.decided(died)
    first, second = in_order(world, died)
    assert world.reasons(first) == ["payee.estate"]
    assert world.reasons(second) == ["history.other_undecided"]
    world.again(first)
    world.decided(first)
    assert in_order(world, died) == (first, second)


# --- what touches the first touches the second


def both_paid(world: World, effective: str = BEFORE) -> tuple[str, str]:
    loaded(world)
    insured(world, effective=effective)
    claim = large(world)
    world.decided(claim)
    first, second = in_order(world, claim)
    world.confirmed(first, second)
    return first, second


def test_a_late_stay_of_the_first_policy_re_opens_the_second(world: World) -> None:
    """In August both deductibles are used up: in October the first pays more, and leaves less."""
    first, second = both_paid(world)
    before = world.claim(first).payable_fen, world.claim(second).payable_fen
    late = small(world, AUGUST)
    world.decided(late)
    late_first, late_second = in_order(world, late)
    world.confirmed(late_first)
    assert world.state(late_second) == "nothing"
    run_to_rest(world, first, second)
    after = world.claim(first).payable_fen, world.claim(second).payable_fen
    assert after[0] > before[0]
    assert after == (of_the_second(eligible_fen(world, first), 0), cost_fen(world, first) - after[0])
    assert world.claim(second).recovery_fen == before[1] - after[1] > 0


def test_when_the_first_is_taken_back_so_is_the_second(world: World) -> None:
    first, second = both_paid(world)
    own = next(one for one in (first, second) if world.claim(one).beside is None)
    paid = {one: world.claim(one).payable_fen for one in (first, second)}
    world.reverse(own)
    for one in (first, second):
        assert (world.state(one), world.claim(one).recovery_fen) == ("recovery_due", paid[one])
    assert world.reverse(own).created is False


def test_a_wording_that_changes_the_first_re_opens_the_second(world: World) -> None:
    first, second = both_paid(world)
    before = world.claim(first).payable_fen, world.claim(second).payable_fen
    less = {RATIO: 'ratio: {standard: "0.60", pre_existing: "0.50"}'}
    enrolment.load_product(world.ctx, wording(2, changes=CHANGES | less), "yihaibao-2024.yaml")
    run_to_rest(world, first, second)
    after = world.claim(first).payable_fen, world.claim(second).payable_fen
    assert after[0] < before[0]
    assert world.claim(first).recovery_fen == before[0] - after[0]
    assert after[1] == min(payable_fen(eligible_fen(world, second)), cost_fen(world, second) - after[0])
    assert after[1] > before[1]
    assert sum(payout.amount_fen for payout in world.payouts(second)) == after[1]


def test_without_consent_for_the_first_the_second_pays_alone_until_there_is_one(world: World) -> None:
    loaded(world)
    insured(world, consents=False)
    claim = large(world)
    world.decided(claim)
    waiting, second = claim, beside(world, claim)
    assert (world.state(waiting), product_of(world, second)) == ("no_consent", "huhuibao")
    assert world.claim(second).payable_fen == payable_fen(eligible_fen(world, second))
    consented(world)
    world.again(waiting)
    world.decided(waiting)
    first, then = in_order(world, claim)
    assert (first, then) == (waiting, second)
    run_to_rest(world, first, second)
    assert world.claim(second).payable_fen == cost_fen(world, claim) - world.claim(first).payable_fen


def test_when_the_first_loses_its_consent_unpaid_the_second_pays_what_it_left(world: World) -> None:
    loaded(world)
    insured(world, consents=False)
    authorization = consented(world)
    claim = large(world)
    world.decided(claim)
    first, second = in_order(world, claim)
    world.recorded(first, second)
    withdrawn(world, authorization)
    world.pay(first)
    assert world.state(first) == "no_consent"
    paid_on(world, second)
    before = world.claim(second).payable_fen
    run_to_rest(world, second)
    assert world.claim(second).payable_fen == payable_fen(eligible_fen(world, second)) > before


def test_a_ruling_on_the_first_counts_for_the_second(world: World) -> None:
    loaded(world)
    insured(world)
    died = world.accepted(0, admitted=OCTOBER, discharge_way="5")
    world.decided(died)
    first, second = in_order(world, died)
    most = cost_fen(world, died)
    claims.decide_claim(world.ctx, first, "pay", "heirs seen", "insurer test", most - 1_00)
    run_to_rest(world, first)
    assert world.reasons(second) == ["payee.estate"], "decided by the terms now, and for a person itself"
    proposed = claims.get_claim(world.ctx, second)["decision"]["trace"]
    (benefits,) = [step["out"]["benefits"] for step in proposed if step["step"] == "review.proposed"]
    assert sum(benefit["payable_fen"] for benefit in benefits) == 1_00


def test_the_bank_and_the_hospital_know_of_one_settlement(world: World) -> None:
    first, second = both_paid(world)
    setl_id = world.settlement(first).setl_id
    assert world.settlement(second).setl_id == setl_id
    assert len(intake.list_settlements(world.ctx, OURS, 0, 10).items) == 1
    view: dict[str, Any] = intake.settlement_view(world.ctx, OURS, setl_id)
    own = next(one for one in (first, second) if world.claim(one).beside is None)
    assert view["claim_id"] == own
    seen = {one: claims.get_claim(world.ctx, one)["beside"] for one in (first, second)}
    assert set(seen.values()) == {None, own}
    assert seen[own] is None
    assert audit.evidence_bundle(world.ctx, first) != audit.evidence_bundle(world.ctx, second)
