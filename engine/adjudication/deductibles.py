"""A benefit's deductible: how much it is, and how much of it was borne before."""

from collections.abc import Iterable

from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import BenefitResult
from engine.adjudication.history import Standing
from engine.money import Fen
from engine.terms.model import Benefit, Deductible, Terms


def deductible_fen(deductible: Deductible, coverage: Coverage) -> Fen:
    """The whole one, of the year or of the stay."""
    by_claims = deductible.ladder_by == "claim_free_years"
    return deductible.for_years(coverage.claim_free_years if by_claims else coverage.continuous_years)


def borne_before_fen(
    terms: Terms, standing: Standing, results: Iterable[BenefitResult], benefit: Benefit
) -> int:
    """Of the deductible, what was borne before: by this benefit, or by all that share it and the family.

    results: of the same settlement, what the benefits before this one came to.
    """
    deductible, before = benefit.deductible, standing.of(benefit.code)
    of_stay = deductible is not None and deductible.within == "stay"
    if deductible is None or not deductible.shared_id:
        return before.stay_deductible_fen if of_stay else before.deductible_fen
    sharing = [
        other.code
        for other in terms.benefits
        if other.deductible is not None and other.deductible.shared_id == deductible.shared_id
    ]
    sums = [standing.of(code) for code in sharing]
    borne = sum(one.stay_deductible_fen if of_stay else one.deductible_fen for one in sums)
    borne += sum(result.deductible_fen for result in results if result.benefit.code in sharing)
    if deductible.family:
        borne += sum(standing.family_deductible_fen.get(code, 0) for code in sharing)
    return borne
