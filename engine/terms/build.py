"""Terms from their document. A document that was not checked raises KeyError or ValueError."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import rfc8785

from engine.money import Fen
from engine.terms.model import (
    BasePart,
    Benefit,
    CoInsurer,
    Concern,
    Condition,
    Deductible,
    Fixed,
    ItemList,
    LadderStep,
    Limit,
    LineSelector,
    ListedItem,
    Period,
    Rate,
    Ratio,
    RatioRow,
    ReducedBy,
    Requirements,
    SharedCap,
    Tail,
    Terms,
    Text,
    Tier,
    Version,
)

_Node = Mapping[str, Any]


def build(document: _Node, uncertain: Sequence[str] = ()) -> Terms:
    """Checked document -> Terms."""
    canonical = rfc8785.dumps(dict(document))
    reduced_by = document.get("reduced_by", "person")
    shared = {node["id"]: _deductible(node) for node in document.get("deductibles", ())}
    return Terms(
        product=document["product"],
        edition=document["edition"],
        name=_text(document["name"]),
        clause=_text(document["clause"]),
        version=_version(document["version"]) if "version" in document else None,
        period=_period(document["period"]) if "period" in document else None,
        order_by=tuple(document["order_by"]),
        stay_belongs_to=document.get("stay_belongs_to"),
        tail=Tail(**document["tail"]) if "tail" in document else None,
        conditions=tuple(_condition(node, reduced_by) for node in document.get("conditions", ())),
        reduced_by=reduced_by,
        caps=tuple(_cap(node) for node in document.get("caps", ())),
        aggregate_cap_fen=_fen(document, "aggregate_cap_fen"),
        co_insurers=tuple(CoInsurer(n["name"], n["share_bp"]) for n in document.get("co_insurers", ())),
        rounding=document["rounding"],
        benefits=tuple(_benefit(node, shared) for node in document["benefits"]),
        canonical=canonical.decode("utf-8"),
        digest_hex=hashlib.sha256(canonical).hexdigest(),
        uncertain=tuple(uncertain),
    )


def _text(node: _Node) -> Text:
    return Text(zh=node["zh"], en=node["en"])


def _fen(node: _Node, key: str) -> Fen | None:
    return Fen(node[key]) if key in node else None


def _set(node: _Node, key: str) -> frozenset[Any]:
    return frozenset(node.get(key, ()))


def _tuple(node: _Node, key: str) -> tuple[Any, ...]:
    return tuple(node.get(key, ()))


def _version(node: _Node) -> Version:
    days = (date.fromisoformat(node[key]) for key in ("holds_from", "known_from"))
    return Version(node["number"], *days)


def _period(node: _Node) -> Period:
    return Period(date.fromisoformat(node["from"]), date.fromisoformat(node["to"]))


def _condition(node: _Node, reduced_by: ReducedBy) -> Condition:
    return Condition(
        node["code"], _text(node["name"]), tuple(node["diagnoses"]), node.get("reduced_by", reduced_by)
    )


def _cap(node: _Node) -> SharedCap:
    return SharedCap(
        node["id"], _text(node["name"]), frozenset(node["over"]), Fen(node["paid_max_fen"]), node["within"]
    )


def _benefit(node: _Node, shared: Mapping[str, Deductible]) -> Benefit:
    concerns = node.get("concerns", {})
    return Benefit(
        code=node["code"],
        name=_text(node["name"]),
        clause=_text(node["clause"]),
        concerns=Concern(
            visit_types=_set(concerns, "visit_types"),
            visit_types_unclear=_set(concerns, "visit_types_unclear"),
            hospitals=_tuple(concerns, "hospitals"),
        ),
        requires=_requirements(node.get("requires", {})),
        lines=_selector(node["lines"]) if "lines" in node else None,
        items=_items(node["items"]) if "items" in node else None,
        base=tuple(_base(node.get("base", ()))),
        fixed=_fixed(node["fixed"]) if "fixed" in node else None,
        deductible=_own_or_shared(node["deductible"], shared) if "deductible" in node else None,
        ratio=_ratio(node["ratio"]),
        cap_fen=_fen(node, "cap_fen"),
        stay_cap_fen=_fen(node, "stay_cap_fen"),
        limits=tuple(_limit(limit) for limit in node.get("limits", ())),
    )


def _requirements(node: _Node) -> Requirements:
    return Requirements(
        ward_types=_set(node, "ward_types"),
        ward_types_unclear=_set(node, "ward_types_unclear"),
        hospital_grade_min=node.get("hospital_grade_min", 0),
        insured_areas=_tuple(node, "insured_areas"),
        hospitals=_tuple(node, "hospitals"),
        diagnoses=_tuple(node, "diagnoses"),
        waiting_days=node.get("waiting_days", 0),
    )


def _selector(node: _Node) -> LineSelector:
    return LineSelector(frozenset(node["categories"]), _tuple(node, "name_contains"))


def _items(node: _Node) -> ItemList:
    items = tuple(
        ListedItem(
            name=item["name"],
            codes=_tuple(item, "codes"),
            diagnoses=_tuple(item, "diagnoses"),
            first_day=date.fromisoformat(item["from"]) if "from" in item else date.min,
            last_day=date.fromisoformat(item["to"]) if "to" in item else date.max,
        )
        for item in node["known"]
    )
    return ItemList(complete=node["complete"], items=items)


def _base(parts: Sequence[Any]) -> list[BasePart]:
    """Columns of all lines, or parts of their own columns."""
    if parts and isinstance(parts[0], str):
        return [BasePart(frozenset(), tuple(parts))]
    return [BasePart(frozenset(part["categories"]), tuple(part["columns"])) for part in parts]


def _fixed(node: _Node) -> Fixed:
    return Fixed(
        amount_fen=Fen(node["amount_fen"]),
        per=node["per"],
        days_after=node.get("days_after", 0),
        days_max_stay=node.get("days_max_stay"),
        days_max_year=node.get("days_max_year"),
    )


def _own_or_shared(node: _Node, shared: Mapping[str, Deductible]) -> Deductible:
    return shared[node["shared"]] if "shared" in node else _deductible(node)


def _deductible(node: _Node) -> Deductible:
    ladder = node.get("ladder", {})
    steps = tuple(LadderStep(step["at_least"], Fen(step["amount_fen"])) for step in ladder.get("steps", ()))
    return Deductible(
        amount_fen=Fen(node["amount_fen"]),
        ladder_by=ladder.get("by"),
        steps=steps,
        within="stay" if node.get("per_stay") else "year",
        shared_id=node.get("id", ""),
        family=node.get("family", False),
    )


def _ratio(node: _Node) -> Ratio:
    tiers = node.get("tiers", {})
    return Ratio(
        rate=_rate(node),
        rows=tuple(_row(row) for row in node.get("rows", ())),
        tiers=tuple(Tier(Fen(step["above_fen"]), _rate(step)) for step in tiers.get("steps", ())),
        tiers_within=tiers.get("within", "year"),
        public="not_public" not in node,
    )


def _rate(node: _Node) -> Rate:
    standard = node.get("standard_bp", 0)  # tiers stand for it
    return Rate(standard, node.get("pre_existing_bp", standard))


def _row(node: _Node) -> RatioRow:
    when = node["when"]
    return RatioRow(
        hospital_grades=_set(when, "hospital_grades"),
        hospitals=_tuple(when, "hospitals"),
        insured_areas=_tuple(when, "insured_areas"),
        continuous_years_min=when.get("continuous_years_min", 0),
        rate=_rate(node),
    )


def _limit(node: _Node) -> Limit:
    return Limit(
        id=node["id"],
        name=_text(node["name"]),
        lines=_selector(node["lines"]),
        per_item=node.get("per_item", False),
        within=node["within"],
        paid_max_fen=_fen(node, "paid_max_fen"),
        occasions_max=node.get("occasions_max"),
        item_code_prefix=dict(node.get("item_code_prefix", {})),
    )
