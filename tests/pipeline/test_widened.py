"""Terms widened retroactively: closed cases are topped up, open ones are decided on the new terms."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from engine.errors import Conflict, Refused
from engine.evidence.report import Outcome
from engine.pipeline import audit, claims, enrolment, feed, record, reopen
from tests.pipeline.lives import BEFORE_THE_COVER
from tests.pipeline.reopening import AUGUST, OCTOBER, large, paid_on, reopened, settled_fen, small
from tests.pipeline.test_audit import verified
from tests.pipeline.test_decide import eligible_fen
from tests.pipeline.world import World, payable_fen, wording

LESS = {"amount_yuan: 12000": "amount_yuan: 10100", "amount_yuan: 11000": "amount_yuan: 10050"}
WITH_ICU = {
    "ward_types: [ordinary]": "ward_types: [ordinary, icu]",
    "ward_types_unclear: [icu]\n": "\n",
}
BY_DISCHARGE = {"stay_belongs_to: admission": "stay_belongs_to: discharge"}
DEDUCTIBLE_FEN = 1_010_000
"""Of the second version."""


def load(world: World, source: bytes) -> None:
    enrolment.load_product(world.ctx, source, "wording.yaml")


def test_closed_cases_are_topped_up_each_on_the_new_terms(either: World) -> None:
    first, second = large(either, AUGUST), large(either, OCTOBER)
    either.confirmed(first)
    either.confirmed(second)
    before = either.claim(first).payable_fen, either.claim(second).payable_fen
    load(either, wording(2, changes=LESS))
    reopened(either, first)
    assert either.claim(first).payable_fen == payable_fen(eligible_fen(either, first), DEDUCTIBLE_FEN)
    paid_on(either, first)
    assert [amount for _, _, amount in settled_fen(either, first)] == [
        before[0],
        either.claim(first).payable_fen - before[0],
    ]
    assert (either.state(second), either.claim(second).payable_fen) == ("confirmed", before[1])
    assert reopen.reopen_touched(either.ctx, 10) == 0


def test_open_cases_are_decided_on_the_new_terms(world: World) -> None:
    claim = large(world)
    load(world, wording(2, changes=LESS))
    world.decided(claim)
    assert world.claim(claim).payable_fen == payable_fen(eligible_fen(world, claim), DEDUCTIBLE_FEN)


def test_what_was_refused_and_is_covered_now_is_paid(world: World) -> None:
    """The year of a stay goes by its discharge in the second version."""
    claim = world.accepted(0, admitted=BEFORE_THE_COVER, days=10)
    world.decided(claim)
    assert world.state(claim) == "refused"
    load(world, wording(2, changes=BY_DISCHARGE))
    reopened(world, claim)
    assert world.state(claim) == "recorded"
    paid_on(world, claim)
    assert world.payout(claim).amount_fen == payable_fen(eligible_fen(world, claim))


def test_what_a_person_has_refused_stays_refused(world: World) -> None:
    claim = world.accepted(0, discharge_way="5")
    world.decided(claim)
    claims.decide_claim(world.ctx, claim, "refuse", "no heirs", "insurer test")
    load(world, wording(2, changes=LESS))
    reopen.reopen_touched(world.ctx, 10)
    assert (world.state(claim), world.claim(claim).version) == ("refused", 1)


def test_terms_that_decide_by_now_what_a_person_ruled_on_leave_it_to_the_person(world: World) -> None:
    """Ruled on, paid, and back in review by a late stay when the second version comes to cover its ward."""
    claim = world.send(unclear(world)).claim_id
    world.decided(claim)
    assert world.reasons(claim) == ["gate.ward_type_unclear"]
    claims.decide_claim(world.ctx, claim, "pay", "seen", "insurer test", 5_000_00)
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    paid_on(world, claim)
    world.decided(small(world))
    reopen.reopen_touched(world.ctx, 10)
    assert world.state(claim) == "review"
    load(world, wording(2, changes=WITH_ICU))
    reopen.reopen_touched(world.ctx, 10)
    assert (world.state(claim), world.reasons(claim)[0]) == ("review", "ruling.basis_changed")
    assert [amount for _, _, amount in settled_fen(world, claim)] == [5_000_00]


def unclear(world: World) -> dict[str, Any]:
    native = world.native(0, admitted=OCTOBER)
    native["setlinfo"]["ward_type"] = "icu"
    return native


def test_a_wording_changes_nothing_before_the_day_on_which_it_is_known(world: World) -> None:
    claim = large(world)
    world.confirmed(claim)
    paid = world.claim(claim).payable_fen
    tomorrow = world.ctx.today() + timedelta(days=1)
    load(world, wording(2, tomorrow, LESS))
    assert reopen.reopen_touched(world.ctx, 10) == 0
    world.decided(world.accepted(0, admitted=BEFORE_THE_COVER, days=10))
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert world.claim(claim).payable_fen == paid
    world.clock.ahead = timedelta(days=1)
    reopened(world, claim)
    assert world.claim(claim).payable_fen == payable_fen(eligible_fen(world, claim), DEDUCTIBLE_FEN) > paid


def test_the_evidence_of_each_version_has_the_terms_that_it_was_decided_on(world: World) -> None:
    first, second = large(world, AUGUST), large(world, OCTOBER)
    world.confirmed(first)
    world.confirmed(second)
    load(world, wording(2, changes=LESS))
    reopened(world, first)
    paid_on(world, first)
    digests = []
    for claim in (first, second):
        assert verified(world, claim)[0] is Outcome.VERIFIED
        terms = json.loads(audit.evidence_bundle(world.ctx, claim))["documents"]["terms"]
        digests.append(terms["version"]["number"])
    assert digests == [2, 1]


def test_the_catalogue_has_every_wording_once(world: World) -> None:
    for _ in range(2):
        load(world, wording(2, changes=LESS))
    load(world, wording(1))
    dataset = enrolment.terms_dataset("huhuibao", "2024")
    assert world.ctx.chain.catalog.latest_version(dataset) == 2


def test_killed_between_the_catalogue_and_our_own_book_it_is_finished_by_loading_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = large(world)
    world.confirmed(claim)
    register = enrolment.register_terms

    def and_die(*arguments: Any) -> None:
        register(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(enrolment, "register_terms", and_die)
        with pytest.raises(KeyboardInterrupt):
            load(world, wording(2, changes=LESS))
    assert reopen.reopen_touched(world.ctx, 10) == 0
    load(world, wording(2, changes=LESS))
    reopened(world, claim)
    assert world.claim(claim).version == 2
    dataset = enrolment.terms_dataset("huhuibao", "2024")
    assert world.ctx.chain.catalog.latest_version(dataset) == 2


def test_another_text_under_a_loaded_number_is_refused(world: World) -> None:
    with pytest.raises(Conflict) as refused:
        load(world, wording(1, changes=LESS))
    assert refused.value.code == "terms.edition_exists"


def test_a_version_that_was_known_before_the_one_before_it_is_refused(world: World) -> None:
    before = world.ctx.chain.block_number()
    with pytest.raises(Refused) as refused:
        load(world, wording(2, date(2024, 1, 1), LESS))
    assert [violation["rule"] for violation in refused.value.violations] == ["book.out_of_order"]
    assert world.ctx.chain.block_number() == before
