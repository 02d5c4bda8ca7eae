"""Random books, made so that limits, caps, gates and the order of settlements all matter.

All choice is by one `Random`. `trouble` is how often something is other than plain: at 0 everything is
covered and money flows; at 3 in 10 most settlements meet a gate, a review or a policy's last day.
"""

import fcntl
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar

import numpy as np
import pytest

from engine.adjudication import Coverage
from engine.adjudication.replay.whole_book import Adjudicator
from engine.money import Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms import Terms
from tests.adjudication.builder import MATERIAL, PRODUCTS, SERVICE, line, policy, stay, terms
from tests.books.making import part_from

V = TypeVar("V")
SEEDS = sorted(path.stem for path in PRODUCTS.glob("*.yaml"))
COMPILES = [pytest.mark.timeout(900), pytest.mark.usefixtures("compiled")]
"""Whoever calls the kernel first compiles it: half a minute of one processor, minutes where many share it."""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The kernel, by one process of a run: the others wait, and find it in its cache. A conftest names it."""
    part, kinds = part_from([(policy(), [stay([line(1)])])])
    with (tmp_path_factory.getbasetemp().parent / "kernel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Adjudicator(terms(SEEDS[0]), kinds).by_columns(part, np.ones(1, dtype=np.bool_))


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
                "pre_existing": self.any([], [], ["tumour"], ["liver", "lung"], [self.some("lung", "odd")]),
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
            hospital_code=self.some("H31010100001", "H31011500010", "H46900200001", "P31010600014"),
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
