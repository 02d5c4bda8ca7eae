"""History changes money: which decisions of a policy a late stay, a reversal or new terms re-open.

The settlements of a policy are walked once in the order that its terms name, each on the decisions before
it as they come out now. What does not change is not touched; what changes becomes the next version of its
decision and is worth the difference. So the versions of a decision always sum to what adjudicating
everything afresh comes to, whatever came in which order.

What makes a decision another one (`result_of`) is its outcome, its amounts, the codes of its reasons, what
it uses up of the year and, where a person must decide, the amount proposed. Wordings and the rest of the
trace do not: they tell how much others had used before, and that may differ with the same result.

Nothing is taken back on a doubt. While a settlement waits for a person, the decisions behind it stand as
they are, and so does what was settled for a decision that has itself become one for a person. A settlement
that its provider withholds is one for the provider as soon as another decision may come of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.adjudication.adjudicate import adjudicate
from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import ENGINE_VERSION
from engine.adjudication.history import History, SettlementRef, Standing
from engine.adjudication.ruling import payable_of, ruling_of, without_ruling
from engine.settlement.model import Settlement
from engine.terms.model import OrderKey, Terms

Document = Mapping[str, Any]
_USUAL_ORDER: Final[tuple[OrderKey, ...]] = ("settled_at", "setl_id")

RULING_BASIS_CHANGED: Final[Mapping[str, str]] = {
    "code": "ruling.basis_changed",
    "message_en": "A person ruled on this settlement, and what the ruling stood on has changed:"
    " a person has to look at it again.",
    "message_zh": "该结算曾由人工核定，而核定所依据的情况已经改变，须再次人工核定。",
}
"""The reason of a claim that goes back to review: a person's ruling is never overwritten."""


@dataclass(frozen=True, slots=True)
class Others:
    """What policies other than the settlement's own have decided that counts for it."""

    elsewhere: Sequence[Document] = ()
    """On the same settlement, by policies that pay before."""
    family: Sequence[Document] = ()
    """Earlier, by the family's other policies."""
    undecided: bool = False
    """One of them waits for a person, or is on its way: what it comes to is unknown."""

    def history_after(self, earlier: Sequence[Document]) -> dict[str, Any]:
        """The history document of a settlement: `earlier` are its own policy's decisions."""
        family = {"family": list(self.family)} if self.family else {}
        return {"decisions": [*earlier, *self.elsewhere], **family}


_NOBODY: Final = Others()


@dataclass(frozen=True, slots=True)
class Decided:
    """One settlement's decision as it stands."""

    decision: Document
    settled_fen: int
    """What all versions together have come to: paid, less recovered."""
    history: Document | None = None
    """The history document that it was made on. Unknown (None), it is always looked at again."""
    awaits_person: bool = False
    """A person's ruling stood here and what it stood on has changed: `decision` is the machine's part. Or the
    provider that withholds the settlement has to decide again."""

    @property
    def undecided(self) -> bool:
        in_review = self.decision["decision"] == "review" and ruling_of(self.decision) is None
        return in_review or self.awaits_person

    @property
    def as_history(self) -> Document:
        """The decision as later ones may count on it: not at all, while a person has to decide."""
        if self.awaits_person:
            return {**self.decision, "decision": "review", "used": {}}
        return self.decision


@dataclass(frozen=True, slots=True)
class Change:
    """One touched settlement."""

    settlement: SettlementRef
    before: Decided | None
    """None: it had never been decided."""
    after: Decided | None
    """None: the settlement was taken back."""

    @property
    def difference_fen(self) -> int:
        """> 0 to pay, < 0 to recover; 0 for as long as a person has to decide."""
        after = self.after.settled_fen if self.after else 0
        return after - (self.before.settled_fen if self.before else 0)


Bill = Settlement | SettlementRef
"""A settlement; of one that its provider withholds, what it is known by."""


def reopen(
    terms_of: Callable[[Bill], Terms],
    coverage: Coverage,
    settlements: Iterable[Bill],
    standing: Iterable[Decided],
    others_of: Callable[[Bill], Others] = lambda _: _NOBODY,
) -> list[Change]:
    """The changes that make a policy's decisions what they would be, had all been known from the start.

    terms_of: the terms now in force for a settlement, versions of one edition. settlements: those that
    stand, each once. standing: the decisions made so far, at most one a settlement; one whose settlement
    does not stand any more is taken back. others_of: what other policies have decided, as it stands; where
    one of them is undecided, nothing is decided. In the terms' order. Raises ValueError if the versions of
    the terms name different orders.
    """
    by_id = {_reference(one.decision).id: one for one in standing}
    bills = {SettlementRef.of(bill).id: bill for bill in settlements}
    refs = {SettlementRef.of(bill) for bill in bills.values()}
    refs |= {_reference(one.decision) for id_, one in by_id.items() if id_ not in bills}
    keys = _order({terms_of(bill).order_by for bill in bills.values()})
    walk = _Walk(coverage)
    for ref in sorted(refs, key=lambda ref: (ref.order(keys), ref.id)):
        bill = bills.get(ref.id)
        if bill is None:
            walk.take_back(ref, by_id[ref.id])
        else:
            walk.decide(ref, by_id.get(ref.id), terms_of(bill), bill, others_of(bill))
    return walk.changes


