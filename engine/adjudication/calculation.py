"""The arithmetic of one benefit: exact over one common denominator, rounded once.

With E the eligible cost, D the part of the deductible that it bears and W what E - D comes to at its ratio
(or over its tiers) in 1/10000 fen, the deductible falls on all costs in proportion, so a group of cost e
comes to

    e * W / (E * 10000)

Every group has the denominator Q = E * 10000, so sub-limits on what is *paid* compare numerators and
nothing is lost before the one rounding, half-up to the fen, of the benefit's sum. Proportion makes the
result independent of the order of lines, and makes more cost never pay less. Where the year's sum is what is
rounded, a settlement carries what rounding gave or took, in 1/10000 fen, to the next.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from engine.adjudication.decision import BenefitResult, Step, Trace
from engine.adjudication.history import ALL_ITEMS, FIXED_DAYS, Accumulated
from engine.adjudication.rates import Scale
from engine.adjudication.selection import Group
from engine.money import Fen, portion
from engine.terms.model import BASIS, Benefit, Fixed

_Key = TypeVar("_Key", bound=tuple[object, str])


@dataclass(slots=True)
class Basis:
    """What a benefit is computed from, besides the costs."""

    benefit: Benefit
    deductible_fen: int
    """The whole one, of the year or of the stay; 0 where there is none."""
    borne_before_fen: int
    scale: Scale
    carries: bool
    """The year's sum is what is rounded."""
    before: Accumulated


def calculate(basis: Basis, groups: dict[Group, int], steps: Trace) -> BenefitResult:
    """What the benefit comes to before the caps of the year and of the cost; appends its trace."""
    benefit, before = basis.benefit, basis.before
    _keep_occasions(basis, groups, steps)
    eligible = sum(groups.values())
    borne = min(eligible, max(basis.deductible_fen - basis.borne_before_fen, 0))
    after = eligible - borne
    if benefit.deductible is not None and steps.wanted:
        given = {
            "within": benefit.deductible.within,
            "deductible_whole_fen": basis.deductible_fen,
            "used_before_fen": basis.borne_before_fen,
        }
        found = {"deductible_fen": borne, "after_fen": after}
        steps.append(Step("benefit.deductible", benefit, given, found))
    numerators: dict[Group, int] = {}
    payable, carried = Fen(0), 0
    if after:
        weighted = _weigh(basis, after, steps)
        numerators = _limited(basis, groups, weighted, eligible * BASIS, steps)
        exact = sum(numerators.values())
        payable = _rounded(exact, eligible, before.carried if basis.carries else 0)
        carried = exact // eligible - payable * BASIS if basis.carries else 0
        if steps.wanted:
            steps.append(_rounding(basis, payable))
    return BenefitResult(
        benefit,
        Fen(eligible),
        Fen(borne),
        basis.scale.effective_bp(after),
        payable,
        _WhenAsked(partial(_limit_use, benefit, numerators, eligible * BASIS, payable)),
        after if benefit.ratio.tiers else 0,
        carried,
    )


def calculate_fixed(basis: Basis, fixed: Fixed, days: int, steps: Trace) -> BenefitResult:
    """An amount for each stay, or for each day beyond those that the terms leave out, up to their most.

    days: of the whole stay so far; what an earlier settlement of it was paid for is not paid again.
    """
    benefit, before = basis.benefit, basis.before
    of_stay = 1 if fixed.per == "stay" else max(days - fixed.days_after, 0)
    left = [min(of_stay, fixed.days_max_stay or of_stay) - before.stay.get((FIXED_DAYS, ALL_ITEMS), 0)]
    if fixed.days_max_year is not None:
        left.append(fixed.days_max_year - before.year.get((FIXED_DAYS, ALL_ITEMS), 0))
    counted = max(min(left), 0)
    eligible = counted * fixed.amount_fen
    given = {"amount_fen": fixed.amount_fen, "per": fixed.per, "days": days, "days_after": fixed.days_after}
    steps.append(Step("benefit.fixed", benefit, given, {"counted": counted, "eligible_fen": eligible}))
    payable = portion(_weigh(basis, eligible, steps), 1, BASIS) if eligible else Fen(0)
    use = {FIXED_DAYS: {ALL_ITEMS: counted}} if payable else {}
    ratio_bp = basis.scale.effective_bp(eligible)
    return BenefitResult(benefit, Fen(eligible), Fen(0), ratio_bp, payable, use)


def _weigh(basis: Basis, after: int, steps: Trace) -> int:
    """What the costs beyond the deductible come to, in 1/10000 fen; with its step, or one a tier."""
    scale, benefit = basis.scale, basis.benefit
    weighted = scale.weigh(after)
    if not steps.wanted:
        return weighted
    status = "pre_existing" if scale.reduced else "standard"
    for tier, fen in scale.bands(after) if scale.tiers else ():
        rate = tier.rate.bp(scale.reduced)
        given = {"above_fen": tier.above_fen, "part_fen": fen, "ratio": rate, "status": status}
        steps.append(Step("benefit.tier", benefit, given, {"calculated_yuan": (fen * rate, BASIS)}))
    if not scale.tiers:
        given = {"after_fen": after, "ratio": scale.ratio_bp, "status": status}
        found = {"calculated_yuan": (weighted, BASIS)}
        steps.append(Step("benefit.ratio", benefit, given, found))
    return weighted


