"""What the invented hospitals charge for. Codes have the national form; the numbers in them are made up."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple


class Item(NamedTuple):
    """One row of price_list.csv.

    share is how the basic insurance takes it: A 甲 whole, B 乙 after a co-pay of percent, own 自费,
    limit 限价 with percent above the payment standard. most is the largest quantity on one line.
    """

    use: str
    code: str
    name: str
    category: str
    price: Decimal
    share: str
    percent: int
    most: int


def _read() -> list[Item]:
    path = Path(__file__).with_name("price_list.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Item(
                row["use"],
                row["code"],
                row["name"],
                row["category"],
                Decimal(row["price"]),
                row["share"],
                int(row["percent"]),
                int(row["most"]),
            )
            for row in csv.DictReader(file)
        ]


_ITEMS = _read()


def items_for(use: str) -> tuple[Item, ...]:
    """The items of one use: bed, nursing, ..., ordinary, self_paid_small, self_paid_large."""
    return tuple(item for item in _ITEMS if item.use == use)


def item_for(use: str) -> Item:
    """The one item of a use."""
    (item,) = items_for(use)
    return item


DIAGNOSES = (
    *(("C34.900", "肺恶性肿瘤"), ("C50.900", "乳腺恶性肿瘤"), ("C18.900", "结肠恶性肿瘤")),
    *(("I25.103", "冠状动脉粥样硬化性心脏病"), ("I63.900", "脑梗死"), ("K80.001", "胆囊结石伴急性胆囊炎")),
    *(("S72.001", "股骨颈骨折"), ("J18.900", "肺炎"), ("M17.900", "膝关节病"), ("N18.900", "慢性肾脏病")),
)
OPERATIONS = (
    *(("32.2000x001", "胸腔镜下肺病损切除术"), ("36.0700x004", "药物洗脱冠状动脉支架置入术")),
    *(("51.2300", "腹腔镜下胆囊切除术"), ("81.5400x003", "全膝关节置换术")),
)
