"""Settlements, policies and histories for these tests: only what a test is about is written in it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from engine.adjudication import Coverage, Decision, History, adjudicate
from engine.money import Fen, parse_yuan
from engine.settlement.model import DetailLine, Settlement
from engine.terms import Terms, load_product, terms_from_document

PRODUCTS = Path(__file__).resolve().parents[2] / "seeds" / "products"
SHANGHAI = timezone(timedelta(hours=8))
DRUG = "XL01XCQ072B002010100843"
OTHER_DRUG = "XL01EDA119E001010200001"
MATERIAL = "C0101010000100000001"
SERVICE = "001103000010000"


@cache
def terms(name: str) -> Terms:
    return load_product(PRODUCTS / f"{name}.yaml")


def line(
    own_pay: object = 0,
    *,
    over_limit: object = 0,
    pre_self_pay: object = 0,
    in_scope: object = 0,
    category: str = "09",
    code: str = DRUG,
    name: str = "示例药品注射液",
    on: date = date(2000, 1, 1),
    sn: str = "",
) -> DetailLine:
    """One detail line; amounts in yuan. A line without a day is of the day of admission."""
    own, over, pre = parse_yuan(own_pay), parse_yuan(over_limit), parse_yuan(pre_self_pay)
    scope = parse_yuan(in_scope)
    total = Fen(own + over + pre + scope)
    return DetailLine(
        sn=sn,
        code=code,
        name=name,
        category=category,
        quantity=Decimal(-1 if total < 0 else 1),
        unit_price=Decimal(abs(total)) / 100,
        amount_fen=total,
        own_pay_fen=own,
        over_limit_fen=over,
        pre_self_pay_fen=pre,
        in_scope_fen=scope,
        occurred_on=on,
    )


def stay(lines: Iterable[DetailLine], *, year: int = 2021, **changes: Any) -> Settlement:
    """A ten-day stay in September of the year, ordinary in everything; all cost is the patient's."""
    admitted = changes.pop("admitted_on", date(year, 9, 1))
    discharged = changes.pop("discharged_on", admitted + timedelta(days=10))
    rows = tuple(
        replace(row, sn=row.sn or str(index), occurred_on=max(row.occurred_on, admitted))
        for index, row in enumerate(lines)
    )
    total = sum(row.amount_fen for row in rows)
    bill = Settlement(
        setl_id="S-1",
        hospital_code="H31010100001",
        hospital_grade=3,
        insured_area="310000",
        visit_type="21",
        ward_type="ordinary",
        admitted_on=admitted,
        discharged_on=discharged,
        settled_at=datetime(discharged.year, discharged.month, discharged.day, tzinfo=SHANGHAI),
        discharge_way="1",
        age_years=54,
        main_diagnosis="C34.900",
        other_diagnoses=(),
        total_fen=Fen(total),
        own_pay_fen=Fen(sum(row.own_pay_fen for row in rows)),
        over_limit_fen=Fen(sum(row.over_limit_fen for row in rows)),
        pre_self_pay_fen=Fen(sum(row.pre_self_pay_fen for row in rows)),
        in_scope_fen=Fen(sum(row.in_scope_fen for row in rows)),
        fund_fen=Fen(0),
        account_fen=Fen(0),
        cash_fen=Fen(total),
        other_compensation_fen=Fen(0),
        lines=rows,
    )
    return replace(bill, **changes)


def policy(edition: str = "2021", **changes: Any) -> Coverage:
    year = int(edition)
    return Coverage.parse(
        {
            "product": "huhuibao",
            "edition": edition,
            "effective": f"{year}-07-01",
            "expires": f"{year + 1}-06-30",
            "pre_existing": [],
            **changes,
        }
    )


def decide(
    bill: Settlement,
    *,
    edition: str = "2021",
    earlier: Iterable[Decision | dict[str, Any]] = (),
    family: Iterable[Decision] = (),
    by: Terms | None = None,
    **policy_changes: Any,
) -> Decision:
    decisions = [past.document() if isinstance(past, Decision) else past for past in earlier]
    history = History.parse({"decisions": decisions, "family": [past.document() for past in family]})
    decision = adjudicate(
        by or terms(f"huhuibao-{edition}"), policy(edition, **policy_changes), history, bill
    )
    decision.document()  # every wording has its facts, whichever way a case went
    return decision


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def proposed_fen(decision: Decision) -> int:
    steps = [step for step in decision.document()["trace"] if step["step"] == "review.proposed"]
    amount: int = steps[0]["out"]["proposed_fen"]
    return amount


def terms_with(
    name: str, benefit: str = "B1", *, of_benefit: dict[str, Any] | None = None, **top: Any
) -> Terms:
    """The terms of a product file with other keys of the document, at the top or in one benefit.

    None takes a key out. Held to all the rules of a product file.
    """
    document = terms(name).document
    node = next(one for one in document["benefits"] if one["code"] == benefit)
    for target, changes in ((document, top), (node, of_benefit or {})):
        target.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del target[key]
    return terms_from_document(document)
