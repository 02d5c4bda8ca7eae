"""Settlements of 25 detail lines that one core adjudicates a second, and others' engines on the same ones.

The product is benefit B1 of huhuibao-2024 alone: gates, deductible with its ladder, ratios, three limits,
two caps, cost left. The settlements are drawn (seeded) from the detail lines of the seeds, some made dear
enough to reach a limit. Before anything is timed, every engine decides every settlement, as the first of its
year and after earlier decisions, and has to come to our fen; and the settlements have to reach every rule.
Timed are those that are paid, as the first of their year.

- zen-engine (`peer_zen`) runs in this process on a model compiled before and dictionaries made before. Both
  are timed with and without their trace; our `document()` puts it into words besides. zen-engine starts a
  thread a call, which its batch saves; one settlement at a time is what a discharge brings.
- OpenFisca (`peer_openfisca`) fits in part, and computes over arrays: a batch of thousands, its best case.
  What decides many here is `replay`, not the scalar engine measured on this page.

Processor time of all threads of this process, by turns.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from engine.adjudication import Coverage, Decision, History, Outcome, adjudicate
from engine.evidence.canonical import canonical_bytes
from engine.money import Fen
from engine.settlement import Settlement, load_register, minimise
from engine.settlement.minimise import document_of
from engine.settlement.model import DetailLine
from engine.terms import Terms, load_product, terms_from_document
from tests.bench import Row, peer_zen
from tests.bench.peer_openfisca import OpenFisca
from tests.bench.peer_zen import NOT_COVERED, Amounts, Zen
from tests.bench.sampling import interleaved, rate_of_a_core
from tests.support.process import REPOSITORY

_SEEDS = REPOSITORY / "seeds"
_BENEFIT = "B1"
_LINES = 25
_DRAWN = 300
_DEAR = 1_000_000
"""Fen; a line below it may be drawn at sixty times its cost. OpenFisca needs settlements within 32 bits."""
_BATCH = 10_000
_EARLIER = 5
_POLICY = {"product": "huhuibao", "edition": "2024", "effective": "2024-07-01", "expires": "2025-06-30"}
_ROUNDS = 9
_OURS = "this engine, this run: "
_TURNED_AWAY: tuple[dict[str, Any], ...] = (
    {"hospital_grade": 1},
    {"insured_area": "320500"},
    {"ward_type": "icu"},
    {"ward_type": "special"},
    {"visit_type": "28"},
)
_REACHED = {
    *("benefit.not_met", "benefit.undecided", "benefit.deductible", "benefit.occasions", "benefit.limit"),
    *("benefit.cap", "total.indemnity", "carried"),
}
"""Steps that the settlements have to come to, and a remainder of the year's rounding: a rule that none of
them reaches is not compared."""


@dataclass(frozen=True, slots=True)
class Case:
    """One settlement under one policy: the inputs of a decision."""

    terms: Terms
    coverage: Coverage
    history: History
    settlement: Settlement

    def decide(self, trace: bool = True) -> Decision:
        return adjudicate(self.terms, self.coverage, self.history, self.settlement, trace=trace)

    def context(self) -> dict[str, Any]:
        return peer_zen.context(self.terms, self.coverage, self.history, self.settlement)


def run() -> list[Row]:
    zen = Zen()
    drawn = list(_cases())
    all_contexts = [case.context() for case in drawn]
    _compare(drawn, "zen-engine", [peer_zen.amounts(zen.decide(context)) for context in all_contexts])
    _compare(drawn, "OpenFisca", OpenFisca(all_contexts).amounts())
    cases = [case for case in drawn if not case.history.decisions and case.decide().outcome is Outcome.PAY]
    contexts = [case.context() for case in cases]
    many = [contexts[number % len(contexts)] for number in range(_BATCH)]
    requests, arrays = [peer_zen.request(context) for context in many], OpenFisca(many)
    whole = load_product(_SEEDS / "products" / "huhuibao-2024.yaml")
    edition = [replace(case, terms=whole) for case in cases]
    later = [replace(case, history=History.parse(_history(case))) for case in cases]
    kept = [_documents(case) for case in later]
    rate = interleaved(
        {
            "decision": _each(cases, partial(Case.decide, trace=False)),
            "decision trace": _each(cases, Case.decide),
            "zen": _each(contexts, zen.decide),
            "document": _each(cases, lambda case: case.decide().document()),
            "zen trace": _each(contexts, zen.decide_with_trace),
            "zen batch": partial(rate_of_a_core, lambda: zen.decide_many(requests), _BATCH),
            "openfisca": partial(rate_of_a_core, arrays.decide_all, _BATCH),
            "edition": _each(edition, Case.decide),
            "later": _each(later, Case.decide),
            "bytes": _each(kept, partial(_from_documents_to_bytes, whole)),
        },
        _ROUNDS,
    )
    return _rows(rate)


def _rows(rate: dict[str, float]) -> list[Row]:
    def row(what: str, ours: str, peer: str, peer_name: str, target: str | None = None) -> Row:
        return Row(what, "settlements/s a core", rate[ours], rate[peer], peer_name, target)

    return [
        row("decision", "decision", "zen", "zen-engine", "≥ 10 x zen-engine"),
        row("decision with its trace", "decision trace", "zen trace", "zen-engine, trace"),
        row("decision and its document, each step in words", "document", "zen trace", "zen-engine, trace"),
        row(f"decision; the peer {_BATCH:,} at once", "decision", "zen batch", "zen-engine, batch"),
        row(f"decision; the peer {_BATCH:,} at once", "decision", "openfisca", "OpenFisca"),
        row("the whole edition, five benefits", "edition", "decision trace", f"{_OURS}B1 alone"),
        row(f"after {_EARLIER} decisions of the year", "later", "decision trace", f"{_OURS}the year's first"),
        row(
            f"the whole edition, from documents ({_EARLIER} earlier decisions) to canonical bytes",
            "bytes",
            "later",
            f"{_OURS}B1 alone, parsed before",
        ),
    ]


def _each(inputs: Sequence[Any], work: Callable[[Any], object]) -> Callable[[], float]:
    def through_all() -> None:
        for one in inputs:
            work(one)

    return partial(rate_of_a_core, through_all, len(inputs))


def _compare(cases: Sequence[Case], peer: str, theirs: Sequence[Amounts]) -> None:
    """Raises ArithmeticError where the peer comes to another fen, LookupError where a rule is not reached."""
    reached: set[str] = set()
    for case, amounts in zip(cases, theirs, strict=True):
        decision = case.decide()
        reached |= {step.code for step in decision.steps}
        reached |= {"carried" for result in decision.results if result.carried and case.history.decisions}
        if (ours := _amounts(decision)) != amounts:
            raise ArithmeticError(f"{case.settlement.setl_id}: {ours} here, {amounts} by {peer}")
    if missing := _REACHED - reached:
        raise LookupError(f"no settlement drawn reaches {', '.join(sorted(missing))}")


def _amounts(decision: Decision) -> Amounts:
    if not decision.results:
        return NOT_COVERED
    (result,) = decision.results
    return Amounts(result.payable_fen, result.eligible_fen, result.deductible_fen)


# ------------------------------------------------------------------------------------ the settlements


def _cases() -> Iterator[Case]:
    """Seeded: the same settlements in every run."""
    chance = Random(2024)
    document = load_product(_SEEDS / "products" / "huhuibao-2024.yaml").document
    document["benefits"] = [node for node in document["benefits"] if node["code"] == _BENEFIT]
    terms = terms_from_document(document)
    stays = [stay for stay in _stays() if stay.visit_type == "21"]
    lines = [line for stay in stays for line in stay.lines if line.amount_fen > 0]
    for number in range(_DRAWN):
        case = Case(terms, _policy(chance), History.of([]), _bill(chance, stays, lines, number))
        yield case
        yield replace(case, history=History.parse(_history(case)))


def _policy(chance: Random) -> Coverage:
    status = {"pre_existing": chance.choice([[], ["cancer"]]), "claim_free_years": chance.randrange(5)}
    return Coverage.parse(_POLICY | status)


def _bill(chance: Random, stays: list[Settlement], pool: list[DetailLine], number: int) -> Settlement:
    """A stay of the policy year with 25 lines of the seeds; now and then one that a gate turns away."""
    stay = chance.choice(stays)
    days = timedelta(days=chance.randrange(20))
    admitted = date.fromisoformat(_POLICY["effective"]) + timedelta(days=chance.randrange(-5, 300))
    lines = tuple(
        replace(_line(chance, line, admitted + days / 2), sn=str(sn))
        for sn, line in enumerate(chance.choices(pool, k=_LINES))
    )
    total = Fen(sum(line.amount_fen for line in lines))
    columns = ("own_pay_fen", "over_limit_fen", "pre_self_pay_fen", "in_scope_fen")
    sums: dict[str, Any] = {column: Fen(sum(getattr(line, column) for line in lines)) for column in columns}
    gates: dict[str, Any] = {"ward_type": "ordinary", "hospital_grade": 3, "insured_area": "310000"}
    if chance.random() < 0.2:
        gates |= chance.choice(_TURNED_AWAY)
    return replace(
        stay,
        setl_id=f"S{number}",
        admitted_on=admitted,
        discharged_on=admitted + days,
        settled_at=stay.settled_at.replace(year=2025, month=6, day=29),
        total_fen=total,
        **sums,
        fund_fen=Fen(0),
        account_fen=Fen(0),
        cash_fen=total,
        other_compensation_fen=Fen(chance.choice([0, 0, 0, total // 2])),
        discharge_way="1",
        lines=lines,
        **gates,
    )


def _line(chance: Random, line: DetailLine, last_day: date) -> DetailLine:
    dearer = chance.choice([1] * 20 + [60]) if line.own_pay_fen < _DEAR else 1
    name, category = line.name, line.category
    if chance.random() < 0.04:
        name, category = "PET-CT", "03"
    own_pay = Fen(line.own_pay_fen * dearer + chance.randrange(100))
    amount = Fen(line.amount_fen - line.own_pay_fen + own_pay)
    return replace(
        line,
        name=name,
        category=category,
        quantity=Decimal(1),
        unit_price=Decimal(amount) / 100,
        own_pay_fen=own_pay,
        amount_fen=amount,
        occurred_on=last_day - timedelta(days=chance.randrange(2)),
    )


def _stays() -> Iterator[Settlement]:
    register = load_register()
    for discharge in _ndjson("settlements/discharges.ndjson"):
        if discharge["outcome"] == "paid":
            yield Settlement.parse(minimise(discharge["settlement"], register))


def _history(case: Case) -> dict[str, Any]:
    """Decisions on the same bill settled on the days before, each knowing those before it."""
    decisions: list[dict[str, Any]] = []
    for days in range(_EARLIER, 0, -1):
        bill = case.settlement
        before = replace(
            bill, setl_id=f"{bill.setl_id}-{days}", settled_at=bill.settled_at - timedelta(days=days)
        )
        decisions.append(adjudicate(case.terms, case.coverage, History.of(decisions), before).document())
    return {"decisions": decisions}


def _documents(case: Case) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Coverage, history and settlement as they are kept."""
    coverage = {**_POLICY, "pre_existing": list(case.coverage.pre_existing)}
    return coverage, _history(case), document_of(case.settlement)


def _from_documents_to_bytes(
    terms: Terms, documents: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
) -> bytes:
    coverage, history, settlement = documents
    case = Case(terms, Coverage.parse(coverage), History.parse(history), Settlement.parse(settlement))
    return canonical_bytes(case.decide().document())


def _ndjson(name: str) -> Iterator[dict[str, Any]]:
    with (_SEEDS / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
