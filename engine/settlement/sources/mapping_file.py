"""Mapping files read and checked: every problem with its place, or a SourceMapping."""

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import rfc8785
from jsonschema.protocols import Validator

from engine.authored import Finding, Kind, Problem, read_authored, schema_findings, validator
from engine.settlement.sources.cleaning import heading
from engine.settlement.sources.codes import SHIPPED, Dictionaries
from engine.settlement.sources.mapping import CodeRule, MappingInvalid, SourceMapping
from engine.settlement.sources.mapping_rules import check_mapping_rules

MAX_BYTES = 4 << 20
"""A thousand code rules are some 60 KB; a hospital's whole price list stays below this."""


def load_mapping(path: Path, dictionaries: Dictionaries = SHIPPED) -> SourceMapping:
    """Read a mapping file (YAML). Raises MappingInvalid with every problem, OSError."""
    return load_mapping_text(path.read_bytes(), str(path), dictionaries)


def load_mapping_text(data: bytes, name: str, dictionaries: Dictionaries = SHIPPED) -> SourceMapping:
    """The same from a file's bytes; `name` stands in the problems. Raises MappingInvalid."""
    authored, problems = read_authored(data, name, _kind(dictionaries))
    if problems:
        raise MappingInvalid(problems)
    return _build(authored)


def check_mapping(path: Path, dictionaries: Dictionaries = SHIPPED) -> list[Problem]:
    """What is wrong with a mapping file, in its order; empty when nothing. Raises OSError."""
    return read_authored(path.read_bytes(), str(path), _kind(dictionaries))[1]


def _kind(dictionaries: Dictionaries) -> Kind:
    def check(plain: Any) -> list[Finding]:
        return schema_findings(_schema(), plain) or list(check_mapping_rules(plain, dictionaries))

    return Kind("mapping of a source", MAX_BYTES, check)


@cache
def _schema() -> Validator:
    folder = resources.files("engine.settlement.sources")
    return validator(folder.joinpath("source.schema.json").read_text(encoding="utf-8"))


def _build(authored: Mapping[str, Any]) -> SourceMapping:
    kind = authored["format"]
    # Columns are compared as headings, here and in the reader: spaces and full-width signs do not matter.
    spell = heading if kind == "table" else str
    names = {
        node: {spell(local): name for local, name in rows.items()}
        for node, rows in authored.get("names", {}).items()
    }
    ignore = {node: frozenset(map(spell, locals_)) for node, locals_ in authored.get("ignore", {}).items()}
    layout: dict[str, Any] = dict(authored.get(kind, {}))
    if kind == "table":
        nodes = dict.fromkeys((*names, *ignore))
        layout["columns"] = {node: [*names.get(node, {}), *sorted(ignore.get(node, ()))] for node in nodes}
    return SourceMapping(
        source=authored["source"],
        hospital=authored["hospital"],
        format=kind,
        number=authored["version"]["number"],
        holds_from=date.fromisoformat(authored["version"]["holds_from"]),
        names=names,
        ignore=ignore,
        constants=authored.get("constants", {}),
        codes={
            name: tuple(_code_rule(rule) for rule in rules)
            for name, rules in authored.get("codes", {}).items()
        },
        amounts=authored.get("amounts", "yuan"),
        layout=layout,
        digest_hex=hashlib.sha256(rfc8785.dumps(dict(authored))).hexdigest(),
    )


def _code_rule(rule: Mapping[str, str]) -> CodeRule:
    first, last = rule.get("from"), rule.get("to")
    return CodeRule(
        rule["local"],
        rule["standard"],
        date.fromisoformat(first) if first else date.min,
        date.fromisoformat(last) if last else date.max,
    )
