"""All that one run of the kernel reads, writes and remembers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.adjudication.replay.columns import Flags, LineColumns, Whole
from engine.adjudication.replay.gates import BillTerms, PolicyTerms
from engine.adjudication.replay.plan import PlanColumns
from engine.adjudication.replay.scratch import Scratch


class Decided(NamedTuple):
    """Decisions, one row a settlement; N rows and N x B."""

    outcome: NDArray[np.int8]
    reasons: Whole
    payable: Whole
    has: Flags
    """Whether the benefit has a result."""
    eligible: Whole
    deductible: Whole
    paid: Whole
    carried: Whole
    """1/10000 fen."""
    left_over: Flags
    """Settlements of policies that the columns could not hold."""


class Work(NamedTuple):
    """All columns of one run, so that a rule takes them together."""

    plan: PlanColumns
    policies: PolicyTerms
    bills: BillTerms
    lines: LineColumns
    out: Decided
    s: Scratch
