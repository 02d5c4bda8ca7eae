"""Product files and terms documents read and checked: every problem with its place, or Terms."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.money import MoneyError
from engine.terms.build import build
from engine.terms.document import to_authored, to_document
from engine.terms.findings import Finding
from engine.terms.findings import Path as NodePath
from engine.terms.model import Terms
from engine.terms.problems import Problem, TermsInvalid
from engine.terms.rules import check_rules

MAX_BYTES = 1 << 18
"""A product file is a few kilobytes; beyond this it is not one."""
MAX_OPEN = 64
"""Brackets open at once. A product nests seven deep; thousands would keep the parser busy for seconds."""


def load_product(path: Path) -> Terms:
    """Read a product file (YAML). Raises TermsInvalid with every problem, OSError when it cannot be read."""
    return load_product_text(path.read_bytes(), str(path))


def load_product_text(data: bytes, name: str) -> Terms:
    """The same from a file's bytes; `name` stands in the problems. Raises TermsInvalid."""
    tree, problems = _read(data, name)
    if problems:
        raise TermsInvalid(problems)
    return build(to_document(tree), tree.get("uncertain", ()))


def check_product(path: Path) -> list[Problem]:
    """What is wrong with a product file, in its order; empty when nothing. Raises OSError."""
    return _read(path.read_bytes(), str(path))[1]


def terms_from_document(document: Mapping[str, Any]) -> Terms:
    """The inverse of `Terms.document`: held to the same rules as a file, and to be canonical.

    Raises TermsInvalid. The document may come from anyone: an auditor's evidence bundle carries it.
    """
    try:
        authored = to_authored(document)
    except (ValueError, TypeError, AttributeError) as error:
        raise TermsInvalid([_of_document("", "document.not_terms", str(error))]) from error
    findings = _check(authored)
    if findings:
        raise TermsInvalid([_of_document(_pointer(f.path), f.rule, f.message) for f in findings])
    terms = build(to_document(authored))
    if terms.document != document:
        message = "sets are sorted and empty keys are left out"
        raise TermsInvalid([_of_document("", "document.not_canonical", message)])
    return terms


def _of_document(pointer: str, rule: str, message: str) -> Problem:
    return Problem("terms document", 0, 0, pointer, rule, message)


def _read(data: bytes, name: str) -> tuple[dict[str, Any], list[Problem]]:
    """The plain authored form, and its problems; the form is empty when there are any."""
    if len(data) > MAX_BYTES:
        return {}, [Problem(name, 1, 1, "", "yaml.too_large", f"more than {MAX_BYTES} bytes")]
    if _most_open(data) > MAX_OPEN:
        return {}, [Problem(name, 1, 1, "", "yaml.nesting", "nested too deep to be a product")]
    try:
        marked = YAML(typ="rt").load(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return {}, [Problem(name, 1, 1, "", "yaml.encoding", f"not UTF-8: {error.reason}")]
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = (error.problem or "cannot be read").splitlines()[0]
        rule = "yaml.repeated_key" if "duplicate key" in what else "yaml.syntax"
        return {}, [Problem(name, line, column, "", rule, what)]
    except RecursionError:
        return {}, [Problem(name, 1, 1, "", "yaml.nesting", "nested too deep to be a product")]
    except YAMLError as error:
        return {}, [Problem(name, 1, 1, "", "yaml.syntax", str(error).splitlines()[0])]
    if alias := _alias(marked, set()):
        line, column = alias
        message = "an alias (*name): write the value out, so that a reader sees what applies"
        return {}, [Problem(name, line + 1, column + 1, "", "yaml.alias", message)]
    plain = _plain(marked)
    problems = []
    for finding in _check(plain):
        line, column = _place(marked, finding.path)
        problems.append(Problem(name, line, column, _pointer(finding.path), finding.rule, finding.message))
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return ({} if problems else plain), problems


def _check(plain: Any) -> list[Finding]:
    findings = [found for error in _validator().iter_errors(plain) for found in _of_schema(error)]
    if findings:
        return findings
    try:
        return check_rules(plain)
    except MoneyError as error:  # the schema's pattern admits nothing else; an amount must not crash a check
        return [Finding((), "money.precision", str(error))]


@cache
def _validator() -> Validator:
    """The schema with one tightening: 30.0 is no whole number, though JSON Schema takes it for one."""
    text = resources.files("engine.terms").joinpath("product.schema.json").read_text(encoding="utf-8")
    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    make: Callable[..., type[Validator]] = extend  # published without types
    return make(Draft202012Validator, type_checker=whole)(json.loads(text))


def _of_schema(error: ValidationError) -> Iterator[Finding]:
    path: NodePath = tuple(error.absolute_path)
    kind, stated, instance = str(error.validator), cast(Any, error.validator_value), cast(Any, error.instance)
    if kind == "additionalProperties":
        known = list(error.schema.get("properties", ())) if isinstance(error.schema, Mapping) else []
        for key in sorted(set(instance) - set(known)):
            near = get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
            yield Finding((*path, key), "schema.unknown_key", f"unknown key {key}{hint}")
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


def _plain(node: Any) -> Any:
    """ruamel's marked values as plain JSON values; a YAML date as its ISO string."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, date):
        return node.isoformat()
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


def _place(marked: Any, path: NodePath) -> tuple[int, int]:
    """Line and column, from 1, of the deepest part of the path that is in the text."""
    line, column, node = 0, 0, marked
    for step in path:
        try:
            line, column = node.lc.item(step) if isinstance(step, int) else node.lc.key(step)
            node = node[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1, column + 1


def _pointer(path: NodePath) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
