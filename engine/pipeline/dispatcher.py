"""What runs by itself: batches of accepted claims, and the way from chain events to money.

Three threads. One takes accepted claims in micro-batches through match, decide, record, strictly one
batch after another, and between them re-opens what they touched: that keeps each person's order. The
next follows the chain and the bank, and puts signed checkpoints of the access log on chain. The last looks
at the invoices of what has been paid: nothing waits for it.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from sqlmodel import Session

from engine.pipeline import (
    checkpoints,
    feed,
    invoices,
    match,
    match_tasks,
    pay,
    reopen,
    reversal,
    tasks,
    undone,
    workflows,
)
from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState, move_claim
from engine.store import claims, tables
from engine.store.ownership import Ownership

log = structlog.get_logger()
_ASK_FIRST_S, _ASK_LAST_S = 2, 300
_PAUSE_AFTER_FAILURE_S = 1.0
_MOST_RESTS = 4
"""Ticks: who comes to an engine that has nothing to do waits 0.1 s on average, for a third of the processor
time that it took to look at every tick."""
_LOOK_FOR_UNDONE = timedelta(seconds=5)
_LOOK_AT_MATCH_TASKS = timedelta(seconds=1)
_LOOK_AT_INVOICES_S = 3600
_MOST_AT_ONCE = 1000
"""Claims of people in no roll that one transaction puts aside: some 50 ms."""
_MOST_AHEAD_S = 60
"""A block's time is at least its parent's plus a second, so a busy embedded chain runs ahead of the clock."""
_TO_BATCH = (ClaimState.ACCEPTED, ClaimState.MATCHED, ClaimState.DECIDED)
"""Matched: released by a provider. Decided: by a person's ruling, or re-opened."""
_UNFINISHED = (ClaimState.ACCEPTED, ClaimState.MATCHED, ClaimState.DECIDED)


