"""What holds whatever the bill: bounds, monotony, splitting, order of lines, the same bytes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adjudication import Decision, Outcome
from engine.adjudication.totals import cost_left_fen
from engine.money import Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms import Terms
from tests.adjudication.builder import MATERIAL, SERVICE, decide, line, stay, terms

EDITIONS = st.sampled_from(["2021", "2022", "2023", "2024", "2025"])
KINDS: list[dict[str, Any]] = [
    {"category": "09", "code": "XL01XCQ072B002010100843", "name": "甲注射液"},
    {"category": "09", "code": "XL01EDA119E001010200001", "name": "乙片"},
    {"category": "11", "code": "ZA09CAJ0131020201482", "name": "丙胶囊"},
    {"category": "08", "code": MATERIAL, "name": "吻合器"},
    {"category": "03", "code": SERVICE, "name": "PET-CT全身显像"},
    {"category": "03", "code": SERVICE, "name": "增强CT"},
    {"category": "04", "code": SERVICE, "name": "基因检测"},
    {"category": "05", "code": SERVICE, "name": "热疗"},
    {"category": "05", "code": SERVICE, "name": "质子放射治疗"},
    {"category": "01", "code": SERVICE, "name": "床位费"},
]
PLAIN = [kind for kind in KINDS if kind["category"] == "04"]
"""Costs under no sub-limit."""


def fen(text: int) -> str:
    return f"{text // 100}.{text % 100:02d}"


@st.composite
def bill_lines(draw: st.DrawFn, kinds: Sequence[dict[str, Any]] = KINDS) -> list[DetailLine]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(kinds), st.integers(0, 80_000_000), st.integers(0, 500_000), st.integers(0, 9)
            ),
            min_size=1,
            max_size=12,
        )
    )
    return [
        line(fen(own), over_limit=fen(over), on=date(2021, 9, 1) + timedelta(days=day), sn=str(index), **kind)
        for index, (kind, own, over, day) in enumerate(rows)
    ]


def bill_of(edition: str, lines: Sequence[DetailLine], **changes: Any) -> Settlement:
    shift = date(int(edition), 9, 1) - date(2021, 9, 1)
    moved = [replace(row, occurred_on=row.occurred_on + shift) for row in lines]
    return stay(moved, year=int(edition), **changes)


STATUS = st.sampled_from([[], ["tumour"], ["lung", "liver"]])
HOSPITALS = st.sampled_from(["H31010100001", "H31011500010"])
CASES = settings(max_examples=150, deadline=None)


@CASES
@given(EDITIONS, bill_lines(), STATUS, HOSPITALS, st.integers(0, 4), st.integers(0, 60_000_000))
def test_a_payment_stays_within_every_bound(
    edition: str, lines: list[DetailLine], status: list[str], hospital: str, years: int, elsewhere: int
) -> None:
    bill = bill_of(edition, lines, hospital_code=hospital, other_compensation_fen=Fen(elsewhere))
    decision = decide(
        bill, edition=edition, pre_existing=status, claim_free_years=years, continuous_years=years
    )
    assert 0 <= decision.payable_fen <= cost_left_fen(bill)
    assert decision.payable_fen == sum(result.payable_fen for result in decision.results)
    for result in decision.results:
        after = result.eligible_fen - result.deductible_fen
        assert 0 <= 10_000 * result.payable_fen <= after * result.ratio_bp + 5_000
        assert result.payable_fen <= (result.benefit.cap_fen or 0)
        for limit in result.benefit.limits:
            use = result.limits.get(limit.id, {})
            most = limit.occasions_max if limit.paid_max_fen is None else limit.paid_max_fen
            assert all(0 < used <= (most or 0) for used in use.values())
        paid_under_limits = sum(
            sum(result.limits.get(limit.id, {}).values())
            for limit in result.benefit.limits
            if limit.paid_max_fen
        )
        assert paid_under_limits <= result.payable_fen


@CASES
@given(EDITIONS, bill_lines(), st.integers(1, 90_000_000), st.data())
def test_more_cost_never_pays_less(
    edition: str, lines: list[DetailLine], more: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(lines) - 1))
    dearer = list(lines)
    row = lines[index]
    dearer[index] = replace(
        row, own_pay_fen=Fen(row.own_pay_fen + more), amount_fen=Fen(row.amount_fen + more)
    )
    before = decide(bill_of(edition, lines), edition=edition)
    after = decide(bill_of(edition, dearer), edition=edition)
    assert _amount(after) >= _amount(before)
    added = [*lines, replace(line(fen(more), **PLAIN[0]), sn="added", occurred_on=date(2021, 9, 1))]
    assert _amount(decide(bill_of(edition, added), edition=edition)) >= _amount(before)


def _amount(decision: Decision) -> int:
    return sum(result.payable_fen for result in decision.results)


@CASES
@given(EDITIONS, bill_lines(PLAIN), st.lists(st.integers(0, 4), min_size=12, max_size=12), STATUS)
def test_splitting_a_bill_never_changes_the_years_total(
    edition: str, lines: list[DetailLine], parts: list[int], status: list[str]
) -> None:
    """To the fen, for terms that round the year's sum; no sub-limit bites."""
    whole = decide(bill_of(edition, lines), edition=edition, pre_existing=status)
    assert _split_total(edition, lines, parts, status, terms(f"huhuibao-{edition}")) == whole.payable_fen


