"""What several rules look at."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.authored import Finding, Path
from engine.money import parse_yuan


def check_rate(node: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """A standard rate and the reduced one: neither above 1, and the reduced one not the higher."""
    for key in ("standard", "pre_existing"):
        if key in node and Decimal(node[key]) > 1:
            yield Finding((*path, key), "ratio.above_one", f"{node[key]} pays more than the cost")
    reduced = node.get("pre_existing")
    if reduced is not None and "standard" in node and Decimal(reduced) > Decimal(node["standard"]):
        yield Finding(
            (*path, "pre_existing"),
            "ratio.reduced_above_standard",
            f"{reduced} is above the standard ratio {node['standard']}",
        )


def check_ladder(deductible: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Steps ascend in years and descend in amount."""
    years, before = 0, deductible["amount_yuan"]
    for index, step in enumerate(deductible.get("ladder", {}).get("steps", ())):
        here = (*path, "ladder", "steps", index)
        if step["at_least"] < years:
            message = f"{step['at_least']} years stand after {years}"
            yield Finding((*here, "at_least"), "ladder.out_of_order", message)
        if parse_yuan(step["amount_yuan"]) >= parse_yuan(before):
            message = f"{step['amount_yuan']} is not below {before}: a longer record never costs more"
            yield Finding((*here, "amount_yuan"), "ladder.not_descending", message)
        years, before = step["at_least"], step["amount_yuan"]


def check_overlap(lists: Mapping[Path, list[str]], rule: str) -> Iterator[Finding]:
    """Prefixes of several lists of which one begins with another. lists: path of a list -> its prefixes."""
    seen: dict[str, Path] = {}
    for path, prefixes in lists.items():
        for index, prefix in enumerate(prefixes):
            for other, owner in seen.items():
                if owner != path and (prefix.startswith(other) or other.startswith(prefix)):
                    yield Finding((*path, index), rule, f"{prefix} also falls under {other} of another entry")
        for prefix in prefixes:
            seen.setdefault(prefix, path)
