"""huhuibao-2024's B1 in GoRules' zen-engine: a JSON Decision Model of tables, a switch and expressions.

The model, `peers/huhuibao-2024-b1.jdm.json`, is compiled once. It is given what a decision needs of the
inputs that ours reads parsed: days as whole numbers, amounts in fen, the six fields of a line that count, and
of the history the sums of what was used before. It answers with three amounts, as decimals of 28 digits. It
gives no reason, puts nothing into words (its trace is each node's input and output), does not know the tail
of a stay, and leaves out what each limit has used, which the next decision of a policy needs.

Other ways to say the same, tried: JavaScript in a function node, a quarter of the speed; all expressions in
one node, or fewer objects between them, within a tenth of it; inputs as JSON bytes, no faster.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.adjudication import Coverage, History
from engine.adjudication.history import ALL_ITEMS
from engine.settlement import Settlement
from engine.terms import Terms
from tests.support.process import REPOSITORY

FOLDER = REPOSITORY / "build" / "env" / "rules"
"""Where `make bench` installs what tests/bench/peers/rules.lock names."""
MODEL = Path(__file__).parent / "peers" / "huhuibao-2024-b1.jdm.json"
_BENEFIT = "B1"
_KEY = "b1"
_LINE_FIELDS = ("category", "code", "name", "own_pay_fen", "over_limit_fen")
_BILL_FIELDS = ("total_fen", "fund_fen", "account_fen", "cash_fen", "other_compensation_fen")


@dataclass(frozen=True, slots=True)
class Amounts:
    """What an engine made of one settlement: fen."""

    payable_fen: int
    eligible_fen: int
    deductible_fen: int


NOT_COVERED = Amounts(0, 0, 0)


def on_the_path() -> None:
    """Make what the bench compares with importable: behind what the tests run on."""
    if not FOLDER.is_dir():
        raise LookupError(f"{FOLDER.relative_to(REPOSITORY)} is missing: run `make bench ONLY=adjudication`")
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))


class Zen:
    """The compiled decision, asked one settlement at a time or many at once."""

    def __init__(self) -> None:
        on_the_path()
        import zen

        model = MODEL.read_text(encoding="utf-8")
        self._decision: Any = zen.ZenEngine().create_decision(model)
        static = {"type": "static", "content": {_KEY: json.loads(model)}}
        self._engine: Any = zen.ZenEngine({"loader": static})

    def decide(self, context: Mapping[str, Any]) -> Any:
        return self._decision.evaluate(context)

    def decide_with_trace(self, context: Mapping[str, Any]) -> Any:
        return self._decision.evaluate(context, {"trace": True})

    def decide_many(self, requests: Sequence[Mapping[str, Any]]) -> Any:
        """requests: as `request` makes them."""
        return self._engine.evaluate_batch(requests)


def request(context: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": _KEY, "context": context}


def amounts(response: Mapping[str, Any]) -> Amounts:
    result = response["result"]
    if "payable_fen" not in result:
        return NOT_COVERED
    return Amounts(*(int(result[name]) for name in Amounts.__slots__))


def context(terms: Terms, coverage: Coverage, history: History, bill: Settlement) -> dict[str, Any]:
    """The inputs of one decision as the model reads them."""
    before = history.standing(terms, bill).of(_BENEFIT)
    return {
        "effective": coverage.effective.toordinal(),
        "expires": coverage.expires.toordinal(),
        "claim_free_years": coverage.claim_free_years,
        "pre_existing": bool(coverage.pre_existing),
        "admitted": bill.admitted_on.toordinal(),
        "visit_type": bill.visit_type,
        "insured_area": bill.insured_area,
        "hospital_grade": bill.hospital_grade,
        "ward_type": bill.ward_type,
        "bill": {name: getattr(bill, name) for name in _BILL_FIELDS},
        "used": {
            "deductible_fen": before.deductible_fen,
            "paid_fen": before.paid_fen,
            "carried": before.carried,
            "drugs": {item: fen for (limit, item), fen in before.year.items() if limit == "single-drug"},
            "material_fen": before.stay.get(("surgical-material", ALL_ITEMS), 0),
            "pet_ct": before.year.get(("pet-ct", ALL_ITEMS), 0),
        },
        "lines": [
            {name: getattr(line, name) for name in _LINE_FIELDS}
            | {"occurred_on": line.occurred_on.toordinal()}
            for line in bill.lines
        ],
    }