@CASES
@given(EDITIONS, bill_lines(PLAIN), st.lists(st.integers(0, 4), min_size=12, max_size=12), STATUS)
def test_splitting_a_bill_moves_at_most_half_a_fen_a_part_where_each_is_rounded(
    edition: str, lines: list[DetailLine], parts: list[int], status: list[str]
) -> None:
    by = replace(terms(f"huhuibao-{edition}"), rounding="half_up_fen_once")
    whole = decide(bill_of(edition, lines), edition=edition, pre_existing=status, by=by)
    split = _split_total(edition, lines, parts, status, by)
    assert 2 * abs(split - whole.payable_fen) <= len(set(parts)) + 1


def _split_total(
    edition: str, lines: list[DetailLine], parts: list[int], status: list[str], by: Terms
) -> int:
    earlier: list[dict[str, Any]] = []
    for part in range(5):
        rows = [row for row, of in zip(lines, parts, strict=False) if of == part]
        if rows:
            bill = bill_of(edition, rows, setl_id=f"S-{part}")
            decision = decide(bill, edition=edition, earlier=earlier, pre_existing=status, by=by)
            earlier.append(decision.document())
    return sum(document["payable_fen"] for document in earlier)


@CASES
@given(EDITIONS, bill_lines(), HOSPITALS, st.randoms(use_true_random=False))
def test_the_order_of_lines_is_of_no_account(
    edition: str, lines: list[DetailLine], hospital: str, random: Any
) -> None:
    bill = bill_of(edition, lines, hospital_code=hospital)
    shuffled = list(bill.lines)
    random.shuffle(shuffled)
    first = decide(bill, edition=edition).document()
    second = decide(replace(bill, lines=tuple(shuffled)), edition=edition).document()
    assert rfc8785.dumps(first) == rfc8785.dumps(second)


@CASES
@given(EDITIONS, bill_lines(), st.data())
def test_the_years_limits_hold_over_many_stays(
    edition: str, lines: list[DetailLine], data: st.DataObject
) -> None:
    earlier: list[dict[str, Any]] = []
    for month in range(9, 9 + data.draw(st.integers(2, 4))):
        admitted = date(int(edition), 9, 1) + timedelta(days=30 * (month - 9))
        shift = admitted - date(2021, 9, 1)
        rows = [replace(row, occurred_on=row.occurred_on + shift) for row in lines]
        bill = stay(rows, setl_id=f"S-{month}", admitted_on=admitted)
        earlier.append(decide(bill, edition=edition, earlier=earlier).document())
    used = [
        document["used"].get("B1", {"paid_fen": 0, "deductible_fen": 0, "limits": {}}) for document in earlier
    ]
    assert sum(one["paid_fen"] for one in used) <= 1_000_000_00
    assert sum(one["deductible_fen"] for one in used) <= 20_000_00
    for limit, most in (("single-drug", 300_000_00), ("pet-ct", 1)):
        items: dict[str, int] = {}
        for one in used:
            for item, amount in one["limits"].get(limit, {}).items():
                items[item] = items.get(item, 0) + amount
        assert all(amount <= most for amount in items.values())


ODD_TEXT = st.sampled_from(
    ["", "21", "28", "11", "41", "52", "?", "ordinary", "icu", "5", "310000", "H469002"]
)
AMOUNT = st.integers(-(10**12), 10**12).map(Fen)


@CASES
@given(
    EDITIONS,
    bill_lines(),
    st.fixed_dictionaries(
        {},
        optional={
            "visit_type": ODD_TEXT,
            "ward_type": ODD_TEXT,
            "insured_area": ODD_TEXT,
            # A settlement always names its hospital, and a decision is recognised by it.
            "hospital_code": ODD_TEXT.filter(bool),
            "discharge_way": ODD_TEXT,
            "main_diagnosis": st.none() | ODD_TEXT,
            "hospital_grade": st.integers(-1, 9),
            "total_fen": AMOUNT,
            "fund_fen": AMOUNT,
            "cash_fen": AMOUNT,
            "other_compensation_fen": AMOUNT,
            "lines": st.just(()),
            "admitted_on": st.dates(date(1901, 1, 1), date(2199, 1, 1)),
            "discharged_on": st.dates(date(1901, 1, 1), date(2199, 1, 1)),
        },
    ),
)
def test_every_settlement_gets_a_decision_and_the_same_bytes_again(
    edition: str, lines: list[DetailLine], changes: dict[str, Any]
) -> None:
    bill = replace(bill_of(edition, lines), **changes)
    decision = decide(bill, edition=edition)
    document = decision.document()
    canonical = rfc8785.dumps(document)
    assert canonical == rfc8785.dumps(decide(bill, edition=edition).document())
    assert (decision.outcome is Outcome.PAY) == (decision.payable_fen > 0)
    assert bool(document["reasons"]) == (decision.outcome is not Outcome.PAY)
    assert not _floats(document)
    again = decide(bill, edition=edition, earlier=[document])
    assert again.payable_fen == 0 or decision.outcome is Outcome.REVIEW


def _floats(node: object) -> bool:
    if isinstance(node, dict):
        return any(_floats(value) for value in node.values())
    if isinstance(node, list):
        return any(_floats(value) for value in node)
    return isinstance(node, float)
