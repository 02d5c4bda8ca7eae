"""Random terms and random books, made so that limits, caps, gates and the order of settlements all matter.

All choice is by one `Random`. `trouble` is how often something is other than plain: at 0 everything is
covered and money flows; at 3 in 10 most settlements meet a gate, a review or a policy's last day.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar

from engine.adjudication import Coverage
from engine.money import Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms import Terms
from engine.terms.model import (
    BasePart,
    Benefit,
    Column,
    Concern,
    Deductible,
    ItemList,
    LadderStep,
    Limit,
    LineSelector,
    ListedItem,
    Rate,
    Ratio,
    Requirements,
    Tail,
    Text,
    Version,
)
from tests.adjudication.builder import MATERIAL, PRODUCTS, SERVICE, line, stay, terms

V = TypeVar("V")

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
NAME = Text("名", "name")
ORDER_KEYS = ("settled_at", "discharged_on", "admitted_on", "setl_id")
LIMIT_KINDS = ("item", "shared", "days")


class Life:
    def __init__(self, seed: int, trouble: float) -> None:
        self.random = Random(seed)
        self.trouble = trouble

    def some(self, plain: V, *others: V) -> V:
        return self.random.choice(others) if self.random.random() < self.trouble else plain

    def any(self, *values: V) -> V:
        return self.random.choice(values)

    def book(self, by: Terms) -> list[tuple[Coverage, Sequence[Settlement]]]:
        return [self.policy(by) for _ in range(self.random.randint(1, 4))]

    def policy(self, by: Terms) -> tuple[Coverage, Sequence[Settlement]]:
        year = by.period.first_day.year if by.period else 2021
        years = self.random.randint(0, 3)
        coverage = Coverage.parse(
            {
                "product": self.any(by.product, by.full_name),
                "edition": self.some(by.edition, by.edition, by.edition, "1999"),
                "effective": self.some(f"{year}-07-01", f"{year}-09-05", f"{year}-06-30"),
                "expires": f"{year + 1}-06-30",
                "pre_existing": self.any([], [], ["tumour"], ["liver", "lung"]),
                "continuous_years": years,
                "claim_free_years": self.random.randint(0, years),
                "renewed": self.any(True, False),
            }
        )
        return coverage, [self._bill(year, number) for number in range(self.random.randint(1, 7))]

    def _bill(self, year: int, number: int) -> Settlement:
        days = self.some(self.random.choice((0, 0, 1, 20, 40, 200)), 300, 320, -70)
        admitted = date(year, 9, 1) + timedelta(days=days)
        rows = [self._line(admitted) for _ in range(self.random.randint(0 if self.trouble else 1, 12))]
        if rows and self.random.random() < self.trouble:
            back = rows[0]
            refund = replace(
                back, own_pay_fen=Fen(-back.own_pay_fen), over_limit_fen=Fen(-back.over_limit_fen)
            )
            rows.append(self.some(refund, replace(refund, own_pay_fen=Fen(refund.own_pay_fen - 7))))
        bill = stay(
            rows, admitted_on=admitted, discharged_on=admitted + timedelta(days=self.any(0, 5, 10, 45))
        )
        total = self.some(bill.total_fen, 0, 5_000, -100)
        return replace(
            bill,
            setl_id=f"S-{self.any(*'cba')}{self.some(number, 0)}",
            hospital_code=self.some("H31010100001", "H31011500010", "H46900200001"),
            hospital_grade=self.some(3, 2, 1, 0),
            insured_area=self.some("310000", "320100", ""),
            visit_type=self.some("21", "11", "28", "41", ""),
            ward_type=self.some("ordinary", "icu", "special", "unknown"),
            discharge_way=self.some("1", "5"),
            in_scope_fen=Fen(sum(row.in_scope_fen for row in rows)),
            other_diagnoses=self.any((), (), ("C34.100", "K70.300")),
            main_diagnosis=self.some("C83.300", "C34.900", "I25.103", None),
            total_fen=Fen(total),
            cash_fen=Fen(max(total, 0)),
            fund_fen=Fen(self.any(0, 0, 100, bill.total_fen // 3)),
            other_compensation_fen=Fen(self.any(0, 0, 0, 5_000_000, 400_000_000)),
        )

    def _line(self, admitted: date) -> DetailLine:
        own, over = self._cost(), self.any(0, 0, self._cost())
        pre, in_scope = self.any(0, 0, 17), self.any(0, 900, self._cost())
        on = admitted + timedelta(days=self.random.randint(0, 5))
        made = line(on=on, **self.random.choice(KINDS))
        return replace(
            made,
            own_pay_fen=Fen(own),
            over_limit_fen=Fen(over),
            pre_self_pay_fen=Fen(pre),
            in_scope_fen=Fen(in_scope),
            amount_fen=Fen(own + over + pre + in_scope),
        )

    def _cost(self) -> int:
        small, large = self.any(0, 1, 5, 33, 100, 12_345), self.random.randint(0, 60_000_000)
        huge = self.some(large, 10**15 - 1) if self.random.random() < self.trouble else large
        return self.any(small, large, huge, self.random.randint(0, 2_000_000))

    # ---------------------------------------------------------------------------------------- terms

    def terms(self) -> Terms:
        keys = self.random.sample(ORDER_KEYS[:3], self.random.randint(0, 2))
        keys.insert(self.random.randint(0, len(keys)), "setl_id")
        return replace(
            terms("huhuibao-2021"),
            order_by=self.any(tuple(keys), tuple(keys), tuple(keys), ("admitted_on",)),
            stay_belongs_to=self.any(None, "admission", "discharge"),
            tail=self.any(None, Tail(0, True), Tail(30, False), Tail(30, True)),
            version=self.some(None, Version(1, date(2021, 9, 10), date(2022, 1, 1))),
            rounding=self.any("half_up_fen_once", "half_up_fen_year"),
            aggregate_cap_fen=self.any(None, self._amount()),
            benefits=tuple(self._benefit(number) for number in range(self.random.randint(1, 4))),
        )

    def _amount(self) -> Fen:
        return Fen(self.any(1, 99, 10_000, 333_333, 2_000_000, 10_000_001, 100_000_000, 1_000_000_000))

    def _selector(self) -> LineSelector:
        categories = self.random.sample(CATEGORIES, self.random.randint(1, len(CATEGORIES)))
        return LineSelector(frozenset(categories), self.some((), ("CT", "注射"), ("PET",)))

    def _benefit(self, number: int) -> Benefit:
        selector = self.any(None, *[self._selector() for _ in range(4)])
        standard = self.any(10_000, 7_000, 7_000, 3_333, 1, 0)
        return Benefit(
            code=f"B{number}",
            name=NAME,
            clause=NAME,
            concerns=Concern(
                visit_types=self.some(frozenset(), frozenset(("21", "11"))),
                visit_types_unclear=frozenset(("28",)),
                hospitals=self.some((), ("H310",)),
            ),
            requires=self._requirements(),
            lines=selector,
            items=None if selector is None else self._item_list(),
            base=self._base(by_lines=selector is not None),
            fixed=None,
            stay_cap_fen=None,
            deductible=self.any(None, self._deductible()),
            ratio=Ratio(Rate(standard, self.any(standard, standard // 2)), (), (), "year"),
            cap_fen=self.any(None, self._amount()),
            limits=()
            if selector is None
            else tuple(self._limit(place) for place in range(self.random.randint(0, 4))),
        )

    def _requirements(self) -> Requirements:
        return Requirements(
            ward_types=self.some(frozenset(), frozenset(("ordinary",))),
            ward_types_unclear=frozenset(("icu",)),
            hospital_grade_min=self.some(0, 2),
            insured_areas=self.some((), ("31",)),
            hospitals=self.some((), ("H3101",)),
            diagnoses=self.some((), ("C34",), ("C", "I25")),
            waiting_days=self.some(0, 70),
        )

    def _base(self, *, by_lines: bool) -> tuple[BasePart, ...]:
        def columns() -> tuple[Column, ...]:
            known: list[Column] = ["own_pay", "over_limit", "pre_self_pay", "in_scope"]
            return tuple(
                self.random.sample(known if by_lines else [*known, "self_pay"], self.random.randint(1, 3))
            )

        if not by_lines or self.any(True, False):
            return (BasePart(frozenset(), columns()),)
        return (BasePart(frozenset(("03", "08")), columns()), BasePart(frozenset(("09", "11")), columns()))

    def _item_list(self) -> ItemList | None:
        def item() -> ListedItem:
            codes = self.any((), ("XL01", "Z"))
            name, diagnoses = self.any("甲", "丙", "CT", "仑赛"), self.some((), ("C34",), ("C",))
            return ListedItem(name, codes, diagnoses, date.min, date.max)

        listed = ItemList(self.some(True, False), tuple(item() for _ in range(self.random.randint(0, 3))))
        return self.some(None, listed)

    def _deductible(self) -> Deductible:
        amount = self._amount()
        steps = (LadderStep(1, Fen(amount // 2)), LadderStep(2, Fen(amount // 3)))
        ladder = self.any(None, "continuous_years", "claim_free_years")
        return Deductible(amount, ladder, self.any((), steps), "year", "", False)

    def _limit(self, place: int) -> Limit:
        kind = self.random.choice(LIMIT_KINDS)
        return Limit(
            id=f"{self.any(*'zmab')}-{place}",
            name=NAME,
            lines=self._selector(),
            per_item=kind == "item",
            within="year" if kind == "days" else self.any("stay", "year"),
            paid_max_fen=None if kind == "days" else self._amount(),
            occasions_max=self.random.randint(1, 3) if kind == "days" else None,
            item_code_prefix={"X": 10, "Z": 11} if kind == "item" and self.any(True, False) else {},
        )
