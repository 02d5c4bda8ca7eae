"""Paid once, with a live consent, whatever the bank and this process do in between."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from engine.chain.contracts import PayoutState as OnChain
from engine.errors import Conflict
from engine.payout.http_bank import HttpBank
from engine.payout.port import TransferResult, TransferStatus
from engine.pipeline import claims, feed, pay
from engine.pipeline.context import Context
from tests.payout.bank_process import QUICK, eventually
from tests.pipeline.world import World, policy

SETTLED, REFUSED, RETURNED = TransferStatus.SETTLED, TransferStatus.REFUSED, TransferStatus.RETURNED


def ask(world: World, claim: str) -> str:
    """One question to the bank about the claim's open order; where the payout stands then."""
    pay.ask_about_open(world.ctx, [world.payout(claim).payout_id])
    return world.payout(claim).state


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


def killed_with_any(_ctx: Context, items: Sequence[object]) -> None:
    if items:
        raise KeyboardInterrupt


def test_what_is_due_is_paid_once_and_confirmed_on_chain(paying: World) -> None:
    claim = paying.accepted(0)
    paying.submitted(claim)
    assert eventually(lambda: ask(paying, claim), lambda state: state == "settled")
    row, payout = paying.claim(claim), paying.payout(claim)
    assert row.state == "paid"
    assert payout.amount_fen == row.payable_fen
    assert paying.debits(claim) == [row.payable_fen]
    assert payout.bank_ref
    assert payout.settled_at is not None
    paying.confirm()
    assert (paying.state(claim), paying.payout(claim).state) == ("confirmed", "confirmed")
    assert row.claim_key is not None
    assert paying.ctx.chain.results.payout_state_of(row.claim_key, row.version) is OnChain.PAID


def test_consent_withdrawn_after_recording_stops_the_payment(either: World) -> None:
    withdrawn, other = either.accepted(0), either.accepted(1)
    either.recorded(withdrawn, other)
    either.revoke(0)
    either.pay(withdrawn, other)
    assert (either.state(withdrawn), either.payout(withdrawn).state) == ("no_consent", "cancelled")
    assert either.reasons(withdrawn) == ["consent.revoked"]
    assert either.orders(withdrawn) == 0
    assert either.payout(other).state == "accepted"
    assert either.orders(other) == 1


