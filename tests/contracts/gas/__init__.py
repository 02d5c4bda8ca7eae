"""What the contracts cost: every state-changing function in its typical case.

`measure()` gives what -> gas. Each case starts from the same deployed world with the same keys, times and
random values, so its figure is the same on every machine and moves with no other case.
"""

from tests.contracts.gas import consent, deployment, results, tasks
from tests.contracts.gas.case import CASES, CONFIRMED, RECORDED, RECORDED_AND_CONFIRMED
from tests.contracts.world import World

__all__ = ["consent", "deployment", "measure", "results", "tasks"]  # importing them enters their cases


def measure() -> dict[str, int]:
    """Every figure, in the order of the cases."""
    world = World()
    figures: dict[str, int] = {}
    for what, act in CASES.items():
        with world.undone():
            figures[what] = act(world)
    figures[RECORDED_AND_CONFIRMED] = figures[RECORDED] + figures[CONFIRMED]
    return figures
