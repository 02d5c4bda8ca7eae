"""The table of moves is the whole truth: each move in it happens, and no other can."""

from datetime import UTC, datetime
from itertools import product
from typing import Any, TypeVar

import pytest
from sqlmodel import Session

from engine.chain.contracts import PayoutState as OnChain
from engine.errors import Conflict
from engine.fsck import beliefs
from engine.payout.port import TransferStatus
from engine.pipeline import feed, pay, record, reversal, states
from engine.pipeline.states import CLAIM_MOVES, PAYOUT_MOVES, ClaimState, PayoutState
from engine.store import tables
from tests.pipeline.lives import Lives, Moves, watching
from tests.pipeline.world import World

Row = TypeVar("Row")


def moves(table: dict[Any, frozenset[Any]]) -> Moves:
    return {(str(source), str(target)) for source, targets in table.items() for target in targets}


def _row(table: type[Row], **columns: Any) -> Row:
    """With these columns only, which is all that a move looks at."""
    return table(**columns)


@pytest.mark.parametrize(("source", "target"), list(product(ClaimState, ClaimState)))
def test_a_claim_moves_along_the_table_only(source: ClaimState, target: ClaimState) -> None:
    session = Session()
    claim = _row(tables.Claim, id=7, state=source)

    def move() -> None:
        states.move_claim(
            session, claim, target, actor="a", reason="r", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)
        )

    if target in CLAIM_MOVES[source]:
        move()
        assert claim.state == target
        (written,) = [row for row in session.new if isinstance(row, tables.ClaimTransition)]
        assert (written.from_state, written.to_state) == (source, target)
        return
    with pytest.raises(Conflict) as refused:
        move()
    assert refused.value.code == "claim.transition"
    assert claim.state == source
    assert not session.new


@pytest.mark.parametrize(("source", "target"), list(product(PayoutState, PayoutState)))
def test_a_payout_moves_along_the_table_only(source: PayoutState, target: PayoutState) -> None:
    session = Session()
    payout = _row(tables.Payout, payout_id="po_x", state=source)
    if target in PAYOUT_MOVES[source]:
        states.move_payout(session, payout, target)
        assert payout.state == target
        return
    with pytest.raises(Conflict) as refused:
        states.move_payout(session, payout, target)
    assert refused.value.code == "payout.transition"
    assert payout.state == source


def test_every_state_stands_in_its_table_and_the_independent_reader_believes_the_same() -> None:
    assert set(CLAIM_MOVES) == set(ClaimState)
    assert set(PAYOUT_MOVES) == set(PayoutState)
    believed = {(source, target) for source, targets in beliefs.CLAIM_MOVES.items() for target in targets}
    assert believed == moves(CLAIM_MOVES)
    assert {str(state) for state in PayoutState} == beliefs.PAYOUT_STATES


def test_where_a_life_ends() -> None:
    """Everything else goes on by itself, by a person's word or by the hospital's."""
    assert {s for s in ClaimState if not CLAIM_MOVES[s]} == {ClaimState.REVERSED}
    ended = {s for s in PayoutState if not PAYOUT_MOVES[s]}
    assert ended == {PayoutState.REFUSED, PayoutState.CANCELLED, PayoutState.RETURNED}


def test_nothing_is_sent_after_the_bank_has_given_its_result() -> None:
    for start in (PayoutState.SETTLED, PayoutState.CONFIRMED, PayoutState.REFUSED, PayoutState.RETURNED):
        reached, front = {start}, {start}
        while front:
            front = {t for s in front for t in PAYOUT_MOVES[s]} - reached
            reached |= front
        assert not reached & {PayoutState.DUE, PayoutState.SUBMITTED, PayoutState.ACCEPTED}


def test_every_claim_can_be_taken_back() -> None:
    """With or without money: to be recovered wherever an earlier version may have been paid."""
    always = {ClaimState.PAID, ClaimState.CONFIRMED}
    perhaps = {
        ClaimState.REVIEW,
        ClaimState.DECIDED,
        ClaimState.RECORDED,
        ClaimState.COVERED,
        ClaimState.RETURNED,
    }
    for state in set(ClaimState) - {ClaimState.REVERSED, ClaimState.RECOVERY_DUE}:
        assert (ClaimState.RECOVERY_DUE in CLAIM_MOVES[state]) is (state in always | perhaps)
        assert (ClaimState.REVERSED in CLAIM_MOVES[state]) is (state not in always)


def test_every_move_in_the_tables_happens_and_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    send = pay._send
    lives = Lives(world)
    with watching() as (claims, payouts):
        lives.taken_back()
        lives.not_matched()
        lives.stopped_on_the_way()
        lives.ruled()
        lives.paid()
        lives.re_opened()
        lives.unanswered(
            lambda: monkeypatch.setattr(pay, "_send", lambda *_: None),
            lambda: monkeypatch.setattr(pay, "_send", send),
        )
    assert moves(CLAIM_MOVES) - claims == set()
    assert moves(PAYOUT_MOVES) - payouts == set()
    assert claims - moves(CLAIM_MOVES) == set()
    assert payouts - moves(PAYOUT_MOVES) == set()


def test_the_contract_tells_the_same_life(world: World) -> None:
    claim = world.accepted(0)

    def stands() -> tuple[str, OnChain]:
        key = world.claim(claim).claim_key
        assert key is not None
        return world.state(claim), world.ctx.chain.results.payout_state_of(key, 1)

    world.decided(claim)
    assert stands() == ("decided", OnChain.NONE)
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    assert stands() == ("recorded", OnChain.RECORDED)
    world.pay(claim)
    world.bank_says(claim, TransferStatus.SETTLED)
    assert stands() == ("paid", OnChain.RECORDED)
    world.confirm()
    assert stands() == ("confirmed", OnChain.PAID)
    world.reverse(claim)
    reversal.reverse_on_chain(world.ctx, 10)
    assert stands() == ("recovery_due", OnChain.REVERSED)
