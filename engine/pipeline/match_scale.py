"""The insurer's side of finding beforehand whom both lists have (engine rr22), a run a matching task.

Begun when the provider asks for it; what the two need to know each other by is exchanged on the connection
that is authenticated already. Of the run the insurer learns about how long the provider's list is. A run that
broke off goes on with the buckets that are missing when it is asked for again.
"""

import shutil
from functools import partial
from pathlib import Path

import structlog

from engine.errors import AutoclaimError
from engine.evidence.match_task import MatchTask
from engine.matching.errors import ScaleMissing
from engine.matching.scale.link import Joining, Link, free_place, joined, joining
from engine.matching.scale.run import Run, Side, intersect
from engine.matching.scale.running import Prepared
from engine.matching.voprf import person_message
from engine.pipeline.context import Context
from engine.pipeline.roll_people import certificates

log = structlog.get_logger()


def begin(ctx: Context, task: MatchTask, theirs: Joining) -> Joining:
    """How the node's side gets to ours, which has begun. Raises ScaleMissing, ValueError for what a side
    cannot be, Unavailable `match.scale_busy`."""
    require_installed(ctx)
    return ctx.scale_runs.begin(task.task_id, theirs, partial(_prepared, ctx, task, theirs))


def require_installed(ctx: Context) -> None:
    """Raises ScaleMissing."""
    if not ctx.settings.psi_python.is_file():
        raise ScaleMissing(ctx.settings.psi_python)


def forget(ctx: Context, task_id: str) -> None:
    """What a run of a task that has ended left."""
    shutil.rmtree(_folder(ctx, task_id), ignore_errors=True)


def _folder(ctx: Context, task_id: str) -> Path:
    return ctx.settings.in_home("scale") / task_id


def _prepared(ctx: Context, task: MatchTask, theirs: Joining) -> Prepared:
    folder = _folder(ctx, task.task_id)
    ours = joining(folder, free_place(ctx.settings.psi_host), ctx.clock())
    return ours, partial(_run, ctx, task, joined(folder, ours, theirs))


def _run(ctx: Context, task: MatchTask, link: Link) -> None:
    run = Run(
        id=bytes.fromhex(task.task_id[2:]),
        side=Side.INSURER,
        link=link,
        folder=_folder(ctx, task.task_id) / "run",
        python=ctx.settings.psi_python,
    )
    people = (person_message(*one) for one in certificates(ctx, task.product))
    about = log.bind(task_id=task.task_id)
    try:
        done = intersect(people, run, ctx.rng)
    except (AutoclaimError, ValueError, OSError) as error:
        about.warning("match_task.scale_failed", error=str(error))
    except Exception:  # noqa: BLE001  a thread's end, and the node asks again
        about.exception("match_task.scale_failed")
    else:
        line = {"sent": done.sent, "received": done.received}
        about.info("match_task.scale_done", peer_count=done.peer_count, buckets=done.buckets, **line)
