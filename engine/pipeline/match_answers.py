"""What a provider's node asks in a matching task: its document, batches of blinded elements, and to take in
releases, which wait sealed until both parties agree on what the task came to.

A batch is kept, and its elements are spent, before it is evaluated: an answer that was lost on its way is
asked for again under the same number, and spends as much again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session

from engine.chain.contracts import TaskState
from engine.errors import AutoclaimError, Conflict, NotFound, Refused, Unavailable
from engine.evidence.errors import NotCanonical
from engine.evidence.match_task import RR22, MatchCounts, MatchTask, release_digest
from engine.matching.errors import ElementInvalid
from engine.matching.scale.link import Joining
from engine.matching.voprf import MOST_ELEMENTS, Evaluated
from engine.pipeline import match_scale, releases
from engine.pipeline.context import Context
from engine.pipeline.matching import check_epoch
from engine.pipeline.sealed import seal_staged
from engine.pipeline.values import raw
from engine.store import match_tasks, matching
from engine.store.match_tasks import MatchTaskBatch, MatchTaskRow, StagedRelease

_MAY_YET_RUN = (TaskState.NONE, TaskState.OPEN, TaskState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Batch:
    """Discharges of one hospital, by their commitments (64 hexadecimal digits), and the elements of whoever
    they are of: two a person, 32 bytes each."""

    task_id: str
    provider: str
    number: int
    discharges: Sequence[str]
    elements: Sequence[bytes]


def document(ctx: Context, provider: str, task_id: str) -> dict[str, Any]:
    """Raises NotFound for a task that has nothing to do with this hospital."""
    with ctx.database.reading() as session:
        return _of(session, provider, task_id).document


def evaluate(ctx: Context, batch: Batch) -> Evaluated:
    """The answer to a batch, once it is kept.

    Raises NotFound `task.unknown`; Conflict `task.not_running`, `task.closed`, `task.most`, `task.batch`,
    `match.discharge_reused`, `match.epoch_withdrawn`; Refused `match.batch`; ElementInvalid; Unavailable.
    """
    _check(batch)
    try:
        _require_running(ctx, batch.task_id)
        epoch = ctx.writer.run(lambda session: _keep(ctx, session, batch))
        return ctx.evaluators.evaluate(ctx.vault.derive("matching"), epoch, batch.elements)
    except (ElementInvalid, Conflict) as error:
        _alarm(ctx, batch.provider, error)
        raise


def _check(batch: Batch) -> None:
    people, discharges = len(batch.elements), len(batch.discharges)
    if not 1 <= people <= MOST_ELEMENTS:
        raise ElementInvalid(f"there must be 1 to {MOST_ELEMENTS}")
    if len(set(batch.discharges)) < discharges or not people <= 2 * discharges <= 2 * MOST_ELEMENTS:
        message = "each once, and at most two elements for each"
        wrong = {"field": "/discharges", "rule": "match.batch", "message": message}
        raise Refused("match.batch", f"/discharges: {message}", [wrong])


def _keep(ctx: Context, session: Session, batch: Batch) -> int:
    """The epoch to evaluate under."""
    row = _open(session, batch.provider, batch.task_id)
    epoch: int = row.document["epoch"]
    check_epoch(session, epoch)
    if row.spent + len(batch.elements) > row.document["most"]:
        raise Conflict(
            f"{row.spent} elements of {row.document['most']} have been evaluated for this task",
            code="task.most",
        )
    row.spent += len(batch.elements)
    session.add(row)
    shape: dict[str, Any] = {
        "provider": batch.provider,
        "elements": len(batch.elements),
        "discharges": len(batch.discharges),
        "discharges_digest": hashlib.sha256("".join(sorted(batch.discharges)).encode()).hexdigest(),
    }
    held = match_tasks.batch(session, batch.task_id, batch.number)
    if held is None:
        session.add(MatchTaskBatch(task_id=batch.task_id, number=batch.number, **shape))
        _keep_questions(ctx, session, batch, epoch)
    elif any(getattr(held, name) != value for name, value in shape.items()):
        raise Conflict("/number: another batch of this task was asked under it", code="task.batch")
    else:
        held.asked += 1
        session.add(held)
    return epoch


def _keep_questions(ctx: Context, session: Session, batch: Batch, epoch: int) -> None:
    rows = [
        {
            "provider": batch.provider,
            "discharge": discharge,
            "epoch": epoch,
            "day": ctx.today(),
            "elements": 0,  # the batch counts them: a person of several discharges is asked about once
            "asked_at": ctx.clock(),
            "settlement_id": None,
            "task_id": batch.task_id,
        }
        for discharge in batch.discharges
    ]
    if len(matching.keep_questions(session, rows)) < len(rows):
        raise Conflict("/discharges: one of them was asked about before", code="match.discharge_reused")


def stage(ctx: Context, one: releases.Release, sent: Mapping[str, Any]) -> None:
    """Keep a release under its task until the task ends; returns after the commit. The same again is no
    change. sent: the message as it came.

    Raises what releases.checked does; NotFound `task.unknown`; Conflict `task.not_running`, `task.closed`,
    `task.staged`.
    """
    task_id = str(one.task)
    _require_running(ctx, task_id)
    releases.checked(ctx, one)
    try:
        digest = release_digest(sent)
    except NotCanonical as error:
        raise Refused("release.document", str(error)) from error
    new = StagedRelease(
        task_id=task_id,
        provider=one.provider,
        discharge=one.discharge,
        handle=one.handle,
        digest=digest,
        staged_at=ctx.clock(),
    )
    new.release_sealed = seal_staged(ctx.vault, new, one.stated)

    def keep(session: Session) -> None:
        held = match_tasks.staged(session, task_id, one.provider, one.discharge, one.handle)
        if held is None:
            _open(session, one.provider, task_id)
            session.add(new)
        elif held.digest != digest:
            raise Conflict("/discharge: released under this task otherwise", code="task.staged")

    ctx.writer.run(keep)


def tell_counts(ctx: Context, provider: str, task_id: str, counts: MatchCounts) -> None:
    """What the task came to by the provider's own books: kept to be shown beside ours, and believed in
    nothing. Raises NotFound."""

    def keep(session: Session) -> None:
        row = _of(session, provider, task_id, lock=True)
        row.theirs = asdict(counts)
        session.add(row)

    ctx.writer.run(keep)


def outcomes(ctx: Context, provider: str, task_id: str) -> list[dict[str, Any]]:
    """What became of this hospital's releases, once the task has ended; outcome None: nothing yet. Raises
    NotFound."""
    with ctx.database.reading() as session:
        ended = _of(session, provider, task_id).ended is not None
        return [
            {"discharge": one.discharge, "handle": one.handle, "outcome": one.outcome if ended else None}
            for one in match_tasks.outcomes(session, task_id, provider)
        ]


def begin_scale(ctx: Context, provider: str, task_id: str, theirs: Joining) -> Joining:
    """Begin our side of finding whom both lists have, before anything is asked; how the provider's side gets
    to it. Raises NotFound, Conflict `task.engine`, `task.not_running`, Refused `match.scale`, and what
    match_scale.begin does."""
    with ctx.database.reading() as session:
        task = MatchTask.of(_of(session, provider, task_id).document)
    if task.engine != RR22:
        raise Conflict(f"the task's engine is {task.engine}", code="task.engine")
    _require_running(ctx, task_id)
    try:
        return match_scale.begin(ctx, task, theirs)
    except ValueError as error:
        wrong = {"field": "/place", "rule": "match.scale", "message": str(error)}
        raise Refused("match.scale", f"the node's side cannot be reached so: {error}", [wrong]) from error


def _of(session: Session, provider: str, task_id: str, *, lock: bool = False) -> MatchTaskRow:
    row = match_tasks.task(session, task_id, lock=lock)
    if row is None or provider not in row.document["hospitals"]:
        raise NotFound("no matching task of that id asks this hospital", code="task.unknown")
    return row


def _open(session: Session, provider: str, task_id: str) -> MatchTaskRow:
    """For a change: locked, and its books are not closed."""
    row = _of(session, provider, task_id, lock=True)
    if row.own_digest is not None or row.ended is not None:
        raise Conflict("what the task came to is settled; nothing more is taken in", code="task.closed")
    return row


def _require_running(ctx: Context, task_id: str) -> None:
    """Raises Unavailable where it may yet run: the provider's endpoint may be ahead of ours."""
    state = ctx.chain.scheduler.state_of(raw(task_id))
    message = f"on chain the task is {state.name.lower()}"
    if state in _MAY_YET_RUN:
        raise Unavailable(message, code="task.not_running")
    if state is not TaskState.RUNNING:
        raise Conflict(message, code="task.not_running")


def _alarm(ctx: Context, provider: str, error: AutoclaimError) -> None:
    day, now = ctx.today(), ctx.clock()
    ctx.writer.run(lambda session: matching.raise_alarm(session, provider, day, error.code, now))
