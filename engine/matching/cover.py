"""Which of a person's policies answer for a stay: the same rule for the insurer and for a provider node."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Protocol, TypeVar


class Cover(Protocol):
    """As much of a policy as the rule reads. cancelled_on: the first day without cover (退保)."""

    @property
    def product(self) -> str: ...
    @property
    def effective(self) -> date: ...
    @property
    def expires(self) -> date: ...
    @property
    def cancelled_on(self) -> date | None: ...


C = TypeVar("C", bound=Cover)


def in_force(policies: Iterable[C], admitted_on: date, discharged_on: date) -> list[C]:
    """Of each product the policy in force on admission; failing that, the one whose cover began during the
    stay.

    Whether a stay that began before the cover is paid is for the terms to say, not for the match.
    """
    stay = [p for p in policies if p.effective <= discharged_on and _last_day(p) >= admitted_on]
    at_admission = [p for p in stay if p.effective <= admitted_on]
    begun = {p.product for p in at_admission}
    return [*at_admission, *(p for p in stay if p.product not in begun)]


def ends_during(policy: Cover, discharged_on: date) -> bool:
    """Whether a policy in force for a stay was cancelled before its end."""
    return policy.cancelled_on is not None and policy.cancelled_on <= discharged_on


def _last_day(policy: Cover) -> date:
    if policy.cancelled_on is None:
        return policy.expires
    return policy.cancelled_on - timedelta(days=1)
