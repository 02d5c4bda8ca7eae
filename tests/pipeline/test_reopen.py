"""What touches a decision is carried through the later ones: superseded, and the difference settled."""

from datetime import date

import pytest

from engine.errors import Conflict
from engine.payout.port import TransferStatus
from engine.pipeline import claims, feed, record, reopen, reversal
from tests.pipeline.reopening import (
    AUGUST,
    DECEMBER,
    OCTOBER,
    large,
    late_earlier_stay,
    paid_on,
    reopened,
    ruled_and_paid,
    settled_fen,
    small,
    versions_on_chain,
)
from tests.pipeline.test_decide import eligible_fen
from tests.pipeline.world import DEDUCTIBLE_FEN, World, payable_fen


def test_a_late_earlier_stay_pays_the_difference_of_the_later_one(either: World) -> None:
    earlier, later = late_earlier_stay(either)
    before = payable_fen(eligible_fen(either, later))
    used = eligible_fen(either, earlier)
    reopened(either, later)
    row = either.claim(later)
    due = payable_fen(eligible_fen(either, later), DEDUCTIBLE_FEN - used)
    assert (row.version, row.state, row.payable_fen) == (2, "recorded", due)
    paid_on(either, later)
    assert settled_fen(either, later) == [(1, "confirmed", before), (2, "confirmed", due - before)]
    assert due - before > 0
    assert versions_on_chain(either, later) == [1, 2]
    assert either.orders(later) == 2
    assert (either.state(later), either.claim(later).recovery_fen) == ("confirmed", 0)


def test_what_comes_to_the_same_is_not_re_opened(world: World) -> None:
    later = large(world)
    world.confirmed(later)
    refused = small(world, admitted=date(2024, 6, 25))
    world.decided(refused)
    assert world.state(refused) == "refused"
    before = world.claim(later).model_dump()
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert world.claim(later).model_dump() == before
    assert reopen.reopen_touched(world.ctx, 10) == 0


def test_a_first_stay_asks_for_nothing(world: World) -> None:
    world.decided(large(world))
    second = large(world, admitted=DECEMBER)
    world.decided(second)
    assert reopen.reopen_touched(world.ctx, 10) == 0


def test_reversing_an_earlier_stay_has_what_the_later_ones_got_too_much_recovered(either: World) -> None:
    earlier, later = small(either), large(either)
    either.decided(earlier)
    either.confirmed(later)
    paid = either.claim(later).payable_fen
    either.reverse(earlier)
    reopened(either, later)
    row = either.claim(later)
    due = payable_fen(eligible_fen(either, later))
    assert (row.version, row.state, row.payable_fen) == (2, "covered", due)
    assert row.recovery_fen == paid - due > 0
    assert settled_fen(either, later) == [(1, "confirmed", paid)]
    assert versions_on_chain(either, later) == [1, 2]
    assert reopen.reopen_touched(either.ctx, 10) == 0


def test_reversing_an_earlier_paid_stay_recovers_it_whole_and_gives_the_deductible_back(world: World) -> None:
    earlier, later = large(world, admitted=AUGUST), large(world)
    world.confirmed(earlier)
    world.confirmed(later)
    first, second = world.claim(earlier).payable_fen, world.claim(later).payable_fen
    world.reverse(earlier)
    reversal.reverse_on_chain(world.ctx, 10)
    reopened(world, later)
    assert (world.state(earlier), world.claim(earlier).recovery_fen) == ("recovery_due", first)
    due = payable_fen(eligible_fen(world, later))
    assert (world.state(later), world.claim(later).recovery_fen) == ("covered", second - due)


def test_a_paid_stay_that_comes_to_nothing_now_is_superseded_and_recovered_whole(world: World) -> None:
    earlier, later = small(world), small(world, admitted=OCTOBER)
    world.decided(earlier)
    world.confirmed(later)
    paid = world.claim(later).payable_fen
    world.reverse(earlier)
    reopened(world, later)
    row = world.claim(later)
    assert (row.version, row.state, row.payable_fen, row.recovery_fen) == (2, "covered", 0, paid)
    assert versions_on_chain(world, later) == [1, 2]


def test_what_is_to_be_recovered_is_set_off_against_the_next_version(world: World) -> None:
    """An earlier stay is taken back, and one that uses up more of the deductible comes in its place."""
    earlier, later = small(world), large(world)
    world.decided(earlier)
    world.confirmed(later)
    paid = world.claim(later).payable_fen
    world.reverse(earlier)
    reopened(world, later)
    world.decided(world.accepted(0, admitted=AUGUST, self_paid_fen=1_100_000))
    reopened(world, later)
    row = world.claim(later)
    assert (row.version, row.state, row.recovery_fen) == (3, "recorded", 0)
    assert world.payout(later).amount_fen == row.payable_fen - paid
    paid_on(world, later)
    assert sum(amount for _, _, amount in settled_fen(world, later)) == row.payable_fen


def test_a_decision_of_nothing_that_now_pays_is_recorded_as_the_first(world: World) -> None:
    later = small(world, admitted=OCTOBER)
    world.decided(later)
    earlier = small(world)
    world.decided(earlier)
    assert {world.state(later), world.state(earlier)} == {"nothing"}
    reopened(world, later)
    assert (world.state(later), world.claim(later).version) == ("recorded", 1)
    assert versions_on_chain(world, later) == [1]
    paid_on(world, later)
    used = eligible_fen(world, earlier)
    assert world.payout(later).amount_fen == payable_fen(eligible_fen(world, later), DEDUCTIBLE_FEN - used)


