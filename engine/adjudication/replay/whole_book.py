"""One product's terms over parts of a book: by columns where they can say it, else by the scalar engine."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from engine.adjudication.decision import Outcome
from engine.adjudication.replay.columns import Flags, Kind, Part, Small, Whole
from engine.adjudication.replay.features import unknown_features
from engine.adjudication.replay.gates import bills_under, policies_under
from engine.adjudication.replay.kernel import REFUSE, REVIEW, run
from engine.adjudication.replay.order import in_order
from engine.adjudication.replay.plan import COLUMN_BITS, Plan, compile_plan
from engine.adjudication.replay.reasons import BIT
from engine.adjudication.replay.scalar import coverage_at, decide_in_order, settlements_at
from engine.adjudication.replay.scratch import scratch
from engine.adjudication.replay.work import Decided, Work
from engine.terms.model import Terms

T = TypeVar("T", bound=tuple[Any, ...])

OUTCOMES = tuple(Outcome)
"""Outcome by its number in `Decided.outcome`."""
_MOST_LINE_FEN, _MOST_LINES = 1 << 40, 1 << 20
"""More fen in a line, or more lines in a settlement, could overflow a sum of lines."""


class Adjudicator:
    """Terms made ready for one book's kinds of lines.

    `unknown_features` says why no column is used; it is empty when they are.
    """

    def __init__(self, terms: Terms, kinds: Sequence[Kind]) -> None:
        self.terms = terms
        self.kinds = kinds
        self.unknown_features = unknown_features(terms)
        self._plan = None if self.unknown_features else compile_plan(terms, kinds)

    @property
    def line_columns(self) -> frozenset[str]:
        """What `by_columns` reads of lines, besides their kind and day."""
        if self._plan is None:
            return frozenset()
        wanted = {f"{name}_fen" for name, bit in COLUMN_BITS.items() if self._plan.columns.wanted & bit}
        return frozenset(wanted | ({"amount_fen"} if self._leaves_days_out else set()))

    @property
    def _leaves_days_out(self) -> bool:
        return self.terms.tail is not None or self.terms.stay_belongs_to == "each_day"

    def by_columns(self, part: Part, policies: Flags) -> tuple[Whole, Decided]:
        """Rows of the settlements under those policies, and decisions in rows of the part.

        What it marks as `left_over` is for `by_scalar` to decide.
        """
        rows = np.flatnonzero(policies[part.bills.policy])
        out = _undecided(len(part.bills), len(self.terms.benefits))
        if self._plan is None:
            out.left_over[rows] = True
        elif len(rows):
            self._run(self._plan, part, rows, out)
        return rows, out

    def _run(self, plan: Plan, part: Part, rows: Whole, out: Decided) -> None:
        order = in_order(self.terms, part.bills, rows)
        policy = part.bills.policy[order.rows]
        apart = np.isin(policy, _apart(part, order.unusual))
        out.left_over[order.rows[apart]] = True
        columns = plan.columns
        first = np.flatnonzero(np.diff(policy[~apart], prepend=-1, append=-1))
        work = Work(
            _sealed(columns),
            _sealed(policies_under(self.terms, part.policies)),
            _sealed(bills_under(plan, part)),
            _sealed(part.lines),
            out,
            scratch(len(columns.by_lines), len(columns.limit_paid)),
        )
        run(work, *_sealed((order.rows[~apart], first, part.bills.policy)))
        out.has[(out.outcome == REVIEW) | (out.outcome == REFUSE)] = False

    def by_scalar(self, part: Part, out: Decided) -> None:
        """Decides what is left over, from a part with all its columns."""
        rows = np.flatnonzero(out.left_over)
        codes = {benefit.code: place for place, benefit in enumerate(self.terms.benefits)}
        by_policy = rows[np.argsort(part.bills.policy[rows], kind="stable")]
        for together in np.split(by_policy, np.flatnonzero(np.diff(part.bills.policy[by_policy])) + 1):
            if not len(together):
                continue
            coverage = coverage_at(part, int(part.bills.policy[together[0]]))
            settlements = settlements_at(part, self.kinds, together)
            for row, decision in zip(
                together, decide_in_order(self.terms, coverage, settlements), strict=True
            ):
                out.outcome[row] = OUTCOMES.index(decision.outcome)
                out.reasons[row] = sum({BIT[reason.code] for reason in decision.reasons})
                out.payable[row] = decision.payable_fen
                for column in (out.has, out.eligible, out.deductible, out.paid):
                    column[row] = 0
                for result in decision.results:
                    cell = row, codes[result.benefit.code]
                    out.has[cell] = True
                    out.eligible[cell], out.deductible[cell] = result.eligible_fen, result.deductible_fen
                    out.paid[cell] = result.payable_fen


def _sealed(columns: T) -> T:
    """The same columns, all read-only and in one piece: the kernel is compiled for one kind of array."""

    def seal(value: object) -> object:
        if not isinstance(value, np.ndarray):
            return value
        sealed = np.ascontiguousarray(value).view()
        sealed.flags.writeable = False
        return sealed

    make: Callable[..., object] = getattr(columns, "_make", tuple)
    return cast(T, make([seal(column) for column in columns]))


def _apart(part: Part, unusual: Whole) -> Small:
    """Policies that the columns leave alone: unusual ones, and those with lines beyond measure."""
    lines = part.lines
    many = np.flatnonzero(np.diff(lines.first) > _MOST_LINES)
    unusual = np.union1d(unusual, part.bills.policy[many])
    amounts = (lines.own_pay_fen, lines.over_limit_fen, lines.pre_self_pay_fen, lines.in_scope_fen)
    for column in amounts:
        if len(column) and max(column.max(), -column.min()) > _MOST_LINE_FEN:
            large = np.flatnonzero(np.abs(column) > _MOST_LINE_FEN)
            bills = np.searchsorted(lines.first, large, side="right") - 1
            unusual = np.union1d(unusual, part.bills.policy[bills])
    return unusual.astype(np.int32)


def _undecided(bills: int, benefits: int) -> Decided:
    def whole() -> Whole:
        return np.zeros((bills, benefits), dtype=np.int64)

    return Decided(
        outcome=np.zeros(bills, dtype=np.int8),
        reasons=np.zeros(bills, dtype=np.int64),
        payable=np.zeros(bills, dtype=np.int64),
        has=np.zeros((bills, benefits), dtype=np.bool_),
        eligible=whole(),
        deductible=whole(),
        paid=whole(),
        carried=whole(),
        left_over=np.zeros(bills, dtype=np.bool_),
    )
