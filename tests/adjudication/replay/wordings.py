"""Random terms: every feature of the language that the columns know, in amounts that bind each other."""

from dataclasses import replace
from datetime import date

from engine.money import Fen
from engine.terms import Terms
from engine.terms.model import (
    BasePart,
    Benefit,
    Column,
    Concern,
    Condition,
    Deductible,
    Fixed,
    ItemList,
    LadderStep,
    Limit,
    LineSelector,
    ListedItem,
    Rate,
    Ratio,
    RatioRow,
    ReducedBy,
    Requirements,
    SharedCap,
    Tail,
    Text,
    Tier,
    Version,
)
from tests.adjudication.builder import terms
from tests.adjudication.replay.lives import KINDS, Life

CATEGORIES = sorted({kind["category"] for kind in KINDS})
NAME = Text("名", "name")
ORDER_KEYS = ("settled_at", "discharged_on", "admitted_on", "setl_id")
LIMIT_KINDS = ("item", "shared", "days", "lines")
CONDITIONS = {"tumour": "C83", "lung": "C34", "liver": "K7"}


class Wordings:
    """Chosen by the chances of a life."""

    def __init__(self, life: Life) -> None:
        self.random, self.any, self.some = life.random, life.any, life.some

    def terms(self) -> Terms:
        benefits = tuple(self._benefit(number) for number in range(self.random.randint(1, 4)))
        keys = self.random.sample(ORDER_KEYS[:3], self.random.randint(0, 2))
        keys.insert(self.random.randint(0, len(keys)), "setl_id")
        return replace(
            terms("huhuibao-2021"),
            order_by=self.some(tuple(keys), ("admitted_on",)),
            stay_belongs_to=self.any(None, "admission", "discharge", "each_day"),
            tail=self.any(None, Tail(0, True), Tail(30, False), Tail(30, True)),
            version=self.some(None, Version(1, date(2021, 9, 10), date(2022, 1, 1))),
            rounding=self.any("half_up_fen_once", "half_up_fen_year"),
            aggregate_cap_fen=self.any(None, self._amount()),
            conditions=tuple(
                Condition(code, NAME, (prefix,), self._reduced_by()) for code, prefix in CONDITIONS.items()
            ),
            reduced_by=self._reduced_by(),
            caps=tuple(self._cap(place, benefits) for place in range(self.any(0, 0, 1, 2))),
            benefits=benefits,
        )

    def _reduced_by(self) -> ReducedBy:
        by: tuple[ReducedBy, ...] = ("person", "cause", "cause", "stay")
        return self.any(*by)

    def _amount(self) -> Fen:
        return Fen(self.any(1, 99, 10_000, 333_333, 2_000_000, 10_000_001, 100_000_000, 1_000_000_000))

    def _selector(self) -> LineSelector:
        categories = self.random.sample(CATEGORIES, self.random.randint(1, len(CATEGORIES)))
        return LineSelector(frozenset(categories), self.some((), ("CT", "注射"), ("PET",)))

    def _benefit(self, number: int) -> Benefit:
        selector = self.any(None, *[self._selector() for _ in range(4)])
        fixed = self.any(None, self._fixed()) if selector is None else None
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
            base=() if fixed else self._base(by_lines=selector is not None),
            fixed=fixed,
            stay_cap_fen=self.some(None, self._amount()),
            deductible=None if fixed else self.any(None, self._deductible()),
            ratio=self._ratio(),
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
            first = self.any(date.min, date.min, date(2021, 9, 3))
            last = self.any(date.max, date.max, date(2021, 9, 4), date(2021, 9, 22))
            return ListedItem(name, codes, diagnoses, first, last)

        listed = ItemList(self.some(True, False), tuple(item() for _ in range(self.random.randint(0, 3))))
        return self.some(None, listed)

    def _deductible(self) -> Deductible:
        amount = self._amount()
        steps = (LadderStep(1, Fen(amount // 2)), LadderStep(2, Fen(amount // 3)))
        ladder = self.any(None, "continuous_years", "claim_free_years")
        shared = self.any("", "", "together")
        within = "year" if shared else self.any("year", "year", "stay")
        return Deductible(amount, ladder, self.any((), steps), within, shared, False)

    def _rate(self) -> Rate:
        standard = self.any(10_000, 7_000, 7_000, 3_333, 1, 0)
        return Rate(standard, self.any(standard, standard // 2))

    def _ratio(self) -> Ratio:
        def row() -> RatioRow:
            grades, areas = self.any(frozenset(), frozenset((3,))), self.any((), ("32",))
            return RatioRow(grades, self.any((), ("H3101",)), areas, self.random.randint(0, 2), self._rate())

        rows = tuple(row() for _ in range(self.any(0, 0, 1, 2)))
        above = (0, self.any(1, 50_000), self.any(1_000_000, 9_999_999))
        tiers = tuple(Tier(Fen(fen), self._rate()) for fen in above) if self.any(True, False, False) else ()
        return Ratio(self._rate(), rows, tiers, self.any("year", "stay"), self.some(True, True, False))

    def _fixed(self) -> Fixed:
        per, days = self.any("day", "stay"), self.any(None, 3, 12)
        return Fixed(self._amount(), per, self.any(0, 2), self.any(None, 4), days)

    def _cap(self, place: int, benefits: tuple[Benefit, ...]) -> SharedCap:
        members = frozenset(
            one.code for one in self.random.sample(benefits, self.random.randint(1, len(benefits)))
        )
        return SharedCap(f"c{place}", NAME, members, self._amount(), self.any("stay", "year"))

    def _limit(self, place: int) -> Limit:
        kind = self.random.choice(LIMIT_KINDS)
        return Limit(
            id=f"{self.any(*'zmab')}-{place}",
            name=NAME,
            lines=self._selector(),
            per_item=kind == "item",
            within="year" if kind == "days" else "line" if kind == "lines" else self.any("stay", "year"),
            paid_max_fen=None if kind == "days" else self._amount(),
            occasions_max=self.random.randint(1, 3) if kind == "days" else None,
            item_code_prefix={"X": 10, "Z": 11} if kind == "item" and self.any(True, False) else {},
        )