def test_three_that_arrive_in_reverse_come_to_what_they_come_to_in_order(world: World) -> None:
    stays = [
        world.native(0, admitted=admitted, self_paid_fen=cost)
        for admitted, cost in ((AUGUST, 900_000), (OCTOBER, 1_000_000), (DECEMBER, 2_000_000))
    ]
    sent = {}
    for at in (2, 1, 0):
        sent[at] = world.send(stays[at]).claim_id
        world.decided(sent[at])
        while reopen.reopen_touched(world.ctx, 10) or _carry(world, *sent.values()):
            pass
    left, expected = DEDUCTIBLE_FEN, []
    for at in range(3):
        cost = eligible_fen(world, sent[at])
        expected.append(payable_fen(cost, left))
        left = max(left - cost, 0)
    assert [world.claim(sent[at]).payable_fen for at in range(3)] == expected
    paid = [sum(amount for _, _, amount in settled_fen(world, sent[at])) for at in range(3)]
    assert paid == expected


def _carry(world: World, *claim_ids: str) -> bool:
    """Whatever is decided goes on chain and is paid; whether there was anything."""
    decided = [claim for claim in claim_ids if world.state(claim) == "decided"]
    if decided:
        record.record_batch(world.ctx, world.batch(*decided))
        feed.read_events(world.ctx)
        for claim in decided:
            paid_on(world, claim)
    return bool(decided)


# --- in order, and not too early


def test_nothing_is_re_opened_while_a_claim_of_the_policy_is_on_its_way(world: World) -> None:
    later = large(world)
    world.submitted(later)
    earlier = small(world)
    world.decided(earlier)
    assert reopen.reopen_touched(world.ctx, 10) == 0
    world.bank_says(later, TransferStatus.SETTLED)
    assert reopen.reopen_touched(world.ctx, 10) == 0, "a superseded version cannot be confirmed any more"
    world.confirm()
    reopened(world, later)
    assert world.claim(later).version == 2


def test_one_that_moved_since_it_was_found_waits_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    later = large(world)
    world.submitted(later)
    world.decided(small(world))
    policy_id = world.claim(later).policy_id
    before = world.claim(later).model_dump()
    with monkeypatch.context() as patch:
        patch.setattr(reopen.policies, "to_reopen", lambda *_: [policy_id])
        reopen.reopen_touched(world.ctx, 10)
    assert world.claim(later).model_dump() == before
    world.bank_says(later, TransferStatus.SETTLED)
    world.confirm()
    reopened(world, later)
    assert world.claim(later).version == 2


def test_while_an_earlier_stay_is_run_again_the_later_ones_wait(world: World) -> None:
    died = world.accepted(0, admitted=AUGUST, discharge_way="5")
    world.decided(died)
    later = large(world)
    world.decided(later)
    world.again(died)
    assert reopen.reopen_touched(world.ctx, 10) == 0
    assert world.state(later) == "review"


def test_what_waited_for_an_earlier_stay_is_decided_when_that_one_is(world: World) -> None:
    died = world.accepted(0, admitted=AUGUST, discharge_way="5")
    after = large(world)
    world.decided(died)
    world.decided(after)
    assert (world.state(after), world.reasons(after)) == ("review", ["history.earlier_undecided"])
    claims.decide_claim(world.ctx, died, "refuse", "no heirs", "insurer test")
    reopened(world, after)
    assert world.state(after) == "recorded"
    assert world.claim(after).payable_fen == payable_fen(eligible_fen(world, after))


def test_nothing_is_taken_back_on_a_doubt(world: World) -> None:
    later = large(world)
    world.confirmed(later)
    died = world.accepted(0, admitted=AUGUST, discharge_way="5")
    world.decided(died)
    assert (world.state(died), world.reasons(died)) == ("review", ["payee.estate"])
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert (world.state(later), world.claim(later).version) == ("confirmed", 1)


def test_without_consent_what_was_decided_stands_until_there_is_one_again(world: World) -> None:
    _, later = late_earlier_stay(world)
    world.revoke(0)
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert (world.state(later), world.claim(later).version) == ("confirmed", 1)
    world.clock.ahead += reopen._AFTER_FAILURE
    assert reopen.reopen_touched(world.ctx, 10) == 0, "that there is none is no failure to be tried again"
    world.consent_again(0)
    reopened(world, later)
    assert (world.state(later), world.claim(later).version) == ("recorded", 2)


def test_consent_withdrawn_before_the_difference_is_paid_leaves_it_to_a_person(world: World) -> None:
    _, later = late_earlier_stay(world)
    reopened(world, later)
    world.revoke(0)
    world.pay(later)
    assert (world.state(later), world.reasons(later)) == ("review", ["consent.revoked"])
    assert [state for _, state, _ in settled_fen(world, later)] == ["confirmed", "cancelled"]


# --- what a person has ruled


def test_a_ruling_whose_basis_has_changed_goes_back_to_the_person(world: World) -> None:
    claim = ruled_and_paid(world)
    world.decided(small(world))
    reopen.reopen_touched(world.ctx, 10)
    assert (world.state(claim), world.reasons(claim)) == ("review", ["ruling.basis_changed", "payee.estate"])
    assert reopen.reopen_touched(world.ctx, 10) == 0
    claims.decide_claim(world.ctx, claim, "pay", "more of it is due", "insurer test", 7_000_00)
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    paid_on(world, claim)
    assert [amount for _, _, amount in settled_fen(world, claim)] == [5_000_00, 2_000_00]


def test_what_has_been_paid_is_not_simply_refused(world: World) -> None:
    claim = ruled_and_paid(world)
    world.decided(small(world))
    reopen.reopen_touched(world.ctx, 10)
    with pytest.raises(Conflict) as refused:
        claims.decide_claim(world.ctx, claim, "refuse", "no", "insurer test")
    assert refused.value.code == "claim.paid"
