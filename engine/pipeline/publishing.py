"""The roll, published for private matching: an epoch's key on chain, then files of sealed entries.

What has changed since the last update is found by comparing, people by people, so that nothing which changes
a policy or a consent has to remember to say so. An update of which there is no whole file yet is simply made
anew when it was interrupted: what it wrote down counts only once the update itself is kept.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from sqlmodel import Session

from engine.chain.contracts import SENSITIVE_PERSONAL
from engine.chain.errors import ContractRefused
from engine.errors import Conflict, NotFound
from engine.evidence.canonical import digest
from engine.matching.entries import Payload, empty_entry, seal_entry
from engine.matching.errors import PayloadTooLarge
from engine.matching.published import MOST_UPDATES, NO_DIGEST, Update, write_update
from engine.matching.voprf import EpochKey, Output, name_message, person_message
from engine.pipeline import updates
from engine.pipeline.context import Context
from engine.pipeline.matching import epoch_key, roll_dataset
from engine.pipeline.roll_people import People, pages, scopes
from engine.store import matching

_EMPTIED = ""
log = structlog.get_logger()


class _Publication:
    """The one that this process may be making."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: int | None = None


_publication = _Publication()


def made() -> int | None:
    """How many entries of the update that is being made are ready; None: none is being made."""
    return _publication.made


def publish(ctx: Context) -> list[Update]:
    """An update of every epoch that stands, after one that was interrupted; the first epoch, if none stands.

    Raises Conflict `match.publishing`, `match.epoch_full`, `match.update_lost`."""
    with _alone():
        with ctx.database.reading() as session:
            standing = [one.number for one in matching.epochs(session) if one.withdrawn_at is None]
        return [update for number in standing or [_open(ctx)] for update in _updates(ctx, number)]


def rotate(ctx: Context) -> Update:
    """The next epoch, under another key: on chain, then the whole roll. Those before it stand until they are
    withdrawn. Raises Conflict `match.publishing`."""
    with _alone():
        return _update(ctx, _open(ctx))


def withdraw(ctx: Context, number: int) -> None:
    """Nothing is answered under it from now on, its key leaves the chain, and what was published is forgotten
    here. For good; again is no change. Raises NotFound, Conflict `match.publishing`."""

    def mark(session: Session) -> None:
        epoch = session.get(matching.MatchEpoch, number)
        if epoch is None:
            raise NotFound(f"there is no epoch {number}", code="match.epoch_unknown")
        epoch.withdrawn_at = epoch.withdrawn_at or ctx.clock()
        session.add(epoch)

    ctx.writer.run(mark)
    dataset = roll_dataset(ctx.settings.recipient)
    if _key_on_chain(ctx, dataset, number) is not None:
        ctx.chain.catalog.withdraw_matching_key(dataset, number)
    with _alone():
        ctx.writer.run(lambda session: matching.forget_epoch(session, number))
        updates.forget_files(ctx, number)


@contextmanager
def _alone() -> Iterator[None]:
    """One publication at a time in this process; the database refuses a second update of one number."""
    if not _publication.lock.acquire(blocking=False):
        raise Conflict("the roll is being published", code="match.publishing")
    try:
        _publication.made = 0
        yield
    finally:
        _publication.made = None
        _publication.lock.release()


def _open(ctx: Context) -> int:
    """The next epoch's number, once its key is on chain. What a crash left undone is finished."""
    with ctx.database.reading() as session:
        number = max((one.number for one in matching.epochs(session)), default=0) + 1
    key, dataset, catalog = epoch_key(ctx, number), roll_dataset(ctx.settings.recipient), ctx.chain.catalog
    catalog.register_once(dataset, SENSITIVE_PERSONAL, [digest({"use": "matching"})])
    if _key_on_chain(ctx, dataset, number) != key.public:
        catalog.publish_matching_key(dataset, number, key.public)
    row = matching.MatchEpoch(number=number, public_key=key.public.hex(), opened_at=ctx.clock())
    ctx.writer.run(lambda session: session.add(row))
    return number


def _key_on_chain(ctx: Context, dataset: bytes, number: int) -> bytes | None:
    try:
        return ctx.chain.catalog.matching_key_of(dataset, number)
    except ContractRefused:
        return None


def _updates(ctx: Context, epoch: int) -> list[Update]:
    """What was interrupted, and what has changed since then."""
    interrupted = updates.offer_interrupted(ctx, epoch)
    update = _update(ctx, epoch)
    return [update] if interrupted is None else [interrupted, update]


