"""Earlier decisions of the same policy, and what they have used up of the year."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from engine.adjudication.documents import DocumentInvalid, Reader
from engine.settlement.model import Settlement
from engine.terms.model import OrderKey, Terms

OrderValue = str | date | datetime
ALL_ITEMS = "all"
"""The item under which a shared limit is counted."""
FIXED_DAYS = "fixed-days"
"""The limit under which the days of a fixed benefit are counted."""


class SettlementRef(NamedTuple):
    """Which settlement a decision was about, and when it happened: enough to order and to recognise it."""

    hospital_code: str
    setl_id: str
    admitted_on: date
    discharged_on: date
    settled_at: datetime

    @classmethod
    def of(cls, settlement: Settlement) -> "SettlementRef":
        return cls(
            settlement.hospital_code,
            settlement.setl_id,
            settlement.admitted_on,
            settlement.discharged_on,
            settlement.settled_at,
        )

    @property
    def id(self) -> tuple[str, str]:
        return self.hospital_code, self.setl_id

    def order(self, keys: Sequence[OrderKey]) -> tuple[OrderValue, ...]:
        return tuple(getattr(self, key) for key in keys)

    def document(self) -> dict[str, str]:
        return {
            "fixmedins_code": self.hospital_code,
            "setl_id": self.setl_id,
            "adm": self.admitted_on.isoformat(),
            "dscg": self.discharged_on.isoformat(),
            "settled": self.settled_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True)
class Used:
    """What one decision used up of one benefit: fen, and per limit and item fen paid, occasions or days."""

    deductible_fen: int
    paid_fen: int
    limits: Mapping[str, Mapping[str, int]]
    after_fen: int = 0
    """Costs beyond the deductible, where the ratio has tiers."""
    carried: int = 0
    """What rounding kept back (below 0: gave), in 1/10000 fen, where the year's sum is rounded."""

    def document(self) -> dict[str, Any]:
        own = {"after_fen": self.after_fen, "carried": self.carried}
        return {
            "deductible_fen": self.deductible_fen,
            "paid_fen": self.paid_fen,
            "limits": {limit: dict(items) for limit, items in self.limits.items()},
            **{key: value for key, value in own.items() if value},
        }

    @property
    def anything(self) -> bool:
        return bool(self.deductible_fen or self.paid_fen or self.carried or self.after_fen)


@dataclass(frozen=True, slots=True)
class PastDecision:
    product: str
    edition: str
    decision: str
    settlement: SettlementRef
    used: Mapping[str, Used]

    @property
    def paid_fen(self) -> int:
        return sum(used.paid_fen for used in self.used.values())


@dataclass(slots=True)
class Accumulated:
    """The sums over earlier decisions: of one benefit, of the policy year and of the current stay."""

    deductible_fen: int = 0
    paid_fen: int = 0
    after_fen: int = 0
    carried: int = 0
    stay_deductible_fen: int = 0
    stay_paid_fen: int = 0
    stay_after_fen: int = 0
    year: dict[tuple[str, str], int] = field(default_factory=dict)
    stay: dict[tuple[str, str], int] = field(default_factory=dict)

    def of_limit(self, limit: str, item: str, within: str) -> int:
        """What was used of a limit, of the year or of the stay; of one line nothing ever was."""
        if within == "line":
            return 0
        return (self.stay if within == "stay" else self.year).get((limit, item), 0)


