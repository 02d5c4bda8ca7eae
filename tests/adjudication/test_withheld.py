"""A settlement that is decided where it lies: on sums alone, and held against what is known without it."""

import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from engine.adjudication import Coverage, Decision, DocumentInvalid, History, adjudicate
from engine.adjudication.history import _FIRST, SettlementRef, Standing
from engine.adjudication.withheld import objections, part_of
from engine.settlement.model import Settlement
from engine.terms import Terms
from tests.adjudication.builder import decide, line, policy, stay, terms
from tests.adjudication.replay.lives import SEEDS, Life

WHOLE = "0x" + "5e" * 32


class Decided(NamedTuple):
    terms: Terms
    coverage: Coverage
    bill: Settlement
    standing: Standing
    decision: Decision

    @property
    def part(self) -> dict[str, Any]:
        return part_of(self.decision.document(), self.terms, WHOLE)

    def objections(self, part: dict[str, Any]) -> list[str]:
        ref = SettlementRef.of(self.bill)
        found = objections(part, self.terms, self.coverage, self.standing, ref)
        return [f"{one.field} {one.rule}" for one in found]


def books(seed: int, trouble: float) -> Iterator[Decided]:
    """Each settlement of random books under every product, on the sums of those before it."""
    for name in SEEDS:
        by = terms(name)
        for coverage, bills in Life(seed, trouble).book(by):
            documents: list[dict[str, Any]] = []
            for bill in sorted(bills, key=lambda one: SettlementRef.of(one).order(by.order_by)):
                history = History.of(documents)
                standing = history.standing(by, bill)
                whole = adjudicate(by, coverage, history, bill)
                yield Decided(by, coverage, bill, standing, whole)
                if not standing.already_decided:
                    documents.append(whole.document())


@pytest.mark.parametrize("seed", [1, 4])
def test_sums_decide_as_the_decisions_would_byte_for_byte_and_what_leaves_has_no_objection(seed: int) -> None:
    outcomes = set()
    for one in books(seed, trouble=0.05):
        sums = json.loads(json.dumps(one.standing.document()))
        again = adjudicate(one.terms, one.coverage, History.parse(sums), one.bill)
        assert json.dumps(again.document()) == json.dumps(one.decision.document())
        assert one.objections(one.part) == []
        outcomes.add(one.decision.outcome)
    assert len(outcomes) == 4


def test_sums_name_no_hospital_no_day_and_no_settlement() -> None:
    for one in books(3, 0):
        told = json.dumps(one.standing.document())
        assert one.bill.hospital_code not in told
        assert str(one.bill.admitted_on.year) + "-" not in told


def test_sums_that_say_more_or_less_are_refused() -> None:
    document = History.of([]).standing(terms("huhuibao-2024"), stay([line("1.00")])).document()
    for changes in ({"earlier": -1}, {"hospital": "H"}, {"benefits": {"B1": {"paid_fen": 1}}}):
        with pytest.raises(DocumentInvalid):
            History.parse({"standing": {**document["standing"], **changes}})


def test_what_leaves_names_no_diagnosis_though_the_whole_decision_does() -> None:
    drug = line("90000.00", category="09", code="XL01EDA119E001010200001", name="阿基仑赛注射液")
    whole = decide(stay([drug], year=2024, main_diagnosis="Z99.800"), edition="2024")
    assert "Z99.800" in json.dumps(whole.document()["reasons"])
    left = part_of(whole.document(), terms("huhuibao-2024"), WHOLE)
    assert "Z99.800" not in json.dumps(left)
    assert [one["code"] for one in left["reasons"]] == ["benefit.indication_unclear"]


