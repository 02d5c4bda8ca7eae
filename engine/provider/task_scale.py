"""The node's side of finding beforehand whom both lists have (engine rr22)."""

from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree

from engine.evidence.match_task import MatchTask
from engine.matching.errors import ScaleBroken, ScaleMissing
from engine.matching.scale.link import free_place, joined, joining
from engine.matching.scale.run import Run, Side, intersect
from engine.provider.node import Node


def in_both(node: Node, task: MatchTask, people: Iterable[bytes]) -> set[int]:
    """The places, from 0, of those people whom the insurer's list has too. people: a message each.

    Raises ScaleMissing, ScaleRefused, and ScaleBroken, after which the same again goes on where it ended.
    """
    python = node.settings.psi_python
    if not python.is_file():
        raise ScaleMissing(python)
    folder = _folder(node, task.task_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / "place"
    if not place.exists():
        place.write_text(free_place(node.settings.psi_host), "ascii")
    # The same as before where the insurer's answer was lost: its side may be waiting for ours there.
    ours = joining(folder, place.read_text("ascii"), node.clock())
    theirs = node.insurer.join(task.hospitals[0], task.task_id, ours)
    run = Run(
        id=bytes.fromhex(task.task_id[2:]),
        side=Side.PROVIDER,
        link=joined(folder, ours, theirs),
        folder=folder / "run",
        python=python,
    )
    try:
        return set(intersect(people, run, node.rng).matched.tolist())
    except ScaleBroken:
        place.unlink()
        raise


def forget(node: Node, task_id: str) -> None:
    """What a run left: its result is in the plan."""
    rmtree(_folder(node, task_id), ignore_errors=True)


def _folder(node: Node, task_id: str) -> Path:
    return node.settings.home / "scale" / task_id