_NOTHING = Accumulated()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a settlement stands among the earlier decisions of its policy and edition."""

    already_decided: bool
    later_counts: bool
    """A decision later in order has used up something."""
    earlier_undecided: bool
    """A decision earlier in order is in review: what it will use up is unknown."""
    earlier: int
    by_benefit: Mapping[str, Accumulated]
    paid_elsewhere_fen: int = 0
    """By other policies, for the same settlement."""
    family_deductible_fen: Mapping[str, int] = field(default_factory=dict)
    """By benefit: what other policies of the family bore of it, earlier in order."""

    def of(self, code: str) -> Accumulated:
        return self.by_benefit.get(code, _NOTHING)

    @property
    def paid_fen(self) -> int:
        return sum(benefit.paid_fen for benefit in self.by_benefit.values())


_FIRST = Standing(False, False, False, 0, {})


@dataclass(frozen=True, slots=True)
class History:
    decisions: tuple[PastDecision, ...]
    family: tuple[PastDecision, ...] = ()
    """Of the other policies of a family: they count for a deductible that it bears together."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "History":
        """Read {"decisions": [decision documents], "family": [decision documents]}; family may be left out.

        Decisions of another product or edition count only where they are on the same settlement: what they
        pay leaves less of its cost. Raises DocumentInvalid with every violation.
        """
        reader = Reader(document, "history")
        reader.only("decisions", "family")
        past = _decisions(reader, "decisions", reader.node.get("decisions"))
        family = _decisions(reader, "family", reader.node.get("family", []))
        decided: set[tuple[str, str, tuple[str, str]]] = set()
        for index, one in enumerate(past):
            key = (one.product, one.edition, one.settlement.id)
            if one.decision != "review" and key in decided:
                reader.refuse(f"decisions/{index}", "repeated", "decides a settlement that is decided before")
            elif one.decision != "review":
                decided.add(key)
        if reader.violations:
            raise DocumentInvalid(reader.violations)
        return cls(past, family)

    @classmethod
    def of(cls, decisions: Sequence[Mapping[str, Any]]) -> "History":
        """History of decision documents of one policy, in any order."""
        return cls.parse({"decisions": list(decisions)})

    def standing(self, terms: Terms, settlement: Settlement) -> Standing:
        """Sums over what is earlier in the order that the terms name, and what stands in its way.

        Decisions of another product or edition say nothing of this policy year. A review has paid and
        used nothing yet: its own settlement may be decided again, what follows it may not.
        """
        if not self.decisions and not self.family:
            return _FIRST
        current = SettlementRef.of(settlement)
        at = current.order(terms.order_by)
        already = later = False
        earlier = elsewhere = 0
        in_review: set[tuple[str, str]] = set()
        decided: set[tuple[str, str]] = set()
        sums: dict[str, Accumulated] = {}
        for past in self.decisions:
            if past.product != terms.product or past.edition != terms.edition:
                elsewhere += past.paid_fen if past.settlement.id == current.id else 0
                continue
            ref, review = past.settlement, past.decision == "review"
            (in_review if review and ref.order(terms.order_by) < at else decided).add(ref.id)
            if ref.id == current.id:
                already = already or not review
            elif ref.order(terms.order_by) > at:
                later = later or bool(past.used)
            elif not review:
                earlier += 1
                same_stay = (ref.hospital_code, ref.admitted_on) == (
                    current.hospital_code,
                    current.admitted_on,
                )
                _add(sums, past.used, same_stay)
        undecided = bool(in_review - decided - {current.id})
        family = _family(self.family, terms, at)
        return Standing(already, later, undecided, earlier, sums, elsewhere, family)


def _family(decisions: Sequence[PastDecision], terms: Terms, at: tuple[OrderValue, ...]) -> dict[str, int]:
    """What the family's other policies of these terms bore before: fen by benefit."""
    borne: dict[str, int] = {}
    for past in decisions:
        same = (past.product, past.edition) == (terms.product, terms.edition)
        if same and past.settlement.order(terms.order_by) < at:
            for code, used in past.used.items():
                borne[code] = borne.get(code, 0) + used.deductible_fen
    return borne


def _add(sums: dict[str, Accumulated], used: Mapping[str, Used], same_stay: bool) -> None:
    for code, part in used.items():
        total = sums.setdefault(code, Accumulated())
        total.deductible_fen += part.deductible_fen
        total.paid_fen += part.paid_fen
        total.after_fen += part.after_fen
        total.carried += part.carried
        if same_stay:
            total.stay_deductible_fen += part.deductible_fen
            total.stay_paid_fen += part.paid_fen
            total.stay_after_fen += part.after_fen
        for limit, items in part.limits.items():
            for item, amount in items.items():
                total.year[limit, item] = total.year.get((limit, item), 0) + amount
                if same_stay:
                    total.stay[limit, item] = total.stay.get((limit, item), 0) + amount


def _decisions(reader: Reader, key: str, nodes: object) -> tuple[PastDecision, ...]:
    if not isinstance(nodes, list):
        reader.refuse(key, "required" if nodes is None else "type", "is not a list")
        return ()
    return tuple(
        _past(Reader(node, "history", f"/{key}/{index}", reader.violations))
        for index, node in enumerate(nodes)
    )


def _past(reader: Reader) -> PastDecision:
    """Reads what counts; the rest of a decision document (trace, reasons, benefits) is for people."""
    terms, settlement = reader.child("terms"), reader.child("settlement")
    decision = reader.text("decision")
    if decision and decision not in ("pay", "nothing", "review", "refuse"):
        reader.refuse("decision", "decision", "is none of pay, nothing, review, refuse")
    used = reader.child("used")
    return PastDecision(
        product=terms.text("product"),
        edition=terms.text("edition"),
        decision=decision,
        settlement=SettlementRef(
            hospital_code=settlement.text("fixmedins_code"),
            setl_id=settlement.text("setl_id"),
            admitted_on=settlement.day("adm"),
            discharged_on=settlement.day("dscg"),
            settled_at=settlement.instant("settled"),
        ),
        used={code: _used(used.child(code)) for code in used.node},
    )


def _used(reader: Reader) -> Used:
    limits = reader.child("limits")
    return Used(
        deductible_fen=reader.count("deductible_fen"),
        paid_fen=reader.count("paid_fen"),
        limits={
            limit: {item: items.count(item) for item in items.node}
            for limit in limits.node
            for items in (limits.child(limit),)
        },
        after_fen=reader.count("after_fen", 0),
        carried=reader.integer("carried", 0),
    )
