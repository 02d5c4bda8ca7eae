"""The insurer's published rolls, followed: each epoch under the key that stands on chain, and no other."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from engine.errors import NotFound, Unavailable
from engine.evidence.manifest import roll_update
from engine.matching.errors import UpdateInvalid
from engine.matching.published import PublishedRoll
from engine.provider.chain import ProviderChain
from engine.provider.insurer import Insurer

_LOOKED_BACK = 2
"""Epochs: a key stands on chain before the roll under it is out, and until then the one before serves."""
_NOT_ON_CHAIN = "match.update_not_on_chain"
_REFUSED = "match.update_refused"
Alarm = Callable[[str, str], None]
"""Takes a code, and a detail."""


class Roll(NamedTuple):
    """One epoch's, ready to be looked up in. public_key: as the chain has it."""

    epoch: int
    public_key: bytes
    published: PublishedRoll


class Rolls:
    """Updates taken in, by one thread at a time; looked up in by many."""

    def __init__(
        self, folder: Path, chain: ProviderChain, insurer: Insurer, alarm: Alarm, settle: Alarm
    ) -> None:
        self._folder = folder
        self._chain = chain
        self._insurer = insurer
        self._alarm = alarm
        self._settle = settle
        self._lock = Lock()
        self._open: dict[int, Roll] = {}
        self._newest: Roll | None = None

    def follow(self) -> bool:
        """Take in what is new, of the newest epoch that has a roll; whether anything was.

        Raises Unavailable, ChainUnavailable. An update that does not hold, is under another key than the
        chain's, or has another digest than everybody was told there, is refused with an alarm, and what was
        taken in before it stays in use.
        """
        newest = self._chain.newest_epoch()
        for epoch in list(self._open):
            self._in_use(epoch)
        for epoch in range(newest, max(0, newest - _LOOKED_BACK), -1):
            roll = self._in_use(epoch)
            if roll is None:
                continue
            news = self._take_all(roll)
            if roll.published.last is not None:
                with self._lock:
                    self._newest = roll
                return news
        return False

    def current(self) -> Roll:
        """Of the newest epoch at hand, for new questions. Raises Unavailable where there is none."""
        with self._lock:
            if self._newest is None or self._newest.epoch not in self._open:
                raise Unavailable("no roll of the insurer's is at hand yet", code="provider.no_roll")
            return self._newest

    def of(self, epoch: int) -> Roll:
        """That epoch's. Raises NotFound as `find` does, Unavailable where nothing of it is at hand yet."""
        roll = self._standing(epoch)
        if roll.published.last is None:
            raise Unavailable(f"no roll of epoch {epoch} is at hand yet", code="provider.no_roll")
        return roll

    def find(self, epoch: int, tag: bytes) -> bytes | None:
        """The newest entry under the tag. Raises NotFound where the epoch's key was withdrawn, as far as was
        known when the roll was followed last."""
        return self._standing(epoch).published.find(tag)

    def _standing(self, epoch: int) -> Roll:
        with self._lock:
            roll = self._open.get(epoch)
        roll = roll or self._in_use(epoch)
        if roll is None:
            raise NotFound(f"the key of epoch {epoch} was withdrawn", code="match.epoch_withdrawn")
        return roll

    def _in_use(self, epoch: int) -> Roll | None:
        """With what the folder holds of it; None where its key does not stand on chain."""
        key = self._chain.matching_key(epoch)
        with self._lock:
            if key is None:
                self._open.pop(epoch, None)
            elif epoch not in self._open:
                self._open[epoch] = Roll(epoch, key, PublishedRoll.open(self._folder / str(epoch), key))
            return self._open.get(epoch)

    def _take_all(self, roll: Roll) -> bool:
        published, news, on_chain = roll.published, False, dict[bytes, bytes]()
        while True:
            number = 0 if published.last is None else published.last.number + 1
            what, place = roll_update(roll.epoch, number), f"epoch {roll.epoch}, update {number}"
            missing = f"{place}: is offered here, and nobody was told of it on chain"
            try:
                with self._insurer.update(roll.epoch, number) as source:
                    if what not in on_chain:
                        on_chain = self._chain.roll_updates()
                    if what not in on_chain:
                        self._alarm(_NOT_ON_CHAIN, missing)
                        return news
                    published.take(source, on_chain[what].hex())
            except NotFound:
                return news
            except UpdateInvalid as error:
                self._alarm(_NOT_ON_CHAIN if error.field == "digest" else _REFUSED, f"{place}: {error}")
                return news
            self._settle(_NOT_ON_CHAIN, missing)  # this node's endpoint was behind
            news = True