def _update(ctx: Context, epoch: int) -> Update:
    with ctx.database.reading() as session:
        last = matching.last_update(session, epoch)
    number = updates.next_after(last)
    if number == MOST_UPDATES:
        raise Conflict(f"epoch {epoch} is full after {number} updates: rotate", code="match.epoch_full")
    ctx.writer.run(lambda session: matching.forget_emptied(session, epoch, number - 1))
    key, made_at = epoch_key(ctx, epoch), ctx.clock()
    path = updates.file_of(ctx, epoch, number)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    changed = _Changed(ctx, key, epoch, number)
    previous = NO_DIGEST if last is None else last.digest
    entries = _counted(changed.entries())
    update = write_update(path, epoch, number, entries, previous, key.public, made_at, ctx.rng)
    updates.offer(ctx, update)
    log.info("matching.published", epoch=epoch, update=number, entries=update.entries, **changed.left_out)
    return update


def _counted(entries: Iterator[bytes]) -> Iterator[bytes]:
    for number, entry in enumerate(entries, start=1):
        _publication.made = number
        yield entry


class _Changed:
    """The entries of one update: of whoever is new or is told otherwise, and in place of who is gone."""

    def __init__(self, ctx: Context, key: EpochKey, epoch: int, number: int) -> None:
        self._ctx = ctx
        self._key = key
        self._epoch = epoch
        self._number = number
        self._scope = scopes(ctx)
        self.left_out = {"policies_left_out": 0, "aliases_left_out": 0}
        """Policies beyond what an entry holds; aliases of which only the pseudonym is kept."""

    def entries(self) -> Iterator[bytes]:
        after = ""
        for people in pages(self._ctx):
            yield from self._of(people, after, people[-1])
            after = people[-1]
        yield from self._of([], after, None)

    def _of(self, people: Sequence[str], after: str, until: str | None) -> list[bytes]:
        with self._ctx.database.reading() as session:
            before = matching.entries_between(session, self._epoch, after, until)
            chunk = People(self._ctx, session, people, self._scope)
            stamps = {person: chunk.stamp(person) for person in people if chunk.known[person]}
            same = {row.person for row in before if self._stands(row) and row.stamp == stamps.get(row.person)}
            changed = [person for person in stamps if person not in same]
            held, new = self._handles(session, {one.policy_id for who in changed for one in chunk.known[who]})
            chunk.open(session, changed)
            made = {who: entry for who in changed if (entry := self._entry(chunk, who, held)) is not None}
        rows = [self._row(output.tag.hex(), who, stamps[who]) for who, (output, _) in made.items()]
        entries = [entry for _, entry in made.values()]
        for row in before:
            if row.person not in stamps and not (self._stands(row) and row.stamp == _EMPTIED):
                rows.append(self._row(row.tag, row.person, _EMPTIED))
                entries.append(empty_entry(bytes.fromhex(row.tag), self._ctx.rng))
        self._ctx.writer.run(lambda session: matching.keep_entries(session, rows, new))
        return entries

    def _stands(self, row: matching.MatchEntry) -> bool:
        """Not where an update that was interrupted wrote it."""
        return row.update_number < self._number

    def _row(self, tag: str, person: str, stamp: str) -> dict[str, Any]:
        return {
            "epoch": self._epoch,
            "tag": tag,
            "person": person,
            "stamp": stamp,
            "update_number": self._number,
        }

    def _handles(
        self, session: Session, policy_ids: Iterable[int]
    ) -> tuple[dict[int, str], list[dict[str, Any]]]:
        """By policy, and as rows those that are new."""
        wanted = sorted(policy_ids)
        held = matching.handles(session, self._epoch, wanted)
        new: list[dict[str, Any]] = [
            {"epoch": self._epoch, "policy_id": policy_id, "handle": self._ctx.rng(32).hex()}
            for policy_id in wanted
            if policy_id not in held
        ]
        return held | {row["policy_id"]: row["handle"] for row in new}, new

    def _entry(self, chunk: People, who: str, handles: dict[int, str]) -> tuple[Output, bytes] | None:
        """None: it is no certificate's pseudonym, or nobody knows any more of what."""
        certificate = chunk.certificate(who)
        if certificate is None:
            self.left_out["aliases_left_out"] += chunk.is_unknown(who)
            return None
        output = self._key.output(person_message(*certificate))
        names = {self._key.output(name_message(*certificate, name)).tag for name in chunk.names(who)}
        under = [chunk.insured_under(one, handles[one.policy_id], certificate) for one in chunk.known[who]]
        while True:
            payload = Payload(tuple(sorted(names)), tuple(under))
            try:
                return output, seal_entry(output, self._epoch, payload, self._ctx.rng)
            except PayloadTooLarge:
                if not under:
                    raise
                under.pop()  # the one that ended first
                self.left_out["policies_left_out"] += 1
