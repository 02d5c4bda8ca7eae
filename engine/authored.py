"""YAML that a person writes, held to a JSON Schema: each problem with its line, or plain JSON values.

Product files (engine.terms) and the mapping files of sources (engine.settlement.sources) are read here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

MAX_OPEN = 64
"""Brackets open at once. A file nests seven deep; thousands would keep the parser busy for seconds."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at a path of the authored form."""

    path: Path
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule. `line` and `column` count from 1; both are 0 where there is no text (a document).

    `pointer` is the JSON pointer of the value, `rule` a stable id such as "ratio.above_one".
    """

    path: str
    line: int
    column: int
    pointer: str
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else f"{self.path}{self.pointer}"
        return f"{place}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is being read: `what` names it in messages, `check` holds the plain form to all its rules."""

    what: str
    max_bytes: int
    check: Callable[[Any], list[Finding]]


def read_authored(data: bytes, name: str, kind: Kind) -> tuple[dict[str, Any], list[Problem]]:
    """The plain authored form, and its problems in the file's order; the form is empty when there are any."""
    if len(data) > kind.max_bytes:
        return {}, [Problem(name, 1, 1, "", "yaml.too_large", f"more than {kind.max_bytes} bytes")]
    too_deep = Problem(name, 1, 1, "", "yaml.nesting", f"nested too deep to be a {kind.what}")
    if _most_open(data) > MAX_OPEN:
        return {}, [too_deep]
    try:
        marked = _yaml().load(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return {}, [Problem(name, 1, 1, "", "yaml.encoding", f"not UTF-8: {error.reason}")]
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = (error.problem or "cannot be read").splitlines()[0]
        rule = "yaml.repeated_key" if "duplicate key" in what else "yaml.syntax"
        return {}, [Problem(name, line, column, "", rule, what)]
    except RecursionError:
        return {}, [too_deep]
    except YAMLError as error:
        return {}, [Problem(name, 1, 1, "", "yaml.syntax", str(error).splitlines()[0])]
    if alias := _alias(marked, set()):
        line, column = alias
        message = "an alias (*name): write the value out, so that a reader sees what applies"
        return {}, [Problem(name, line + 1, column + 1, "", "yaml.alias", message)]
    plain = _plain(marked)
    problems = []
    for finding in kind.check(plain):
        line, column = _place(marked, finding.path)
        problems.append(Problem(name, line, column, pointer(finding.path), finding.rule, finding.message))
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return ({} if problems else plain), problems


def validator(schema: str) -> Validator:
    """A JSON Schema (2020-12) with one tightening: 30.0 is no whole number, though the standard says so."""
    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    make: Callable[..., type[Validator]] = extend  # published without types
    return make(Draft202012Validator, type_checker=whole)(json.loads(schema))


def schema_findings(schema: Validator, plain: Any) -> list[Finding]:
    """What the schema says of an authored form, in words a person can act on."""
    return [found for error in schema.iter_errors(plain) for found in _of_schema(error)]


def pointer(path: Path) -> str:
    """RFC 6901."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def nearest(word: str, known: list[str]) -> str:
    """The end of a message about an unknown word: the one that was meant, or those there are."""
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"


def check_days(node: Mapping[str, Any], keys: tuple[str, str], path: Path, name: str) -> Iterator[Finding]:
    """Of two days, each that is none, and their order. Either may be missing."""
    days: list[date] = []
    for key in keys:
        if key not in node:
            continue
        try:
            days.append(date.fromisoformat(node[key]))
        except ValueError:
            yield Finding((*path, key), f"{name}.no_such_day", f"{node[key]} is no calendar day")
    if len(days) == 2 and days[1] < days[0]:
        message = f"ends on {days[1]}, before it begins on {days[0]}"
        yield Finding((*path, keys[1]), f"{name}.out_of_order", message)


def _of_schema(error: ValidationError) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    kind, stated, instance = str(error.validator), cast(Any, error.validator_value), cast(Any, error.instance)
    if kind == "additionalProperties":
        known = list(error.schema.get("properties", ())) if isinstance(error.schema, Mapping) else []
        for key in sorted(set(instance) - set(known)):
            message = f"unknown key {key}{nearest(str(key), known)}"
            yield Finding((*path, key), "schema.unknown_key", message)
    elif kind == "required":
        for key in stated:
            if key not in instance:
                yield Finding(path, "schema.required", f"{key} is missing")
    elif kind == "oneOf":
        forms = " and ".join(form["required"][0] for form in stated)
        yield Finding(path, "schema.one_of", f"exactly one of {forms} is stated")
    elif kind == "pattern":
        yield Finding(path, "schema.pattern", f"{instance!r} does not have the form {stated}")
    else:
        yield Finding(path, f"schema.{_snake(kind)}", error.message)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class _Constructor(RoundTripConstructor):
    """A day stays the text that was written: 2024-02-30 is for a rule to refuse, with its line."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_yaml_str)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    return yaml


def _plain(node: Any) -> Any:
    """ruamel's marked values as plain JSON values."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _most_open(data: bytes) -> int:
    """How many brackets are open at once, at most; quoted ones count too."""
    depth = most = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            most = max(most, depth)
        elif byte in b"]}":
            depth -= 1
    return most


def _alias(node: Any, seen: set[int]) -> tuple[int, int] | None:
    """Where a list or object of the text is used a second time; a few aliases could stand for billions."""
    if not isinstance(node, Mapping | list):
        return None
    if id(node) in seen:
        marked: Any = node
        return marked.lc.line, marked.lc.col
    seen.add(id(node))
    children = node.values() if isinstance(node, Mapping) else node
    return next((found for child in children if (found := _alias(child, seen))), None)


def _place(marked: Any, path: Path) -> tuple[int, int]:
    """Line and column, from 1, of the deepest part of the path that is in the text."""
    line, column, node = 0, 0, marked
    for step in path:
        try:
            line, column = node.lc.item(step) if isinstance(step, int) else node.lc.key(step)
            node = node[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1, column + 1
