"""Reading FHIR's data types, whatever stands there: a value of the wrong type reads as nothing.

`fhir.resources` has said by then what is wrong with it; here it must only never become a value.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from engine.settlement.checks import SHANGHAI

Node = Mapping[str, Any]

NATIONAL: Final = "urn:autoclaim:"
"""Our own URIs, where neither HL7 nor the insurance bureau has published one: docs/fhir.md."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_FRACTION = re.compile(r"\.[0-9]+")
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")


def node(value: object) -> Node:
    return value if isinstance(value, Mapping) else {}


def nodes(value: object) -> list[Node]:
    """The elements of a repeating element. One that does not repeat in another version is a list of one."""
    if isinstance(value, Mapping):
        return [value]
    return [element for element in value if isinstance(element, Mapping)] if isinstance(value, list) else []


def text(value: object) -> str:
    return value if type(value) is str else ""


def number(value: object) -> str:
    """A FHIR decimal or integer exactly as it was sent, without an exponent."""
    if type(value) is Decimal or type(value) is int:
        return format(value, "f") if type(value) is Decimal else str(value)
    stated = text(value)
    return stated if _NUMBER.fullmatch(stated) else ""


def amount(money: object) -> Decimal | None:
    """The value of a Money, exact."""
    stated = number(node(money).get("value"))
    return Decimal(stated) if stated else None


def shanghai(value: object) -> str:
    """A FHIR date or dateTime as a Shanghai day or second; nothing for a year, a month or a lie.

    A day without a time stays the day it is: whose day it is, nobody said.
    """
    stated = text(value)
    if not _DATE.fullmatch(stated) and not _INSTANT.fullmatch(stated):
        return ""
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", stated))
        if moment.tzinfo is None:
            return moment.date().isoformat()
        return moment.astimezone(SHANGHAI).replace(tzinfo=None).isoformat(" ", "seconds")
    except (ValueError, OverflowError):
        return ""


class Codes:
    """Says a coded value as one string: a standard code as itself, any other as `system|code`.

    `system|code` is FHIR's own way to write a token; it is what a mapping file names as the local code.
    """

    def __init__(self, systems: Mapping[str, str]) -> None:
        """systems: dictionary -> the system under which this source sends its standard codes."""
        self._systems = systems

    def token(self, concept: object, dictionary: str) -> str:
        """Of a CodeableConcept, its standard coding if it has one, else its first; of a Coding, itself."""
        chosen = self.coding(concept, dictionary)
        system, code = text(chosen.get("system")), text(chosen.get("code"))
        if not code or not system or self.is_standard(chosen, dictionary):
            return code
        return f"{system}|{code}"

    def coding(self, concept: object, dictionary: str) -> Node:
        element = node(concept)
        codings = [coding for coding in nodes(element.get("coding")) if text(coding.get("code"))]
        if text(element.get("code")):
            codings.append(element)
        standard = (coding for coding in codings if self.is_standard(coding, dictionary))
        return next(standard, codings[0] if codings else {})

    def is_standard(self, coding: Node, dictionary: str) -> bool:
        return text(coding.get("system")) == self._systems.get(
            dictionary, f"{NATIONAL}dictionary:{dictionary}"
        )


def display(concept: object, coding: Node) -> str:
    """What people call it: the words of the coding chosen, or of the whole."""
    return text(coding.get("display")) or text(node(concept).get("text"))


def identifiers(value: object, prefix: str) -> Iterator[tuple[str, str]]:
    """`prefix[system]` -> value, of an Identifier or many."""
    for identifier in nodes(value):
        stated = text(identifier.get("value"))
        if stated:
            yield f"{prefix}[{text(identifier.get('system'))}]", stated


def extensions(resource: Node, prefix: str) -> Iterator[tuple[str, str]]:
    """`prefix.extension[url]` -> value, of the extensions that hold one plain value."""
    for extension in nodes(resource.get("extension")):
        for name, value in extension.items():
            if not name.startswith("value"):
                continue
            if name in ("valueDate", "valueDateTime"):
                stated = shanghai(value)
            elif name == "valueMoney":
                stated = number(node(value).get("value"))
            else:
                stated = text(value) or number(value)
            if stated:
                yield f"{prefix}.extension[{text(extension.get('url'))}]", stated
