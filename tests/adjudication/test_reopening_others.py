"""Several policies of a person, and of a family: whatever arrives in whichever order, all versions together
come to everything adjudicated afresh, and no settlement is paid for beyond its cost."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adjudication import History, adjudicate
from engine.adjudication.coverage import Coverage
from engine.adjudication.reopening import Decided, Others, reopen, result_of
from engine.adjudication.ruling import payable_of
from engine.adjudication.totals import cost_left_fen
from engine.evidence.documents import decision_elsewhere, decision_of_family
from engine.settlement.model import Settlement
from engine.terms import Terms
from tests.adjudication.book import POLICY, TERMS, WIDENED, Key, month, of, of_document, summary
from tests.adjudication.test_reopening_lives import stays

HOUSEHOLD = of_document(
    b1={
        "deductible": {"shared": "all"},
        "ratio": {"pre_existing_bp": 9000, "standard_bp": 9000},
    },
    product="household",
    deductibles=[{"id": "all", "amount_fen": 1_500_000, "family": True}],
)
_MOST_ROUNDS = 30


@dataclass
class Policy:
    """One person's, by its terms; `rank` says in which order the person's policies pay."""

    person: int
    rank: int
    terms: Terms
    coverage: Coverage
    standing: dict[Key, Decided] = field(default_factory=dict)
    settled: dict[Key, int] = field(default_factory=dict)


class Town:
    """Two people of one family, each with a policy of the city and one of the household's product."""

    def __init__(self, household_first: bool) -> None:
        covers = ((TERMS, POLICY), (HOUSEHOLD, replace(POLICY, product="household")))
        order = covers[::-1] if household_first else covers
        self.policies = [
            Policy(person, rank, *cover) for person in (0, 1) for rank, cover in enumerate(order)
        ]
        self.bills: dict[Key, tuple[int, Settlement]] = {}

    def bills_of(self, policy: Policy) -> list[Settlement]:
        return [bill for person, bill in self.bills.values() if person == policy.person]

    def deciding(self, policy: Policy, bill: Settlement) -> Iterator[tuple[Policy, Key, bool]]:
        """Whose decisions on which settlements count for this one, and whether as the family's."""
        for other in self.policies:
            if other.person == policy.person and other.rank < policy.rank:
                yield other, of(bill), False
            elif other.person != policy.person and other.terms is policy.terms is HOUSEHOLD:
                for theirs in self.bills_of(other):
                    if _at(theirs) < _at(bill):
                        yield other, of(theirs), True

    def others_of(self, policy: Policy, bill: Settlement) -> Others:
        counting = [(other.standing.get(key), fam) for other, key, fam in self.deciding(policy, bill)]
        decided = [(one.decision, fam) for one, fam in counting if one is not None]
        return Others(
            [decision_elsewhere(one) for one, fam in decided if not fam],
            [decision_of_family(one) for one, fam in decided if fam],
            undecided=any(one is None or one.undecided for one, _ in counting),
        )

    def settle(self) -> None:
        """Each policy re-opened by itself, again and again until nothing changes."""
        for _ in range(_MOST_ROUNDS):
            changed = [self._reopen(policy) for policy in self.policies]
            if not any(changed):
                return
        raise AssertionError("it does not come to rest")

    def _reopen(self, policy: Policy) -> bool:
        changes = reopen(
            lambda _: policy.terms,
            policy.coverage,
            self.bills_of(policy),
            policy.standing.values(),
            lambda bill: self.others_of(policy, bill),
        )
        for change in changes:
            key = change.settlement.id
            policy.settled[key] = policy.settled.get(key, 0) + change.difference_fen
            if change.after is None:
                del policy.standing[key]
            else:
                policy.standing[key] = change.after
        return bool(changes)

    def afresh(self) -> dict[tuple[int, int, Key], dict[str, Any]]:
        """Everything that stands, adjudicated once: settlement by settlement, and policy by policy."""
        done: dict[tuple[int, int, Key], dict[str, Any]] = {}
        for person, bill in sorted(self.bills.values(), key=lambda one: _at(one[1])):
            for policy in [one for one in self.policies if one.person == person]:
                mine = [
                    decision
                    for (whose, rank, _), decision in done.items()
                    if (whose, rank) == (person, policy.rank)
                ]
                counting = [(done[o.person, o.rank, key], fam) for o, key, fam in self.deciding(policy, bill)]
                mine += [decision_elsewhere(one) for one, fam in counting if not fam]
                theirs = [decision_of_family(one) for one, fam in counting if fam]
                history = History.parse({"decisions": mine, "family": theirs})
                decided = adjudicate(policy.terms, policy.coverage, history, bill).document()
                done[person, policy.rank, of(bill)] = decided
        return done


def _at(bill: Settlement) -> tuple[Any, ...]:
    return bill.settled_at, bill.setl_id


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[tuple[int, Settlement]], list[tuple[str, int]]]:
    """Stays of both, and what happens: each arrives once, some are taken back later."""
    bills = [(draw(st.integers(0, 1)), bill) for bill in draw(stays((3,)))]
    events = [("arrive", index) for index in draw(st.permutations(range(len(bills))))]
    for index in draw(st.sets(st.integers(0, len(bills) - 1))):
        at = events.index(("arrive", index))
        events.insert(draw(st.integers(at + 1, len(events))), ("reverse", index))
    return bills, events


@settings(max_examples=150, deadline=None)
@given(lives(), st.booleans())
def test_the_policies_of_a_family_together_come_to_everything_adjudicated_afresh(
    life: tuple[list[tuple[int, Settlement]], list[tuple[str, int]]], household_first: bool
) -> None:
    bills, events = life
    town = Town(household_first)
    for kind, index in events:
        person, bill = bills[index]
        if kind == "arrive":
            town.bills[of(bill)] = person, bill
        else:
            del town.bills[of(bill)]
        town.settle()
        fresh = town.afresh()
        standing = {
            (policy.person, policy.rank, key): one
            for policy in town.policies
            for key, one in policy.standing.items()
        }
        assert {key: result_of(one.decision) for key, one in standing.items()} == {
            key: result_of(one) for key, one in fresh.items()
        }
        for policy in town.policies:
            for key, settled in policy.settled.items():
                decided = fresh.get((policy.person, policy.rank, key))
                assert settled == (payable_of(decided) if decided is not None else 0)
        for key, (person, bill) in town.bills.items():
            paid = sum(payable_of(fresh[person, rank, key]) for rank in (0, 1))
            assert paid <= cost_left_fen(bill)


def test_while_another_policy_is_undecided_nothing_is_decided_nor_taken_back() -> None:
    first, second, third = month(1, "25000"), month(2, "10000"), month(3, "8000")
    stood = reopen(lambda _: TERMS, POLICY, [second], [])
    (standing,) = [change.after for change in stood if change.after is not None]

    def waiting(bill: Settlement) -> Others:
        return Others(undecided=bill is first)

    every = [first, second, third]
    assert reopen(lambda _: TERMS, POLICY, every, [standing], waiting) == [], "those behind it wait too"
    always = Others(undecided=True)
    assert reopen(lambda _: WIDENED, POLICY, [second], [standing], lambda _: always) == []
    assert reopen(lambda _: WIDENED, POLICY, [second], [standing]) != []
    changes = reopen(lambda _: TERMS, POLICY, every, [standing])
    assert summary(changes) == [("S-1", 3_500_00), ("S-2", 7_000_00), ("S-3", 5_600_00)]
