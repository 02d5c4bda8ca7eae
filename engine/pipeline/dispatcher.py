"""What runs by itself: batches of accepted claims, and the way from chain events to money.

Two threads. One takes accepted claims in micro-batches through match, decide, record, strictly one
batch after another: that keeps each person's order. The other follows the chain and the bank.
"""

import threading
from collections.abc import Callable
from datetime import date, timedelta

import structlog
from sqlmodel import Session

from engine.chain.errors import ChainUnavailable, TransactionUnknown
from engine.pipeline import feed, pay, reversal, tasks, workflows
from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState, PayoutState, move_claim
from engine.store import claims, tables

log = structlog.get_logger()
_ASK_FIRST_S, _ASK_LAST_S = 2, 300
_PAUSE_AFTER_FAILURE_S = 1.0
_MOST_AHEAD_S = 60
"""A block's time is at least its parent's plus a second, so a busy embedded chain runs ahead of the clock."""
_TO_BATCH = (ClaimState.ACCEPTED, ClaimState.DECIDED)  # decided: by a person's ruling
_UNFINISHED = (ClaimState.ACCEPTED, ClaimState.MATCHED, ClaimState.DECIDED)


class Dispatcher:
    """Starts with `start`, ends with `stop`; a crash in between loses nothing."""

    def __init__(self, ctx: Context, executor_id: str = "engine-1") -> None:
        self._ctx = ctx
        self._executor_id = executor_id
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._closed_before: date | None = None
        self._asked: dict[str, int] = {}
        """payout id -> seconds between its last two questions to the bank."""

    def start(self) -> None:
        workflows.launch(self._ctx, self._executor_id)
        for name, loop in (("claims", self._claims_round), ("payouts", self._payouts_round)):
            thread = threading.Thread(target=self._run, args=(loop,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        workflows.shut_down()

    def _run(self, one_round: Callable[[], bool]) -> None:
        if one_round == self._claims_round:
            workflows.wait_for_resumed()
            for batch_id in self._interrupted():
                self._run_batch(batch_id)
        while not self._stopping.is_set():
            try:
                busy = one_round()
            except Exception:
                log.exception("dispatcher.round_failed", loop=threading.current_thread().name)
                self._stopping.wait(_PAUSE_AFTER_FAILURE_S)
                continue
            if not busy:
                self._stopping.wait(self._ctx.settings.tick_s)

    # Claims

    def _claims_round(self) -> bool:
        if self._ctx.chain.ahead_s() > _MOST_AHEAD_S:
            return False  # the claims gather meanwhile: the next batch is larger, and needs fewer blocks
        batch_id = self._take_claims()
        if batch_id is not None:
            self._run_batch(batch_id)
        return batch_id is not None

    def _take_claims(self) -> str | None:
        with self._ctx.database.reading() as session:
            if not claims.unbatched(session, _TO_BATCH, 1):
                return None
        batch_id = self._ctx.rng(8).hex()
        with self._ctx.database.transaction() as session:
            for claim in claims.unbatched(session, _TO_BATCH, self._ctx.settings.batch_size):
                claim.batch_id = batch_id
                session.add(claim)
        return batch_id

    def _interrupted(self) -> list[str]:
        """Batches whose claims a crash left between two states."""
        with self._ctx.database.reading() as session:
            return list(claims.open_batches(session, _UNFINISHED))

    def _run_batch(self, batch_id: str) -> None:
        try:
            done = workflows.run_claims(batch_id)
        except Exception as error:
            log.exception("batch.failed", batch_id=batch_id)
            self._set_aside(batch_id, error)
        else:
            log.info("batch.done", batch_id=batch_id, **done)

    def _set_aside(self, batch_id: str, error: Exception) -> None:
        """Find what a batch fails on: each claim goes on alone, and one that fails alone to review."""
        transient = isinstance(error, ChainUnavailable | TransactionUnknown)
        if transient:
            self._stopping.wait(_PAUSE_AFTER_FAILURE_S)
        again = []
        with self._ctx.database.transaction() as session:
            stuck = [c for state in _UNFINISHED for c, _ in claims.batch(session, batch_id, state)]
            stuck = [claim for claim in stuck if claim.record_tx is None]
            for claim in stuck:
                if len(stuck) == 1 and not transient:
                    self._give_up(session, claim, error)
                    continue
                claim.batch_id = self._ctx.rng(8).hex()
                session.add(claim)
                again.append(claim.batch_id)
        for single in again:
            if not self._stopping.is_set():
                self._run_batch(single)

    def _give_up(self, session: Session, claim: tables.Claim, error: Exception) -> None:
        code = "pipeline.failed"
        claim.reasons = [
            {
                "code": code,
                "message_en": f"Processing failed ({type(error).__name__}); see the log for this claim.",
                "message_zh": "处理失败，需人工检查。",
            }
        ]
        move_claim(
            session,
            claim,
            ClaimState.REVIEW,
            actor="engine: dispatcher",
            reason=f"{code}: {type(error).__name__}",
            clock=self._ctx.clock,
        )

    # Payouts

    def _payouts_round(self) -> bool:
        ctx = self._ctx
        handled = feed.read_events(ctx)
        sent = self._send_due()
        self._ask()
        confirmed = pay.confirm_settled(ctx, ctx.settings.batch_size)
        reversed_ = reversal.reverse_on_chain(ctx, ctx.settings.batch_size)
        self._close_past_tasks()
        return bool(handled or sent or confirmed or reversed_)

    def _close_past_tasks(self) -> None:
        """Once a day, and once after a start."""
        day = self._ctx.clock().astimezone(tasks.SHANGHAI).date()
        if day != self._closed_before:
            tasks.close_past_tasks(self._ctx)
            self._closed_before = day

    def _send_due(self) -> int:
        batch_id = self._ctx.rng(8).hex()
        with self._ctx.database.reading() as session:
            due = claims.payouts_in(session, (PayoutState.DUE,), 1)
        if not due:
            return 0
        with self._ctx.database.transaction() as session:
            for payout in claims.payouts_in(session, (PayoutState.DUE,), self._ctx.settings.batch_size):
                payout.batch_id = batch_id
                session.add(payout)
        return workflows.run_payouts(batch_id)

    def _ask(self) -> None:
        """Ask about open orders, ever less often: 2 s after sending, then 4, 8, … up to five minutes."""
        now = self._ctx.clock()
        with self._ctx.database.reading() as session:
            open_orders = claims.payouts_in(session, pay.OPEN, 1000)
        waiting = []
        for payout in open_orders:
            last = self._asked.get(payout.payout_id, _ASK_FIRST_S)
            if payout.submitted_at is not None and now - payout.submitted_at >= timedelta(seconds=last):
                waiting.append(payout.payout_id)
                self._asked[payout.payout_id] = last * 2 if last < _ASK_LAST_S else last + _ASK_LAST_S
        self._asked = {
            p.payout_id: self._asked[p.payout_id] for p in open_orders if p.payout_id in self._asked
        }
        pay.ask_about_open(self._ctx, waiting)
