"""What of the terms language the columns can say. Whatever is not named here goes to the scalar engine.

A field that `Terms` gains makes every product of it unknown to the columns until somebody has proven the
kernel on it and named it here: slower, and never another amount.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from engine.adjudication.decision import ENGINE_VERSION
from engine.adjudication.replay.plan import eras_of
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
    Requirements,
    SharedCap,
    Tail,
    Terms,
    Text,
    Tier,
    Version,
)

MIRRORED_ENGINE: Final = "adjudication/2"
"""The version of the scalar engine that the kernel was proven equal to."""

FIELDS: Final[Mapping[type, str]] = {
    Terms: "product edition name clause version period order_by stay_belongs_to tail conditions reduced_by"
    " caps aggregate_cap_fen co_insurers rounding benefits canonical digest_hex uncertain",
    Version: "number holds_from known_from",
    Period: "first_day last_day",
    Tail: "days unlimited_if_renewed",
    Condition: "code name diagnoses reduced_by",
    SharedCap: "id name benefits paid_max_fen within",
    CoInsurer: "name share_bp",
    Benefit: "code name clause concerns requires lines items base fixed deductible ratio cap_fen stay_cap_fen"
    " limits",
    Concern: "visit_types visit_types_unclear hospitals",
    Requirements: "ward_types ward_types_unclear hospital_grade_min insured_areas hospitals diagnoses"
    " waiting_days",
    LineSelector: "categories name_contains",
    ItemList: "complete items",
    ListedItem: "name codes diagnoses first_day last_day",
    BasePart: "categories columns",
    Fixed: "amount_fen per days_after days_max_stay days_max_year",
    Deductible: "amount_fen ladder_by steps within shared_id family",
    LadderStep: "at_least amount_fen",
    Ratio: "rate rows tiers tiers_within public",
    Rate: "standard_bp pre_existing_bp",
    RatioRow: "hospital_grades hospitals insured_areas continuous_years_min rate",
    Tier: "above_fen rate",
    Limit: "id name lines per_item within paid_max_fen occasions_max item_code_prefix",
    Text: "zh en",
}

WORDS: Final[Mapping[tuple[type, str], frozenset[str | None]]] = {
    (Terms, "rounding"): frozenset(("half_up_fen_once", "half_up_fen_year")),
    (Terms, "stay_belongs_to"): frozenset((None, "admission", "discharge", "each_day")),
    (Terms, "reduced_by"): frozenset(("person", "cause", "stay")),
    (Condition, "reduced_by"): frozenset(("person", "cause", "stay")),
    (Terms, "order_by"): frozenset(("settled_at", "discharged_on", "admitted_on", "setl_id")),
    (Deductible, "ladder_by"): frozenset((None, "continuous_years", "claim_free_years")),
    (Limit, "within"): frozenset(("line", "stay", "year")),
    (Deductible, "within"): frozenset(("stay", "year")),
    (Ratio, "tiers_within"): frozenset(("stay", "year")),
    (SharedCap, "within"): frozenset(("stay", "year")),
    (Fixed, "per"): frozenset(("day", "stay")),
    (BasePart, "columns"): frozenset(("own_pay", "over_limit", "pre_self_pay", "in_scope", "self_pay")),
}
"""Fields that hold words of a fixed list, and the words that are known."""

_MOST_BENEFITS, _MOST_ERAS = 60, 64
_MOST_LIMITS = 500


def unknown_features(terms: Terms) -> list[str]:
    """What keeps these terms from the columns, in words for a report; empty when nothing does."""
    if ENGINE_VERSION != MIRRORED_ENGINE:
        return [f"engine {ENGINE_VERSION} (the columns follow {MIRRORED_ENGINE})"]
    found = sorted(set(_unknown(terms)))
    if len(terms.benefits) > _MOST_BENEFITS:
        found.append(f"{len(terms.benefits)} benefits")
    if sum(len(benefit.limits) for benefit in terms.benefits) > _MOST_LIMITS:
        found.append("limits beyond five hundred")
    if len(eras_of(terms.benefits)) > _MOST_ERAS:
        found.append(f"drug lists of more than {_MOST_ERAS} times")
    return found


def _unknown(node: Any) -> Iterator[str]:
    if is_dataclass(node) and not isinstance(node, type):
        kind = type(node)
        known = FIELDS.get(kind, "").split()
        for one in (one for one in fields(node) if one.init):
            value, word = getattr(node, one.name), WORDS.get((kind, one.name))
            if one.name not in known:
                yield f"{kind.__name__}.{one.name}"
            elif word is not None:
                given = value if isinstance(value, tuple) else (value,)
                yield from (f"{kind.__name__}.{one.name}: {item}" for item in given if item not in word)
            else:
                yield from _unknown(value)
    elif isinstance(node, tuple):
        for item in node:
            yield from _unknown(item)
