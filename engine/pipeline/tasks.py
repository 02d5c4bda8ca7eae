"""Standing tasks: under what, for whom and by which terms a day's discharges are processed.

One task a product and a day, opened by the requester, taken and started by the provider. It carries the
digest of all terms of the product then loaded; new terms on the same day open a further task.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

from sqlmodel import Session

from engine.chain.contracts import RECORDINGS, SENSITIVE_PERSONAL, TaskKind, TaskState, recorded_version
from engine.chain.errors import ContractRefused
from engine.chain.sender import TxRef
from engine.evidence.canonical import digest
from engine.evidence.manifest import hex32, terms_register, terms_root
from engine.pipeline.consent import scope_id
from engine.pipeline.context import SHANGHAI, Context
from engine.pipeline.values import raw
from engine.store import claims, match_tasks, policies, tables

_LASTS = timedelta(days=14)
_NODES_BEHIND = timedelta(hours=1)
"""How far a chain's time may lag behind ours at most, for a task to be looked for where it was opened."""


def ensure_task(ctx: Context, product: str) -> tables.ProcessingTask:
    """Today's running task of a product; finishes whatever an interrupted start left undone."""
    now = ctx.clock()
    row = ctx.writer.run(lambda session: _row(session, product, now))
    if row.running and ctx.chain.scheduler.state_of(row.task_id) >= TaskState.RUNNING:
        return row  # else a reorganisation undid its start
    _start(ctx, row, now)
    row.running = True
    ctx.writer.run(partial(_merge, row))
    return row


def takes_results(ctx: Context, task_id: str) -> bool:
    """Whether first versions may be recorded under a matching task now: it has completed, its time is not
    over, and it is of the terms that are loaded."""
    with ctx.database.reading() as session:
        row = match_tasks.task(session, task_id)
        if row is None or terms_of(session, row.document["product"])[1] != row.terms_root:
            return False
    try:
        ctx.chain.scheduler.require_recordable(task_id)
    except ContractRefused:
        return False
    return True


def close_past_tasks(ctx: Context) -> int:
    """Complete the tasks of earlier days: both sides commit to what was recorded under them.

    Each side's digest is over the results as the chain tells them, in order; equal digests complete the task.
    """
    today = ctx.clock().astimezone(SHANGHAI).date()
    with ctx.database.reading() as session:
        past = list(claims.tasks_to_close(session, today))
    for row in past:
        if ctx.chain.scheduler.state_of(row.task_id) is TaskState.RUNNING:
            _complete(ctx, row.task_id, row.day)
        row.closed = True
        ctx.writer.run(partial(_merge, row))
    return len(past)


def _complete(ctx: Context, task_id: str, day: date) -> None:
    scheduler = ctx.chain.scheduler
    try:
        scheduler.heartbeat(task_id)
    except ContractRefused as error:
        if error.error_name == "DeadlinePassed":
            scheduler.expire(task_id)
            return
        if error.error_name != "LeaseLapsed":
            raise
        # The engine was away for longer than a lease: the task is put up again, and taken again.
        scheduler.lapse(task_id)
        scheduler.accept(task_id)
        scheduler.start(task_id)
    recorded = _recorded_under(ctx, task_id, day)
    for commit in (scheduler.commit_result_as_provider, scheduler.commit_result_as_requester):
        try:
            commit(task_id, recorded)
        except ContractRefused as error:
            if error.error_name != "AlreadyCommitted":  # by this very call, before a crash
                raise


def _recorded_under(ctx: Context, task_id: str, day: date) -> bytes:
    begins = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) - _NODES_BEHIND
    first = max(ctx.chain.deployment.block, ctx.chain.block_at(int(begins.timestamp())))
    head = ctx.chain.block_number()
    events = [
        event
        for name in RECORDINGS
        for event in ctx.chain.events_of(ctx.chain.results, first, head, name, taskId=raw(task_id))
    ]
    results = [
        [event.args["claimKey"], recorded_version(event.args), event.args["resultDigest"]]
        for event in sorted(events, key=lambda event: event.position)
    ]
    return digest({"task": task_id, "results": results})


def _merge(row: tables.ProcessingTask, session: Session) -> None:
    session.merge(row)


def terms_of(session: Session, product: str) -> tuple[list[str], str]:
    """The digests of all its terms that are loaded now, and their root (0x and 64 digits)."""
    register = terms_register(p.digest for p in policies.products(session) if p.product == product)
    return register, hex32(terms_root(register))


def _row(session: Session, product: str, now: datetime) -> tables.ProcessingTask:
    day = now.astimezone(SHANGHAI).date()
    register, root = terms_of(session, product)
    held = claims.task(session, product, day, root)
    if held is not None:
        return held
    task_id = hex32(digest({"task": "discharges", "product": product, "day": day.isoformat(), "terms": root}))
    row = tables.ProcessingTask(
        task_id=task_id, product=product, day=day, terms_root=root, terms_register=register
    )
    session.add(row)
    return row


def _start(ctx: Context, row: tables.ProcessingTask, now: datetime) -> None:
    dataset = _ensure_dataset(ctx, row.product)
    task_id, scheduler = raw(row.task_id), ctx.chain.scheduler
    scope, deadline = raw(scope_id(ctx, row.product)), int((now + _LASTS).timestamp())
    terms = raw(row.terms_root)
    _move(
        ctx,
        task_id,
        TaskState.OPEN,
        lambda: scheduler.open(task_id, dataset, scope, terms, deadline, TaskKind.STANDING),
    )
    _move(ctx, task_id, TaskState.ACCEPTED, lambda: scheduler.accept(task_id))
    _move(ctx, task_id, TaskState.RUNNING, lambda: scheduler.start(task_id))


def _move(ctx: Context, task_id: bytes, to: TaskState, send: Callable[[], TxRef]) -> None:
    """Unless the task has come as far. A sending brings back what a reorganisation undid: maybe this move."""
    if ctx.chain.scheduler.state_of(task_id) >= to:
        return
    try:
        send()
    except ContractRefused:
        if ctx.chain.scheduler.state_of(task_id) < to:
            raise


def _ensure_dataset(ctx: Context, product: str) -> bytes:
    dataset = digest({"dataset": "discharge settlements", "product": product})
    ctx.chain.catalog.register_once(dataset, SENSITIVE_PERSONAL, [raw(scope_id(ctx, product))])
    return dataset
