"""Random terms and random books, made so that limits, caps, gates and the order of settlements all matter."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from engine.adjudication import Coverage
from engine.money import Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms import Terms
from engine.terms.model import (
    Benefit,
    Concern,
    Deductible,
    ItemList,
    LadderStep,
    Limit,
    LineSelector,
    ListedItem,
    Ratio,
    Requirements,
    Tail,
    Text,
)
from tests.adjudication.builder import MATERIAL, PRODUCTS, SERVICE, line, stay, terms

SEEDS = sorted(path.stem for path in PRODUCTS.glob("*.yaml"))
KINDS: list[dict[str, Any]] = [
    {"category": "09", "code": "XL01XCQ072B002010100843", "name": "甲注射液"},
    {"category": "09", "code": "XL01XCQ072B002010100999", "name": "甲注射液（大）"},
    {"category": "09", "code": "XL01EDA119E001010200001", "name": "阿基仑赛注射液"},
    {"category": "11", "code": "ZA09CAJ0131020201482", "name": "丙胶囊"},
    {"category": "11", "code": "", "name": "散剂"},
    {"category": "08", "code": MATERIAL, "name": "吻合器"},
    {"category": "03", "code": SERVICE, "name": "PET-CT全身显像"},
    {"category": "03", "code": SERVICE, "name": "增强CT"},
    {"category": "04", "code": SERVICE, "name": "基因检测"},
    {"category": "05", "code": SERVICE, "name": "质子放射治疗"},
    {"category": "01", "code": SERVICE, "name": "床位费"},
]
CATEGORIES = sorted({kind["category"] for kind in KINDS})
HOSPITALS = ("H31010100001", "H31011500010", "H46900200001")
VISITS = ("21", "21", "21", "21", "21", "11", "28", "41", "")
NAME = Text("名", "name")


# -------------------------------------------------------------------------------------------- terms

AMOUNT = st.sampled_from([0, 1, 99, 10_000, 333_333, 2_000_000, 10_000_001, 100_000_000])
SELECTOR = st.builds(
    LineSelector,
    st.sets(st.sampled_from(CATEGORIES), min_size=1).map(frozenset),
    st.sampled_from([(), (), (), ("CT", "注射"), ("PET",)]),
)
BASES = st.sampled_from([("own_pay",), ("own_pay", "over_limit"), ("over_limit", "own_pay", "pre_self_pay")])
DIAGNOSES = st.sampled_from([(), (), ("C34",), ("C", "I25")])


@st.composite
def limits(draw: st.DrawFn, number: int, selector: LineSelector) -> Limit:
    kind = draw(st.sampled_from(["item", "shared", "days"]))
    return Limit(
        id=f"{draw(st.sampled_from('zmab'))}-{number}",
        name=NAME,
        lines=draw(SELECTOR),
        per_item=kind == "item",
        within="year" if kind == "days" else draw(st.sampled_from(["stay", "year"])),
        paid_max_fen=None if kind == "days" else Fen(draw(AMOUNT)),
        occasions_max=draw(st.integers(1, 3)) if kind == "days" else None,
        item_code_prefix={"X": 10, "Z": 11} if kind == "item" and draw(st.booleans()) else {},
    )


@st.composite
def benefits(draw: st.DrawFn, number: int) -> Benefit:
    selector = draw(st.none() | SELECTOR)
    standard = draw(st.sampled_from([10_000, 7_000, 3_333, 1, 0]))
    amount = draw(AMOUNT)
    known = st.builds(
        ListedItem, st.sampled_from(["甲", "丙", "CT", "仑赛"]), st.sampled_from([(), ("XL01", "Z")]), DIAGNOSES
    )
    item_list = st.none() | st.builds(ItemList, st.booleans(), st.lists(known, max_size=2).map(tuple))
    step = LadderStep(draw(st.integers(1, 2)), Fen(amount // 2))
    deductible = Deductible(
        Fen(amount), draw(st.sampled_from([None, "continuous_years", "claim_free_years"])), (step,)
    )
    return Benefit(
        code=f"B{number}",
        name=NAME,
        clause=NAME,
        concerns=Concern(
            visit_types=draw(st.sampled_from([frozenset(), frozenset(("21", "11"))])),
            visit_types_unclear=frozenset(("28",)),
            hospitals=draw(st.sampled_from([(), (), ("H310",)])),
        ),
        requires=draw(
            st.builds(
                Requirements,
                ward_types=st.sampled_from([frozenset(), frozenset(("ordinary",))]),
                ward_types_unclear=st.just(frozenset(("icu",))),
                hospital_grade_min=st.sampled_from([0, 2]),
                insured_areas=st.sampled_from([(), ("31",)]),
                hospitals=st.sampled_from([(), (), ("H3101",)]),
                diagnoses=DIAGNOSES,
            )
        ),
        lines=selector,
        items=None if selector is None else draw(item_list),
        base=draw(BASES),
        deductible=draw(st.sampled_from([None, deductible])),
        ratio=Ratio(standard, draw(st.sampled_from([standard, standard // 2]))),
        cap_fen=draw(st.none() | AMOUNT.map(Fen)),
        limits=()
        if selector is None
        else tuple(draw(limits(place, selector)) for place in range(draw(st.integers(0, 3)))),
    )


@st.composite
def random_terms(draw: st.DrawFn) -> Terms:
    return replace(
        terms("huhuibao-2021"),
        order_by=tuple(
            draw(
                st.lists(
                    st.sampled_from(["settled_at", "discharged_on", "admitted_on", "setl_id"]),
                    min_size=1,
                    max_size=3,
                    unique=True,
                )
            )
        ),
        stay_belongs_to=draw(st.sampled_from([None, "admission", "discharge"])),
        tail=draw(st.none() | st.builds(Tail, st.sampled_from([0, 30]), st.booleans())),
        aggregate_cap_fen=draw(st.none() | AMOUNT.map(Fen)),
        benefits=tuple(draw(benefits(number)) for number in range(draw(st.integers(1, 3)))),
    )


# -------------------------------------------------------------------------------------------- books

COST = st.sampled_from([0, 1, 5, 33, 100, 12_345]) | st.integers(0, 60_000_000)


@st.composite
def detail_lines(draw: st.DrawFn, admitted: date) -> DetailLine:
    own, over, pre = draw(COST), draw(COST), draw(st.sampled_from([0, 0, 17]))
    sign = draw(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 1, -1]))
    made = line(**draw(st.sampled_from(KINDS)), on=admitted + timedelta(days=draw(st.integers(0, 5))))
    return replace(
        made,
        own_pay_fen=Fen(sign * own),
        over_limit_fen=Fen(sign * over),
        pre_self_pay_fen=Fen(sign * pre),
        amount_fen=Fen(sign * (own + over + pre)),
    )


@st.composite
def bills(draw: st.DrawFn, year: int, number: int) -> Settlement:
    admitted = date(year, 9, 1) + timedelta(days=draw(st.sampled_from([0, 0, 1, 20, 40, 290, 320, -70])))
    rows = draw(st.lists(detail_lines(admitted), max_size=8))
    if rows and draw(st.integers(0, 5)) == 0:
        back = rows[0]
        rows.append(replace(back, own_pay_fen=Fen(-back.own_pay_fen), over_limit_fen=Fen(-back.over_limit_fen)))
    discharged = admitted + timedelta(days=draw(st.sampled_from([0, 5, 10, 45])))
    bill = stay(rows, admitted_on=admitted, discharged_on=discharged)
    other = draw(st.sampled_from([0, 0, 0, 5_000_000]))
    return replace(
        bill,
        setl_id=f"S-{draw(st.sampled_from('cba'))}{number}",
        hospital_code=draw(st.sampled_from(HOSPITALS)),
        hospital_grade=draw(st.sampled_from([3, 3, 3, 3, 2, 1, 0])),
        insured_area=draw(st.sampled_from(["310000", "310000", "310000", "310000", "320100", ""])),
        visit_type=draw(st.sampled_from(VISITS)),
        ward_type=draw(st.sampled_from(["ordinary"] * 5 + ["icu", "special", "unknown"])),
        discharge_way=draw(st.sampled_from(["1"] * 8 + ["5"])),
        main_diagnosis=draw(st.sampled_from(["C34.900", "C34.900", "C83.300", "I25.103", None])),
        total_fen=Fen(bill.total_fen or draw(st.sampled_from([0, 100, 5_000]))),
        fund_fen=Fen(draw(st.sampled_from([0, 0, 0, 100, bill.total_fen // 3]))),
        other_compensation_fen=Fen(other),
    )


@st.composite
def policies(draw: st.DrawFn, by: Terms) -> Coverage:
    year = by.period.first_day.year if by.period else 2021
    return Coverage.parse(
        {
            "product": by.product,
            "edition": draw(st.sampled_from([by.edition] * 9 + ["1999"])),
            "effective": draw(st.sampled_from([f"{year}-07-01"] * 5 + [f"{year}-09-05", f"{year}-06-30"])),
            "expires": f"{year + 1}-06-30",
            "pre_existing": draw(st.sampled_from([[], [], ["tumour"], ["liver", "lung"]])),
            "continuous_years": draw(st.integers(0, 3)),
            "claim_free_years": draw(st.integers(0, 3)),
            "renewed": draw(st.booleans()),
        }
    )


@st.composite
def claims(draw: st.DrawFn, by: Terms) -> list[tuple[Coverage, Sequence[Settlement]]]:
    year = by.period.first_day.year if by.period else 2021
    return [
        (draw(policies(by)), [draw(bills(year, number)) for number in range(draw(st.integers(1, 5)))])
        for _ in range(draw(st.integers(1, 3)))
    ]
