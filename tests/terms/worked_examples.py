"""The worked examples of docs/terms.md: terms, a case and the figures worked out by hand, read off the page.

A section with examples has, for each, two YAML blocks and a table. The first block is a product file without
what every file has (`COMMON`, a benefit's name and wording); the second is a policy and its stays; the table
works the amounts out, one a row.
"""

import ast
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from engine.adjudication import Coverage, Decision, History, adjudicate
from engine.money import Fen, parse_yuan
from engine.settlement.model import Settlement
from engine.terms import Terms, load_product_text
from tests.adjudication.builder import line, stay

PAGE = Path(__file__).resolve().parents[2] / "docs" / "terms.md"
TEXT = {"zh": "示例", "en": "Example"}
COMMON: dict[str, Any] = {
    "product": "example",
    "edition": "1",
    "name": TEXT,
    "clause": TEXT,
    "order_by": ["settled_at", "setl_id"],
    "rounding": "half_up_fen_once",
}
POLICY: dict[str, Any] = {
    "product": "example",
    "edition": "1",
    "effective": "2024-01-01",
    "expires": "2024-12-31",
    "pre_existing": [],
}
_EXAMPLE = re.compile(
    r"^```yaml\n(?P<terms>.*?)^```\n.*?^```yaml\n(?P<case>.*?)^```\n.*?"
    r"^\| bill \| benefit \| what \| worked out \| yuan \|\n\|[-|]+\|\n(?P<rows>(?:\|[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)
_AMOUNTS = {"own_pay", "over_limit", "pre_self_pay", "in_scope"}
_FIELDS = {
    "grade": "hospital_grade",
    "hospital": "hospital_code",
    "area": "insured_area",
    "visit": "visit_type",
    "ward": "ward_type",
    "diagnosis": "main_diagnosis",
    "others": "other_diagnoses",
}
_BILL_AMOUNTS = {
    "total": "total_fen",
    "funds": "fund_fen",
    "cash": "cash_fen",
    "other_compensation": "other_compensation_fen",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One amount worked out by hand: of which bill and benefit, how, and to what it comes."""

    bill: str
    benefit: str
    what: str
    worked_out: str
    comes_to: str


@dataclass(frozen=True, slots=True)
class Example:
    """`heading` is the section's; with a number where it has several examples."""

    heading: str
    authored: Mapping[str, Any]
    case: Mapping[str, Any]
    rows: tuple[Row, ...]


def examples() -> Iterator[Example]:
    """Every example of the page, in its order."""
    page = PAGE.read_text(encoding="utf-8")
    for section in re.split(r"^(?=#{2,3} )", page, flags=re.MULTILINE):
        heading = section.splitlines()[0].lstrip("# ")
        for number, found in enumerate(_EXAMPLE.finditer(section), 1):
            rows = tuple(_row(text) for text in found["rows"].splitlines())
            yield Example(f"{heading} {number}", _yaml(found["terms"]), _yaml(found["case"]), rows)


def _row(text: str) -> Row:
    _, *cells, _ = text.split("|")
    return Row(*(cell.strip() for cell in cells))


def _yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


def terms_of(example: Example) -> Terms:
    """The example's product, read as a file is. Raises TermsInvalid."""
    authored = {**COMMON, **example.authored}
    authored["benefits"] = [{"name": TEXT, "clause": TEXT, **benefit} for benefit in authored["benefits"]]
    file = json.dumps(authored, ensure_ascii=False, default=str)  # JSON is YAML
    return load_product_text(file.encode("utf-8"), example.heading)


def decisions_of(example: Example) -> dict[str, Decision]:
    """Each stay of the case decided after those before it: setl_id -> decision."""
    case, terms = example.case, terms_of(example)
    coverage = Coverage.parse(POLICY | _with_texts(case.get("policy", {})))
    decided: dict[str, Decision] = {}
    for node in case["stays"]:
        bill = _bill(node)
        past = [decision.document() for decision in decided.values()]
        elsewhere = [one for one in case.get("other_policies", ()) if one["bill"] == bill.setl_id]
        past += [_elsewhere(bill, one) for one in elsewhere]
        family = [_of_family(one) for one in case.get("family", ())]
        history = History.parse({"decisions": past, "family": family})
        decided[bill.setl_id] = adjudicate(terms, coverage, history, bill)
    return decided


def _with_texts(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in policy.items()}


def _bill(node: Mapping[str, Any]) -> Settlement:
    """A stay of the second block: its lines, and of the settlement only what is not ordinary."""
    node = dict(node)
    changes: dict[str, Any] = {"setl_id": node.pop("bill"), "admitted_on": node.pop("in", date(2024, 3, 1))}
    changes |= {"discharged_on": node.pop("out")} if "out" in node else {}
    lines = [line(**_line(one)) for one in node.pop("lines", ())]
    for key, value in node.items():
        if key in _BILL_AMOUNTS or key in _AMOUNTS:
            changes[_BILL_AMOUNTS.get(key, f"{key}_fen")] = parse_yuan(value)
        else:
            changes[_FIELDS[key]] = tuple(value) if isinstance(value, list) else value
    return stay(lines, **changes)


def _line(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if key in _AMOUNTS else value for key, value in node.items()}


def _elsewhere(bill: Settlement, node: Mapping[str, Any]) -> dict[str, Any]:
    return _past("another", bill.setl_id, {"A1": {"paid_fen": parse_yuan(node["paid"]), "deductible_fen": 0}})


def _of_family(node: Mapping[str, Any]) -> dict[str, Any]:
    used = {"paid_fen": 0, "deductible_fen": parse_yuan(node["deductible"])}
    return _past("example", node["bill"], {node["benefit"]: used})


def _past(product: str, setl_id: str, used: Mapping[str, dict[str, Fen | int]]) -> dict[str, Any]:
    return {
        "decision": "pay",
        "terms": {"product": product, "edition": "1"},
        "settlement": {
            "fixmedins_code": "H31010100001",
            "setl_id": setl_id,
            "adm": "2024-02-01",
            "dscg": "2024-02-02",
            "settled": "2024-02-02T00:00:00+08:00",
        },
        "used": {code: {"limits": {}, **one} for code, one in used.items()},
    }


_OPERATIONS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: Mapping[str, Callable[[list[Fraction]], Fraction]] = {
    "min": min,
    "max": max,
    "down": lambda amounts: Fraction(floor(amounts[0] * 100), 100),
}
"""`down` is down to the fen."""


def value_of(worked_out: str) -> Fraction:
    """`(30,000 − 20,000) × 70 %` -> 7000, exactly. Raises ValueError or SyntaxError."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", worked_out)
    text = re.sub(r"([\d.]+) %", r"(\1/100)", text.replace("×", "*").replace("−", "-"))
    return _value(ast.parse(text, mode="eval").body, text)


def _value(node: ast.expr, text: str) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(ast.get_source_segment(text, node) or "")
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, text), _value(node.right, text))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _FUNCTIONS[node.func.id]([_value(one, text) for one in node.args])
    raise ValueError(f"no arithmetic: {text}")