def paying() -> Decided:
    by, coverage = terms("huhuibao-2024"), policy("2024")
    first = stay([line("7000.00")], year=2024, setl_id="S-1")
    bill = stay([line("90000.00")], year=2024, setl_id="S-2", admitted_on=first.discharged_on)
    history = History.of([adjudicate(by, coverage, History.of([]), first).document()])
    whole = adjudicate(by, coverage, history, bill)
    return Decided(by, coverage, bill, history.standing(by, bill), whole)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"payable_fen": 1}, "/payable_fen decision.rebuilt"),
        ({"benefits/0/payable_fen": 1}, "/payable_fen decision.rebuilt"),
        ({"benefits/0/deductible_fen": -1, "used/B1/deductible_fen": -1}, "/benefits decision.amount"),
        ({"settlement/setl_id": "E-x"}, "/settlement decision.rebuilt"),
        ({"terms_digest": "0x" + "00" * 32}, "/terms_digest decision.rebuilt"),
        ({"trace": [{"step": "benefit.ratio"}]}, "/trace decision.rebuilt"),
        ({"benefits/0/name/en": "C34.900"}, "/benefits decision.rebuilt"),
        ({"note": "C34.900"}, "/note decision.rebuilt"),
        ({"benefits/0/code": "B99"}, "/benefits/0 decision.benefit"),
        ({"reasons": [{"code": ["x"]}]}, "/reasons/0/code decision.reason"),
        ({"decision": "nothing"}, "/payable_fen decision.outcome"),
        ({"whole": "C34.900"}, "/whole decision.rebuilt"),
    ],
)
def test_what_does_not_add_up_or_says_more_has_a_named_objection(changes: dict[str, Any], rule: str) -> None:
    one = paying()
    assert one.standing.earlier == 1
    assert 0 < one.decision.results[0].deductible_fen < 1_200_000
    assert one.objections(_changed(one.part, changes)).count(rule) == 1


@pytest.mark.parametrize("fen", [1_000_000_00, 5_000_000_00])
def test_an_amount_beyond_rate_or_cap_is_objected_to_though_it_adds_up(fen: int) -> None:
    one = paying()
    part = _changed(one.part, {})
    part["payable_fen"] = part["benefits"][0]["payable_fen"] = part["used"]["B1"]["paid_fen"] = fen
    part["benefits"][0]["eligible_fen"] = fen if fen < 2_000_000_00 else 2 * fen
    assert "/benefits decision.amount" in one.objections(part)


ANYTHING: list[Any] = [None, [], {}, "", "C34.900", -1, 2**70, 1.5, True, [[]], {"x": [1]}, ["x"]]


def test_anything_else_at_any_place_is_objected_to() -> None:
    bills = [stay([line("700.00")], year=2024), stay([line("90000.00")], year=2024, discharge_way="5")]
    first = [paying()._replace(bill=bill, standing=_FIRST) for bill in bills]
    first = [one._replace(decision=decide(one.bill, edition="2024")) for one in first]
    assert [one.decision.outcome for one in first] == ["nothing", "review"]
    for one in (paying(), *first):
        assert one.objections(one.part) == []
        _try_anything(one)


def _try_anything(one: Decided) -> None:
    part = one.part
    places = list(_places(part))
    assert len(places) > 30
    for place in places:
        for value in ANYTHING:
            changed = copy.deepcopy(part)
            node: Any = changed
            for name in place[:-1]:
                node = node[name]
            if node[place[-1]] != value:
                node[place[-1]] = value
                assert one.objections(changed), (place, value)


def _places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place, but for how rounding and limits went, of which the bill alone tells."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in inside:
        if name not in ("carried", "limits"):
            yield (*at, name)
            yield from _places(value, (*at, name))


def test_a_number_that_only_looks_whole_and_a_use_that_nothing_comes_to_are_objected_to() -> None:
    one = paying()
    fraction, use = one.part, one.part
    fraction["payable_fen"] = float(fraction["payable_fen"])
    assert one.objections(fraction) == ["/payable_fen decision.rebuilt"]
    for changes in ({"carried": 10_001}, {"after_fen": 1}, {"limits": {"X": {"all": 1}}}):
        use["used"] = {"B1": {**one.part["used"]["B1"], **changes}}
        assert one.objections(use) == ["/benefits decision.amount"]


def _changed(part: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Amounts are added to; what else is named is put in its place."""
    part = copy.deepcopy(part)
    for path, value in changes.items():
        *parents, last = path.split("/")
        node: Any = part
        for name in parents:
            node = node[int(name) if isinstance(node, list) else name]
        node[last] = node[last] + value if isinstance(value, int) else value
    return part
