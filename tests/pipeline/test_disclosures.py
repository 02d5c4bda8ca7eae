"""What a provider withholds: decided again where it lies, demanded, and held against what was said."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from engine.errors import Conflict
from engine.evidence.anchors import Anchor
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from engine.pipeline import (
    audit,
    decide,
    disclosures,
    erasure,
    matching,
    publishing,
    reopen,
)
from engine.pipeline import claims as ruling
from engine.pipeline.touched import touch
from engine.provider.decide import disclosure, newest
from engine.store.provider_decisions import ProviderDecision
from tests.pipeline.deciding_provider import (
    DecidingProvider,
    Message,
    altered,
    decided_by_node,
    decision_of,
    paid,
)
from tests.pipeline.reopening import AUGUST
from tests.pipeline.test_audit import Endpoint
from tests.pipeline.test_reopen_checked import fsck, run
from tests.pipeline.world import DEDUCTIBLE_FEN, OURS, RATIO_PERCENT, World, person

UNANNOUNCED = ["contracts"]
"""Step of a verification that a published manifest is needed for."""


@pytest.fixture
def provider(world: World, tmp_path: Path) -> Iterator[DecidingProvider]:
    provider = DecidingProvider(world, tmp_path / "provider")
    yield provider
    provider.node.close()


def test_an_earlier_stay_that_comes_late_has_the_provider_decide_again_and_pays_the_difference(
    world: World, provider: DecidingProvider
) -> None:
    native = world.native(0)
    claim = decided_by_node(world, provider, native)
    paid(world, claim)
    before = world.claim(claim).payable_fen
    late = world.accepted(0, admitted=AUGUST, self_paid_fen=900_000)
    world.decided(late)
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert (world.state(claim), world.reasons(claim)) == ("review", ["withheld.decide_again"])
    assert reopen.reopen_touched(world.ctx, 10) == 0
    publishing.rotate(world.ctx)
    publishing.withdraw(world.ctx, 1)  # what it was matched under is gone, and it is known all the same
    assert provider.answer_wanted() == 1
    assert provider.answer_wanted() == 0
    decide.decide_batch(world.ctx, world.batch(claim))
    paid(world, claim)
    row = world.claim(claim)
    assert (row.version, row.state) == (2, "confirmed")
    used = decision_of(world, late)["benefits"][-1]["deductible_fen"]
    assert row.payable_fen - before == used * RATIO_PERCENT // 100
    assert [payout.amount_fen for payout in world.payouts(claim)] == [before, row.payable_fen - before]


def test_what_moves_between_a_release_and_its_batch_is_decided_again(
    world: World, provider: DecidingProvider
) -> None:
    claim = provider.released(world.native(0))
    world.decided(world.accepted(0, admitted=AUGUST, self_paid_fen=900_000))
    decide.decide_batch(world.ctx, world.batch(claim))
    assert (world.state(claim), world.reasons(claim)) == ("review", ["withheld.decide_again"])
    assert provider.answer_wanted() == 1
    decide.decide_batch(world.ctx, world.batch(claim))
    assert (world.state(claim), world.claim(claim).version) == ("decided", 1)
    assert decision_of(world, claim)["benefits"][-1]["deductible_fen"] < DEDUCTIBLE_FEN


def test_books_bank_and_chain_agree_about_what_a_provider_decided_twice(alone: World, tmp_path: Path) -> None:
    provider = DecidingProvider(alone, tmp_path / "provider")
    claim = decided_by_node(alone, provider, alone.native(0))
    run(alone)
    alone.decided(alone.accepted(0, admitted=AUGUST, self_paid_fen=900_000))
    run(alone)
    assert provider.answer_wanted() == 1
    decide.decide_batch(alone.ctx, alone.batch(claim))
    run(alone)
    assert (alone.state(claim), alone.claim(claim).version) == ("confirmed", 2)
    assert fsck(alone).differences == []
    report = verify_bundle(audit.evidence_bundle(alone.ctx, claim), Anchor(endpoint=Endpoint(alone)))
    assert report.outcome is Outcome.VERIFIED
    provider.node.close()


def test_what_is_demanded_is_disclosed_decided_here_and_then_verified_whole(
    world: World, provider: DecidingProvider
) -> None:
    native = world.native(0)
    claim = decided_by_node(world, provider, native)
    paid(world, claim)
    with pytest.raises(Conflict) as early:
        provider.wire.disclose(OURS, _disclosure(provider, native))
    assert early.value.code == "release.not_demanded"
    disclosures.demand(world.ctx, claim, "insurer test")
    assert provider.answer_wanted() == 1
    assert disclosures.wanted(world.ctx, OURS) == []
    assert matching.list_alarms(world.ctx) == []
    report = verify_bundle(audit.evidence_bundle(world.ctx, claim), Anchor(endpoint=Endpoint(world)))
    assert (report.outcome, report.document()["not_checked"]) == (Outcome.VERIFIED, UNANNOUNCED)
    before = world.claim(claim).model_dump()
    with world.ctx.database.transaction() as session:
        touch(world.ctx, session, world.claim(claim))
    reopen.reopen_touched(world.ctx, 10)
    assert world.claim(claim).model_dump() == before
    assert ruling.get_claim(world.ctx, claim)["disclosure"].outcome == "agrees"
    again = _disclosure(provider, native)
    provider.wire.disclose(OURS, again)


def _disclosure(provider: DecidingProvider, native: Mapping[str, Any]) -> Message:
    row, one = provider.release_of(native)
    made = newest(provider.node, one)
    assert made is not None
    return disclosure(provider.node, row, one, made)


def test_a_disclosure_that_opens_another_commitment_is_refused_with_an_alarm(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0))
    disclosures.demand(world.ctx, claim, "insurer test")
    provider.wire.alter["disclosure"] = altered({"document/setlinfo/medfee_sumamt": "1.00"})
    assert (provider.answer_wanted(), provider.alarms()) == (0, ["release.disclosure"])
    assert [alarm["code"] for alarm in matching.list_alarms(world.ctx)] == ["release.disclosure_refused"]
    assert world.settlement(claim).withheld is not None
    provider.wire.alter.clear()
    assert provider.answer_wanted() == 1


def test_a_disclosed_settlement_that_decides_otherwise_is_an_alarm_and_is_decided_here(
    world: World, provider: DecidingProvider
) -> None:
    """The node says less of the eligible cost, so that all it says adds up."""
    provider.wire.alter["decision"] = _say_less
    claim = decided_by_node(world, provider, world.native(0))
    paid(world, claim)
    before = world.claim(claim).payable_fen
    disclosures.demand(world.ctx, claim, "insurer test")
    assert provider.answer_wanted() == 1
    assert [alarm["code"] for alarm in matching.list_alarms(world.ctx)] == ["release.disclosed_differs"]
    assert reopen.reopen_touched(world.ctx, 10) == 1
    paid(world, claim)
    row = world.claim(claim)
    assert (row.version, row.state, row.payable_fen - before) == (2, "confirmed", 70_00)


def _say_less(message: Message) -> Message:
    decision = message["decision"]
    (benefit,) = [one for one in decision["benefits"] if one["payable_fen"]]
    decision["payable_fen"] -= 70_00
    benefit["payable_fen"] -= 70_00
    benefit["eligible_fen"] -= 100_00
    decision["used"][benefit["code"]]["paid_fen"] -= 70_00
    return message


def test_a_sample_is_the_same_claims_each_time_and_what_is_not_answered_is_an_alarm(
    world: World, provider: DecidingProvider
) -> None:
    drawn = [decided_by_node(world, provider, world.native(index)) for index in range(6)]
    every = disclosures.sample(world.ctx, 1, "insurer test")
    assert (every["withheld"], every["demanded"]) == (6, drawn)
    draws = [disclosures.sample(world.ctx, one_in, "insurer test") for one_in in range(2, 12)]
    assert draws == [disclosures.sample(world.ctx, one_in, "insurer test") for one_in in range(2, 12)]
    # That none is drawn in any of them happens once in two million times.
    assert 0 < sum(len(draw["demanded"]) for draw in draws) < 10 * len(drawn)
    assert disclosures.overdue(world.ctx) == []
    world.clock.ahead += timedelta(days=8)
    (alarm,) = disclosures.overdue(world.ctx)
    assert (alarm["provider"], alarm["code"], alarm["seen"]) == (OURS, "release.unanswered", 6)


def test_a_node_discloses_so_many_a_day_and_no_more(world: World, tmp_path: Path) -> None:
    provider = DecidingProvider(world, tmp_path / "provider", disclosures_a_day=1)
    for index in range(3):
        decided_by_node(world, provider, world.native(index))
    disclosures.sample(world.ctx, 1, "insurer test")
    assert (provider.answer_wanted(), provider.alarms()) == (1, ["wanted.too_many"])
    world.clock.ahead += timedelta(days=1)
    assert provider.answer_wanted() == 1
    provider.node.close()


def test_a_claim_whose_settlement_is_withheld_is_ruled_on_only_once_it_is_disclosed(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0, discharge_way="5"))
    with pytest.raises(Conflict, match="withholds"):
        ruling.decide_claim(world.ctx, claim, "pay", "heirs seen", "insurer test", 5_000_00)
    disclosures.demand(world.ctx, claim, "insurer test")
    provider.answer_wanted()
    ruling.decide_claim(world.ctx, claim, "pay", "heirs seen", "insurer test", 5_000_00)
    assert world.state(claim) == "decided"


def test_a_withheld_settlement_is_taken_back_and_its_person_erased_as_any(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0))
    disclosures.demand(world.ctx, claim, "insurer test")
    assert ruling.get_claim(world.ctx, claim)["withheld"] == world.settlement(claim).withheld is not None
    assert world.reverse(claim).state == "reversed"
    world.revoke(0)
    world.clock.ahead += timedelta(days=2 * 365)
    assert erasure.erase_person(world.ctx, "01", person(0).cert_no).settlements == 1
    assert disclosures.wanted(world.ctx, OURS) == []
    with world.ctx.database.reading() as session:
        assert session.exec(select(ProviderDecision)).all() == []
