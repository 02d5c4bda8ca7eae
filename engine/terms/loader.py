"""Product files and terms documents read and checked: every problem with its place, or Terms."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema.protocols import Validator

from engine.authored import Finding, Kind, Problem, pointer, read_authored, schema_findings, validator
from engine.money import MoneyError
from engine.terms.build import build
from engine.terms.document import to_authored, to_document
from engine.terms.model import Terms
from engine.terms.problems import TermsInvalid
from engine.terms.rules import check_rules

MAX_BYTES = 1 << 18
"""A product file is a few kilobytes; beyond this it is not one."""


def load_product(path: Path) -> Terms:
    """Read a product file (YAML). Raises TermsInvalid with every problem, OSError when it cannot be read."""
    return load_product_text(path.read_bytes(), str(path))


def load_product_text(data: bytes, name: str) -> Terms:
    """The same from a file's bytes; `name` stands in the problems. Raises TermsInvalid."""
    tree, problems = read_authored(data, name, _PRODUCT)
    if problems:
        raise TermsInvalid(problems)
    return build(to_document(tree), tree.get("uncertain", ()))


def check_product(path: Path) -> list[Problem]:
    """What is wrong with a product file, in its order; empty when nothing. Raises OSError."""
    return read_authored(path.read_bytes(), str(path), _PRODUCT)[1]


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
        raise TermsInvalid([_of_document(pointer(f.path), f.rule, f.message) for f in findings])
    terms = build(to_document(authored))
    if terms.document != document:
        message = "sets are sorted and empty keys are left out"
        raise TermsInvalid([_of_document("", "document.not_canonical", message)])
    return terms


def _of_document(pointer: str, rule: str, message: str) -> Problem:
    return Problem("terms document", 0, 0, pointer, rule, message)


def _check(plain: Any) -> list[Finding]:
    findings = schema_findings(_schema(), plain)
    if findings:
        return findings
    try:
        return check_rules(plain)
    except MoneyError as error:  # the schema's pattern admits nothing else; an amount must not crash a check
        return [Finding((), "money.precision", str(error))]


@cache
def _schema() -> Validator:
    return validator(
        resources.files("engine.terms").joinpath("product.schema.json").read_text(encoding="utf-8")
    )


_PRODUCT = Kind("product", MAX_BYTES, _check)
