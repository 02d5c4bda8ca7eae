"""What a schema cannot say about a mapping file: each rule reads the authored form and yields findings."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.authored import Finding, Path, check_days, nearest
from engine.settlement.checks import BadValue
from engine.settlement.sources.cleaning import heading, narrow
from engine.settlement.sources.codes import Dictionaries
from engine.settlement.sources.nodes import DICTIONARIES, NODES, dictionary_of

_Node = Mapping[str, Any]
FORMATS = ("table", "national", "fhir", "hl7v2", "x12")


def check_mapping_rules(authored: _Node, dictionaries: Dictionaries) -> Iterator[Finding]:
    """All findings in a form that the schema has already accepted."""
    version = authored["version"]
    yield from check_days(version, ("holds_from", "holds_from"), ("version",), "version")
    yield from _section(authored)
    for section in ("names", "ignore", "constants"):
        for node in authored.get(section, {}):
            yield from _node(node, (section, node))
    spell = heading if authored["format"] == "table" else str
    for node, names in authored.get("names", {}).items():
        ignored = {spell(name) for name in authored.get("ignore", {}).get(node, ())}
        yield from _names(node, names, ("names", node), spell, ignored)
    for node, values in authored.get("constants", {}).items():
        yield from _constants(node, values, ("constants", node), dictionaries)
    for index, group in enumerate(authored.get("table", {}).get("groups", ())):
        here: Path = ("table", "groups", index)
        yield from _names(group["node"], group["columns"], (*here, "columns"), heading, set())
        yield from _constants(group["node"], group.get("constants", {}), (*here, "constants"), dictionaries)
    for name, rules in authored.get("codes", {}).items():
        yield from _codes(name, rules, dictionaries)


def _section(authored: _Node) -> Iterator[Finding]:
    for section in FORMATS:
        if section in authored and section != authored["format"]:
            message = f"{section} is about another format than {authored['format']}"
            yield Finding((section,), "mapping.other_format", message)
    if authored["format"] == "table" and "table" not in authored:
        yield Finding(("format",), "schema.required", "table is missing: it says which column is the key")
    if authored["format"] == "table":
        yield from _places(authored)


def _places(authored: _Node) -> Iterator[Finding]:
    """Every node that is named has rows of its own in the table."""
    sheets = authored.get("table", {}).get("sheets", {})
    for node in sheets:
        yield from _node(node, ("table", "sheets", node))
    there = sheets or ("setlinfo", "feedetail")
    for section in ("names", "ignore"):
        for node in authored.get(section, {}):
            if node in NODES and node not in there:
                message = f"{node} has no sheet in table.sheets; what stands in columns is a group"
                yield Finding((section, node), "mapping.no_place", message)


def _node(node: str, path: Path) -> Iterator[Finding]:
    if node not in NODES:
        yield Finding(path, "mapping.unknown_node", f"unknown node {node}{nearest(node, list(NODES))}")


def _names(
    node: str, names: Mapping[str, str], path: Path, spell: Callable[[str], str], ignored: set[str]
) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for local, name in names.items():
        spelled = spell(local)
        if spelled in ignored:
            yield Finding((*path, local), "mapping.name_twice", f"{local} is mapped here and ignored too")
        if spelled in seen:
            message = f"{local} is the same column as {seen[spelled]}"
            yield Finding((*path, local), "mapping.name_twice", message)
        seen[spelled] = local
        yield from _field(node, name, (*path, local))


def _field(node: str, name: str, path: Path) -> Iterator[Finding]:
    fields = NODES.get(node)
    if fields is not None and name not in fields:
        message = f"{node} has no field {name}{nearest(name, list(fields))}"
        yield Finding(path, "mapping.unknown_field", message)


def _constants(
    node: str, values: Mapping[str, str], path: Path, dictionaries: Dictionaries
) -> Iterator[Finding]:
    fields = NODES.get(node, {})
    for name, value in values.items():
        if name not in fields:
            yield from _field(node, name, (*path, name))
            continue
        try:
            fields[name].check(value)
        except BadValue as bad:
            yield Finding((*path, name), "mapping.bad_value", f"{value} {bad.message}")
            continue
        listed = dictionary_of(fields[name])
        if listed is not None and not dictionaries.states(listed, value, None):
            yield Finding((*path, name), "mapping.unknown_code", f"{listed} does not hold {value}")


def _codes(name: str, rules: list[_Node], dictionaries: Dictionaries) -> Iterator[Finding]:
    path: Path = ("codes", name)
    if name not in DICTIONARIES:
        message = f"unknown dictionary {name}{nearest(name, sorted(DICTIONARIES))}"
        yield Finding(path, "mapping.unknown_dictionary", message)
        return
    held: dict[str, list[tuple[str, str]]] = {}
    for index, rule in enumerate(rules):
        here = (*path, index)
        wrong_days = list(check_days(rule, ("from", "to"), here, "code"))
        yield from wrong_days
        if not dictionaries.states(name, rule["standard"], None):
            message = f"{name} does not hold {rule['standard']}"
            yield Finding((*here, "standard"), "mapping.unknown_code", message)
        if wrong_days:
            continue
        days = rule.get("from", ""), rule.get("to", "9999-99-99")
        others = held.setdefault(narrow(rule["local"]), [])
        if any(days[0] <= last and first <= days[1] for first, last in others):
            message = f"{rule['local']} already stands for a code on some of these days"
            yield Finding((*here, "local"), "mapping.overlapping", message)
        others.append(days)
