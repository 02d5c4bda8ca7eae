"""How late a settlement is received: the rules that need the time of receipt, which `check` does not know."""

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, Protocol

from engine.settlement.checks import SHANGHAI
from engine.settlement.errors import Violation

DAYS: Final[Mapping[str, int]] = MappingProxyType(
    {"settlement.timely.discharge": 15, "settlement.timely.settlement": 7}
)
"""Rule -> within how many days it wants a settlement. A city that differs passes its own."""


class Dated(Protocol):
    """A settlement, read or kept."""

    @property
    def discharged_on(self) -> date: ...
    @property
    def settled_at(self) -> datetime: ...


def received_on(received_at: datetime) -> date:
    """The Shanghai calendar day of an aware time."""
    return received_at.astimezone(SHANGHAI).date()


def lag_days(settlement: Dated, received_at: datetime) -> int:
    """Calendar days from discharge to receipt; negative when it is received before discharge."""
    return (received_on(received_at) - settlement.discharged_on).days


def check_timely(settlement: Dated, received_at: datetime, days: Mapping[str, int] = DAYS) -> list[Violation]:
    """What is late, or from the future. received_at: aware."""
    found = []
    on = received_on(received_at)
    for rule, field, since in (
        ("settlement.timely.discharge", "/setlinfo/dscg_time", settlement.discharged_on),
        ("settlement.timely.settlement", "/setlinfo/setl_time", received_on(settlement.settled_at)),
    ):
        late = (on - since).days
        if late > days[rule]:
            found.append(Violation(field, rule, f"is {late} days before receipt, more than {days[rule]}"))
        if late < 0:
            message = f"is {-late} days after receipt"
            found.append(Violation(field, "settlement.timely.future", message))
    return found
