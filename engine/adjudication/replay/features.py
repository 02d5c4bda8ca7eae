"""What of the terms language the columns can say. Whatever is not named here goes to the scalar engine.

A field that `Terms` gains makes every product of it unknown to the columns until somebody has proven the
kernel on it and named it here: slower, and never another amount.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Final

from engine.adjudication.decision import ENGINE_VERSION
from engine.terms.model import (
    BasePart,
    Benefit,
    CoInsurer,
    Concern,
    Deductible,
    ItemList,
    LadderStep,
    Limit,
    LineSelector,
    ListedItem,
    Period,
    Rate,
    Ratio,
    Requirements,
    Tail,
    Terms,
    Text,
    Version,
)

MIRRORED_ENGINE: Final = "adjudication/2"
"""The version of the scalar engine that the kernel was proven equal to."""

FIELDS: Final[Mapping[type, frozenset[str]]] = {
    Terms: frozenset(
        [
            "product",
            "edition",
            "name",
            "clause",
            "version",
            "period",
            "order_by",
            "stay_belongs_to",
            "tail",
            "aggregate_cap_fen",
            "co_insurers",
            "rounding",
            "benefits",
            "canonical",
            "digest_hex",
            "uncertain",
        ]
    ),
    Period: frozenset(("first_day", "last_day")),
    Tail: frozenset(("days", "unlimited_if_renewed")),
    Benefit: frozenset(
        [
            "code",
            "name",
            "clause",
            "concerns",
            "requires",
            "lines",
            "items",
            "base",
            "deductible",
            "ratio",
            "cap_fen",
            "limits",
        ]
    ),
    Concern: frozenset(("visit_types", "visit_types_unclear", "hospitals")),
    Requirements: frozenset(
        [
            "ward_types",
            "ward_types_unclear",
            "hospital_grade_min",
            "insured_areas",
            "hospitals",
            "diagnoses",
            "waiting_days",
        ]
    ),
    LineSelector: frozenset(("categories", "name_contains")),
    ItemList: frozenset(("complete", "items")),
    ListedItem: frozenset(("name", "codes", "diagnoses")),
    Deductible: frozenset(("amount_fen", "ladder_by", "steps")),
    LadderStep: frozenset(("at_least", "amount_fen")),
    BasePart: frozenset(("categories", "columns")),
    Ratio: frozenset(("rate",)),
    Rate: frozenset(("standard_bp", "pre_existing_bp")),
    Version: frozenset(("number", "holds_from", "known_from")),
    CoInsurer: frozenset(("name", "share_bp")),
    Limit: frozenset(
        ["id", "name", "lines", "per_item", "within", "paid_max_fen", "occasions_max", "item_code_prefix"]
    ),
    Text: frozenset(("zh", "en")),
}

WORDS: Final[Mapping[tuple[type, str], frozenset[str | None]]] = {
    (Terms, "rounding"): frozenset(("half_up_fen_once", "half_up_fen_year")),
    (Terms, "stay_belongs_to"): frozenset((None, "admission", "discharge")),
    (Terms, "order_by"): frozenset(("settled_at", "discharged_on", "admitted_on", "setl_id")),
    (Deductible, "ladder_by"): frozenset((None, "continuous_years", "claim_free_years")),
    (Limit, "within"): frozenset(("stay", "year")),
    (BasePart, "columns"): frozenset(("own_pay", "over_limit", "pre_self_pay", "in_scope", "self_pay")),
}
"""Fields that hold words of a fixed list, and the words that are known."""

UNUSED: Final[Mapping[tuple[type, str], object]] = {
    (Terms, "conditions"): (),
    (Terms, "reduced_by"): "person",
    (Terms, "caps"): (),
    (Benefit, "fixed"): None,
    (Benefit, "stay_cap_fen"): None,
    (Deductible, "within"): "year",
    (Deductible, "shared_id"): "",
    (Deductible, "family"): False,
    (Ratio, "rows"): (),
    (Ratio, "tiers"): (),
    (Ratio, "tiers_within"): "year",
    (ListedItem, "first_day"): date.min,
    (ListedItem, "last_day"): date.max,
}
"""Fields that the columns do not know, and the value by which terms leave them out."""

_MOST_BENEFITS = 60
_MOST_LIMITS = 1000


def unknown_features(terms: Terms) -> list[str]:
    """What keeps these terms from the columns, in words for a report; empty when nothing does."""
    if ENGINE_VERSION != MIRRORED_ENGINE:
        return [f"engine {ENGINE_VERSION} (the columns follow {MIRRORED_ENGINE})"]
    found = sorted(set(_unknown(terms)))
    if len(terms.benefits) > _MOST_BENEFITS:
        found.append(f"{len(terms.benefits)} benefits")
    if sum(len(benefit.limits) for benefit in terms.benefits) > _MOST_LIMITS:
        found.append("limits beyond a thousand")
    return found


def _unknown(node: Any) -> Iterator[str]:
    if is_dataclass(node) and not isinstance(node, type):
        kind = type(node)
        known = FIELDS.get(kind, frozenset())
        for one in fields(node):
            value, word = getattr(node, one.name), WORDS.get((kind, one.name))
            if (kind, one.name) in UNUSED:
                if value != UNUSED[kind, one.name]:
                    yield f"{kind.__name__}.{one.name}"
            elif one.name not in known:
                yield f"{kind.__name__}.{one.name}"
            elif word is not None:
                given = value if isinstance(value, tuple) else (value,)
                yield from (f"{kind.__name__}.{one.name}: {item}" for item in given if item not in word)
            else:
                yield from _unknown(value)
    elif isinstance(node, tuple):
        for item in node:
            yield from _unknown(item)
