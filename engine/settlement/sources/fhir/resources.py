"""The resources of a document by reference, each held to FHIR's own definition when it is used."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from engine.settlement.errors import Violation
from engine.settlement.sources.fhir.document import Entry
from engine.settlement.sources.fhir.elements import node, text

Version = Literal["R4", "R5"]

USED: Final = frozenset(
    {"Claim", "ExplanationOfBenefit", "Encounter", "Patient", "Coverage"}
    | {"Condition", "Procedure", "Organization"}
    | {"DiagnosticReport", "Observation"}
)
_PACKAGES: Final[Mapping[Version, str]] = {"R4": "fhir.resources.R4B", "R5": "fhir.resources"}
"""R4 resources are valid under R4B, which changed none of these types."""
_MOST_PROBLEMS: Final = 20
_LONGEST_NAME: Final = 64


class Resources:
    """The entries of one document. Where nobody says its version, its encounters and coverages show it."""

    def __init__(self, entries: Sequence[Entry], version: Version | None = None) -> None:
        self.entries = list(_with_bills_inside(entries))
        self.version: Version = version or _version_of(self.entries)
        self._by_reference: dict[str, list[Entry]] = {}
        self._inside: dict[str, dict[str, list[Entry]]] = {}
        self._problems: dict[str, tuple[Violation, ...]] = {}
        for entry in entries:
            if entry.type in USED:
                self._name(entry)

    def _name(self, entry: Entry) -> None:
        identity = text(entry.resource.get("id"))
        names = {entry.full_url, f"{entry.type}/{identity}" if identity else ""} - {""}
        for name in names:
            self._by_reference.setdefault(name, []).append(entry)

    def of_type(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.type == kind]

    def resolve(self, reference: object, within: Entry) -> Entry | None:
        """What a Reference points at, if that is in the document exactly once."""
        target = text(node(reference).get("reference")).partition("/_history/")[0]
        if target.startswith("#"):
            container = within.container or within
            if target == "#":
                return container
            found = self._contained(container).get(target[1:], [])
        else:
            found = self._by_reference.get(target, [])
        if not found and target.count("/") > 1:
            # An absolute address finds a resource that came without one, never another server's.
            known = self._by_reference.get("/".join(target.rsplit("/", 2)[1:]), [])
            found = [entry for entry in known if not entry.full_url.startswith("http")]
        return found[0] if len(found) == 1 else None

    def _contained(self, container: Entry) -> dict[str, list[Entry]]:
        """By id; kept, since every row of a claim may refer into it."""
        if container.pointer not in self._inside:
            by_id = self._inside.setdefault(container.pointer, {})
            for entry in container.contained():
                by_id.setdefault(text(entry.resource.get("id")), []).append(entry)
        return self._inside[container.pointer]

    def problems(self, entry: Entry) -> tuple[Violation, ...]:
        """What FHIR's definition of the type has against the resource; found once."""
        if entry.pointer not in self._problems:
            self._problems[entry.pointer] = tuple(_problems(entry, self.version))
        return self._problems[entry.pointer]


def _with_bills_inside(entries: Sequence[Entry]) -> Iterator[Entry]:
    """A claim sent alone may contain the explanation of its benefits."""
    for entry in entries:
        yield entry
        if entry.type == "Claim":
            yield from (inner for inner in entry.contained() if inner.type == "ExplanationOfBenefit")


def _version_of(entries: Sequence[Entry]) -> Version:
    """By what R5 renamed or requires anew, and R4 does not know."""
    for entry in entries:
        for one in (entry, *entry.contained()):
            of_encounter = one.type == "Encounter" and (
                type(one.resource.get("class")) is list or "actualPeriod" in one.resource
            )
            if of_encounter or (one.type == "Coverage" and "kind" in one.resource):
                return "R5"
    return "R4"


@cache
def model_of(version: Version, kind: str) -> type[BaseModel]:
    """The library's class of a resource type."""
    # Imported when first needed: the package takes half a second, and most programs read no FHIR.
    module = import_module(f"{_PACKAGES[version]}.{kind.lower()}")
    model: type[BaseModel] = getattr(module, kind)
    return model


def _problems(entry: Entry, version: Version) -> Iterator[Violation]:
    try:
        model_of(version, entry.type).model_validate(entry.resource)
    except ValidationError as refused:
        found = refused.errors(include_url=False, include_input=False, include_context=False)
        for problem in found[:_MOST_PROBLEMS]:
            yield Violation(
                entry.pointer + _pointer(problem["loc"]),
                "source.fhir.resource",
                _MEANINGS.get(problem["type"], f"does not have the form that FHIR {version} gives it"),
            )
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        # The library answers some nonsense (a contained resource of no known type) with a bare error.
        yield Violation(entry.pointer, "source.fhir.resource", f"cannot be read as FHIR {version}")


_MEANINGS: Final = {
    "missing": "is required by FHIR",
    "extra_forbidden": "is not an element that FHIR knows here",
}
"""Said in our own words: the library's may repeat a value."""


def _pointer(steps: Sequence[Any]) -> str:
    """RFC 6901; a name that the sender made up is cut short."""
    return "".join(f"/{str(step)[:_LONGEST_NAME].replace('~', '~0').replace('/', '~1')}" for step in steps)
