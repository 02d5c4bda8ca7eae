"""Settlements that one core adjudicates a second: the seeds' payable ones of 25 to 28 detail lines.

Processor time, one thread. No outside rules engine is measured here: a peer is this engine doing less.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from engine.adjudication import Coverage, History, Outcome, adjudicate
from engine.evidence.canonical import canonical_bytes
from engine.settlement import Settlement, load_register, minimise
from engine.terms import Terms, load_product
from tests.bench import Row
from tests.bench.sampling import interleaved, rate_of_a_core
from tests.support.process import REPOSITORY

_SEEDS = REPOSITORY / "seeds"
_LINES = range(25, 29)
_EARLIER = 5
_ROUNDS = 9
_THIS_ENGINE = "this engine, this run: "


@dataclass(frozen=True, slots=True)
class _Case:
    """One claim's four inputs, parsed and as the documents that they are kept as."""

    terms: Terms
    coverage: Coverage
    settlement: Settlement
    nothing: History
    earlier: History
    documents: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
    """Coverage, history with the earlier decisions, settlement."""


def run() -> list[Row]:
    cases = [case for case in _cases() if _pays(case)]
    if not cases:
        raise LookupError(f"seeds/settlements: none of {_LINES} lines is payable")
    rate = interleaved(
        {
            "decision": _measure(cases, lambda c: adjudicate(c.terms, c.coverage, c.nothing, c.settlement)),
            "document": _measure(
                cases, lambda c: adjudicate(c.terms, c.coverage, c.nothing, c.settlement).document()
            ),
            "earlier": _measure(
                cases, lambda c: adjudicate(c.terms, c.coverage, c.earlier, c.settlement).document()
            ),
            "bytes": _measure(cases, _from_documents_to_bytes),
        },
        _ROUNDS,
    )
    unit, history = "settlements/s a core", f"{_EARLIER} earlier decisions"
    return [
        Row("decision alone", unit, rate["decision"]),
        Row(
            "decision and its document with the trace",
            unit,
            rate["document"],
            rate["decision"],
            f"{_THIS_ENGINE}decision alone",
        ),
        Row(
            f"the same with a history of {history}",
            unit,
            rate["earlier"],
            rate["document"],
            f"{_THIS_ENGINE}no history",
        ),
        Row(
            f"three documents parsed, {history} among them, decided, written as canonical bytes",
            unit,
            rate["bytes"],
            rate["earlier"],
            f"{_THIS_ENGINE}inputs parsed before",
        ),
    ]


def _measure(cases: list[_Case], work: Callable[[_Case], object]) -> Callable[[], float]:
    def through_all() -> None:
        for case in cases:
            work(case)

    return partial(rate_of_a_core, through_all, len(cases))


def _from_documents_to_bytes(case: _Case) -> bytes:
    coverage, history, settlement = case.documents
    decision = adjudicate(
        case.terms, Coverage.parse(coverage), History.parse(history), Settlement.parse(settlement)
    )
    return canonical_bytes(decision.document())


def _pays(case: _Case) -> bool:
    """With and without the history, so that every variant does the whole calculation."""
    return all(
        adjudicate(case.terms, case.coverage, history, case.settlement).outcome is Outcome.PAY
        for history in (case.nothing, case.earlier)
    )


def _cases() -> Iterator[_Case]:
    policies = {policy["policy_no"]: policy for policy in _ndjson("policies/huhuibao.ndjson")}
    terms = {path.stem: load_product(path) for path in (_SEEDS / "products").glob("*.yaml")}
    register = load_register()
    for discharge in _ndjson("settlements/discharges.ndjson"):
        native = discharge.get("settlement", {})
        if discharge["outcome"] != "paid" or len(native["feedetail"]) not in _LINES:
            continue
        policy = policies[discharge["policy_no"]]
        document = minimise(native, register)
        settlement, coverage = Settlement.parse(document), Coverage.parse(policy)
        of_policy = terms[f"{policy['product']}-{policy['edition']}"]
        history = {"decisions": _earlier(of_policy, coverage, settlement)}
        yield _Case(
            of_policy,
            coverage,
            settlement,
            History.of([]),
            History.parse(history),
            (policy, history, document),
        )


def _earlier(terms: Terms, coverage: Coverage, settlement: Settlement) -> list[dict[str, Any]]:
    """Decisions on the same bill settled on the days before, each knowing those before it."""
    decisions: list[dict[str, Any]] = []
    for days in range(_EARLIER, 0, -1):
        before = replace(
            settlement,
            setl_id=f"EARLIER-{days}",
            settled_at=settlement.settled_at - timedelta(days=days),
        )
        decisions.append(adjudicate(terms, coverage, History.of(decisions), before).document())
    return decisions


def _ndjson(name: str) -> Iterator[dict[str, Any]]:
    with (_SEEDS / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
