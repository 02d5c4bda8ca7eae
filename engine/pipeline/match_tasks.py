"""Matching tasks, list against list: opened on chain for a provider's dataset, and what follows their end.

Where a task stands, the chain says. Both parties commit there to what it came to, each from its own books:
only where they agree do the releases that were handed over under it become claims.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog
from sqlmodel import Session

from engine.chain.contracts import TaskKind, TaskState
from engine.chain.errors import ContractRefused
from engine.errors import Conflict, NotAllowed, NotFound, Refused
from engine.evidence.canonical import digest
from engine.evidence.manifest import hex32, provider_dataset
from engine.evidence.match_task import RR22, MatchCounts, MatchTask, releases_root
from engine.pipeline import match_scale, releases
from engine.pipeline.consent import scope_id
from engine.pipeline.context import Context
from engine.pipeline.sealed import staged
from engine.pipeline.tasks import terms_of
from engine.store import match_tasks, matching
from engine.store.match_tasks import MatchTaskRow, StagedRelease

_LASTS = timedelta(days=14)
_AT_ONCE = 100
_LEASED = (TaskState.ACCEPTED, TaskState.RUNNING)
_UNDER_WAY = (TaskState.OPEN, *_LEASED)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be matched: discharges of these days, of these hospitals, by the node of that address.

    provider: 0x and 40 lower-case digits. most: blinded elements that may be evaluated; a person is two.
    """

    provider: str
    hospitals: Sequence[str]
    product: str
    since: date
    until: date
    most: int
    engine: str

    @property
    def digest(self) -> str:
        stated = asdict(self) | {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return digest(stated | {"hospitals": sorted(set(self.hospitals))}).hex()


@dataclass(frozen=True, slots=True)
class Opened:
    """`created` is False where the same had been ordered before, and has not ended."""

    task: dict[str, Any]
    created: bool


def open_task(ctx: Context, order: Order) -> Opened:
    """Open it on chain by the requester's key; the same again is that task until it has ended, and finishes
    what was interrupted.

    Raises Refused `task.order`; NotFound `hospital.unknown`, `product.unknown`; Conflict `task.dataset`,
    `match.no_epoch`; ScaleMissing.
    """
    with ctx.database.reading() as session:
        row = match_tasks.unended_of(session, order.digest)
    created = row is None
    if row is None:
        new = _row(ctx, order)

        def keep(session: Session) -> MatchTaskRow:
            held = match_tasks.unended_of(session, order.digest)
            if held is None:
                session.add(new)
            return held or new

        row = ctx.writer.run(keep)
    _put_on_chain(ctx, row)
    return Opened(_view(ctx, row), created)


def _row(ctx: Context, order: Order) -> MatchTaskRow:
    _check(ctx, order)
    now = ctx.clock()
    with ctx.database.reading() as session:
        register, root = terms_of(session, order.product)
        epoch = matching.newest_standing(session)
    if not register:
        raise NotFound(f"/product: {order.product} is not loaded", code="product.unknown")
    if epoch is None:
        raise Conflict("no roll is published: run `autoclaim matching publish`", code="match.no_epoch")
    task = MatchTask(
        provider=order.provider,
        dataset=hex32(provider_dataset(order.provider)),
        hospitals=tuple(sorted(set(order.hospitals))),
        product=order.product,
        scope=scope_id(ctx, order.product),
        terms_root=root,
        epoch=epoch,
        since=order.since,
        until=order.until,
        most=order.most,
        engine=order.engine,
        nonce=hex32(ctx.rng(32)),
    )
    try:
        ctx.chain.catalog.require_usable(task.dataset, task.scope)
    except ContractRefused as error:
        raise Conflict(
            f"/provider: no node of that address has registered discharges that may be matched for "
            f"{order.product} ({error.error_name})",
            code="task.dataset",
        ) from error
    return MatchTaskRow(
        task_id=task.task_id,
        request=order.digest,
        document=task.document,
        terms_root=root,
        terms_register=register,
        deadline_s=int((now + _LASTS).timestamp()),
        opened_at=now,
    )


def _check(ctx: Context, order: Order) -> None:
    if order.until < order.since:
        wrong = {"field": "/until", "rule": "task.order", "message": "must not be before /from"}
        raise Refused("task.order", "/until: must not be before /from", [wrong])
    for code in order.hospitals:
        if ctx.hospital_register().get(code) is None:
            raise NotFound(f"/hospitals: no hospital {code} is registered", code="hospital.unknown")
    if order.engine == RR22:
        match_scale.require_installed(ctx)


def _put_on_chain(ctx: Context, row: MatchTaskRow) -> None:
    scheduler, task = ctx.chain.scheduler, MatchTask.of(row.document)
    if scheduler.state_of(row.task_id) is not TaskState.NONE:
        return
    try:
        scheduler.open(
            row.task_id, task.dataset, task.scope, task.terms_root, row.deadline_s, TaskKind.ONE_OFF
        )
    except ContractRefused:
        if scheduler.state_of(row.task_id) is TaskState.NONE:
            raise


def show(ctx: Context, task_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    return _view(ctx, known(ctx, task_id))


def list_tasks(ctx: Context, limit: int) -> list[dict[str, Any]]:
    """The newest first."""
    with ctx.database.reading() as session:
        rows = match_tasks.newest(session, limit)
    return [_view(ctx, row) for row in rows]


def known(ctx: Context, task_id: str) -> MatchTaskRow:
    """Raises NotFound."""
    with ctx.database.reading() as session:
        row = match_tasks.task(session, task_id)
    if row is None:
        raise NotFound(f"there is no matching task {task_id}", code="task.unknown")
    return row


def _view(ctx: Context, row: MatchTaskRow) -> dict[str, Any]:
    on_chain = ctx.chain.scheduler.task_of(row.task_id)
    with ctx.database.reading() as session:
        ours = match_tasks.asked(session, row.task_id)
    return {
        "task_id": row.task_id,
        "state": on_chain.state.name.lower(),
        "document": row.document,
        "opened_at": row.opened_at,
        "deadline": datetime.fromtimestamp(row.deadline_s, UTC),
        "spent": row.spent,
        "ours": {"elements": ours.elements, "discharges": ours.discharges, "released": ours.released},
        "theirs": row.theirs,
        "our_digest": on_chain.requester_result,
        "their_digest": on_chain.provider_result,
        "claims": ours.claims,
    }


def resolve(ctx: Context, task_id: str, result_digest: str | None) -> dict[str, Any]:
    """The arbiter's word on a disputed task: which committed digest is right; None: neither, and the task has
    failed. Raises NotFound, Conflict `task.not_disputed`, Refused `task.digest`."""
    row = known(ctx, task_id)
    on_chain = ctx.chain.scheduler.task_of(task_id)
    if on_chain.state is not TaskState.DISPUTED:
        raise Conflict(f"the task is {on_chain.state.name.lower()}, not disputed", code="task.not_disputed")
    if result_digest not in (None, on_chain.requester_result, on_chain.provider_result):
        message = "neither party has committed to it"
        wrong = {"field": "/digest", "rule": "task.digest", "message": message}
        raise Refused("task.digest", f"/digest: {message}", [wrong])
    ctx.chain.scheduler.resolve(task_id, result_digest or bytes(32))
    return _view(ctx, row)


def cancel(ctx: Context, task_id: str) -> dict[str, Any]:
    """Take back a task that no node is at; again is no change. Nothing that was handed over under it becomes
    a claim, and the provider goes on with its discharges.

    Raises NotFound; Conflict `task.leased` while a node is at it, `task.not_cancellable` once it has ended or
    is disputed.
    """
    row, scheduler = known(ctx, task_id), ctx.chain.scheduler
    try:
        scheduler.cancel(task_id)
    except ContractRefused as refused:
        if refused.error_name == "LeaseStillHeld":
            raise Conflict(
                "a node is at it: it can be cancelled once the node gives it back, or has not been heard of "
                "for a while",
                code="task.leased",
            ) from refused
        state = scheduler.state_of(task_id)
        if state is not TaskState.CANCELLED:
            raise Conflict(f"the task is {state.name.lower()}", code="task.not_cancellable") from refused
    return _view(ctx, row)


def advance(ctx: Context) -> int:
    """Do what the chain's state of each task asks of us; how many had something done. One that fails keeps no
    other from it."""
    with ctx.database.reading() as session:
        rows = match_tasks.unended(session)
    done = 0
    for row in rows:
        try:
            done += _advance(ctx, row)
        except Exception:
            log.exception("match_task.failed", task_id=row.task_id)
    return done


def _advance(ctx: Context, row: MatchTaskRow) -> bool:
    scheduler, now = ctx.chain.scheduler, ctx.chain.chain_time()
    on_chain = scheduler.task_of(row.task_id)
    if on_chain.state in _UNDER_WAY and now >= on_chain.deadline:
        scheduler.expire(row.task_id)
    elif on_chain.state in _LEASED and now >= on_chain.lease_ends:
        scheduler.lapse(row.task_id)
    elif on_chain.state is TaskState.NONE and now >= row.deadline_s:
        _end(ctx, row.task_id, TaskState.EXPIRED)  # it was never opened
    elif on_chain.state is TaskState.NONE:
        _put_on_chain(ctx, row)
    elif on_chain.state is TaskState.RUNNING:
        if on_chain.provider_result is None or on_chain.requester_result is not None:
            return False
        scheduler.commit_result_as_requester(row.task_id, _own_digest(ctx, row.task_id))
    elif on_chain.state is TaskState.DISPUTED:
        return _dispute(ctx, row)
    elif on_chain.state is TaskState.COMPLETED:
        _take_in(ctx, row.task_id)
    elif on_chain.state not in _UNDER_WAY:
        _end(ctx, row.task_id, on_chain.state)
    else:
        return False
    return True


def _own_digest(ctx: Context, task_id: str) -> str:
    """What it came to in our books, which are closed with it."""

    def close(session: Session) -> str:
        row = match_tasks.task(session, task_id, lock=True)
        if row is None:
            raise LookupError("a matching task is gone")
        if row.own_digest is None:
            asked = match_tasks.asked(session, task_id)
            root = releases_root(match_tasks.staged_digests(session, task_id))
            counts = MatchCounts(asked.elements, asked.discharges, asked.released, root)
            row.own_digest = hex32(MatchTask.of(row.document).result_digest(counts))
            session.add(row)
        return row.own_digest

    return ctx.writer.run(close)


def _dispute(ctx: Context, row: MatchTaskRow) -> bool:
    """Once. Nothing becomes a claim, until the arbiter has spoken."""
    if row.disputed_at is not None:
        return False
    log.error("match_task.disputed", task_id=row.task_id)

    def keep(session: Session) -> None:
        held = session.get_one(MatchTaskRow, row.task_id)
        held.disputed_at = ctx.clock()
        session.add(held)
        provider, now = row.document["provider"], ctx.clock()
        matching.raise_alarm(session, provider, ctx.today(), "match.task_disputed", now)

    ctx.writer.run(keep)
    return True


def _take_in(ctx: Context, task_id: str) -> None:
    """Both parties agree: what was handed over becomes claims, each once, however often this is begun."""
    while True:
        with ctx.database.reading() as session:
            waiting = match_tasks.waiting(session, task_id, _AT_ONCE)
        for row in waiting:
            _become(ctx, row)
        if not waiting:
            break
    _end(ctx, task_id, TaskState.COMPLETED)


def _become(ctx: Context, row: StagedRelease) -> None:
    try:
        outcome = releases.release(ctx, releases.Release.of(staged(ctx.vault, row))).claim_id
    except (Refused, Conflict, NotFound, NotAllowed) as refusal:
        outcome = refusal.code
    key = (row.task_id, row.provider, row.discharge, row.handle)
    ctx.writer.run(lambda session: match_tasks.settle(session, *key, outcome))


def _end(ctx: Context, task_id: str, state: TaskState) -> None:
    def keep(session: Session) -> None:
        row = session.get_one(MatchTaskRow, task_id)
        row.ended = state.name.lower()
        session.add(row)
        if state is not TaskState.COMPLETED:
            match_tasks.forget_staged(session, task_id)

    ctx.writer.run(keep)
    match_scale.forget(ctx, task_id)
    log.info("match_task.ended", task_id=task_id, state=state.name.lower())
