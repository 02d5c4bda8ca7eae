"""Hold a native settlement to every rule: each value read once, then the fields against each other.

`check` returns what was read together with all violations; `validate` is its errors alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.settlement.checks import BadValue
from engine.settlement.coherence import check_coherence
from engine.settlement.dictionaries import dictionary
from engine.settlement.errors import Violation
from engine.settlement.fields import ALIASES, LISTS, SETLINFO, SETLINFO_OF_A_VISIT, Field
from engine.settlement.findings import Findings
from engine.settlement.identities import check_identities
from engine.settlement.person import check_person
from engine.settlement.rules import RULES, Rule
from engine.settlement.totals import Totals, total

Row = dict[str, Any]


@dataclass(slots=True)
class Checked:
    """What was read of a native settlement. A value that broke a rule is absent from its row."""

    errors: list[Violation]
    warnings: list[Violation]
    setlinfo: Row = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    totals: Totals | None = None


def validate(native: object, rules: Mapping[str, Rule] = RULES) -> list[Violation]:
    """Every violation that refuses the settlement, in the order of the document; empty when valid."""
    return check(native, rules).errors


def check(native: object, rules: Mapping[str, Rule] = RULES, personal: bool = True) -> Checked:
    """Read and check; never raises on any JSON value. Warnings are kept apart from errors.

    personal=False is for a minimised document, which has no patient.
    """
    found = Findings(rules)
    checked = Checked(found.errors, found.warnings)
    if not isinstance(native, Mapping):
        found.add("", "settlement.body.object", "must be an object")
        return checked
    setlinfo = native.get("setlinfo")
    if isinstance(setlinfo, Mapping):
        if is_visit(setlinfo):
            checked.setlinfo = _read_visit(setlinfo, found)
        else:
            checked.setlinfo = _read_row(setlinfo, SETLINFO, "setlinfo", "/setlinfo", found)
    else:
        _missing(found, "/setlinfo", setlinfo, "an object")
    for name in LISTS:
        checked.rows[name] = _read_list(native.get(name), name, found)
    if personal:
        check_person(checked.setlinfo, found)
    check_coherence(checked.setlinfo, checked.rows, found)
    # The sums speak of whole columns: one unreadable value would report a second, wrong reason.
    if not found.unreadable:
        checked.totals = total(checked.setlinfo, checked.rows)
        check_identities(checked.setlinfo, checked.rows, checked.totals, found)
    return checked


_VISITS = dictionary("visit_type").codes_where("inpatient", False)
_NO_DISCHARGE = "9"


def is_visit(setlinfo: Mapping[str, Any]) -> bool:
    """Whether it is an outpatient visit or a purchase at a pharmacy, and no stay."""
    kind = setlinfo.get("med_type")
    return type(kind) is str and kind in _VISITS


def _read_visit(setlinfo: Mapping[str, Any], found: Findings) -> Row:
    """The settlement calls of a visit (2207, 2102) state one time only, that of the settlement."""
    read = _read_row(setlinfo, SETLINFO_OF_A_VISIT, "setlinfo", "/setlinfo", found)
    settled = read.get("setl_time") or read.get("setl_end_date")
    if settled is None:
        _require("setl_end_date", "/setlinfo", found)
        return read
    of_the_day = {"adm_time": settled, "dscg_time": settled, "setl_end_date": settled}
    return {**of_the_day, "dscg_way": _NO_DISCHARGE, **read}


def _require(name: str, pointer: str, found: Findings) -> None:
    found.unreadable = True
    found.add(f"{pointer}/{name}", "settlement.field.required", "is required")


def _missing(found: Findings, pointer: str, value: object, what: str) -> None:
    found.unreadable = True
    if value is None:
        found.add(pointer, "settlement.field.required", f"is required: {what}")
    else:
        found.add(pointer, "settlement.field.type", f"must be {what}")


def _read_list(value: object, name: str, found: Findings) -> list[Row]:
    node = LISTS[name]
    if value is None and not node.required:
        return []
    if not isinstance(value, list):
        _missing(found, f"/{name}", value, "a list of objects")
        return []
    if len(value) > node.max_rows or (node.required and not value):
        found.unreadable = True
        found.add(f"/{name}", "settlement.list.length", f"must have 1 to {node.max_rows} rows")
        return []
    rows: list[Row] = []
    for index, row in enumerate(value):
        pointer = f"/{name}/{index}"
        if isinstance(row, Mapping):
            rows.append(_read_row(row, node.fields, name, pointer, found))
        else:
            _missing(found, pointer, row, "an object")
            rows.append({})
    return rows


def _read_row(
    row: Mapping[str, Any], fields: tuple[Field, ...], node: str, pointer: str, found: Findings
) -> Row:
    read: Row = {}
    aliases = ALIASES.get(node)
    renamed: dict[str, str] = {}
    if aliases is not None and not aliases.keys().isdisjoint(row):
        row, renamed = _with_national_names(row, aliases, fields, pointer, found)
    get = row.get
    for name, value_of, required in fields:
        value = get(name)
        if value is None or value == "":
            if required:
                _require(name, pointer, found)
            continue
        try:
            read[name] = value_of(value)
        except BadValue as bad:
            found.unreadable = True
            found.add(f"{pointer}/{renamed.get(name, name)}", bad.rule, bad.message)
    return read


def _with_national_names(
    row: Mapping[str, Any],
    aliases: Mapping[str, str],
    fields: tuple[Field, ...],
    pointer: str,
    found: Findings,
) -> tuple[Row, dict[str, str]]:
    """The row under national names, and which of those came in under which vendor's name."""
    national = dict(row)
    renamed: dict[str, str] = {}
    value_of = {field.name: field.check for field in fields}
    for alias, name in aliases.items():
        value = row.get(alias)
        if value is None or value == "":
            continue
        held = national.get(name)
        if held is None or held == "":
            national[name], renamed[name] = value, alias
            continue
        try:
            agree = value_of[name](value) == value_of[name](held)
        except BadValue as bad:
            found.unreadable = True
            found.add(f"{pointer}/{alias}", bad.rule, bad.message)
            continue
        if not agree:
            found.add(f"{pointer}/{alias}", "settlement.field.alias", f"must agree with {name}")
    return national, renamed
