"""The switches: what the sandbox does wrong on purpose, so that its clients can learn to cope.

A rule is one fault, whom it strikes and how often. A fault of the line strikes every matching request,
repeats included; a fault of the transfer is drawn once, when it is first accepted, and kept with it.

    slow                    answer after delay_ms                             line
    timeout_after_accept    commit, then never answer                         line
    drop_connection         close without an answer; after_accept: true commits first    line
    server_error            answer 500; after_accept: true commits first      line
    refuse                  accept, then refuse with `reason`                 transfer
    return_payment          settle, then return after delay_ms                transfer
    callback_twice          every result is called back twice                 transfer
    callback_never          no result is called back                          transfer
    callback_late           called back delay_ms late                         transfer
"""

import random
import threading
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FaultName = Literal[
    "slow",
    "timeout_after_accept",
    "drop_connection",
    "server_error",
    "refuse",
    "return_payment",
    "callback_twice",
    "callback_never",
    "callback_late",
]
_OF_THE_LINE = {"slow", "timeout_after_accept", "drop_connection", "server_error"}
_ON_QUERIES = {"slow", "drop_connection", "server_error"}


class FaultRule(BaseModel):
    """All conditions given must hold. Unset means any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: FaultName
    on: Literal["submit", "query"] = "submit"
    payee_account: str | None = None
    amount_fen: int | None = Field(default=None, gt=0)
    nth: int | None = Field(default=None, ge=1, description="only the nth that matches, from 1")
    probability: float = Field(default=1.0, ge=0, le=1)
    count: int | None = Field(default=None, ge=1, description="strike at most so often")
    delay_ms: int = Field(default=1000, ge=0)
    after_accept: bool = False
    reason: str = Field(default="refused_by_payee_bank", min_length=1, max_length=140)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.on == "query" and self.fault not in _ON_QUERIES:
            raise ValueError(f"on: query is only for {', '.join(sorted(_ON_QUERIES))}")
        if self.on == "query" and (self.payee_account or self.amount_fen):
            raise ValueError("on: query knows no payee_account and no amount_fen")
        return self


class FaultPlan(BaseModel):
    """The whole set, replaced at once. The same seed and the same order of requests draw the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    rules: tuple[FaultRule, ...] = ()


class Faults:
    """The plan in force with its counters. Shared by the event loop and the writer's thread."""

    def __init__(self, plan: FaultPlan) -> None:
        self._lock = threading.Lock()
        self.replace(plan)

    def replace(self, plan: FaultPlan) -> None:
        with self._lock:
            self.plan = plan
            self._rng = random.Random(plan.seed)
            self._matched = [0] * len(plan.rules)
            self._struck = [0] * len(plan.rules)

    def on_line(
        self, on: Literal["submit", "query"], account: str = "", amount_fen: int = 0
    ) -> Sequence[FaultRule]:
        """The faults of the line that strike this request."""
        return self._draw(True, on, account, amount_fen)

    def on_transfer(self, account: str, amount_fen: int) -> Sequence[FaultRule]:
        """The faults that this new transfer is to suffer."""
        return self._draw(False, "submit", account, amount_fen)

    def _draw(self, of_the_line: bool, on: str, account: str, amount_fen: int) -> Sequence[FaultRule]:
        with self._lock:
            return self._draw_locked(of_the_line, on, account, amount_fen)

    def _draw_locked(self, of_the_line: bool, on: str, account: str, amount_fen: int) -> Sequence[FaultRule]:
        struck = []
        for index, rule in enumerate(self.plan.rules):
            applies = (rule.fault in _OF_THE_LINE) == of_the_line and rule.on == on
            whom = rule.payee_account in (None, account) and rule.amount_fen in (None, amount_fen)
            if not (applies and whom):
                continue
            self._matched[index] += 1
            if rule.nth not in (None, self._matched[index]) or rule.count == self._struck[index]:
                continue
            if rule.probability < 1 and self._rng.random() >= rule.probability:
                continue
            self._struck[index] += 1
            struck.append(rule)
        return struck