class _Walk:
    """The decisions passed so far, as they come out now."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage = coverage
        self.changes: list[Change] = []
        self._earlier: list[Document] = []
        self._undecided_before = False
        self._unknown_before = False
        """One was not even adjudicated: with an unknown decision before it, nothing is."""

    def take_back(self, ref: SettlementRef, before: Decided) -> None:
        self.changes.append(Change(ref, before, None))

    def decide(
        self, ref: SettlementRef, before: Decided | None, terms: Terms, bill: Bill, others: Others
    ) -> None:
        withheld = isinstance(bill, SettlementRef)
        if before is None and (others.undecided or self._unknown_before or withheld):
            # It stays undecided, so what it will use up is unknown to those behind it.
            self._unknown_before = self._undecided_before = True
            return
        history = others.history_after(self._earlier)
        if before is not None and (
            self._waits(before, others) or self._is_as_it_was(before, history, terms, bill)
        ):
            self._pass(before)
            return
        if before is not None and withheld:
            self._await_provider(ref, before, stands=self._stands(before, history, terms, bill))
            return
        assert isinstance(bill, Settlement)  # noqa: S101  the withheld have gone their way
        after = self._again(before, history, terms, bill)
        if before is not None and not _differs(before, after):
            self._pass(before)
            return
        self.changes.append(Change(ref, before, after))
        self._pass(after)

    def _await_provider(self, ref: SettlementRef, before: Decided, *, stands: bool) -> None:
        after = before if stands else replace(before, awaits_person=True)
        if after != before:
            self.changes.append(Change(ref, before, after))
        self._pass(after)

    def _pass(self, one: Decided) -> None:
        self._undecided_before = self._undecided_before or one.undecided
        self._earlier.append(one.as_history)

    def _waits(self, before: Decided, others: Others) -> bool:
        """It is looked at when what it waits for is decided: a settlement before it, or another policy."""
        return others.undecided or self._unknown_before or (self._undecided_before and not before.undecided)

    def _is_as_it_was(self, before: Decided, history: Document, terms: Terms, bill: Bill) -> bool:
        """Nothing to compute. What waits for a person is computed: what it lacked may have been put right."""
        return not before.undecided and self._stands(before, history, terms, bill)

    def _stands(self, before: Decided, history: Document, terms: Terms, bill: Bill) -> bool:
        """Decided by the same rules, and what was used up before comes to the same."""
        decision = before.decision
        same_rules = (decision["terms_digest"], decision["engine_version"]) == (
            terms.digest_hex,
            ENGINE_VERSION,
        )
        return (
            same_rules
            and before.history is not None
            and _sums(before.history, terms, bill) == _sums(history, terms, bill)
        )

    def _again(self, before: Decided | None, history: Document, terms: Terms, bill: Settlement) -> Decided:
        decision = adjudicate(terms, self.coverage, History.parse(history), bill).document()
        settled = before.settled_fen if before else 0
        awaits = before is not None and (before.awaits_person or ruling_of(before.decision) is not None)
        after = Decided(decision, settled, history, awaits)
        return after if after.undecided else replace(after, settled_fen=payable_of(decision))


def result_of(decision: Document) -> dict[str, Any]:
    """What makes a decision this one and no other; a ruling stands beside it and is no part of it."""
    return {
        "decision": decision["decision"],
        "payable_fen": decision["payable_fen"],
        "benefits": [_without(benefit, "name") for benefit in decision["benefits"]],
        "reasons": [_without(reason, "message_en", "message_zh") for reason in decision["reasons"]],
        "used": decision["used"],
        "co_insurers": decision.get("co_insurers"),
        "proposed": [
            [_without(benefit, "name") for benefit in step["out"]["benefits"]]
            for step in decision["trace"]
            if step["step"] == "review.proposed"
        ],
    }


def _differs(before: Decided, after: Decided) -> bool:
    return result_of(without_ruling(before.decision)) != result_of(after.decision)


def _without(document: Document, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in keys}


def _sums(history: Document, terms: Terms, bill: Bill) -> Standing:
    """How many decisions the sums are of is told in a trace and decides nothing."""
    return replace(History.parse(history).standing(terms, bill), earlier=0)


def _reference(decision: Document) -> SettlementRef:
    (past,) = History.of([decision]).decisions
    return past.settlement


def _order(orders: set[tuple[OrderKey, ...]]) -> tuple[OrderKey, ...]:
    if len(orders) > 1:
        raise ValueError("the versions of the terms name different orders of settlements")
    return next(iter(orders), _USUAL_ORDER)