class Dispatcher:
    """Starts with `start`, ends with `stop`; a crash in between loses nothing."""

    def __init__(self, ctx: Context, executor_id: str = "engine-1") -> None:
        self._ctx = ctx
        self._executor_id = executor_id
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ownership: Ownership | None = None
        self._closed_before: date | None = None
        self._looked_for_undone: datetime | None = None
        self._looked_at_match_tasks: datetime | None = None
        self._left: deque[str] = deque()
        """Batches to run before new claims are taken: interrupted ones, and the parts of failed ones."""
        self._unsure = True
        """Whether a batch may be between two states without standing in `_left`."""
        self._asked: dict[str, int] = {}
        """payout id -> seconds between its last two questions to the bank."""

    def start(self) -> None:
        """Raises Unavailable when another engine works on this database."""
        self._ownership = Ownership.take(self._ctx.database)
        workflows.launch(self._ctx, self._executor_id)
        loops = (("claims", self._claims), ("payouts", self._payouts), ("invoices", self._invoices))
        for name, loop in loops:
            thread = threading.Thread(target=loop, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        workflows.shut_down()
        if self._ownership is not None:
            self._ownership.release()

    def _attempt(self, part: Callable[[], Any]) -> bool:
        """Whether it had something to do. One that fails is logged and tried again, after a pause."""
        try:
            return bool(part())
        except Exception:
            log.exception("dispatcher.round_failed", part=part.__name__)
            self._stopping.wait(_PAUSE_AFTER_FAILURE_S)
            return False

    # Claims

    def _claims(self) -> None:
        workflows.wait_for_resumed()
        self._go_round(lambda: self._attempt(self._claims_round))

    def _claims_round(self) -> bool:
        if self._ctx.chain.ahead_s() > _MOST_AHEAD_S:
            return False  # the claims gather meanwhile: the next batch is larger, and needs fewer blocks
        if self._unsure:
            self._left = deque(self._interrupted())
        self._unsure = True
        most = self._ctx.settings.batch_size
        rested = match.rest_nobodys(self._ctx, _MOST_AT_ONCE)
        reopened = reopen.reopen_touched(self._ctx, most)
        batch_id, full = (self._left.popleft(), True) if self._left else self._take_claims(most)
        if batch_id is not None:
            self._run_batch(batch_id)
        self._unsure = False
        # A batch that was not full has taken all there was: what comes meanwhile gathers for the next, whose
        # bookkeeping costs the same for one claim and for a hundred.
        return full or reopened > 0 or rested == _MOST_AT_ONCE

    def _take_claims(self, most: int) -> tuple[str | None, bool]:
        """The batch of what waits, if anything does, and whether there may be more."""
        with self._ctx.database.reading() as session:
            if not claims.is_any_unbatched(session, _TO_BATCH):
                return None, False
        batch_id = self._ctx.rng(8).hex()
        with self._ctx.database.transaction() as session:
            taken = claims.unbatched(session, _TO_BATCH, most)
            for claim in taken:
                claim.batch_id = batch_id
                session.add(claim)
        return batch_id, len(taken) == most

    def _interrupted(self) -> list[str]:
        """Batches whose claims a crash, or a failure, left between two states."""
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
        """Wait for what passes by itself; else each claim goes on alone, one that fails alone to review."""
        passing = workflows.will_pass(error)
        together = self._ctx.rng(8).hex()
        again = []
        with self._ctx.database.transaction() as session:
            stuck = [c for state in _UNFINISHED for c, _ in claims.batch(session, batch_id, state, lock=True)]
            stuck = [claim for claim in stuck if claim.record_tx is None]
            for claim in stuck:
                if len(stuck) == 1 and not passing:
                    self._give_up(session, claim, error)
                    continue
                # A new name, because a workflow that ended under the old one is not run again.
                claim.batch_id = together if passing else self._ctx.rng(8).hex()
                session.add(claim)
                again.append(claim.batch_id)
        self._left.extend(dict.fromkeys(again))
        if passing:
            self._stopping.wait(_PAUSE_AFTER_FAILURE_S)

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

    def _payouts(self) -> None:
        """Each part by itself: what keeps one from its work keeps no other."""
        parts = (
            self._read,
            self._put_back,
            self._send_due,
            self._ask,
            self._confirm,
            self._reverse,
            self._close_past_tasks,
            self._match_tasks,
            self._checkpoint,
        )
        self._go_round(lambda: sum(self._attempt(part) for part in parts) > 0)

    def _go_round(self, go: Callable[[], bool]) -> None:
        """Until it is stopped. What has nothing to do rests, the longer the longer it has had nothing."""
        rests = 0
        while not self._stopping.is_set():
            rests = 0 if go() else min(rests + 1, _MOST_RESTS)
            self._stopping.wait(self._ctx.settings.tick_s * rests)

    def _read(self) -> int:
        return feed.read_events(self._ctx)

    def _put_back(self) -> int:
        """Seldom: nothing is missing unless the chain was reorganised."""
        now = self._ctx.clock()
        if self._looked_for_undone is not None and now - self._looked_for_undone < _LOOK_FOR_UNDONE:
            return 0
        self._looked_for_undone = now
        return undone.put_back(self._ctx, self._ctx.settings.batch_size)

    def _confirm(self) -> int:
        return pay.confirm_settled(self._ctx, self._ctx.settings.batch_size)

    def _reverse(self) -> int:
        return reversal.reverse_on_chain(self._ctx, self._ctx.settings.batch_size)

    def _checkpoint(self) -> int:
        return checkpoints.advance(self._ctx)

    def _close_past_tasks(self) -> None:
        """Once a day, and once after a start."""
        day = self._ctx.today()
        if day != self._closed_before:
            tasks.close_past_tasks(self._ctx)
            self._closed_before = day

    def _match_tasks(self) -> int:
        """Not at every tick: each that is under way is looked up on chain."""
        now, last = self._ctx.clock(), self._looked_at_match_tasks
        if last is not None and now - last < _LOOK_AT_MATCH_TASKS:
            return 0
        self._looked_at_match_tasks = now
        return match_tasks.advance(self._ctx)

    def _send_due(self) -> int:
        batch_id = self._ctx.rng(8).hex()
        with self._ctx.database.reading() as session:
            due = claims.payouts_due(session, 1)
        if not due:
            return 0
        with self._ctx.database.transaction() as session:
            for payout in claims.payouts_due(session, self._ctx.settings.batch_size):
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

    # Invoices

    def _invoices(self) -> None:
        while not self._stopping.is_set():
            if not self._attempt(self._look_again):
                self._stopping.wait(_LOOK_AT_INVOICES_S)

    def _look_again(self) -> int:
        return invoices.look_again(self._ctx)
