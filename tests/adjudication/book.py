"""One policy's year, re-opened whenever something happens; and other terms for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from engine.adjudication.reopening import Change, Decided, reopen
from engine.adjudication.ruling import with_ruling
from engine.settlement.model import Settlement
from engine.terms import Terms, terms_from_document
from tests.adjudication.builder import SERVICE, line, policy, stay, terms

TERMS = terms("huhuibao-2021")
POLICY = policy()
Key = tuple[str, str]


def of(bill: Settlement) -> Key:
    return bill.hospital_code, bill.setl_id


@dataclass
class Book:
    """One policy's year: what arrived, and the decisions with all their versions so far."""

    terms_of: Callable[[Settlement], Terms] = lambda bill: TERMS
    bills: dict[Key, Settlement] = field(default_factory=dict)
    standing: dict[Key, Decided] = field(default_factory=dict)
    differences: dict[Key, list[int]] = field(default_factory=dict)

    def settle(self, *arriving: Settlement) -> list[Change]:
        """Re-open with what has arrived, and keep what it comes to."""
        self.bills |= {of(bill): bill for bill in arriving}
        changes = reopen(self.terms_of, POLICY, self.bills.values(), self.standing.values())
        for change in changes:
            key = change.settlement.id
            self.differences.setdefault(key, []).append(change.difference_fen)
            if change.after is None:
                del self.standing[key]
            else:
                self.standing[key] = change.after
        return changes

    def reverse(self, bill: Settlement) -> list[Change]:
        del self.bills[of(bill)]
        return self.settle()

    def rule(self, bill: Settlement, payable_fen: int) -> None:
        before = self.standing[of(bill)]
        ruled = with_ruling(
            before.decision,
            payable_fen=payable_fen,
            most_fen=10**9,
            reason="seen",
            decided_by="anna",
            decided_at=datetime(2022, 1, 1, tzinfo=UTC),
        )
        self.differences[of(bill)].append(payable_fen - before.settled_fen)
        self.standing[of(bill)] = replace(
            before, decision=ruled, settled_fen=payable_fen, awaits_person=False
        )


def month(number: int, own_pay: object, **changes: Any) -> Settlement:
    """A stay in that month after September 2021, numbered by it."""
    admitted = date(2021, 9, 1) + timedelta(days=30 * number)
    kind = {"category": "04", "code": SERVICE, "name": "基因检测"}
    return stay([line(own_pay, **kind)], **{"setl_id": f"S-{number}", "admitted_on": admitted, **changes})


def summary(changes: Iterable[Change]) -> list[tuple[str, int]]:
    return [(change.settlement.setl_id, change.difference_fen) for change in changes]


def of_document(**changes: Any) -> Terms:
    """2021 with another first benefit of the year's inpatient costs (B1), or other keys of its own."""
    document = TERMS.document
    document["benefits"] = [
        {**benefit, **changes.get("b1", {})} if benefit["code"] == "B1" else benefit
        for benefit in document["benefits"]
    ]
    return terms_from_document(document | {key: value for key, value in changes.items() if key != "b1"})


WIDENED = of_document(
    b1={"deductible": {"amount_fen": 1_000_000}, "ratio": {"pre_existing_bp": 6000, "standard_bp": 8000}}
)
"""A second version of the same edition: half the deductible, ten points more."""
