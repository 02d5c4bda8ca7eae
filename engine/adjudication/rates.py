"""Which share of the costs beyond the deductible is paid: one rate, a row of a matrix, or tiers."""

from dataclasses import dataclass

from engine.adjudication.case import Case
from engine.adjudication.eligibility import indicated
from engine.adjudication.history import Accumulated
from engine.terms.model import Benefit, Rate, RatioRow, Tier


@dataclass(slots=True)
class Scale:
    """The rate of one benefit for one settlement, or its tiers. Basis points."""

    ratio_bp: int
    """0 where there are tiers."""
    reduced: bool
    tiers: tuple[Tier, ...] = ()
    from_fen: int = 0
    """Where on the tiers this settlement's costs begin: what came before it."""

    def bands(self, after: int) -> list[tuple[Tier, int]]:
        """Of `after` fen beyond the deductible, how many fall into each tier that they reach."""
        begin, end = self.from_fen, self.from_fen + after
        tops = [*(tier.above_fen for tier in self.tiers[1:]), end]
        bands = [
            (tier, min(end, top) - max(begin, tier.above_fen))
            for tier, top in zip(self.tiers, tops, strict=True)
        ]
        return [(tier, fen) for tier, fen in bands if fen > 0]

    def weigh(self, after: int) -> int:
        """What `after` fen come to, in 1/10000 fen."""
        if not self.tiers:
            return after * self.ratio_bp
        return sum(fen * tier.rate.bp(self.reduced) for tier, fen in self.bands(after))

    def effective_bp(self, after: int) -> int:
        """The one rate that comes to as much, rounded down; of nothing, the rate that it begins with."""
        if not self.tiers:
            return self.ratio_bp
        reached = [tier for tier in self.tiers if tier.above_fen <= self.from_fen]
        return self.weigh(after) // after if after else reached[-1].rate.bp(self.reduced)


def scale_of(case: Case, benefit: Benefit, before: Accumulated) -> Scale | None:
    """None: the rate, or whether the reduced one applies, cannot be told, and the case goes to review."""
    ratio = benefit.ratio
    if not ratio.public:
        case.review("benefit.ratio_not_public", benefit)
        return None
    reduced = False
    if case.coverage.pre_existing and ratio.reduces:
        answer = _is_reduced(case, benefit)
        if answer is None:
            return None
        reduced = answer
    if ratio.tiers:
        from_fen = before.stay_after_fen if ratio.tiers_within == "stay" else before.after_fen
        return Scale(0, reduced, ratio.tiers, from_fen)
    return Scale(_rate(case, benefit).bp(reduced), reduced)


def _rate(case: Case, benefit: Benefit) -> Rate:
    for row in benefit.ratio.rows:
        if _fits(row, case):
            return row.rate
    return benefit.ratio.rate


def _fits(row: RatioRow, case: Case) -> bool:
    bill = case.settlement
    return (
        (not row.hospital_grades or bill.hospital_grade in row.hospital_grades)
        and (not row.hospitals or bill.hospital_code.startswith(row.hospitals))
        and (not row.insured_areas or bill.insured_area.startswith(row.insured_areas))
        and case.coverage.continuous_years >= row.continuous_years_min
    )


def _is_reduced(case: Case, benefit: Benefit) -> bool | None:
    """Whether a pre-existing condition reduces what this stay is paid. Of a person who has one."""
    terms, bill, classes = case.terms, case.settlement, case.coverage.pre_existing
    known = {condition.code: condition for condition in terms.conditions}
    reduced_by = {code: known[code].reduced_by if code in known else terms.reduced_by for code in classes}
    if "person" in reduced_by.values():
        return True
    if unknown := sorted(set(classes) - set(known)):
        case.review("reduction.class_unknown", benefit, classes=", ".join(unknown))
        return None
    if bill.main_diagnosis is None:
        case.review("reduction.diagnosis_unknown", benefit)
        return None
    main, every = (bill.main_diagnosis,), (bill.main_diagnosis, *bill.other_diagnoses)
    return any(
        indicated(diagnosis, known[code].diagnoses)
        for code in classes
        for diagnosis in (every if reduced_by[code] == "stay" else main)
    )
