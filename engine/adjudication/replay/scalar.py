"""The scalar engine over a policy's settlements in order: what the columns are held to."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from engine.adjudication.adjudicate import adjudicate
from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import Decision, used_by
from engine.adjudication.history import History, PastDecision, SettlementRef
from engine.adjudication.replay.columns import Kind, Part, day_of, instant_of
from engine.money import Fen
from engine.settlement.model import DetailLine, Settlement
from engine.terms.model import Terms


def decide_in_order(terms: Terms, coverage: Coverage, settlements: Sequence[Settlement]) -> list[Decision]:
    """Each settlement of one policy with the decisions before it as its history. In the order given."""
    past: list[PastDecision] = []
    decisions: dict[int, Decision] = {}
    for place in sorted(range(len(settlements)), key=lambda one: _place(terms, settlements[one])):
        decision = adjudicate(terms, coverage, History(tuple(past)), settlements[place], trace=False)
        past.append(_past(decision))
        decisions[place] = decision
    return [decisions[place] for place in range(len(settlements))]


def _place(terms: Terms, settlement: Settlement) -> tuple[object, ...]:
    """Where the terms leave two in one place, hospital and number decide: the same each time."""
    ref = SettlementRef.of(settlement)
    return (*ref.order(terms.order_by), *ref.id)


def _past(decision: Decision) -> PastDecision:
    return PastDecision(
        product=decision.terms.product,
        edition=decision.terms.edition,
        decision=decision.outcome.value,
        settlement=decision.settlement,
        used=used_by(decision.results),
    )


def coverage_at(part: Part, row: int) -> Coverage:
    policies = part.policies
    return Coverage(
        product=policies.product.at(row),
        edition=policies.edition.at(row),
        effective=day_of(policies.effective[row]),
        expires=day_of(policies.expires[row]),
        pre_existing=policies.pre_existing.at(row),
        continuous_years=int(policies.continuous_years[row]),
        claim_free_years=int(policies.claim_free_years[row]),
        renewed=bool(policies.renewed[row]),
    )


def settlements_at(part: Part, kinds: Sequence[Kind], rows: Iterable[int]) -> list[Settlement]:
    return [_settlement(part, kinds, row) for row in rows]


def _settlement(part: Part, kinds: Sequence[Kind], row: int) -> Settlement:
    bills, lines = part.bills, part.lines
    return Settlement(
        setl_id=bills.setl_id.at(row),
        hospital_code=bills.hospital_code.at(row),
        hospital_grade=int(bills.hospital_grade[row]),
        insured_area=bills.insured_area.at(row),
        visit_type=bills.visit_type.at(row),
        ward_type=bills.ward_type.at(row),
        admitted_on=day_of(bills.admitted_on[row]),
        discharged_on=day_of(bills.discharged_on[row]),
        settled_at=instant_of(bills.settled_at[row]),
        discharge_way=bills.discharge_way.at(row),
        age_years=None,
        main_diagnosis=bills.main_diagnosis.at(row),
        other_diagnoses=bills.other_diagnoses.at(row),
        total_fen=Fen(int(bills.total_fen[row])),
        own_pay_fen=Fen(int(bills.own_pay_fen[row])),
        over_limit_fen=Fen(int(bills.over_limit_fen[row])),
        pre_self_pay_fen=Fen(int(bills.pre_self_pay_fen[row])),
        in_scope_fen=Fen(int(bills.in_scope_fen[row])),
        fund_fen=Fen(int(bills.fund_fen[row])),
        account_fen=Fen(int(bills.account_fen[row])),
        cash_fen=Fen(int(bills.cash_fen[row])),
        other_compensation_fen=Fen(int(bills.other_compensation_fen[row])),
        lines=tuple(_line(part, kinds, line) for line in range(lines.first[row], lines.first[row + 1])),
    )


def _line(part: Part, kinds: Sequence[Kind], line: int) -> DetailLine:
    """Quantity and price of a line are not kept in a book: nothing is decided by them. Nor is its number,
    which only has to tell the lines of a settlement apart."""
    lines, kind = part.lines, kinds[part.lines.kind[line]]
    return DetailLine(
        sn=str(line),
        code=kind.code,
        name=kind.name,
        category=kind.category,
        quantity=Decimal(0),
        unit_price=Decimal(0),
        amount_fen=Fen(int(lines.amount_fen[line])),
        own_pay_fen=Fen(int(lines.own_pay_fen[line])),
        over_limit_fen=Fen(int(lines.over_limit_fen[line])),
        pre_self_pay_fen=Fen(int(lines.pre_self_pay_fen[line])),
        in_scope_fen=Fen(int(lines.in_scope_fen[line])),
        occurred_on=day_of(lines.occurred_on[line]),
    )
