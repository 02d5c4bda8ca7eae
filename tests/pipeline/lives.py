"""Claims driven through everything that can happen to them, and every change of a state that was seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from typing import Any

from sqlalchemy import event

from engine.payout.port import TransferStatus
from engine.pipeline import claims, enrolment, feed, pay, record, reopen
from engine.store import tables
from tests.pipeline.world import World, wording

Moves = set[tuple[str, str]]
ACCEPTED, UNKNOWN = TransferStatus.ACCEPTED, TransferStatus.UNKNOWN
SETTLED, REFUSED, RETURNED = TransferStatus.SETTLED, TransferStatus.REFUSED, TransferStatus.RETURNED
STRANGER = 700
BEFORE_THE_COVER = date(2024, 6, 25)
EARLIER, LATER = date(2024, 8, 1), date(2024, 10, 1)
BELOW_THE_DEDUCTIBLE = 900_000


@contextmanager
def watching() -> Iterator[tuple[Moves, Moves]]:
    """(moves of claims, moves of payouts), filled while the block runs, whoever makes them."""
    seen: tuple[Moves, Moves] = (set(), set())

    def watcher(into: Moves) -> Callable[..., None]:
        def watch(_row: object, new: str, old: object, _initiator: object) -> None:
            if isinstance(old, str):
                into.add((str(old), str(new)))

        return watch

    attributes: tuple[Any, Any] = (tables.Claim.state, tables.Payout.state)
    watchers = [(attribute, watcher(into)) for attribute, into in zip(attributes, seen, strict=True)]
    for attribute, watch in watchers:
        event.listen(attribute, "set", watch)
    try:
        yield seen
    finally:
        for attribute, watch in watchers:
            event.remove(attribute, "set", watch)


class Lives:
    """Each method is some lives; each life has a person of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._people = count()

    def _one(self, **stay: Any) -> tuple[str, int]:
        index = next(self._people)
        return self._world.accepted(index, **stay), index

    def _taken_back_at(self, until: Callable[..., Any], *words: TransferStatus, **stay: Any) -> None:
        """Brought so far, told these words by the bank, then reversed by the hospital."""
        claim, _ = self._one(**stay)
        until(claim)
        for word in words:
            self._world.bank_says(claim, word, "because")
        self._world.reverse(claim)

    def taken_back(self) -> None:
        world = self._world
        self._taken_back_at(lambda _: None)
        self._taken_back_at(world.matched)
        self._taken_back_at(world.decided)
        self._taken_back_at(world.decided, self_paid_fen=500_000)
        self._taken_back_at(world.decided, discharge_way="5")
        self._taken_back_at(world.decided, admitted=BEFORE_THE_COVER, days=10)
        self._taken_back_at(world.recorded)
        self._taken_back_at(world.confirmed)
        self._taken_back_at(world.settled, RETURNED)
        claim, _ = self._one()
        world.settled(claim)
        world.reverse(claim)
        world.bank_says(claim, RETURNED, "account_closed")

    def not_matched(self) -> None:
        world = self._world
        uninsured = world.accepted(STRANGER)
        world.matched(uninsured)
        world.again(uninsured)
        world.matched(uninsured)
        world.reverse(uninsured)
        newborn = world.accepted(STRANGER, newborn=True)
        world.matched(newborn)
        claims.decide_claim(world.ctx, newborn, "refuse", "on no roll", "insurer test")
        claim, index = self._one()
        world.revoke(index)
        world.matched(claim)
        world.again(claim)
        world.matched(claim)
        world.reverse(claim)

    def stopped_on_the_way(self) -> None:
        world = self._world
        unrecorded, first = self._one()
        batch = world.decided(unrecorded)
        world.revoke(first)
        record.record_batch(world.ctx, batch)
        unpaid, second = self._one()
        world.recorded(unpaid)
        world.revoke(second)
        world.pay(unpaid)
        odd, _ = self._one()
        record.record_batch(world.ctx, world.decided(odd))
        with world.ctx.database.transaction() as session:
            claims.known(session, odd).result_digest = "0x" + "77" * 32
        feed.read_events(world.ctx)

    def ruled(self) -> None:
        world = self._world
        died, _ = self._one(discharge_way="5")
        world.decided(died)
        world.again(died)
        world.decided(died)
        claims.decide_claim(world.ctx, died, "pay", "to the estate", "insurer test", payable_fen=100)

    def paid(self) -> None:
        world = self._world
        claim, _ = self._one()
        world.submitted(claim)
        world.bank_says(claim, REFUSED, "account_closed")
        world.again(claim)
        world.settled(claim)
        world.bank_says(claim, RETURNED, "account_closed")
        world.again(claim)
        world.confirmed(claim)
        world.bank_says(claim, RETURNED, "account_closed")
        accepted, _ = self._one()
        world.submitted(accepted)
        world.bank_says(accepted, RETURNED, "account_closed")

    def re_opened(self) -> None:
        """A stay before it arrives late, or is taken back; then the hospital takes it back too."""
        world = self._world
        nothing, index = self._one(admitted=LATER, self_paid_fen=BELOW_THE_DEDUCTIBLE)
        world.decided(nothing)
        self._stay_before(index)
        topped_up = self._topped_up()
        world.reverse(topped_up)
        topped_up = self._topped_up()
        self._record(topped_up)
        world.reverse(topped_up)
        topped_up = self._topped_up()
        self._record(topped_up)
        world.pay(topped_up)
        world.bank_says(topped_up, SETTLED)
        world.bank_says(topped_up, RETURNED, "account_closed")
        world.reverse(topped_up)
        world.reverse(self._covered()[0])
        world.bank_says(self._covered()[0], RETURNED, "account_closed")
        self._stay_before(self._covered()[1])
        self._waited()
        self._returned()
        self._never_paid()
        self._withdrawn()
        self._widened()

    def _stay_before(self, index: int) -> str:
        claim = self._world.accepted(index, admitted=EARLIER, self_paid_fen=BELOW_THE_DEDUCTIBLE)
        self._world.decided(claim)
        reopen.reopen_touched(self._world.ctx, 10)
        return claim

    def _record(self, claim: str) -> None:
        record.record_batch(self._world.ctx, self._world.batch(claim))
        feed.read_events(self._world.ctx)

    def _topped_up(self) -> str:
        """Paid, and decided again to be paid more."""
        claim, index = self._one(admitted=LATER)
        self._world.confirmed(claim)
        self._stay_before(index)
        return claim

    def _covered(self) -> tuple[str, int]:
        """Paid, and by its second version too much; and whose it is."""
        world = self._world
        claim, index = self._one(admitted=LATER)
        before = self._stay_before(index)
        world.confirmed(claim)
        world.reverse(before)
        reopen.reopen_touched(world.ctx, 10)
        self._record(claim)
        return claim, index

    def _waited(self) -> None:
        """For one before it, which a person then refuses."""
        world = self._world
        died, index = self._one(admitted=EARLIER, discharge_way="5")
        world.decided(died)
        world.decided(world.accepted(index, admitted=LATER))
        claims.decide_claim(world.ctx, died, "refuse", "no heirs", "insurer test")
        reopen.reopen_touched(world.ctx, 10)

    def _returned(self) -> None:
        claim, index = self._one(admitted=LATER)
        self._world.settled(claim)
        self._world.confirm()
        self._world.bank_says(claim, RETURNED, "account_closed")
        self._stay_before(index)

    def _never_paid(self) -> None:
        """Recorded as payable, refused by the bank, and by now nothing is due."""
        world = self._world
        claim, index = self._one(admitted=LATER, self_paid_fen=BELOW_THE_DEDUCTIBLE)
        before = self._stay_before(index)
        world.submitted(claim)
        world.bank_says(claim, REFUSED, "account_closed")
        world.reverse(before)
        world.again(claim)
        world.recorded(claim)
        world.reverse(claim)

    def _withdrawn(self) -> None:
        """The consent is withdrawn before the difference is paid."""
        world = self._world
        claim, index = self._one(admitted=LATER)
        world.confirmed(claim)
        self._stay_before(index)
        self._record(claim)
        world.revoke(index)
        world.pay(claim)
        world.reverse(claim)

    def _widened(self) -> None:
        """Refused by the terms, until a later wording of them covers it."""
        world = self._world
        claim, _ = self._one(admitted=BEFORE_THE_COVER, days=10)
        world.decided(claim)
        by_discharge = {"stay_belongs_to: admission": "stay_belongs_to: discharge"}
        enrolment.load_product(world.ctx, wording(2, changes=by_discharge), "wording.yaml")
        reopen.reopen_touched(world.ctx, 100)

    def unanswered(self, stop_sending: Callable[[], None], send: Callable[[], None]) -> None:
        """Orders that were marked as sent and never left, then every word that the bank can have of one."""
        world = self._world
        silent = [self._one()[0] for _ in range(10)]
        world.recorded(*silent)
        stop_sending()
        world.pay(*silent)
        send()
        words = iter(silent)
        for status in (ACCEPTED, SETTLED, REFUSED, RETURNED):
            world.bank_says(next(words), status, "late")
            claim = next(words)
            world.bank_says(claim, UNKNOWN, "silence")
            world.bank_says(claim, status, "late")
        unknown, submitted = words
        world.bank_says(unknown, UNKNOWN, "silence")
        self._ask(unknown)
        world.reverse(submitted)
        self._ask(submitted)
        lost, _ = self._one()
        world.recorded(lost)
        stop_sending()
        world.pay(lost)
        send()
        world.bank_says(lost, UNKNOWN, "silence")
        world.reverse(lost)
        self._ask(lost)

    def _ask(self, claim: str) -> None:
        pay.ask_about_open(self._world.ctx, [self._world.payout(claim).payout_id])
