"""The terms document: one canonical JSON value per edition.

Three forms of the same terms, each with one way in and out:

    authored   the YAML a person writes: yuan (`*_yuan`), decimal ratios, notes on what is uncertain
    document   canonical JSON: fen (`*_fen`), basis points (`*_bp`), no notes; hashed, and carried as evidence
    Terms      typed and frozen (engine.terms.build); what adjudication reads
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.money import format_yuan, parse_yuan
from engine.terms.model import BASIS

UNORDERED = frozenset(
    {"visit_types", "visit_types_unclear", "ward_types", "ward_types_unclear", "categories", "columns"}
    | {"over", "hospitals", "hospital_grades", "insured_areas", "diagnoses", "codes", "name_contains"}
)
"""Lists that are sets: sorted in a document, so that their order in a file changes no digest."""

RATIOS = frozenset({"standard", "pre_existing", "share"})
"""Keys written as decimal strings and held as basis points."""

_Leaf = Callable[[str, Any], tuple[str, Any]]


def to_document(authored: Mapping[str, Any]) -> dict[str, Any]:
    """Authored form (already checked) -> document. Notes are left out: rewording one changes no terms.

    What says nothing (an empty gate, a default written out) is left out, so that it changes no digest.
    """
    document = _convert(authored, _fen_and_bp)
    document.pop("uncertain", None)
    return document


def to_authored(document: Mapping[str, Any]) -> dict[str, Any]:
    """Document -> authored form, for the one set of checks. Raises ValueError on fractions."""
    return _convert(document, _yuan_and_decimal)


def _convert(node: Mapping[str, Any], leaf: _Leaf) -> dict[str, Any]:
    converted = dict(_converted(node, leaf))
    if "standard_bp" in converted:
        converted.setdefault("pre_existing_bp", converted["standard_bp"])
    return {key: value for key, value in converted.items() if not _says_nothing(key, value)}


def _says_nothing(key: str, value: Any) -> bool:
    return value == {} or (key == "per_item" and value is False)


def _converted(node: Mapping[str, Any], leaf: _Leaf) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if key in ("base", *UNORDERED) and isinstance(value, list) and not _objects(value):
            yield key, sorted(value)
        elif isinstance(value, list):
            yield key, [_convert(item, leaf) if isinstance(item, Mapping) else item for item in value]
        elif isinstance(value, Mapping):
            yield key, _convert(value, leaf)
        else:
            yield leaf(key, value)


def _objects(items: list[Any]) -> bool:
    return any(isinstance(item, Mapping) for item in items)


def _fen_and_bp(key: str, value: Any) -> tuple[str, Any]:
    if key.endswith("_yuan"):
        return f"{key.removesuffix('_yuan')}_fen", int(parse_yuan(value))
    if key in RATIOS:
        return f"{key}_bp", int(Decimal(value) * BASIS)
    return key, value


def _yuan_and_decimal(key: str, value: Any) -> tuple[str, Any]:
    if key.endswith(("_fen", "_bp")) and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{key} is not a whole number: {value!r}")
    if key.endswith("_fen"):
        return f"{key.removesuffix('_fen')}_yuan", format_yuan(value)
    if key.endswith("_bp"):
        return key.removesuffix("_bp"), f"{Decimal(value) / BASIS:f}"
    return key, value
