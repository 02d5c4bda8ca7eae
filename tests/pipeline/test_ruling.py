"""A person rules where the terms cannot: paid, proven, and never over what the terms could decide."""

import json
from datetime import date

import pytest

from engine.errors import Conflict, Refused
from engine.evidence.anchors import Anchor
from engine.evidence.canonical import canonical_bytes
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from engine.payout.port import TransferStatus
from engine.pipeline import audit, claims, feed, record
from tests.pipeline.test_audit import Endpoint
from tests.pipeline.world import World

ACTOR, WHY = "insurer test", "heirs' certificate seen"
DEATH = "5"


def rule(world: World, claim: str, payable_fen: int | None, action: str = "pay") -> None:
    claims.decide_claim(world.ctx, claim, action, WHY, ACTOR, payable_fen)


def in_review(world: World) -> str:
    claim = world.accepted(0, discharge_way=DEATH)
    world.decided(claim)
    assert (world.state(claim), world.reasons(claim)) == ("review", ["payee.estate"])
    return claim


def pay_ruled(world: World, claim: str) -> None:
    """From the ruling to the confirmation."""
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    world.pay(claim)
    world.bank_says(claim, TransferStatus.SETTLED)
    world.confirm()


def test_what_a_person_rules_is_paid_and_proven_with_who_and_why(world: World) -> None:
    claim = in_review(world)
    rule(world, claim, 1_234_56)
    pay_ruled(world, claim)
    assert (world.state(claim), world.orders(claim)) == ("confirmed", 1)
    assert world.payout(claim).amount_fen == 1_234_56
    report = verify_bundle(audit.evidence_bundle(world.ctx, claim), Anchor(endpoint=Endpoint(world)))
    assert (report.outcome, report.amount_fen) == (Outcome.VERIFIED, 1_234_56)
    [amount] = [step.detail for step in report.steps if step.name == "amount"]
    assert ACTOR in amount
    assert WHY in amount


def test_another_amount_than_was_ruled_does_not_verify(world: World) -> None:
    claim = in_review(world)
    rule(world, claim, 1_234_56)
    pay_ruled(world, claim)
    bundle = json.loads(audit.evidence_bundle(world.ctx, claim))
    bundle["documents"]["decision"]["ruling"]["payable_fen"] += 1
    report = verify_bundle(canonical_bytes(bundle), Anchor(endpoint=Endpoint(world)))
    failed = {step.name for step in report.steps if step.ok is False}
    assert {"amount", "document decision"} <= failed
    assert "adjudication" not in failed  # the machine's part is untouched


@pytest.mark.parametrize("payable_fen", [0, -1, 10**12])
def test_a_ruling_pays_at_most_what_the_stay_cost(world: World, payable_fen: int) -> None:
    claim = in_review(world)
    with pytest.raises(Refused) as refused:
        rule(world, claim, payable_fen)
    assert refused.value.violations[0]["rule"] == "ruling.amount"
    assert world.state(claim) == "review"


def test_nothing_is_ruled_over_what_the_terms_could_decide(world: World) -> None:
    claim = world.accepted(0)
    world.decided(claim)
    with pytest.raises(Refused) as refused:
        rule(world, claim, 100)
    assert refused.value.violations[0]["rule"] == "ruling.not_in_review"


def test_a_claim_that_was_never_adjudicated_cannot_be_ruled_on(world: World) -> None:
    claim = world.accepted(0, newborn=True)
    world.matched(claim)
    assert world.state(claim) == "review"
    with pytest.raises(Conflict) as conflict:
        rule(world, claim, 100)
    assert conflict.value.code == "claim.not_adjudicated"


def test_an_amount_goes_with_paying_and_with_nothing_else(world: World) -> None:
    claim = in_review(world)
    for action, payable_fen in (("pay", None), ("refuse", 100), ("readjudicate", 100)):
        with pytest.raises(Refused) as refused:
            rule(world, claim, payable_fen, action)
        assert refused.value.violations[0]["field"] == "/payable_fen"


def test_a_stay_after_a_ruled_one_goes_to_a_person(world: World) -> None:
    """What the ruled stay used up of the year is unknown."""
    claim = in_review(world)
    rule(world, claim, 1_234_56)
    later = world.accepted(0, admitted=date(2024, 12, 2))
    world.decided(later)
    assert world.reasons(later) == ["history.earlier_undecided"]
