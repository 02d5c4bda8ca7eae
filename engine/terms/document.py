"""The terms document: one canonical JSON value per edition, and Terms built from it.

Three forms of the same terms, each with one way in and out:

    authored   the YAML a person writes: yuan (`*_yuan`), decimal ratios, notes on what is uncertain
    document   canonical JSON: fen (`*_fen`), basis points (`*_bp`), no notes; hashed, and carried as evidence
    Terms      typed and frozen; what adjudication reads
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import rfc8785

from engine.money import Fen, format_yuan, parse_yuan
from engine.terms.model import (
    BASIS,
    Benefit,
    Concern,
    Deductible,
    ItemList,
    LadderStep,
    Limit,
    LineSelector,
    ListedItem,
    Period,
    Ratio,
    Requirements,
    Tail,
    Terms,
    Text,
)

UNORDERED = frozenset(
    {"visit_types", "visit_types_unclear", "ward_types", "ward_types_unclear", "categories", "base"}
    | {"hospitals", "insured_areas", "diagnoses", "codes", "name_contains"}
)
"""Lists that are sets: sorted in a document, so that their order in a file changes no digest."""

RATIOS = frozenset({"standard", "pre_existing"})
"""Keys of `ratio`, written as decimal strings and held as basis points."""


def to_document(authored: Mapping[str, Any]) -> dict[str, Any]:
    """Authored form (already checked) -> document. Notes are left out: rewording one changes no terms."""
    return {key: value for key, value in _convert(authored, _fen_and_bp) if key != "uncertain"}


def to_authored(document: Mapping[str, Any]) -> dict[str, Any]:
    """Document -> authored form, for the one set of checks. Raises ValueError on fractions."""
    return dict(_convert(document, _yuan_and_decimal))


def _convert(node: Mapping[str, Any], leaf: Any) -> Iterable[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield key, dict(_convert(value, leaf))
        elif isinstance(value, list) and key in UNORDERED:
            yield key, sorted(value)
        elif isinstance(value, list):
            yield (
                key,
                [dict(_convert(item, leaf)) if isinstance(item, Mapping) else item for item in value],
            )
        else:
            yield leaf(key, value)


def _fen_and_bp(key: str, value: Any) -> tuple[str, Any]:
    if key.endswith("_yuan"):
        return f"{key.removesuffix('_yuan')}_fen", int(parse_yuan(value))
    if key in RATIOS:
        return f"{key}_bp", int(Decimal(value) * BASIS)
    return key, value


def _yuan_and_decimal(key: str, value: Any) -> tuple[str, Any]:
    if key.endswith(("_fen", "_bp")) and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{key} is not a whole number: {value!r}")
    if key.endswith("_fen"):
        return f"{key.removesuffix('_fen')}_yuan", format_yuan(value)
    if key.endswith("_bp"):
        return key.removesuffix("_bp"), f"{Decimal(value) / BASIS:f}"
    return key, value


def build(document: Mapping[str, Any], uncertain: Sequence[str] = ()) -> Terms:
    """Checked document -> Terms. A document that was not checked raises KeyError or ValueError."""
    period = document.get("period")
    tail = document.get("tail")
    terms = Terms(
        product=document["product"],
        edition=document["edition"],
        name=_text(document["name"]),
        clause=_text(document["clause"]),
        period=Period(date.fromisoformat(period["from"]), date.fromisoformat(period["to"]))
        if period
        else None,
        order_by=tuple(document["order_by"]),
        stay_belongs_to=document.get("stay_belongs_to"),
        tail=Tail(tail["days"], tail["unlimited_if_renewed"]) if tail else None,
        aggregate_cap_fen=_fen(document, "aggregate_cap_fen"),
        rounding=document["rounding"],
        benefits=tuple(_benefit(node) for node in document["benefits"]),
        canonical="",
        digest_hex="",
        uncertain=tuple(uncertain),
    )
    canonical = rfc8785.dumps(document_of(terms))
    return replace(
        terms, canonical=canonical.decode("utf-8"), digest_hex=hashlib.sha256(canonical).hexdigest()
    )


def _text(node: Mapping[str, str]) -> Text:
    return Text(zh=node["zh"], en=node["en"])


def _fen(node: Mapping[str, Any], key: str) -> Fen | None:
    return Fen(node[key]) if key in node else None


def _benefit(node: Mapping[str, Any]) -> Benefit:
    concerns = node.get("concerns", {})
    requires = node.get("requires", {})
    ratio = node["ratio"]
    return Benefit(
        code=node["code"],
        name=_text(node["name"]),
        clause=_text(node["clause"]),
        concerns=Concern(
            visit_types=frozenset(concerns.get("visit_types", ())),
            visit_types_unclear=frozenset(concerns.get("visit_types_unclear", ())),
            hospitals=tuple(concerns.get("hospitals", ())),
        ),
        requires=Requirements(
            ward_types=frozenset(requires.get("ward_types", ())),
            ward_types_unclear=frozenset(requires.get("ward_types_unclear", ())),
            hospital_grade_min=requires.get("hospital_grade_min", 0),
            insured_areas=tuple(requires.get("insured_areas", ())),
            hospitals=tuple(requires.get("hospitals", ())),
            diagnoses=tuple(requires.get("diagnoses", ())),
        ),
        lines=_selector(node["lines"]) if "lines" in node else None,
        items=_items(node["items"]) if "items" in node else None,
        base=tuple(node["base"]),
        deductible=_deductible(node["deductible"]) if "deductible" in node else None,
        ratio=Ratio(ratio["standard_bp"], ratio.get("pre_existing_bp", ratio["standard_bp"])),
        cap_fen=_fen(node, "cap_fen"),
        limits=tuple(_limit(limit) for limit in node.get("limits", ())),
    )


def _selector(node: Mapping[str, Any]) -> LineSelector:
    return LineSelector(frozenset(node["categories"]), tuple(node.get("name_contains", ())))


def _items(node: Mapping[str, Any]) -> ItemList:
    items = tuple(
        ListedItem(item["name"], tuple(item.get("codes", ())), tuple(item.get("diagnoses", ())))
        for item in node["known"]
    )
    return ItemList(complete=node["complete"], items=items)


def _deductible(node: Mapping[str, Any]) -> Deductible:
    ladder = node.get("ladder", {})
    steps = tuple(LadderStep(step["at_least"], Fen(step["amount_fen"])) for step in ladder.get("steps", ()))
    return Deductible(Fen(node["amount_fen"]), ladder.get("by"), steps)


def _limit(node: Mapping[str, Any]) -> Limit:
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


def document_of(terms: Terms) -> dict[str, Any]:
    """Terms -> the document they were built from."""
    period, tail = terms.period, terms.tail
    return {
        "product": terms.product,
        "edition": terms.edition,
        "name": _of_text(terms.name),
        "clause": _of_text(terms.clause),
        **_given(
            period=period and {"from": period.first_day.isoformat(), "to": period.last_day.isoformat()},
            stay_belongs_to=terms.stay_belongs_to,
            tail=tail and {"days": tail.days, "unlimited_if_renewed": tail.unlimited_if_renewed},
            aggregate_cap_fen=terms.aggregate_cap_fen,
        ),
        "order_by": list(terms.order_by),
        "rounding": terms.rounding,
        "benefits": [_of_benefit(benefit) for benefit in terms.benefits],
    }


def _given(**keys: Any) -> dict[str, Any]:
    """The keys that say something: a list or object that is empty, and None, are left out."""
    return {key: value for key, value in keys.items() if value not in (None, [], {})}


def _of_text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _of_benefit(benefit: Benefit) -> dict[str, Any]:
    concerns, requires = benefit.concerns, benefit.requires
    return {
        "code": benefit.code,
        "name": _of_text(benefit.name),
        "clause": _of_text(benefit.clause),
        "base": list(benefit.base),
        "ratio": _of_ratio(benefit.ratio),
        **_given(
            concerns=_given(
                visit_types=sorted(concerns.visit_types),
                visit_types_unclear=sorted(concerns.visit_types_unclear),
                hospitals=list(concerns.hospitals),
            ),
            requires=_given(
                ward_types=sorted(requires.ward_types),
                ward_types_unclear=sorted(requires.ward_types_unclear),
                hospital_grade_min=requires.hospital_grade_min or None,
                insured_areas=list(requires.insured_areas),
                hospitals=list(requires.hospitals),
                diagnoses=list(requires.diagnoses),
            ),
            lines=benefit.lines and _of_selector(benefit.lines),
            items=benefit.items and _of_items(benefit.items),
            deductible=benefit.deductible and _of_deductible(benefit.deductible),
            cap_fen=benefit.cap_fen,
            limits=[_of_limit(limit) for limit in benefit.limits],
        ),
    }


def _of_ratio(ratio: Ratio) -> dict[str, int]:
    return {"standard_bp": ratio.standard_bp, "pre_existing_bp": ratio.pre_existing_bp}


def _of_selector(selector: LineSelector) -> dict[str, Any]:
    return {
        "categories": sorted(selector.categories),
        **_given(name_contains=list(selector.name_contains)),
    }


def _of_items(items: ItemList) -> dict[str, Any]:
    return {
        "complete": items.complete,
        "known": [
            {"name": item.name, **_given(codes=list(item.codes), diagnoses=list(item.diagnoses))}
            for item in items.items
        ],
    }


def _of_deductible(deductible: Deductible) -> dict[str, Any]:
    steps = [{"at_least": step.at_least, "amount_fen": step.amount_fen} for step in deductible.steps]
    ladder = {"by": deductible.ladder_by, "steps": steps} if deductible.ladder_by else None
    return {"amount_fen": deductible.amount_fen, **_given(ladder=ladder)}


def _of_limit(limit: Limit) -> dict[str, Any]:
    return {
        "id": limit.id,
        "name": _of_text(limit.name),
        "lines": _of_selector(limit.lines),
        "within": limit.within,
        **_given(
            per_item=limit.per_item or None,
            paid_max_fen=limit.paid_max_fen,
            occasions_max=limit.occasions_max,
            item_code_prefix=limit.item_code_prefix,
        ),
    }