def test_killed_after_marking_and_before_sending_it_is_paid_once(
    either: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = either.accepted(0)
    either.recorded(claim)
    with monkeypatch.context() as patch:
        patch.setattr(pay, "_send", killed_with_any)
        with pytest.raises(KeyboardInterrupt):
            either.pay(claim)
    assert (either.payout(claim).state, either.orders(claim)) == ("submitted", 0)
    batch = either.payout(claim).batch_id
    assert batch is not None
    pay.submit_batch(either.ctx, batch)
    assert (either.payout(claim).state, either.orders(claim)) == ("accepted", 1)
    pay.submit_batch(either.ctx, batch)
    assert either.orders(claim) == 1


def test_killed_after_sending_and_before_the_answer_is_kept_it_is_paid_once(
    paying: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = paying.accepted(0)
    paying.recorded(claim)
    with monkeypatch.context() as patch:
        patch.setattr(pay, "_keep_results", killed_with_any)
        with pytest.raises(KeyboardInterrupt):
            paying.pay(claim)
    assert (paying.payout(claim).state, paying.orders(claim)) == ("submitted", 1)
    batch = paying.payout(claim).batch_id
    assert batch is not None
    pay.submit_batch(paying.ctx, batch)
    eventually(lambda: ask(paying, claim), lambda state: state == "settled")
    assert len(paying.debits(claim)) == 1


def test_an_order_that_never_left_is_not_sent_after_consent_is_withdrawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    with monkeypatch.context() as patch:
        patch.setattr(pay, "_send", killed_with_any)
        with pytest.raises(KeyboardInterrupt):
            world.pay(claim)
    world.revoke(0)
    assert ask(world, claim) == "cancelled"
    assert (world.state(claim), world.orders(claim)) == ("no_consent", 0)


def test_a_bank_that_times_out_after_accepting_is_asked_and_paid_once(paying: World) -> None:
    claim = paying.accepted(0)
    paying.recorded(claim)
    paying.bank.faults({"fault": "timeout_after_accept"}, {"fault": "drop_connection", "on": "query"})
    paying.pay(claim)
    assert paying.payout(claim).state == "unknown"
    assert paying.state(claim) == "recorded"
    assert ask(paying, claim) == "unknown", "no answer is no news"
    paying.bank.faults()
    eventually(lambda: ask(paying, claim), lambda state: state == "settled")
    assert len(paying.debits(claim)) == 1
    assert paying.state(claim) == "paid"


def test_an_order_that_the_bank_never_got_is_sent_again_under_its_own_id(world: World) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    world.bank.faults({"fault": "drop_connection"}, {"fault": "drop_connection", "on": "query"})
    world.pay(claim)
    assert (world.payout(claim).state, world.orders(claim)) == ("unknown", 0)
    payout_id = world.payout(claim).payout_id
    world.bank.faults()
    assert ask(world, claim) == "accepted"
    assert (world.payout(claim).payout_id, world.orders(claim)) == (payout_id, 1)


def test_a_bank_out_of_reach_delays_and_loses_nothing(world: World) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    reachable = world.ctx.bank
    with HttpBank("http://127.0.0.1:1", world.bank.credentials, policy=QUICK) as world.ctx.bank:
        world.pay(claim)
        assert ask(world, claim) == "submitted"
    world.ctx.bank = reachable
    assert ask(world, claim) == "accepted"
    assert world.orders(claim) == 1


def test_a_refused_transfer_is_for_a_person_with_the_banks_reason(paying: World) -> None:
    claim = paying.accepted(0)
    paying.recorded(claim)
    account = policy(0)["payee"]["account"]
    paying.bank.faults({"fault": "refuse", "payee_account": account, "reason": "account_closed"})
    paying.pay(claim)
    eventually(lambda: ask(paying, claim), lambda state: state == "refused")
    assert paying.payout(claim).bank_reason == "account_closed"
    assert (paying.state(claim), paying.reasons(claim)) == ("review", ["payout.refused"])
    assert "account_closed" in paying.claim(claim).reasons[0]["message_en"]
    assert paying.debits(claim) == []


def test_what_the_bank_refused_is_superseded_and_paid_once(either: World) -> None:
    claim = either.accepted(0)
    either.submitted(claim)
    either.bank_says(claim, REFUSED, "account_closed")
    either.again(claim)
    either.confirmed(claim)
    first, second = either.payouts(claim)
    assert (first.version, first.state) == (1, "refused")
    assert (second.version, second.state) == (2, "confirmed")
    assert first.payout_id != second.payout_id
    row = either.claim(claim)
    assert (row.state, row.version) == ("confirmed", 2)
    assert row.claim_key is not None
    assert either.ctx.chain.results.version_of(row.claim_key) == 2
    assert second.amount_fen == row.payable_fen


def test_an_order_that_is_malformed_for_the_bank_is_for_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    order_of = pay._order

    def with_a_purpose_too_long(ctx: Context, payout: Any) -> Any:
        order = order_of(ctx, payout)
        object.__setattr__(order, "purpose", "x" * 141)
        return order

    monkeypatch.setattr(pay, "_order", with_a_purpose_too_long)
    world.pay(claim)
    assert (world.state(claim), world.payout(claim).state) == ("review", "refused")
    assert world.payout(claim).bank_reason == "invalid_request purpose"


def test_a_stranger_in_the_banks_place_settles_nothing(world: World) -> None:
    claim = world.accepted(0)
    world.recorded(claim)
    world.ctx.bank.close()
    with HttpBank(world.bank.url + "/elsewhere", world.bank.credentials, policy=QUICK) as world.ctx.bank:
        world.pay(claim)
    assert (world.state(claim), world.payout(claim).state) == ("recorded", "submitted")


def test_a_returned_payment_returns_the_claim(paying: World) -> None:
    claim = paying.accepted(0)
    paying.recorded(claim)
    account = policy(0)["payee"]["account"]
    paying.bank.faults({"fault": "return_payment", "payee_account": account, "delay_ms": 1})
    paying.pay(claim)
    eventually(lambda: ask(paying, claim), lambda state: state == "returned")
    assert paying.state(claim) == "returned"
    assert paying.payout(claim).bank_reason == "returned_by_payee_bank"
    moves = [move["to"] for move in claims.get_claim(paying.ctx, claim)["transitions"]]
    assert moves[-2:] == ["paid", "returned"], "that it had been paid is part of its history"


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_returned_payment_is_made_again_as_a_new_version(world: World, confirmed: bool) -> None:
    claim = world.accepted(0)
    (world.confirmed if confirmed else world.settled)(claim)
    world.bank_says(claim, RETURNED, "account_closed")
    assert world.state(claim) == "returned"
    world.again(claim)
    world.confirmed(claim)
    first, second = world.payouts(claim)
    assert (first.state, second.state) == ("returned", "confirmed")
    assert first.amount_fen == second.amount_fen == world.claim(claim).payable_fen


def test_a_paid_claim_is_not_run_again(world: World) -> None:
    claim = world.accepted(0)
    world.settled(claim)
    with pytest.raises(Conflict):
        world.again(claim)
    world.confirm()
    with pytest.raises(Conflict):
        world.again(claim)
    assert len(world.payouts(claim)) == 1


def test_the_same_word_twice_changes_nothing(either: World) -> None:
    claim = either.accepted(0)
    either.settled(claim)
    before = (either.claim(claim).model_dump(), either.payout(claim).model_dump())
    either.bank_says(claim, SETTLED)
    assert (either.claim(claim).model_dump(), either.payout(claim).model_dump()) == before


LATER_WORDS = [TransferStatus.ACCEPTED, TransferStatus.UNKNOWN, REFUSED]


@pytest.mark.parametrize("late", LATER_WORDS)
def test_a_word_that_comes_after_the_result_is_ignored(world: World, late: TransferStatus) -> None:
    claim = world.accepted(0)
    world.settled(claim)
    world.bank_says(claim, late, "late")
    assert (world.state(claim), world.payout(claim).state) == ("paid", "settled")
    assert world.payout(claim).bank_reason is None


def test_silence_after_the_bank_took_it_is_no_news(world: World) -> None:
    claim = world.accepted(0)
    world.submitted(claim)
    world.bank_says(claim, TransferStatus.UNKNOWN, "silence")
    assert world.payout(claim).state == "accepted"


def test_a_word_about_a_transfer_that_is_not_ours_changes_nothing(world: World) -> None:
    claim = world.accepted(0)
    world.submitted(claim)
    pay.bank_result(world.ctx, TransferResult("po_nobody", SETTLED, "REF"))
    assert world.payout(claim).state == "accepted"


def test_an_order_once_sent_is_never_another(world: World) -> None:
    """The order's digest is kept with it: what is sent again is what was sent."""
    claim = world.accepted(0)
    world.submitted(claim)
    with world.ctx.database.transaction() as session:
        payout = session.merge(world.payout(claim))
        payout.order_digest = "00" * 32
    with pytest.raises(LookupError, match="not the one"):
        pay._order(world.ctx, world.payout(claim))


# Confirmation


def test_killed_between_the_chains_confirmation_and_ours_it_is_confirmed_once(
    either: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = either.accepted(0)
    either.settled(claim)
    send = either.ctx.chain.results.confirm_payouts

    def and_die(*arguments: Any) -> None:
        send(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(either.ctx.chain.results, "confirm_payouts", and_die)
        with pytest.raises(KeyboardInterrupt):
            pay.confirm_settled(either.ctx, 10)
    assert either.payout(claim).state == "settled"
    assert pay.confirm_settled(either.ctx, 10) == 0, "the chain has it: nothing is sent again"
    feed.read_events(either.ctx)
    assert (either.state(claim), either.payout(claim).state) == ("confirmed", "confirmed")
    head = either.ctx.chain.block_number()
    confirmations = [e for e in either.ctx.chain.events(0, head) if e.name == "PayoutConfirmed"]
    assert len(confirmations) == 1


def test_confirmations_go_in_one_transaction(world: World) -> None:
    three = [world.accepted(index) for index in range(3)]
    world.settled(*three)
    before = world.ctx.chain.block_number()
    assert pay.confirm_settled(world.ctx, 10) == 3
    assert world.ctx.chain.block_number() == before + 1


def test_what_was_confirmed_does_not_crowd_out_what_is_to_be(world: World) -> None:
    """Confirmed on chain and not yet deep enough: such payouts wait, and those behind them go on."""
    first, second = world.accepted(0), world.accepted(1)
    world.settled(first)
    world.settled(second)
    assert pay.confirm_settled(world.ctx, 1) == 1
    assert pay.confirm_settled(world.ctx, 1) == 1
    feed.read_events(world.ctx)
    assert [world.state(claim) for claim in (first, second)] == ["confirmed", "confirmed"]


@pytest.fixture(autouse=True)
def _no_faults_left(slow_process: Any, quick_process: Any) -> Iterator[None]:
    yield
    slow_process.faults()
    quick_process.faults()
