"""What a schema cannot say about a product: each rule reads the authored form and yields what it finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from engine.money import parse_yuan

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at a path of the authored form."""

    path: Path
    rule: str
    message: str


def check_rules(authored: Mapping[str, Any]) -> list[Finding]:
    """All findings in a form that the schema has already accepted."""
    findings = list(_period(authored))
    findings += _repeated(authored, ())
    aggregate = authored.get("aggregate_cap_yuan")
    for index, benefit in enumerate(authored["benefits"]):
        for rule in _BENEFIT_RULES:
            findings += rule(benefit, ("benefits", index))
        cap = benefit.get("cap_yuan")
        if cap is not None and aggregate is not None and parse_yuan(cap) > parse_yuan(aggregate):
            message = f"{cap} is above the aggregate cap {aggregate}"
            findings.append(Finding(("benefits", index, "cap_yuan"), "cap.above_aggregate", message))
    return findings


def _period(authored: Mapping[str, Any]) -> Iterator[Finding]:
    period = authored.get("period")
    if period is None:
        return
    days: list[date] = []
    for key in ("from", "to"):
        try:
            days.append(date.fromisoformat(period[key]))
        except ValueError:
            yield Finding(("period", key), "period.no_such_day", f"{period[key]} is no calendar day")
    if len(days) == 2 and days[1] < days[0]:
        yield Finding(
            ("period", "to"), "period.out_of_order", f"ends on {days[1]}, before it begins on {days[0]}"
        )


_IDENTIFIED_BY = {"benefits": "code", "limits": "id", "known": "name", "steps": "at_least"}


def _repeated(node: Any, path: Path) -> Iterator[Finding]:
    """A code, id or name that stands twice in one list, at any depth."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _repeated(value, (*path, key))
    elif isinstance(node, list):
        key = _IDENTIFIED_BY.get(str(path[-1]))
        seen: set[str] = set()
        for index, item in enumerate(node):
            yield from _repeated(item, (*path, index))
            name = item[key] if key else item
            if str(name) in seen:
                yield Finding(
                    (*path, index, key) if key else (*path, index), "code.repeated", f"{name} stands twice"
                )
            seen.add(str(name))


def _ratio(benefit: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    ratio = benefit["ratio"]
    for key, value in ratio.items():
        if Decimal(value) > 1:
            yield Finding((*path, "ratio", key), "ratio.above_one", f"{value} pays more than the cost")
    if Decimal(ratio.get("pre_existing", ratio["standard"])) > Decimal(ratio["standard"]):
        yield Finding(
            (*path, "ratio", "pre_existing"),
            "ratio.reduced_above_standard",
            f"{ratio['pre_existing']} is above the standard ratio {ratio['standard']}",
        )


def _deductible(benefit: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    deductible = benefit.get("deductible")
    if deductible is None:
        return
    amount, cap = deductible["amount_yuan"], benefit.get("cap_yuan")
    if cap is not None and parse_yuan(cap) < parse_yuan(amount):
        yield Finding((*path, "cap_yuan"), "cap.below_deductible", f"{cap} is below the deductible {amount}")
    years, before = 0, amount
    for index, step in enumerate(deductible.get("ladder", {}).get("steps", ())):
        here = (*path, "deductible", "ladder", "steps", index)
        if step["at_least"] < years:
            yield Finding(
                (*here, "at_least"), "ladder.out_of_order", f"{step['at_least']} years stand after {years}"
            )
        if parse_yuan(step["amount_yuan"]) >= parse_yuan(before):
            yield Finding(
                (*here, "amount_yuan"),
                "ladder.not_descending",
                f"{step['amount_yuan']} is not below {before}: a longer record never costs more",
            )
        years, before = step["at_least"], step["amount_yuan"]


def _limits(benefit: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    lines = benefit.get("lines")
    for key in ("limits", "items"):
        if key in benefit and lines is None:
            yield Finding(
                (*path, key), "lines.missing", f"{key} act on detail lines, and no lines are selected"
            )
    for index, limit in enumerate(benefit.get("limits", ())):
        here = (*path, "limits", index)
        outside = set(limit["lines"]["categories"]) - set(lines["categories"] if lines else ())
        if lines and outside:
            yield Finding(
                (*here, "lines", "categories"),
                "limit.outside_benefit",
                f"fee categories {', '.join(sorted(outside))} are not among the benefit's lines",
            )
        cap, limited = benefit.get("cap_yuan"), limit.get("paid_max_yuan")
        if cap is not None and limited is not None and parse_yuan(limited) > parse_yuan(cap):
            yield Finding(
                (*here, "paid_max_yuan"), "limit.above_cap", f"{limited} is above the benefit's cap {cap}"
            )
        if "item_code_prefix" in limit and not limit.get("per_item", False):
            yield Finding(
                (*here, "item_code_prefix"), "limit.items_not_apart", "has no effect without per_item: true"
            )
        if "occasions_max" in limit and (limit.get("per_item", False) or limit["within"] != "year"):
            yield Finding(
                (*here, "occasions_max"),
                "limit.occasions_scope",
                "occasions are counted within a year, all selected lines together",
            )


def _visits(benefit: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """A value is either decided or unclear."""
    for group, key in (("concerns", "visit_types"), ("requires", "ward_types")):
        node = benefit.get(group, {})
        both = set(node.get(key, ())) & set(node.get(f"{key}_unclear", ()))
        if both:
            yield Finding(
                (*path, group, f"{key}_unclear"),
                "code.decided_and_unclear",
                f"{', '.join(sorted(both))} also in {key}",
            )


_BENEFIT_RULES: tuple[Callable[[Mapping[str, Any], Path], Iterator[Finding]], ...] = (
    _ratio,
    _deductible,
    _limits,
    _visits,
)
