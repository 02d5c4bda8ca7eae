"""What finds no room in the kernel's memory is left to the scalar engine, and comes out the same."""

from dataclasses import replace

import numpy as np

from engine.adjudication.replay.plan import NONE
from engine.adjudication.replay.scratch import MOST_GROUPS, MOST_USES, begin_policy, scratch, use_of
from engine.money import Fen
from engine.settlement.model import Settlement
from engine.terms import Terms
from engine.terms.model import Fixed, Limit, LineSelector, Rate, Ratio, SharedCap, Text
from tests.adjudication.builder import line, policy, stay, terms
from tests.adjudication.replay.lives import COMPILES
from tests.adjudication.replay.test_equal import by_columns, by_scalar

pytestmark = COMPILES
NAME = Text("名", "name")
BY = terms("huhuibao-2021")
INPATIENT = next(one for one in BY.benefits if one.code == "B1")
EVERY = LineSelector(frozenset(("09",)), ())


def only(**changes: object) -> Terms:
    """2021 with its benefit for a year's inpatient costs alone, changed."""
    by = replace(BY, benefits=(replace(INPATIENT, **changes),))  # type: ignore[arg-type]
    return replace(by, caps=(), aggregate_cap_fen=None)


def paid(by: Terms, *bills: Settlement) -> tuple[list[int], int]:
    """What each is paid, equal by columns and without, and how many the columns left over."""
    book = [(policy(), bills)]
    found, left_over = by_columns(by, book)
    assert found == by_scalar(by, book)
    return [fen for _, fen, *_ in found], left_over  # type: ignore[misc]


def test_more_groups_of_cost_than_there_is_room_for() -> None:
    by = only(limits=(Limit("each", NAME, EVERY, False, "line", Fen(10**6), None, {}),))
    rows = [line(20) for _ in range(MOST_GROUPS)]
    second = stay([line(100)], setl_id="S-2")
    just, left_over = paid(by, stay(rows))
    assert (just, left_over) == ([1_467_200], 0)
    beyond, left_over = paid(by, stay([*rows, line(20)]), second)
    assert (beyond[0], left_over) == (1_468_600, 2)


def test_costs_beyond_a_machine_word() -> None:
    """Each line within measure, their sum not."""
    rows = [line(9_999_999_999) for _ in range(20)]
    amounts, left_over = paid(only(cap_fen=None, limits=()), stay(rows))
    assert amounts == [(20 * 999_999_999_900 - 2_000_000) * 7 // 10]
    assert left_over == 1


def test_fixed_amounts_beyond_a_machine_word() -> None:
    by = only(
        lines=None,
        items=None,
        base=(),
        deductible=None,
        limits=(),
        cap_fen=None,
        ratio=Ratio(Rate(10_000, 10_000), (), (), "year", True),
        fixed=Fixed(Fen(10**13), "day", 0, None, None),
    )
    assert paid(by, stay([line(1)])) == ([10 * 10**13], 1)


def test_more_items_under_limits_than_there_is_room_for() -> None:
    memory = scratch(1, 1)
    begin_policy(memory)
    places = [use_of(memory, 0, item, NONE) for item in range(MOST_USES)]
    assert places == list(range(MOST_USES))
    assert use_of(memory, 0, MOST_USES // 2, NONE) == MOST_USES // 2
    assert memory.counts[2] == 0
    use_of(memory, 0, MOST_USES, NONE)
    assert memory.counts[2] == 1
    begin_policy(memory)
    assert (use_of(memory, 0, MOST_USES, NONE), memory.counts[2]) == (0, 0)
    assert np.all(memory.use_fen[:1] == 0)


CARRIES = {
    "deductible": None,
    "limits": (),
    "ratio": Ratio(Rate(3_333, 3_333), (), (), "year", True),
}


def in_two_months(first_fen: int, second_fen: int) -> tuple[Settlement, Settlement]:
    one, two = (
        stay([line(1)]),
        stay([line(1)], setl_id="S-2", admitted_on=stay([]).admitted_on.replace(month=10)),
    )
    return tuple(  # type: ignore[return-value]
        replace(
            bill,
            lines=(replace(bill.lines[0], own_pay_fen=Fen(fen), amount_fen=Fen(fen)),),
            total_fen=Fen(fen),
            own_pay_fen=Fen(fen),
            cash_fen=Fen(fen),
        )
        for bill, fen in ((one, first_fen), (two, second_fen))
    )


def test_what_a_cap_took_is_not_carried_on() -> None:
    """305 fen come to 101.6565, rounded to 102; with no cap the next, 1.6665, owes 0.3435 of them."""
    by = replace(only(**CARRIES), rounding="half_up_fen_year")
    bills = in_two_months(305, 5)
    assert paid(by, *bills) == ([102, 1], 0)
    capped = replace(only(**CARRIES, stay_cap_fen=Fen(100)), rounding="half_up_fen_year")
    assert paid(capped, *bills) == ([100, 2], 0)
    shared = SharedCap("c", NAME, frozenset(("B1",)), Fen(100), "stay")
    assert paid(replace(by, caps=(shared,)), *bills) == ([100, 2], 0)
