"""The nodes that a source may state, by name, with their fields: the list's, and what comes beside it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.settlement.fields import ALIASES, DICTIONARY_OF, LISTS, SETLINFO, Field
from engine.settlement.reversal import REVERSAL
from engine.settlement.sources.beside import RECONCILIATION, REPORT, RESULT, STATEMENT

NODES: Final[Mapping[str, Mapping[str, Field]]] = MappingProxyType(
    {
        node: MappingProxyType({field.name: field for field in fields})
        for node, fields in (
            ("setlinfo", SETLINFO),
            *((name, node.fields) for name, node in LISTS.items()),
            ("reversal", REVERSAL),
            ("reconciliation", RECONCILIATION),
            ("statement", STATEMENT),
            ("report", REPORT),
            ("result", RESULT),
        )
    }
)
"""node -> national name -> field. What stands in none of them, the purpose does not list."""

DICTIONARIES: Final[frozenset[str]] = frozenset(DICTIONARY_OF.values())
"""The dictionaries that some field takes its codes from."""


def national_name(node: str, name: str) -> str | None:
    """A national name, or the one that a vendor's known name stands for; None where there is none."""
    if name in NODES.get(node, {}):
        return name
    return ALIASES.get(node, {}).get(name)


def dictionary_of(field: Field) -> str | None:
    """The dictionary that a field takes its codes from."""
    return DICTIONARY_OF.get(field.check)
