"""Money is whole fen, and a decision depends only on its inputs."""

import ast

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


def test_the_pure_rooms_read_no_clock_and_take_no_chance() -> None:
    calls = [
        f"{place(path, node)} {dotted(node.func)}"
        for path, node in nodes(*PURE_ROOMS)
        if isinstance(node, ast.Call)
        and (
            dotted(node.func) in _CLOCK_OR_CHANCE
            or dotted(node.func).split(".")[0] in _CLOCK_OR_CHANCE_MODULES
        )
    ]
    assert not calls, f"same input, same fen: {calls}"
