"""Whether a number or a mix is unlike what it was: robust, and never without the numbers behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import median
from typing import Final

_MAD_OF_NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution / its median absolute deviation."""
_ONE_IN_A_THOUSAND: Final = 3.0902
"""Quantile 0.999 of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """value against the numbers before; score: how many usual spreads it lies from their median."""

    value: float
    median: float
    spread: float
    score: float


def deviation(value: float, before: Sequence[float], least_spread: float) -> Deviation:
    """Median and MAD bear one wild day in two; least_spread keeps a quiet past from making all a drift."""
    middle = median(before)
    mad = median(abs(one - middle) for one in before)
    spread = max(_MAD_OF_NORMAL * mad, least_spread)
    return Deviation(value, middle, round(spread, 2), round((value - middle) / spread, 2))


def counting_spread(middle: float) -> float:
    """What chance alone makes of a count: the standard deviation of a Poisson variable, at least 1."""
    return sqrt(max(middle, 1))


@dataclass(frozen=True, slots=True)
class Shift:
    """A population stability index; chance: what samples of this size exceed once in a thousand."""

    psi: float
    chance: float
    most: Sequence[tuple[str, float, float]]
    """The codes that moved most: share before, share now."""


def shift(now: Mapping[str, int], before: Mapping[str, int], cases: tuple[int, int]) -> Shift:
    """cases: how many independent ones stand behind `now` and `before`.

    PSI = sum of (now - before) ln(now / before) over the shares, each with half a case added so that a code
    that is new has a finite one. Without a drift it is about chi square of k - 1 degrees times
    (1 / cases now + 1 / cases before); its quantile is Wilson and Hilferty's.
    """
    codes = sorted(now.keys() | before.keys())
    share_now, share_before = _shares(now, codes), _shares(before, codes)
    parts = {
        code: (share_now[code] - share_before[code]) * log(share_now[code] / share_before[code])
        for code in codes
    }
    ranked = sorted(codes, key=lambda code: -parts[code])
    return Shift(
        psi=round(sum(parts.values()), 4),
        chance=round(_chi_square(len(codes) - 1) * (1 / cases[0] + 1 / cases[1]), 4),
        most=[(code, round(share_before[code], 4), round(share_now[code], 4)) for code in ranked[:3]],
    )


def _shares(counts: Mapping[str, int], codes: Sequence[str]) -> dict[str, float]:
    total = sum(counts.values()) + 0.5 * len(codes)
    return {code: (counts.get(code, 0) + 0.5) / total for code in codes}


def _chi_square(degrees: int) -> float:
    """Its quantile 0.999."""
    if degrees < 1:
        return 0.0
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + _ONE_IN_A_THOUSAND * sqrt(part)) ** 3)
