"""Which benefits look at which settlements and what their gates answer, once for each different value."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.adjudication.adjudicate import DEATH
from engine.adjudication.replay.columns import (
    BillColumns,
    Flags,
    Part,
    PolicyColumns,
    Small,
    Whole,
    day_number,
)
from engine.adjudication.replay.plan import Plan
from engine.adjudication.replay.reasons import BIT
from engine.settlement.hospitals import PHARMACY
from engine.terms.model import Benefit, Terms

NOT_CONCERNED, CONCERNED, UNCLEAR = 0, 1, 2
REDUCED, CLASS_UNKNOWN, DIAGNOSIS_UNKNOWN = 1, 2, 3


class PolicyTerms(NamedTuple):
    """What the terms make of each policy; P rows."""

    foreign: Whole
    """Bits of the reasons for which the terms cannot be applied at all."""
    effective: Small
    expires: Small
    renewed: Flags
    deductible: Whole
    """P x B: fen of the year."""


class BillTerms(NamedTuple):
    """What the terms make of each settlement, apart from its history; N rows."""

    concern: NDArray[np.int8]
    """N x B."""
    gates: NDArray[np.uint16]
    """N x B: bits of the gates that do not answer yes."""
    rate: NDArray[np.int8]
    """N x B: which of the benefit's rates applies."""
    reduced: NDArray[np.int8]
    """N: whether a pre-existing condition reduces it, or what keeps that from being known."""
    indicated: Flags
    """S x D: whether the set of diagnoses has that diagnosis."""
    diagnosis: Small
    death: Flags
    hospital: Small
    admitted_on: Small
    discharged_on: Small
    total: Whole
    base: Whole
    """N x B: what counts of the settlement's own totals."""
    cost_left: Whole


def policies_of(terms: Terms, policies: PolicyColumns) -> Flags:
    """Which policies are of this edition of this product."""
    names = (terms.product, terms.full_name)
    product = policies.product.matching([name in names for name in policies.product.values])
    edition = policies.edition.matching([name == terms.edition for name in policies.edition.values])
    return (product & edition) != 0


def policies_under(terms: Terms, policies: PolicyColumns) -> PolicyTerms:
    foreign = np.zeros(len(policies), dtype=np.int64)
    foreign[~policies_of(terms, policies)] |= BIT["coverage.other_terms"]
    if terms.period is not None:
        first, last = day_number(terms.period.first_day), day_number(terms.period.last_day)
        outside = (policies.effective < first) | (policies.expires > last)
        foreign[outside] |= BIT["coverage.outside_period"]
    return PolicyTerms(
        foreign=foreign,
        effective=policies.effective,
        expires=policies.expires,
        renewed=policies.renewed,
        deductible=np.column_stack([_deductible(benefit, policies) for benefit in terms.benefits]),
    )


def _deductible(benefit: Benefit, policies: PolicyColumns) -> Whole:
    deductible = benefit.deductible
    if deductible is None:
        return np.zeros(len(policies), dtype=np.int64)
    by_claims = deductible.ladder_by == "claim_free_years"
    years = policies.claim_free_years if by_claims else policies.continuous_years
    different, place = np.unique(years, return_inverse=True)
    return np.array([deductible.for_years(int(one)) for one in different], dtype=np.int64)[place]


def bills_under(plan: Plan, part: Part) -> BillTerms:
    benefits, bills = plan.terms.benefits, part.bills
    borne = np.minimum(bills.total_fen - bills.fund_fen, bills.account_fen + bills.cash_fen)
    diagnoses = bills.main_diagnosis.values
    indicated = [[_begins(diagnosis, prefixes) for diagnosis in diagnoses] for prefixes in plan.indications]
    return BillTerms(
        concern=np.column_stack([_concern(benefit, bills) for benefit in benefits]),
        gates=np.column_stack([_gates(benefit, part) for benefit in benefits]),
        rate=np.column_stack([_rate(benefit, part) for benefit in benefits]),
        reduced=_reduced(plan.terms, part),
        indicated=np.array(indicated, dtype=np.bool_).reshape(len(plan.indications), len(diagnoses)),
        diagnosis=bills.main_diagnosis.codes,
        death=bills.discharge_way.matching([way == DEATH for way in bills.discharge_way.values]) != 0,
        hospital=bills.hospital_code.codes,
        admitted_on=bills.admitted_on,
        discharged_on=bills.discharged_on,
        total=bills.total_fen,
        base=np.column_stack([_base_of_totals(benefit, bills) for benefit in benefits]),
        cost_left=np.maximum(borne - bills.other_compensation_fen, 0),
    )


def _concern(benefit: Benefit, bills: BillColumns) -> NDArray[np.int8]:
    concern = benefit.concerns

    def of_visit(visit: str) -> int:
        if not concern.visit_types or visit in concern.visit_types:
            return CONCERNED
        return UNCLEAR if not visit or visit in concern.visit_types_unclear else NOT_CONCERNED

    answers = bills.visit_type.matching([of_visit(visit) for visit in bills.visit_type.values])
    if concern.hospitals:
        answers *= bills.hospital_code.matching(
            [_begins(c, concern.hospitals) for c in bills.hospital_code.values]
        )
    return answers


