"""The arithmetic of one benefit: exact over one common denominator, rounded once.

With E the eligible cost, D the part of the annual deductible that it bears and r the ratio in basis
points, the deductible falls on all costs in proportion, so a group of cost e comes to

    e * (E - D) * r / (E * 10000)

Every group has the denominator Q = E * 10000, so sub-limits on what is *paid* compare numerators and
nothing is lost before the one rounding, half-up to the fen, of the benefit's sum. Proportion makes the
result independent of the order of lines, and makes more cost never pay less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from engine.adjudication.decision import BenefitResult, Step, format_ratio
from engine.adjudication.eligibility import cost_of
from engine.adjudication.history import ALL_ITEMS, Accumulated
from engine.adjudication.messages import grouped_yuan
from engine.money import Fen, portion
from engine.settlement.model import DetailLine
from engine.terms.model import BASIS, Benefit

Group = tuple[int, str]
"""Index of a limit, and the item or calendar day that it counts apart."""
_FREE: Group = (-1, "")
"""What no limit selects."""
_Key = TypeVar("_Key", bound=tuple[object, str])


@dataclass(frozen=True, slots=True)
class Basis:
    """What a benefit is computed from, besides the costs."""

    benefit: Benefit
    deductible_year_fen: Fen
    ratio_bp: int
    reduced: bool
    before: Accumulated


class RefundUnmatched(Exception):
    """Refund lines of a group exceed its charges: no amount can be told."""


def grouped(benefit: Benefit, lines: Sequence[DetailLine]) -> dict[Group, int]:
    """Eligible fen by group, in an order that does not depend on the lines'.

    A line falls under the first limit that selects it. Raises RefundUnmatched.
    """
    cost, limits = cost_of(benefit.base), list(enumerate(benefit.limits))
    groups: dict[Group, int] = {}
    for line in lines:
        key, category = _FREE, line.category
        for index, limit in limits:
            if category in limit.lines.categories and limit.lines.names(line.name):
                item = line.occurred_on.isoformat() if limit.occasions_max else limit.item(line.code)
                key = (index, item or ALL_ITEMS)
                break
        groups[key] = groups.get(key, 0) + sum(cost(line))
    if groups and min(groups.values()) < 0:
        raise RefundUnmatched
    return dict(sorted(groups.items()))


def calculate(basis: Basis, groups: dict[Group, int], steps: list[Step]) -> BenefitResult:
    """What the benefit comes to before the caps of the year and of the cost; appends its trace."""
    benefit, before = basis.benefit, basis.before
    _keep_occasions(basis, groups, steps)
    eligible = sum(groups.values())
    borne = min(eligible, max(basis.deductible_year_fen - before.deductible_fen, 0))
    after = eligible - borne
    if benefit.deductible is not None:
        given = {"deductible_year_fen": basis.deductible_year_fen, "used_before_fen": before.deductible_fen}
        steps.append(
            Step("benefit.deductible", benefit, given, {"deductible_fen": borne, "after_fen": after})
        )
    numerators, payable = dict.fromkeys(groups, 0), Fen(0)
    if after:
        given_ratio = {
            "after_fen": after,
            "ratio": format_ratio(basis.ratio_bp),
            "status": "pre_existing" if basis.reduced else "standard",
        }
        exact = _yuan(after * basis.ratio_bp, BASIS)
        steps.append(Step("benefit.ratio", benefit, given_ratio, {"calculated_yuan": exact}))
        numerators = _limited(basis, groups, after * basis.ratio_bp, eligible * BASIS, steps)
        payable = portion(sum(numerators.values()), 1, eligible * BASIS)
        steps.append(Step("benefit.rounded", benefit, {}, {"payable_fen": payable}))
    shares = _shares(numerators, eligible * BASIS, payable)
    return BenefitResult(
        benefit, Fen(eligible), Fen(borne), basis.ratio_bp, payable, _limit_use(benefit, shares)
    )


def reduced_to(result: BenefitResult, payable: int) -> BenefitResult:
    """The result cut to a lower amount by a cap: what its limits have used shrinks in proportion."""
    limits = {limit.id: limit for limit in result.benefit.limits}
    weights = {
        (limit_id, item): amount
        for limit_id, items in result.limits.items()
        for item, amount in items.items()
        if limits[limit_id].occasions_max is None
    }
    weights["", ""] = result.payable_fen - sum(weights.values())
    scaled = {key: amount * payable for key, amount in weights.items()}
    shares = _shares(scaled, result.payable_fen, payable)
    use: dict[str, dict[str, int]] = {
        limit_id: dict(items)
        for limit_id, items in result.limits.items()
        if payable and limits[limit_id].occasions_max is not None
    }
    for (limit_id, item), share in shares.items():
        if limit_id and share:
            use.setdefault(limit_id, {})[item] = share
    return replace(result, payable_fen=Fen(payable), limits=use)


def _keep_occasions(basis: Basis, groups: dict[Group, int], steps: list[Step]) -> None:
    """Leave out the calendar days beyond a limit's count. The dearest stay (Insurance Law 30: what the
    wording leaves open is read for the insured); of equals, the earliest."""
    for index, limit in enumerate(basis.benefit.limits):
        if limit.occasions_max is None:
            continue
        days = sorted(
            (key for key in groups if key[0] == index and groups[key]), key=lambda key: (-groups[key], key)
        )
        before = basis.before.year[limit.id, ALL_ITEMS]
        beyond = days[max(limit.occasions_max - before, 0) :]
        if beyond:
            given = {"occasions_max": limit.occasions_max, "occasions_before": before}
            left_out = sum(groups.pop(key) for key in beyond)
            found = {"left_out_fen": left_out}
            steps.append(Step("benefit.occasions", basis.benefit, given, found, limit.name))


def _limited(
    basis: Basis, groups: Mapping[Group, int], factor: int, denominator: int, steps: list[Step]
) -> dict[Group, int]:
    """Numerators over the denominator, each cut to what its limit leaves."""
    numerators: dict[Group, int] = {}
    for (index, item), eligible in groups.items():
        numerator = eligible * factor
        limit = basis.benefit.limits[index] if index >= 0 else None
        if limit is not None and limit.paid_max_fen is not None:
            used = (basis.before.stay if limit.within == "stay" else basis.before.year)[limit.id, item]
            left = max(limit.paid_max_fen - used, 0)
            if numerator > left * denominator:
                given = {
                    "item": item,
                    "paid_max_fen": limit.paid_max_fen,
                    "used_before_fen": used,
                    "calculated_yuan": _yuan(numerator, denominator),
                }
                found = {"limited_fen": left}
                steps.append(Step("benefit.limit", basis.benefit, given, found, limit.name))
                numerator = left * denominator
        numerators[index, item] = numerator
    return numerators


def _shares(numerators: Mapping[_Key, int], denominator: int, payable: int) -> dict[_Key, int]:
    """Whole fen for each numerator/denominator, summing to payable: the largest remainders get one more.

    Ties go by key, so the order of lines is of no account. A group that stands exactly at its limit has
    no remainder and never gets one more.
    """
    shares = {key: numerator // denominator for key, numerator in numerators.items()} if denominator else {}
    missing = payable - sum(shares.values())
    if missing:
        by_remainder = sorted(shares, key=lambda key: (-(numerators[key] % denominator), key))
        for key in by_remainder[:missing]:
            shares[key] += 1
    return shares


def _limit_use(benefit: Benefit, shares: Mapping[Group, int]) -> dict[str, dict[str, int]]:
    use: dict[str, dict[str, int]] = {}
    for (index, item), share in sorted(shares.items()):
        if index < 0 or not share:
            continue
        limit = benefit.limits[index]
        if limit.occasions_max is None:
            use.setdefault(limit.id, {})[item] = share
        else:
            days = use.setdefault(limit.id, {})
            days[ALL_ITEMS] = days.get(ALL_ITEMS, 0) + 1
    return use


def _yuan(numerator: int, denominator: int) -> str:
    """numerator/denominator fen as yuan for a reader: two decimals, six where the fen is not whole."""
    whole, rest = divmod(numerator, denominator)
    return grouped_yuan(whole) + (f"{rest * 10**4 // denominator:04d}" if rest else "")
