"""MatchResultStore, from the rules: recorded once in a line of stores, paid once a version."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from tests.contracts.model import PayoutRefusal, PayoutState, Refusal
from tests.contracts.model.office import ADMIN, NOBODY, Office, Reverts
from tests.contracts.model.registry import Registry, Signed
from tests.contracts.model.scheduler import Scheduler
from tests.contracts.transparency import consistency, head

MAX_VERSIONS = 124
Item = tuple[bytes, bytes, bytes, bytes]  # claim key, result digest, authorization, subject


@dataclass
class Version:
    digest: bytes
    authorization: bytes
    task: bytes
    state: PayoutState = PayoutState.RECORDED


@dataclass(frozen=True)
class Checkpoint:
    size: int = 0
    time: int = 0
    root: bytes = bytes(32)


@dataclass(frozen=True)
class StoreRoles:
    recorder: bytes
    payer: bytes
    witnesses: tuple[bytes, ...]  # the three kinds
    successor: bytes


class Store(Office):
    def __init__(
        self,
        held: dict[str, bytes],
        pauser: bytes,
        *,
        roles: StoreRoles,
        address: str,
        registry: Registry,
        scheduler: Scheduler,
        predecessor: Optional["Store"],
    ) -> None:
        super().__init__(held, pauser)
        self.registry, self.scheduler, self.predecessor = registry, scheduler, predecessor
        self.address, self.successor = address, NOBODY
        self.claims: dict[bytes, list[Version]] = {}
        self._own = Checkpoint()
        self._roles = roles

    # ------------------------------------------------------------ what is so

    def is_recorded(self, claim: bytes) -> bool:
        return claim in self.claims or (self.predecessor is not None and self.predecessor.is_recorded(claim))

    @property
    def checkpoint(self) -> Checkpoint:
        if self._own.size == 0 and self.predecessor is not None:
            return self.predecessor.checkpoint
        return self._own

    def preview(self, now: int, task: bytes, items: list[Item]) -> list[Refusal]:
        self._in_office()
        purpose = self._purpose(task, items, now)
        seen: set[bytes] = set()
        answer = []
        for item in items:
            answer.append(self._refusal_of_new(item, seen, purpose, now))
            seen.add(item[0])
        return answer

    def preview_supersession(self, now: int, task: bytes, items: list[Item]) -> list[Refusal]:
        purpose = self._purpose(task, items, now)
        return [refusal for _, refusal in self._nexts(task, items, purpose, now)]

    # ------------------------------------------------------------ what is done

    def record_batch(self, by: str, now: int, task: bytes, items: list[Item]) -> None:
        self.needs(by, self._roles.recorder)
        for index, refusal in enumerate(self.preview(now, task, items)):
            if refusal:
                raise Reverts("ItemRefused", index, items[index][0], refusal)
        for claim, digest, authorization, _ in items:
            self.claims[claim] = [Version(digest, authorization, task)]

    def supersede_batch(self, by: str, now: int, task: bytes, items: list[Item]) -> None:
        self.needs(by, self._roles.recorder)
        purpose = self._purpose(task, items, now)
        for index, refusal in self._nexts(task, items, purpose, now):
            claim, digest, authorization, _ = items[index]
            if refusal:
                raise Reverts("ItemRefused", index, claim, refusal)
            self.claims[claim].append(Version(digest, authorization, task))

    def confirm_payouts(self, by: str, now: int, confirmations: list[tuple[bytes, int, bytes]]) -> None:
        self.needs(by, self._roles.payer)
        self.needs_no_pause()
        if not confirmations:
            raise Reverts("EmptyBatch")
        for index, (claim, version, _) in enumerate(confirmations):
            refusal = self._payout_refusal(claim, version)
            if refusal:
                raise Reverts("PayoutRefused", index, claim, version, refusal)
            self.claims[claim][-1].state = PayoutState.PAID

    def reverse(self, by: str, now: int, claim: bytes, version: int, reason: bytes) -> None:
        self.needs(by, self._roles.recorder)
        refusal = self._payout_refusal(claim, version)
        if refusal not in (PayoutRefusal.NONE, PayoutRefusal.ALREADY_PAID):
            raise Reverts("PayoutRefused", 0, claim, version, refusal)
        self.claims[claim][-1].state = PayoutState.REVERSED

    def hand_over(self, by: str, now: int, successor: str) -> None:
        self.needs(by, ADMIN)
        if self.successor != NOBODY:
            raise Reverts("StoreHandedOver", self.successor)
        self.needs(successor, self._roles.successor)
        self.successor = successor

    def record_checkpoint(
        self, by: str, now: int, log: list[bytes], root: bytes, proof: list[bytes], signatures: list[Signed]
    ) -> None:
        """`log`: the entries that the checkpoint says it is over. The proof must be RFC 9162's own."""
        self._in_office()
        last, size = self.checkpoint, len(log)
        if size <= last.size:
            raise Reverts("CheckpointNotLarger", size, last.size)
        honest = consistency(last.size, log) if last.size else []
        grown = last.size == 0 or head(log[: last.size]) == last.root
        if not grown or proof != honest or (last.size and root != head(log)):
            raise Reverts("CheckpointInconsistent", last.size, last.root, size, root)
        kinds = set()
        for signed in signatures:
            kind = self.held.get(signed.by)
            if kind not in self._roles.witnesses:
                raise Reverts("NotAWitness", signed.by)
            if signed.what != ("checkpoint", self.address, size, root, last.size, last.root):
                raise Reverts("WitnessNotSigned", signed.by)
            kinds.add(kind)
        if len(kinds) < 2:
            raise Reverts("TooFewWitnesses")
        self._own = Checkpoint(size, now, root)

    # ------------------------------------------------------------ rules that several share

    def _in_office(self) -> None:
        if self.successor != NOBODY:
            raise Reverts("StoreHandedOver", self.successor)
        if self.predecessor is not None and self.predecessor.successor != self.address:
            raise Reverts("NotTheSuccessor", self.predecessor.address, self.predecessor.successor)

    def _purpose(self, task: bytes, items: list[Item], now: int) -> bytes:
        self.needs_no_pause()
        if not items:
            raise Reverts("EmptyBatch")
        return self.scheduler.recordable(task, now)

    def _consent_refusal(self, item: Item, purpose: bytes, now: int) -> Refusal:
        _, _, authorization, subject = item
        return Refusal(int(self.registry.liveness(authorization, purpose, subject, now)))

    def _refusal_of_new(self, item: Item, seen: set[bytes], purpose: bytes, now: int) -> Refusal:
        claim = item[0]
        if not all(any(field) for field in item):
            return Refusal.ZERO_FIELD
        if claim in seen:
            return Refusal.REPEATED_IN_BATCH
        if claim in self.claims:
            return Refusal.ALREADY_RECORDED
        if self.is_recorded(claim):
            return Refusal.RECORDED_IN_PREDECESSOR
        return self._consent_refusal(item, purpose, now)

    def _nexts(
        self, task: bytes, items: list[Item], purpose: bytes, now: int
    ) -> Iterator[tuple[int, Refusal]]:
        for index, item in enumerate(items):
            if index and item[0] <= items[index - 1][0]:
                raise Reverts("KeysNotAscending", index, item[0])
            yield index, self._refusal_of_next(task, item, purpose, now)

    def _refusal_of_next(self, task: bytes, item: Item, purpose: bytes, now: int) -> Refusal:
        claim, digest, authorization, _ = item
        if not all(any(field) for field in item):
            return Refusal.ZERO_FIELD
        if claim not in self.claims:
            return Refusal.CLAIM_UNKNOWN
        last = self.claims[claim][-1]
        if (last.digest, last.authorization, last.task) == (digest, authorization, task):
            return Refusal.RESULT_UNCHANGED
        if len(self.claims[claim]) == MAX_VERSIONS:
            return Refusal.VERSIONS_EXHAUSTED
        return self._consent_refusal(item, purpose, now)

    def _payout_refusal(self, claim: bytes, version: int) -> PayoutRefusal:
        if claim not in self.claims:
            return PayoutRefusal.CLAIM_UNKNOWN
        if version != len(self.claims[claim]):
            return PayoutRefusal.NOT_THE_CURRENT_VERSION
        return {
            PayoutState.RECORDED: PayoutRefusal.NONE,
            PayoutState.PAID: PayoutRefusal.ALREADY_PAID,
            PayoutState.REVERSED: PayoutRefusal.REVERSED,
        }[self.claims[claim][-1].state]