def _rounding(basis: Basis, payable: int) -> Step:
    if not basis.carries:
        return Step("benefit.rounded", basis.benefit, {}, {"payable_fen": payable})
    given = {"carried_yuan": (basis.before.carried, BASIS)}
    return Step("benefit.rounded_year", basis.benefit, given, {"payable_fen": payable})


def _rounded(numerator: int, eligible: int, carried: int) -> Fen:
    """numerator / (eligible x 10000) and what is carried, half-up to the fen; carried may be negative."""
    return portion(max(numerator + carried * eligible, 0), 1, eligible * BASIS)


def reduced_to(result: BenefitResult, payable: int) -> BenefitResult:
    """The result cut to a lower amount by a cap: what its limits have used shrinks in proportion."""
    use = _WhenAsked(partial(_reduced_use, result, payable))
    return result._replace(payable_fen=Fen(payable), limits=use, carried=0)


def _reduced_use(result: BenefitResult, payable: int) -> dict[str, dict[str, int]]:
    counts = {limit.id for limit in result.benefit.limits if limit.occasions_max is not None} | {FIXED_DAYS}
    weights = {
        (limit_id, item): amount
        for limit_id, items in result.limits.items()
        for item, amount in items.items()
        if limit_id not in counts
    }
    weights["", ""] = result.payable_fen - sum(weights.values())
    scaled = {key: amount * payable for key, amount in weights.items()}
    shares = _shares(scaled, result.payable_fen, payable)
    use: dict[str, dict[str, int]] = {
        limit_id: dict(items) for limit_id, items in result.limits.items() if payable and limit_id in counts
    }
    for (limit_id, item), share in shares.items():
        if limit_id and share:
            use.setdefault(limit_id, {})[item] = share
    return use


def _keep_occasions(basis: Basis, groups: dict[Group, int], steps: Trace) -> None:
    """Leave out the calendar days beyond a limit's count. The dearest stay (Insurance Law 30: what the
    wording leaves open is read for the insured); of equals, the earliest."""
    for index, limit in basis.benefit.counted:
        days = [key for key in groups if key[0] == index and groups[key]]
        if not days:
            continue
        days.sort(key=lambda key: (-groups[key], key))
        before = basis.before.year.get((limit.id, ALL_ITEMS), 0)
        if beyond := days[max((limit.occasions_max or 0) - before, 0) :]:
            given = {"occasions_max": limit.occasions_max, "occasions_before": before}
            left_out = sum(groups.pop(key) for key in beyond)
            found = {"left_out_fen": left_out}
            steps.append(Step("benefit.occasions", basis.benefit, given, found, limit.name))


def _limited(
    basis: Basis, groups: Mapping[Group, int], factor: int, denominator: int, steps: Trace
) -> dict[Group, int]:
    """Numerators over the denominator, each cut to what its limit leaves."""
    limits, before = basis.benefit.limits, basis.before
    numerators = {group: eligible * factor for group, eligible in groups.items()}
    least = basis.benefit.least_limit_fen
    if least is None or not (before.year or before.stay or max(numerators.values()) > least * denominator):
        return numerators  # none binds, as mostly
    for group in sorted(numerators):
        index, item = group
        limit = limits[index] if index >= 0 else None
        if limit is None or limit.paid_max_fen is None:
            continue
        used = before.of_limit(limit.id, item, limit.within)
        left = max(limit.paid_max_fen - used, 0)
        if numerators[group] > left * denominator:
            given = {
                "item": item,
                "paid_max_fen": limit.paid_max_fen,
                "used_before_fen": used,
                "calculated_yuan": (numerators[group], denominator),
            }
            found = {"limited_fen": left}
            steps.append(Step("benefit.limit", basis.benefit, given, found, limit.name))
            numerators[group] = left * denominator
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


class _WhenAsked(Mapping[str, Mapping[str, int]]):
    """Per limit and item: fen paid under it, or occasions. Worked out when somebody asks: later decisions
    and documents do, the decision itself does not."""

    __slots__ = ("_use", "_work_out")

    def __init__(self, work_out: Callable[[], dict[str, dict[str, int]]]):
        self._work_out = work_out
        self._use: dict[str, dict[str, int]] | None = None

    def _told(self) -> dict[str, dict[str, int]]:
        if self._use is None:
            self._use = self._work_out()
        return self._use

    def __getitem__(self, limit: str) -> Mapping[str, int]:
        return self._told()[limit]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told())

    def __len__(self) -> int:
        return len(self._told())


def _limit_use(
    benefit: Benefit, numerators: Mapping[Group, int], denominator: int, payable: int
) -> dict[str, dict[str, int]]:
    use: dict[str, dict[str, int]] = {}
    for (index, item), share in sorted(_shares(numerators, denominator, payable).items()):
        if index < 0 or not share:
            continue
        limit = benefit.limits[index]
        if limit.within == "line":
            continue  # no later line is the same
        if limit.occasions_max is None:
            use.setdefault(limit.id, {})[item] = share
        else:
            days = use.setdefault(limit.id, {})
            days[ALL_ITEMS] = days.get(ALL_ITEMS, 0) + 1
    return use
