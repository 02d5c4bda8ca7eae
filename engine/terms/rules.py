"""What a schema cannot say about an edition: each rule reads the authored form and yields what it finds."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.authored import Finding, Path, check_days
from engine.money import parse_yuan
from engine.terms.benefit_rules import BENEFIT_RULES
from engine.terms.findings import check_ladder, check_overlap

_IDENTIFIED_BY = {
    "benefits": "code",
    "conditions": "code",
    "limits": "id",
    "deductibles": "id",
    "caps": "id",
    "known": "name",
    "co_insurers": "name",
    "steps": "at_least",
    "rows": "when",
}
"""What tells the entries of a list apart. Tiers have an order of their own."""


def check_rules(authored: Mapping[str, Any]) -> list[Finding]:
    """All findings in a form that the schema has already accepted."""
    findings = [finding for rule in _EDITION_RULES for finding in rule(authored)]
    for index, benefit in enumerate(authored["benefits"]):
        for rule in BENEFIT_RULES:
            findings += rule(benefit, authored, ("benefits", index))
    return findings


def _days(authored: Mapping[str, Any]) -> Iterator[Finding]:
    period, version = authored.get("period", {}), authored.get("version", {})
    yield from check_days(period, ("from", "to"), ("period",), "period")
    for key in ("holds_from", "known_from"):  # a wording may hold from before it was known
        yield from check_days(version, (key, key), ("version",), "version")
    if period and version and version["holds_from"] > period["to"]:
        message = f"holds from {version['holds_from']}, after the period's last day {period['to']}"
        yield Finding(("version", "holds_from"), "version.after_period", message)


def _repeated(authored: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _repeated_in(authored, ())


def _repeated_in(node: Any, path: Path) -> Iterator[Finding]:
    """A code, id or name that stands twice in one list, at any depth."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _repeated_in(value, (*path, key))
    elif isinstance(node, list):
        key = _IDENTIFIED_BY.get(str(path[-1]))
        seen: set[str] = set()
        for index, item in enumerate(node):
            yield from _repeated_in(item, (*path, index))
            if isinstance(item, Mapping) and (key is None or key not in item):
                continue
            name = str(item[key] if key else item)
            if name in seen:
                here = (*path, index, key) if key else (*path, index)
                yield Finding(here, "code.repeated", f"{name} stands twice")
            seen.add(name)


def _caps(authored: Mapping[str, Any]) -> Iterator[Finding]:
    aggregate = authored.get("aggregate_cap_yuan")
    codes = [benefit["code"] for benefit in authored["benefits"]]
    fixed = {benefit["code"] for benefit in authored["benefits"] if "fixed" in benefit}
    indemnity = set(codes) - fixed
    earlier: list[set[str]] = []
    for index, cap in enumerate(authored.get("caps", ())):
        over = set(cap["over"])
        if any(over & before and not before <= over for before in earlier):
            message = "crosses a cap before it: it takes in all of an earlier one's benefits, or none"
            yield Finding(("caps", index, "over"), "cap.crossing", message)
        if over & fixed and over & indemnity and not indemnity <= over:
            message = "crosses the cost left: with a fixed benefit it takes in all others, or none"
            yield Finding(("caps", index, "over"), "cap.crossing", message)
        earlier.append(over)
        for place, code in enumerate(cap["over"]):
            if code not in codes:
                yield Finding(
                    ("caps", index, "over", place), "cap.of_no_benefit", f"there is no benefit {code}"
                )
        if aggregate is not None and parse_yuan(cap["paid_max_yuan"]) > parse_yuan(aggregate):
            message = f"{cap['paid_max_yuan']} is above the aggregate cap {aggregate}"
            yield Finding(("caps", index, "paid_max_yuan"), "cap.above_aggregate", message)


def _deductibles(authored: Mapping[str, Any]) -> Iterator[Finding]:
    borne = {benefit.get("deductible", {}).get("shared") for benefit in authored["benefits"]}
    for index, deductible in enumerate(authored.get("deductibles", ())):
        if deductible["id"] not in borne:
            message = f"no benefit bears {deductible['id']}"
            yield Finding(("deductibles", index, "id"), "deductible.unused", message)
        yield from check_ladder(deductible, ("deductibles", index))
        if deductible.get("family") and deductible.get("per_stay"):
            message = "a stay is one person's: a family bears a deductible over the year"
            yield Finding(("deductibles", index, "per_stay"), "deductible.family_of_stay", message)


def _conditions(authored: Mapping[str, Any]) -> Iterator[Finding]:
    conditions = authored.get("conditions", ())
    lists: dict[Path, list[str]] = {
        ("conditions", index, "diagnoses"): one["diagnoses"] for index, one in enumerate(conditions)
    }
    yield from check_overlap(lists, "condition.overlapping")
    common = authored.get("reduced_by", "person")
    for index, one in enumerate(conditions):
        if one.get("reduced_by") == common:
            message = f"{common} is what every class reduces that says nothing"
            yield Finding(("conditions", index, "reduced_by"), "condition.says_nothing", message)
    if "reduced_by" in authored and not conditions:
        message = "conditions are missing: nothing tells which diagnosis belongs to a pre-existing condition"
        yield Finding(("reduced_by",), "condition.missing", message)


def _co_insurers(authored: Mapping[str, Any]) -> Iterator[Finding]:
    pool = authored.get("co_insurers", ())
    total = sum(Decimal(one["share"]) for one in pool)
    if pool and total != 1:
        yield Finding(("co_insurers",), "co_insurers.not_whole", f"the shares add up to {total}, not to 1")


_EDITION_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[Finding]], ...] = (
    _days,
    _repeated,
    _caps,
    _deductibles,
    _conditions,
    _co_insurers,
)
