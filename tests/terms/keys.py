"""Which keys of the schema a product uses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SCHEMA = Path(__file__).resolve().parents[2] / "engine" / "terms" / "product.schema.json"


def schema_keys() -> set[str]:
    """Every key that some part of a product may have."""
    return set(_properties(json.loads(_SCHEMA.read_text(encoding="utf-8"))))


def used_keys(product: Any) -> set[str]:
    """Every key of an authored product, but for codes that are keys (item_code_prefix)."""
    return set(_keys(product))


def _properties(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "properties":
            yield from value
        yield from _properties(value)


def _keys(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield key
        yield from _keys(value if key != "item_code_prefix" else {})
    for value in node if isinstance(node, list) else ():
        yield from _keys(value)
