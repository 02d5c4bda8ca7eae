"""Invented people and their policies: every number is valid in form, and belongs to nobody.

A person is a function of (seed, index), so any part of a population can be made without the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from stdnum import luhn
from stdnum.cn import ric

_AREAS = ("310101", "310104", "310105", "310106", "310107", "310109", "310110")
"""Districts that existed at every birth date here, as a strict reading of an ID card asks."""
_FIRST_BIRTH = date(1936, 1, 1)
_BIRTH_DAYS = 27_000
_STRIDE = 7919
"""Prime to _BIRTH_DAYS, so that neighbours in the roll are not neighbours in age."""
_OFFSET = 14_321

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章"
_GIVEN = "一之云仪佳依佩俊倩健元凡初勤北南卉可名向和嘉园夏娴媛子宁安宛宜小希帆平年广庆弘彤心怀思恒悦"
_LONG_NAMES = ("阿依努尔·试样", "迪丽努尔·试样", "娜仁托娅·试样")
_RARE = "𣲗㛃䶮喆"
_BANKS = ("示例银行上海分行", "示例浦江银行", "示例农商银行")

PRE_EXISTING = (
    *("malignant_tumour", "liver_kidney_disease", "cardio_cerebro_metabolic_disease"),
    *("pulmonary_disease", "other_specified_disease"),
)
"""既往症 classes of Hu Hui Bao."""

_RUNS: tuple[tuple[int, ...], ...] = (
    *((2025,), (2024, 2025), (2021, 2022, 2023), (2023,), (2022,)),
    *((2021,), (2024,), (2023, 2024, 2025), (2022, 2023), (2021, 2022)),
)
"""Which editions a person holds, by index: consecutive ones are renewals."""


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person; index names them within a seed."""

    index: int
    name: str
    cert_no: str
    born: date
    gender: str
    """National code: "1" male, "2" female."""
    pre_existing: tuple[str, ...]
    editions: tuple[int, ...]
    account: str
    bank: str


def person(seed: int, index: int) -> Person:
    """The person at an index; certificates are unique over some hundred million indexes."""
    rng = Random(f"person/{seed}/{index}")
    # One (area, birth date) for each index of a block: the step a round of dates makes is prime to the areas.
    area = _AREAS[(index // _BIRTH_DAYS + index) % len(_AREAS)]
    block = index // (_BIRTH_DAYS * len(_AREAS))
    born = _FIRST_BIRTH + timedelta(days=(index * _STRIDE + _OFFSET) % _BIRTH_DAYS)
    male = rng.random() < 0.5
    stem = f"{area}{born:%Y%m%d}{2 * block + male:03d}"
    payee = f"622908{rng.randrange(10**12):012d}"
    return Person(
        index=index,
        name=_name(rng),
        cert_no=stem + ric.calc_check_digit(stem + "?"),
        born=born,
        gender="1" if male else "2",
        pre_existing=(rng.choice(PRE_EXISTING),) if has_pre_existing(index) else (),
        editions=_RUNS[index % len(_RUNS)],
        account=payee + luhn.calc_check_digit(payee),
        bank=rng.choice(_BANKS),
    )


def has_pre_existing(index: int) -> bool:
    """One in seven."""
    return index % 7 == 3


def _name(rng: Random) -> str:
    chance = rng.random()
    if chance < 0.02:
        return rng.choice(_LONG_NAMES)
    given = _RARE if chance < 0.04 else _GIVEN
    return rng.choice(_SURNAMES) + "".join(rng.choice(given) for _ in range(rng.choice((1, 2, 2))))


def policy_no(who: Person, edition: int) -> str:
    return f"HHB{edition}-{who.index:08d}"


def policy(who: Person, edition: int) -> dict[str, Any]:
    """The coverage document of one edition. Enrolment may end two months after the period begins."""
    rng = Random(f"policy/{who.cert_no}/{edition}")
    begins = date(edition, 7, 1)
    renewed = who.editions.index(edition)
    late = not renewed and rng.random() < 0.15
    effective = begins + timedelta(days=rng.randint(1, 61)) if late else begins
    return {
        "policy_no": policy_no(who, edition),
        "product": "huhuibao",
        "edition": str(edition),
        "person": {"cert_type": "01", "cert_no": who.cert_no, "name": who.name},
        "effective": effective.isoformat(),
        "expires": date(edition + 1, 6, 30).isoformat(),
        "pre_existing": list(who.pre_existing),
        "continuous_years": renewed,
        "claim_free_years": rng.choice((renewed, renewed, 0)),
        "renewed": edition + 1 in who.editions,
        "payee": {"name": who.name, "account": who.account, "bank": who.bank},
    }


def policies(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """The first so many policies of the roll, person by person."""
    index = 0
    while count > 0:
        who = person(seed, index)
        for edition in who.editions[:count]:
            yield policy(who, edition)
        count -= len(who.editions)
        index += 1


def people_in(count: int) -> int:
    """How many people have all their policies among the first `count`."""
    per_round = sum(map(len, _RUNS))
    people = count // per_round * len(_RUNS)
    left = count % per_round
    for run in _RUNS:
        if len(run) > left:
            break
        left -= len(run)
        people += 1
    return people
