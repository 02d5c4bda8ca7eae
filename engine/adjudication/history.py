"""Earlier decisions of the same policy, and what they have used up of the year.

For one settlement they come to a `Standing`, and that is all of them that its decision depends on: whoever is
to decide it elsewhere is given the sums, and neither other hospitals nor single stays.
"""

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
    def of(cls, settlement: "Settlement | SettlementRef") -> "SettlementRef":
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

    @classmethod
    def read(cls, reader: Reader) -> "SettlementRef":
        return cls(
            hospital_code=reader.text("fixmedins_code"),
            setl_id=reader.text("setl_id"),
            admitted_on=reader.day("adm"),
            discharged_on=reader.day("dscg"),
            settled_at=reader.instant("settled"),
        )

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

    def document(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in _SUMS},
            "carried": self.carried,
            "year": _by_limit(self.year),
            "stay": _by_limit(self.stay),
        }


_SUMS = (
    *("deductible_fen", "paid_fen", "after_fen"),
    *("stay_deductible_fen", "stay_paid_fen", "stay_after_fen"),
)


def _by_limit(sums: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    by_limit: dict[str, dict[str, int]] = {}
    for (limit, item), amount in sums.items():
        by_limit.setdefault(limit, {})[item] = amount
    return by_limit


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

    def document(self) -> dict[str, Any]:
        """The history document that says only this, for the one settlement that it is of."""
        return {
            "standing": {
                **{name: getattr(self, name) for name in _FLAGS},
                "earlier": self.earlier,
                "benefits": {code: one.document() for code, one in self.by_benefit.items()},
                "paid_elsewhere_fen": self.paid_elsewhere_fen,
                "family_deductible_fen": dict(self.family_deductible_fen),
            }
        }


_FLAGS = ("already_decided", "later_counts", "earlier_undecided")
_FIRST = Standing(False, False, False, 0, {})


@dataclass(frozen=True, slots=True)
class History:
    decisions: tuple[PastDecision, ...]
    family: tuple[PastDecision, ...] = ()
    """Of the other policies of a family: they count for a deductible that it bears together."""
    given: Standing | None = None
    """What all of them come to for one settlement, in their place; of another it says nothing."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "History":
        """Read {"decisions": [decision documents], "family": [decision documents]}; family may be left out.

        Decisions of another product or edition count only where they are on the same settlement: what they
        pay leaves less of its cost. Or {"standing": …}, as `Standing.document` makes it. Raises
        DocumentInvalid with every violation.
        """
        reader = Reader(document, "history")
        if "standing" in reader.node:
            reader.only("standing")
            given = _standing(reader.child("standing"))
            if reader.violations:
                raise DocumentInvalid(reader.violations)
            return cls((), (), given)
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

    def standing(self, terms: Terms, settlement: "Settlement | SettlementRef") -> Standing:
        """Sums over what is earlier in the order that the terms name, and what stands in its way.

        Decisions of another product or edition say nothing of this policy year. A review has paid and
        used nothing yet: its own settlement may be decided again, what follows it may not.
        """
        if self.given is not None:
            return self.given
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


def _standing(reader: Reader) -> Standing:
    reader.only(*_FLAGS, "earlier", "benefits", "paid_elsewhere_fen", "family_deductible_fen")
    benefits, family = reader.child("benefits"), reader.child("family_deductible_fen")
    return Standing(
        already_decided=reader.flag("already_decided"),
        later_counts=reader.flag("later_counts"),
        earlier_undecided=reader.flag("earlier_undecided"),
        earlier=reader.count("earlier"),
        by_benefit={code: _accumulated(benefits.child(code)) for code in benefits.node},
        paid_elsewhere_fen=reader.count("paid_elsewhere_fen"),
        family_deductible_fen={code: family.count(code) for code in family.node},
    )


def _accumulated(reader: Reader) -> Accumulated:
    reader.only(*_SUMS, "carried", "year", "stay")
    return Accumulated(
        **{name: reader.count(name) for name in _SUMS},
        carried=reader.integer("carried", 0),
        year=_sums_by_limit(reader.child("year")),
        stay=_sums_by_limit(reader.child("stay")),
    )


def _sums_by_limit(reader: Reader) -> dict[tuple[str, str], int]:
    return {
        (limit, item): items.count(item)
        for limit in reader.node
        for items in (reader.child(limit),)
        for item in items.node
    }


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
        settlement=SettlementRef.read(settlement),
        used=read_used(used),
    )


def read_used(reader: Reader) -> dict[str, Used]:
    return {code: _used(reader.child(code)) for code in reader.node}


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
