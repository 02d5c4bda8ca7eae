"""An update of the published roll on its way out: its file, its digest on chain, the row that offers it.

It can stop after any of them, and goes on from there: an update has one digest, for everybody.
"""

import shutil
from pathlib import Path

from engine.errors import Conflict, NotFound
from engine.evidence.manifest import roll_update
from engine.matching.published import Update, read_update
from engine.pipeline.context import Context
from engine.pipeline.matching import roll_dataset
from engine.store import matching


def file_of(ctx: Context, epoch: int, number: int) -> Path:
    return _folder(ctx, epoch) / f"{number}.roll"


def forget_files(ctx: Context, epoch: int) -> None:
    shutil.rmtree(_folder(ctx, epoch), ignore_errors=True)


def offered_file(ctx: Context, epoch: int, number: int) -> Path:
    """A published file. Raises NotFound, Conflict `match.epoch_withdrawn`."""
    with ctx.database.reading() as session:
        held = session.get(matching.MatchEpoch, epoch)
        update = session.get(matching.MatchUpdate, (epoch, number))
    if held is None or update is None:
        raise NotFound(f"epoch {epoch} has no update {number}", code="match.update_unknown")
    if held.withdrawn_at is not None:
        raise Conflict(f"epoch {epoch} was withdrawn", code="match.epoch_withdrawn")
    return file_of(ctx, epoch, number)


def next_after(last: matching.MatchUpdate | None) -> int:
    return 0 if last is None else last.number + 1


def offer_interrupted(ctx: Context, epoch: int) -> Update | None:
    """Offer the update that was written and never offered; None where there is none.

    Its digest may be on chain, or on its way there, so that no other file can take its place any more. Raises
    what `offer` raises.
    """
    with ctx.database.reading() as session:
        path = file_of(ctx, epoch, next_after(matching.last_update(session, epoch)))
    if not path.exists():
        return None
    update = read_update(path)
    offer(ctx, update)
    return update


def offer(ctx: Context, update: Update) -> None:
    """Put its digest on chain, where it is not there yet, and offer it from then on.

    Raises Conflict `match.update_lost` where the chain has another digest for this update, so that nobody
    would take this file in; ChainUnavailable, TransactionUnknown.
    """
    catalog, dataset = ctx.chain.catalog, roll_dataset(ctx.settings.recipient)
    what, digest = roll_update(update.epoch, update.number), bytes.fromhex(update.digest)
    if what not in catalog.first_versions(dataset):
        catalog.publish_version(dataset, what, digest)
    if catalog.first_versions(dataset)[what] != digest:
        file_of(ctx, update.epoch, update.number).unlink()
        raise Conflict(
            f"update {update.number} of epoch {update.epoch} is on chain, and its file is not here: rotate",
            code="match.update_lost",
        )
    row = matching.MatchUpdate(
        epoch=update.epoch,
        number=update.number,
        digest=update.digest,
        previous_digest=update.previous_digest,
        entries=update.entries,
        made_at=update.made_at,
    )
    ctx.writer.run(lambda session: session.add(row))


def _folder(ctx: Context, epoch: int) -> Path:
    return ctx.settings.in_home("matching") / f"epoch-{epoch}"