def _base_of_totals(benefit: Benefit, bills: BillColumns) -> Whole:
    """The settlement's own totals in the columns that count."""
    paid = bills.total_fen - bills.fund_fen - bills.own_pay_fen - bills.over_limit_fen
    columns = {
        "own_pay": bills.own_pay_fen,
        "over_limit": bills.over_limit_fen,
        "pre_self_pay": bills.pre_self_pay_fen,
        "in_scope": bills.in_scope_fen,
        "self_pay": np.maximum(paid, 0),
    }
    counted = [columns[name] for name in benefit.columns]
    return np.sum(counted, axis=0, dtype=np.int64) if counted else np.zeros(len(bills), dtype=np.int64)


def _rate(benefit: Benefit, part: Part) -> NDArray[np.int8]:
    """The first row of the ratio matrix that fits, or the one behind the last."""
    bills, rows = part.bills, benefit.ratio.rows
    found = np.full(len(bills), len(rows), dtype=np.int8)
    for place, row in reversed(list(enumerate(rows))):
        fits = part.policies.continuous_years[bills.policy] >= row.continuous_years_min
        if row.hospital_grades:
            fits &= np.isin(bills.hospital_grade, list(row.hospital_grades))
        for column, prefixes in (
            (bills.hospital_code, row.hospitals),
            (bills.insured_area, row.insured_areas),
        ):
            if prefixes:
                fits &= column.matching([_begins(value, prefixes) for value in column.values]) != 0
        found[fits] = place
    return found


def _reduced(terms: Terms, part: Part) -> NDArray[np.int8]:
    """Of each settlement; what a benefit makes of it is a matter of its rates."""
    bills, classes = part.bills, part.policies.pre_existing
    reduced, of_policy = np.zeros(len(bills), dtype=np.int8), classes.codes[bills.policy]
    for code, names in enumerate(classes.values):
        if names:
            mine = of_policy == code
            reduced[mine] = _reduced_for(terms, names, bills)[mine]
    return reduced


def _reduced_for(terms: Terms, names: tuple[str, ...], bills: BillColumns) -> NDArray[np.int8]:
    """As if all settlements were of somebody with these classes of conditions."""
    known = {condition.code: condition for condition in terms.conditions}
    reduced_by = {name: known[name].reduced_by if name in known else terms.reduced_by for name in names}
    if "person" in reduced_by.values():
        return np.full(len(bills), REDUCED, dtype=np.int8)
    if not set(names) <= set(known):
        return np.full(len(bills), CLASS_UNKNOWN, dtype=np.int8)
    main, others = bills.main_diagnosis, bills.other_diagnoses
    because = tuple(prefix for name in names for prefix in known[name].diagnoses)
    beside = tuple(p for name in names if reduced_by[name] == "stay" for p in known[name].diagnoses)
    answers = main.matching(
        [DIAGNOSIS_UNKNOWN if one is None else _begins(one, because) for one in main.values]
    )
    treated = others.matching([any(_begins(other, beside) for other in one) for one in others.values])
    return np.where(answers == DIAGNOSIS_UNKNOWN, answers, answers | treated).astype(np.int8)


def _gates(benefit: Benefit, part: Part) -> NDArray[np.uint16]:
    """Bits by settlement; the functions below answer for one value."""
    requires, bills = benefit.requires, part.bills
    bits = np.zeros(len(bills), dtype=np.int64)

    def ask(column_codes: Small, answers: Sequence[str]) -> None:
        nonlocal bits
        bits |= np.array([BIT[answer] if answer else 0 for answer in answers], dtype=np.int64)[column_codes]

    def of_area(area: str) -> str:
        if not area:
            return "gate.insured_area_unknown"
        return "" if area.startswith(requires.insured_areas) else "gate.insured_area"

    def of_ward(ward: str) -> str:
        if ward in requires.ward_types:
            return ""
        unclear = ward in requires.ward_types_unclear or ward in ("", "unknown")
        return "gate.ward_type_unclear" if unclear else "gate.ward_type"

    if requires.waiting_days:
        covered_on = part.policies.effective + requires.waiting_days
        waits = (part.policies.continuous_years == 0)[bills.policy]
        bits[waits & (bills.admitted_on < covered_on[bills.policy])] |= BIT["gate.waiting"]
    if requires.insured_areas:
        ask(bills.insured_area.codes, [of_area(area) for area in bills.insured_area.values])
    if requires.hospitals:
        hospitals = bills.hospital_code
        ask(
            hospitals.codes,
            ["" if _begins(c, requires.hospitals) else "gate.hospital" for c in hospitals.values],
        )
    if requires.hospital_grade_min:
        grade = bills.hospital_grade
        hospitals = bills.hospital_code
        asked = hospitals.matching([not c.startswith(PHARMACY) for c in hospitals.values]).astype(np.bool_)
        bits[asked & (grade == 0)] |= BIT["gate.hospital_grade_unknown"]
        bits[asked & (grade != 0) & (grade < requires.hospital_grade_min)] |= BIT["gate.hospital_grade"]
    if requires.ward_types:
        ask(bills.ward_type.codes, [of_ward(ward) for ward in bills.ward_type.values])
    if requires.diagnoses:
        found = bills.main_diagnosis
        unclear = [
            "" if _begins(one, requires.diagnoses) else "gate.diagnosis_unclear" for one in found.values
        ]
        ask(found.codes, unclear)
    return bits.astype(np.uint16)


def _begins(text: str | None, prefixes: tuple[str, ...]) -> bool:
    return text is not None and text.startswith(prefixes)
