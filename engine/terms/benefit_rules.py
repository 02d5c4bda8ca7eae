"""What a schema cannot say about one benefit: rules over its authored form and the edition's."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from engine.authored import Finding, Path, check_days
from engine.money import parse_yuan
from engine.terms.findings import check_ladder, check_overlap, check_rate

_Node = Mapping[str, Any]


def _ratio(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
    ratio, here = benefit["ratio"], (*path, "ratio")
    yield from check_rate(ratio, here)
    for index, row in enumerate(ratio.get("rows", ())):
        yield from check_rate(row, (*here, "rows", index))
    for key in ("pre_existing", "rows") if "standard" not in ratio else ():
        if key in ratio:
            yield Finding((*here, key), "ratio.beside", "has no effect without a standard rate beside it")
    before = None
    for index, step in enumerate(ratio.get("tiers", {}).get("steps", ())):
        place = (*here, "tiers", "steps", index)
        yield from check_rate(step, place)
        above = parse_yuan(step["above_yuan"])
        if before is None and above:
            yield Finding((*place, "above_yuan"), "tiers.gap", "the first tier begins above 0")
        elif before is not None and above <= before:
            message = f"{step['above_yuan']} overlaps the tier before: each begins above the one before"
            yield Finding((*place, "above_yuan"), "tiers.overlapping", message)
        before = above


def _falling_tiers(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
    """Costs share the rate that they come to on average: where it falls as they rise, costs that are cut to a
    limit would lower what the others are paid."""
    if not any("paid_max_yuan" in limit for limit in benefit.get("limits", ())):
        return
    steps = benefit["ratio"].get("tiers", {}).get("steps", ())
    rates = [
        [Decimal(step["standard"]), Decimal(step.get("pre_existing", step["standard"]))] for step in steps
    ]
    for index, (before, after) in enumerate(pairwise(rates), 1):
        if any(rate < lower for rate, lower in zip(after, before, strict=True)):
            place = (*path, "ratio", "tiers", "steps", index)
            message = "pays a lower rate than the tier before, beside limits: more cost could be paid less"
            yield Finding(place, "tiers.falling", message)


def _deductible(benefit: _Node, authored: _Node, path: Path) -> Iterator[Finding]:
    stated = benefit.get("deductible")
    if stated is None:
        return
    here: Path = (*path, "deductible")
    deductible, shared = stated, stated.get("shared")
    if shared is not None:
        named = {one["id"]: one for one in authored.get("deductibles", ())}
        if shared not in named:
            yield Finding((*here, "shared"), "deductible.unknown", f"there is no shared deductible {shared}")
            return
        deductible = named[shared]
        for key in ("ladder", "per_stay"):
            if key in stated:
                yield Finding((*here, key), "deductible.beside", f"is a matter of shared deductible {shared}")
    amount, cap = deductible["amount_yuan"], benefit.get("cap_yuan")
    if cap is not None and parse_yuan(cap) < parse_yuan(amount):
        yield Finding((*path, "cap_yuan"), "cap.below_deductible", f"{cap} is below the deductible {amount}")
    if shared is None:
        yield from check_ladder(stated, here)


def _caps(benefit: _Node, authored: _Node, path: Path) -> Iterator[Finding]:
    cap, aggregate = benefit.get("cap_yuan"), authored.get("aggregate_cap_yuan")
    if cap is not None and aggregate is not None and parse_yuan(cap) > parse_yuan(aggregate):
        message = f"{cap} is above the aggregate cap {aggregate}"
        yield Finding((*path, "cap_yuan"), "cap.above_aggregate", message)
    of_stay = benefit.get("stay_cap_yuan")
    if cap is not None and of_stay is not None and parse_yuan(of_stay) > parse_yuan(cap):
        message = f"{of_stay} for one stay is above the year's cap {cap}"
        yield Finding((*path, "stay_cap_yuan"), "cap.stay_above_year", message)


def _base(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
    base, lines = benefit.get("base", ()), benefit.get("lines")
    if "self_pay" in base and lines is not None:
        place = (*path, "base", list(base).index("self_pay"))
        yield Finding(
            place, "base.of_the_whole", "a line has no self_pay: it is what the funds leave of a bill"
        )
    parts = [part for part in base if isinstance(part, Mapping)]
    if parts and lines is None:
        yield Finding(
            (*path, "base"), "lines.missing", "parts act on detail lines, and no lines are selected"
        )
    lists = {(*path, "base", index, "categories"): part["categories"] for index, part in enumerate(parts)}
    yield from check_overlap(lists, "base.overlapping")
    for here, categories in lists.items():
        yield from _outside(categories, lines, here, "base.outside_benefit")


def _fixed(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
    fixed = benefit.get("fixed")
    if fixed is None:
        return
    for key in ("lines", "items", "limits", "deductible"):
        if key in benefit:
            message = "has no effect on an amount that does not depend on the cost"
            yield Finding((*path, key), "fixed.beside", message)
    if fixed["per"] == "stay":
        for key in ("days_after", "days_max_stay"):
            if key in fixed:
                yield Finding((*path, "fixed", key), "fixed.days_of_stay", "days are counted with per: day")
    if fixed.get("days_max_stay", 0) > fixed.get("days_max_year", 366):
        message = f"{fixed['days_max_stay']} days a stay are more than {fixed['days_max_year']} a year"
        yield Finding((*path, "fixed", "days_max_stay"), "fixed.days_out_of_order", message)


def _items(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
    here: Path = (*path, "items", "known")
    known = benefit.get("items", {}).get("known", ())
    for index, item in enumerate(known):
        yield from check_days(item, ("from", "to"), (*here, index), "item")
    codes = {(*here, index, "codes"): item["codes"] for index, item in enumerate(known) if "codes" in item}
    yield from check_overlap(codes, "item.listed_twice")


def _limits(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
    lines = benefit.get("lines")
    for key in ("limits", "items"):
        if key in benefit and lines is None and "fixed" not in benefit:
            yield Finding(
                (*path, key), "lines.missing", f"{key} act on detail lines, and no lines are selected"
            )
    for index, limit in enumerate(benefit.get("limits", ())):
        here = (*path, "limits", index)
        yield from _outside(
            limit["lines"]["categories"], lines, (*here, "lines", "categories"), "limit.outside_benefit"
        )
        yield from _limit(limit, benefit.get("cap_yuan"), here)


def _limit(limit: _Node, cap: Any, here: Path) -> Iterator[Finding]:
    limited, apart = limit.get("paid_max_yuan"), limit.get("per_item", False)
    if cap is not None and limited is not None and parse_yuan(limited) > parse_yuan(cap):
        yield Finding(
            (*here, "paid_max_yuan"), "limit.above_cap", f"{limited} is above the benefit's cap {cap}"
        )
    if "item_code_prefix" in limit and not apart:
        yield Finding(
            (*here, "item_code_prefix"), "limit.items_not_apart", "has no effect without per_item: true"
        )
    if apart and limit["within"] == "line":
        yield Finding((*here, "per_item"), "limit.items_of_line", "a line is one item already")
    if "occasions_max" in limit and (apart or limit["within"] != "year"):
        yield Finding(
            (*here, "occasions_max"),
            "limit.occasions_scope",
            "occasions are counted within a year, all selected lines together",
        )


def _outside(categories: list[str], lines: _Node | None, path: Path, rule: str) -> Iterator[Finding]:
    outside = set(categories) - set(lines["categories"] if lines else ())
    if lines and outside:
        message = f"fee categories {', '.join(sorted(outside))} are not among the benefit's lines"
        yield Finding(path, rule, message)


def _visits(benefit: _Node, _: _Node, path: Path) -> Iterator[Finding]:
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


BENEFIT_RULES: tuple[Callable[[_Node, _Node, Path], Iterator[Finding]], ...] = (
    _ratio,
    _falling_tiers,
    _deductible,
    _caps,
    _base,
    _fixed,
    _items,
    _limits,
    _visits,
)
