"""Make one hospital bill that holds every identity of the national list to the fen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from engine.money import format_yuan
from engine.sandbox.price_list import Item, item_for, items_for

_BED, _NURSING, _CONSULTATION = (item_for(use) for use in ("bed", "nursing", "consultation"))
_ORDINARY = items_for("ordinary")
_SELF_PAID_SMALL, _SELF_PAID_LARGE = items_for("self_paid_small"), items_for("self_paid_large")
_MOST_LINES = 40


@dataclass(slots=True)
class Bill:
    """feedetail and iteminfo as the list has them, and the sums in fen."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, dict[str, int]] = field(default_factory=dict)
    total: int = 0
    own: int = 0
    over: int = 0
    pre: int = 0
    inside: int = 0

    def charge(self, item: Item, quantity: int, on: date) -> None:
        """Add one line; a negative quantity takes back part of an earlier one."""
        amount = int((quantity * item.price * 100).quantize(Decimal(1), ROUND_HALF_UP))
        part = abs(amount) * item.percent // 100 * (1 if amount >= 0 else -1)
        own = amount if item.share == "own" else 0
        over = part if item.share == "limit" else 0
        pre = part if item.share == "B" else 0
        inside = amount - own - over - pre
        self.lines.append(
            {
                "feedetl_sn": f"{len(self.lines) + 1:04d}",
                "med_list_codg": item.code,
                "hilist_name": item.name,
                "med_chrgitm_type": item.category,
                "cnt": str(quantity),
                "pric": str(item.price),
                "det_item_fee_sumamt": format_yuan(amount),
                "fulamt_ownpay_amt": format_yuan(own),
                "overlmt_amt": format_yuan(over),
                "preselfpay_amt": format_yuan(pre),
                "inscp_scp_amt": format_yuan(inside),
                "fee_ocur_time": on.isoformat(),
            }
        )
        sums = self.items.setdefault(item.category, {"A": 0, "B": 0, "own": 0, "other": 0})
        sums["own"] += own
        sums["other"] += over
        sums["A" if item.share == "A" else "B"] += pre + inside
        self.total += amount
        self.own += own
        self.over += over
        self.pre += pre
        self.inside += inside

    def iteminfo(self) -> list[dict[str, str]]:
        """One row a fee category, in the order of the codes."""
        return [
            {
                "med_chrgitm": category,
                "amt": format_yuan(sum(sums.values())),
                "claa_sumfee": format_yuan(sums["A"]),
                "clab_amt": format_yuan(sums["B"]),
                "fulamt_ownpay_amt": format_yuan(sums["own"]),
                "oth_amt": format_yuan(sums["other"]),
            }
            for category, sums in sorted(self.items.items())
        ]


def make_bill(
    rng: Random, admitted: date, days: int, self_paid_fen: int, extra: Sequence[tuple[Item, int]] = ()
) -> Bill:
    """A bill of 15 to 40 lines whose self-paid and above-standard costs reach self_paid_fen (roughly).

    extra: items and quantities that the scenario is about.
    """
    bill = Bill()
    bill.charge(_BED, days, admitted)
    bill.charge(_NURSING, days, admitted)
    bill.charge(_CONSULTATION, days, admitted)
    for item, quantity in extra:
        bill.charge(item, quantity, admitted + timedelta(days=1))
    _charge_self_paid(bill, rng, admitted, days, self_paid_fen)
    wanted = rng.randint(15, 34)
    ordinary = rng.sample(_ORDINARY, k=max(0, min(wanted, _MOST_LINES - 2) - len(bill.lines)))
    for item in ordinary:
        bill.charge(item, rng.randint(1, item.most), _some_day(rng, admitted, days))
    if rng.random() < 0.1:
        _refund_one(bill, ordinary, admitted + timedelta(days=days))
    return bill


def _charge_self_paid(bill: Bill, rng: Random, admitted: date, days: int, wanted_fen: int) -> None:
    while bill.own + bill.over < wanted_fen and len(bill.lines) < _MOST_LINES // 2:
        missing_fen = wanted_fen - bill.own - bill.over
        large = [item for item in _SELF_PAID_LARGE if _self_paid_fen(item) <= missing_fen]
        item = rng.choice(large or _SELF_PAID_SMALL)
        most = max(1, min(item.most, missing_fen // _self_paid_fen(item)))
        bill.charge(item, rng.randint(1, most), _some_day(rng, admitted, days))


def _self_paid_fen(item: Item) -> int:
    return int(item.price * (100 if item.share == "own" else item.percent))


def _refund_one(bill: Bill, charged: Iterable[Item], on: date) -> None:
    """Give one unit of a drug back, as wards do at discharge."""
    drug = next((item for item in charged if item.category == "09" and item.share == "A"), None)
    if drug is not None:
        bill.charge(drug, -1, on)


def _some_day(rng: Random, admitted: date, days: int) -> date:
    return admitted + timedelta(days=rng.randint(0, days))
