"""What holds for products of every make: tiers, parts, shared deductibles and caps, limits, fixed amounts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from engine.adjudication import Coverage, Decision, History, adjudicate
from engine.adjudication.totals import cost_left_fen
from engine.money import Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms import Terms
from engine.terms.build import build
from engine.terms.document import to_document
from engine.terms.rules import check_rules
from tests.adjudication.builder import stay
from tests.adjudication.test_properties import CASES, bill_lines

TEXT = {"zh": "示例", "en": "Example"}
YUAN = st.integers(0, 200_000)


def decimals(basis_points: int) -> str:
    return f"{basis_points // 10_000}.{basis_points % 10_000:04d}"


@st.composite
def tiers(draw: st.DrawFn, *, rising: bool = True) -> dict[str, Any]:
    """Two to four tiers; rising: a dearer year or stay is never paid at a lower rate."""
    above = sorted(draw(st.sets(st.integers(1, 500_000), min_size=1, max_size=3)))
    rates = draw(st.lists(st.integers(0, 10_000), min_size=len(above) + 1, max_size=len(above) + 1))
    rates = sorted(rates) if rising else rates
    steps = [
        {"above_yuan": yuan, "standard": decimals(rate), "pre_existing": decimals(rate // 2)}
        for yuan, rate in zip([0, *above], rates, strict=True)
    ]
    return {"tiers": {"within": draw(st.sampled_from(["stay", "year"])), "steps": steps}}


OVER = st.sampled_from([["B1", "B2", "B3"], ["B1", "B2", "B3", "H1"]])
"""What the second shared cap is over: all of indemnity, without or with the fixed benefit."""


@st.composite
def products(draw: st.DrawFn) -> Terms:
    """One product with every feature that changes an amount; its numbers are drawn."""
    deductible, extra = draw(st.integers(0, 30_000)), draw(YUAN)
    cap = deductible + extra
    aggregate = cap + draw(YUAN)
    part, whole = st.integers(0, cap), st.integers(0, aggregate)
    rate = draw(st.integers(0, 10_000))
    benefits: list[dict[str, Any]] = [
        {
            "code": "B2",
            "lines": {"categories": ["09"]},
            "base": ["own_pay", "over_limit"],
            "deductible": {"shared": "annual"},
            "ratio": {"standard": decimals(rate), "pre_existing": decimals(draw(st.integers(0, rate)))},
            "cap_yuan": cap,
            "limits": [_limit("drug", "09", "year", draw(part), per_item=True, item_code_prefix={"X": 10})],
        },
        {
            "code": "B3",
            "lines": {"categories": ["11"]},
            "base": ["own_pay"],
            "deductible": {"shared": "annual"},
            "ratio": draw(tiers(rising=False)),
            "cap_yuan": cap,
            "stay_cap_yuan": draw(part),
        },
        {
            "code": "B1",
            "lines": {"categories": ["03", "04", "08"]},
            "base": [
                {"categories": ["08"], "columns": ["own_pay", "over_limit"]},
                {"categories": ["03", "04"], "columns": ["own_pay"]},
            ],
            "deductible": {"amount_yuan": draw(st.integers(0, deductible)), "per_stay": True},
            "ratio": draw(tiers()),
            "cap_yuan": cap,
            "stay_cap_yuan": draw(part),
            "limits": [
                _limit("implant", "08", "line", draw(part)),
                _limit("tests", "03", "stay", draw(part)),
            ],
        },
        {
            "code": "H1",
            "fixed": {"amount_yuan": draw(st.integers(0, 500)), "per": "day", "days_max_year": 15},
            "ratio": {"standard": "1"},
        },
    ]
    for benefit in benefits:  # each bound is the one that bites in some products
        for bound in ("limits", "stay_cap_yuan"):
            if bound in benefit and draw(st.booleans()):
                del benefit[bound]
    product = {
        "product": "drawn",
        "edition": "1",
        "name": TEXT,
        "clause": TEXT,
        "order_by": ["settled_at", "setl_id"],
        "rounding": draw(st.sampled_from(["half_up_fen_once", "half_up_fen_year"])),
        "deductibles": [{"id": "annual", "amount_yuan": deductible}],
        "caps": [
            {"id": within, "name": TEXT, "over": over, "paid_max_yuan": draw(whole), "within": within}
            for within, over in (("stay", ["B1", "B2"]), ("year", draw(OVER)))
        ],
        "aggregate_cap_yuan": aggregate,
        "benefits": [{"name": TEXT, "clause": TEXT, **benefit} for benefit in benefits],
    }
    assert check_rules(product) == []
    return build(to_document(product))


def _limit(name: str, category: str, within: str, paid_max: int, **more: Any) -> dict[str, Any]:
    lines = {"categories": [category]}
    return {"id": name, "name": TEXT, "lines": lines, "within": within, "paid_max_yuan": paid_max, **more}


STATUS = st.sampled_from([[], ["tumour"]])


def decide(
    terms: Terms, bill: Settlement, status: list[str], earlier: Sequence[Mapping[str, Any]] = ()
) -> Decision:
    return adjudicate(terms, coverage_of(status), History.of(earlier), bill)


def coverage_of(status: list[str]) -> Coverage:
    policy = {"effective": "2021-07-01", "expires": "2022-06-30", "pre_existing": status}
    return Coverage.parse({"product": "drawn", "edition": "1", **policy})


def total(results: Any, codes: Sequence[str]) -> int:
    return sum(result.payable_fen for result in results if result.benefit.code in codes)


@CASES
@given(products(), bill_lines(), STATUS, st.integers(0, 100))
def test_a_payment_stays_within_every_bound(
    terms: Terms, lines: list[DetailLine], status: list[str], elsewhere_percent: int
) -> None:
    bill = stay(lines)
    bill = replace(bill, other_compensation_fen=Fen(bill.total_fen * elsewhere_percent // 100))
    results = decide(terms, bill, status).results
    for result in results:
        benefit = result.benefit
        assert 0 <= result.payable_fen <= result.eligible_fen - result.deductible_fen
        caps = [cap for cap in (benefit.cap_fen, benefit.stay_cap_fen) if cap is not None]
        assert all(result.payable_fen <= cap for cap in caps)
        for limit in benefit.limits:
            assert all(used <= (limit.paid_max_fen or 0) for used in result.limits.get(limit.id, {}).values())
    for cap in terms.caps:
        assert total(results, sorted(cap.benefits)) <= cap.paid_max_fen
    assert total(results, ["B1", "B2", "B3"]) <= cost_left_fen(bill)
    assert total(results, ["B1", "B2", "B3", "H1"]) <= (terms.aggregate_cap_fen or 0)
    borne = sum(result.deductible_fen for result in results if result.benefit.code in ("B2", "B3"))
    assert borne <= terms.document["deductibles"][0]["amount_fen"]


@CASES
@given(products(), bill_lines(), STATUS, st.integers(1, 90_000_000), st.data())
def test_more_cost_never_pays_less(
    terms: Terms, lines: list[DetailLine], status: list[str], more: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(lines) - 1))
    row = lines[index]
    dearer = list(lines)
    dearer[index] = replace(
        row, own_pay_fen=Fen(row.own_pay_fen + more), amount_fen=Fen(row.amount_fen + more)
    )
    before = decide(terms, stay(lines), status)
    assert decide(terms, stay(dearer), status).payable_fen >= before.payable_fen


@CASES
@given(products(), bill_lines(), STATUS, st.randoms(use_true_random=False))
def test_the_order_of_lines_is_of_no_account(
    terms: Terms, lines: list[DetailLine], status: list[str], random: Any
) -> None:
    bill = stay(lines)
    shuffled = list(bill.lines)
    random.shuffle(shuffled)
    first = decide(terms, bill, status).document()
    second = decide(terms, replace(bill, lines=tuple(shuffled)), status).document()
    assert rfc8785.dumps(first) == rfc8785.dumps(second)


@CASES
@given(products(), bill_lines(), STATUS)
def test_without_a_trace_all_else_is_the_same(
    terms: Terms, lines: list[DetailLine], status: list[str]
) -> None:
    inputs = (terms, coverage_of(status), History.of([]), stay(lines))
    traced, bare = adjudicate(*inputs), adjudicate(*inputs, trace=False)
    assert traced.steps
    assert not bare.steps
    assert bare.document() == traced._replace(steps=()).document()


@CASES
@given(products(), st.lists(st.tuples(bill_lines(), st.booleans()), min_size=2, max_size=4), STATUS)
def test_the_bounds_of_year_and_stay_hold_over_many_bills(
    terms: Terms, bills: list[tuple[list[DetailLine], bool]], status: list[str]
) -> None:
    decided: list[Decision] = []
    stays: list[date] = []
    for number, (lines, of_last_stay) in enumerate(bills):
        admitted = stays[-1] if stays and of_last_stay else date(2021, 9, 1) + timedelta(days=30 * number)
        stays.append(admitted)
        ends = {"admitted_on": admitted, "discharged_on": date(2021, 9, 12) + timedelta(days=30 * number)}
        moved = [replace(row, occurred_on=admitted) for row in lines]
        past = [one.document() for one in decided]
        decided.append(decide(terms, stay(moved, setl_id=f"S-{number}", **ends), status, past))
    year = [result for one in decided for result in one.results]
    assert total(year, ["B1", "B2", "B3", "H1"]) <= (terms.aggregate_cap_fen or 0)
    for benefit in terms.benefits:
        assert total(year, [benefit.code]) <= (benefit.cap_fen or 15 * 500_00)
    shared = terms.document["deductibles"][0]["amount_fen"]
    borne = sum(result.deductible_fen for result in year if result.benefit.code in ("B2", "B3"))
    assert borne <= shared
    days = sum(result.limits.get("fixed-days", {}).get("all", 0) for result in year)
    assert days <= 15
    for cap in terms.caps:
        codes = sorted(cap.benefits)
        if cap.within == "year":
            assert total(year, codes) <= cap.paid_max_fen
            continue
        for admitted in set(stays):
            of_stay = [one for one, day in zip(decided, stays, strict=True) if day == admitted]
            paid = sum(total(one.results, codes) for one in of_stay)
            assert paid <= cap.paid_max_fen
