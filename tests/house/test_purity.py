"""Money is whole fen, and a decision depends only on its inputs."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import PURE_ROOMS, dotted, nodes, place, python_files

MONEY_ROOMS = ("engine/money.py", "engine/adjudication")
"""Where every quantity is money or a ratio of it; in `engine/terms` a slash also joins paths."""

_CLOCK_OR_CHANCE = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today"),
    *("os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4"),
}
_CLOCK_OR_CHANCE_MODULES = {"time", "random", "secrets", "uuid"}


def test_the_pure_rooms_are_there() -> None:
    for room in PURE_ROOMS:
        assert python_files(room), f"{room} has gone, and the rules below would check nothing"


def test_no_float_in_money_terms_or_adjudication() -> None:
    floats = [
        place(path, node)
        for path, node in nodes(*PURE_ROOMS)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Call) and dotted(node.func) == "float")
    ]
    assert not floats, f"money and ratios are integers: {floats}"


def test_money_is_never_divided_with_a_slash() -> None:
    divisions = [
        place(path, node)
        for path, node in nodes(*MONEY_ROOMS)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    ]
    assert not divisions, f"an int divided by / is a float; rounding is `engine.money.portion`: {divisions}"


DEFAULT_CLOCKS = {
    "engine/pipeline/context.py": "where the engine is put together: everything below takes its clock",
    "engine/payout/http_bank.py": "the default of an adapter that is also used by itself",
}
"""Files of the engine that may read the machine's clock, and why."""


def _calls_to_clock_or_chance(*roots: str) -> Iterator[tuple[Path, str]]:
    for path, node in nodes(*roots):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in _CLOCK_OR_CHANCE or name.partition(".")[0] in _CLOCK_OR_CHANCE_MODULES:
                yield path, f"{place(path, node)} {name}"


def test_the_pure_rooms_read_no_clock_and_take_no_chance() -> None:
    calls = [call for _, call in _calls_to_clock_or_chance(*PURE_ROOMS)]
    assert not calls, f"same input, same fen: {calls}"


def test_the_engine_takes_its_clock_and_its_randomness_from_outside() -> None:
    calls = [
        call
        for path, call in _calls_to_clock_or_chance("engine")
        if str(path) not in DEFAULT_CLOCKS and Path("engine/sandbox") not in path.parents
    ]
    assert not calls, f"take a clock or an rng as an argument: {calls}"
