"""Bytes to the resources of one FHIR document, bounded before anything is made of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from engine.settlement.body import parse_body
from engine.settlement.errors import BodyRefused, Violation
from engine.settlement.sources.fhir.elements import text
from engine.settlement.sources.record import SourceRefused

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
"""A life of 170 encounters and all their observations is 3 MB."""
MAX_CONTAINERS: Final = 250_000
"""Objects and lists: what costs memory and time. A settlement of 5,000 lines has 170,000."""
MAX_DEPTH: Final = 40
MAX_ENTRIES: Final = 50_000
BUNDLE_TYPES: Final = frozenset({"collection", "transaction", "batch", "searchset"})
"""Of the other types a response or a history holds no new record, and a message or document is a protocol of
its own."""
_ALONE: Final = frozenset({"Claim", "ExplanationOfBenefit"})
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One resource and where it stands. A contained one knows what contains it."""

    pointer: str
    """JSON pointer into the document: "/entry/3/resource", "" for a document that is one resource."""
    resource: Mapping[str, Any]
    full_url: str = ""
    container: "Entry | None" = field(default=None, repr=False)

    @property
    def type(self) -> str:
        return text(self.resource.get("resourceType"))

    def contained(self) -> Iterator["Entry"]:
        """The resources inside this one, of any type."""
        inside = self.resource.get("contained")
        for index, resource in enumerate(inside if type(inside) is list else ()):
            if type(resource) is dict:
                yield Entry(f"{self.pointer}/contained/{index}", resource, container=self)


def read_document(delivery: BinaryIO) -> list[Entry]:
    """The entries of a Bundle, or the one resource that the document is; `Parameters` around either is
    looked through, as `$submit` allows it. Raises SourceRefused."""
    raw = _read_bounded(delivery)
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise _refusal("", "source.fhir.too_large", f"is larger than {MAX_DOCUMENT_BYTES} bytes")
    # Counted over the bytes: a brace in a text counts too, and before parsing nothing has been spent.
    if raw.count(b"{") + raw.count(b"[") > MAX_CONTAINERS:
        raise _refusal("", "source.fhir.too_large", f"holds more than {MAX_CONTAINERS} objects and lists")
    try:
        document = parse_body(raw, MAX_DOCUMENT_BYTES, MAX_DEPTH)
    except BodyRefused as refused:
        # The same reasons as of a native body, under this source's name.
        raise SourceRefused(
            [
                Violation(
                    broken.field, broken.rule.replace("settlement.body.", "source.fhir."), broken.message
                )
                for broken in refused.violations
            ]
        ) from refused
    return _entries(document, "")


def _read_bounded(delivery: BinaryIO) -> bytes:
    """At most one byte more than is read of a document, so that nobody has to hold the rest."""
    chunks: list[bytes] = []
    missing = MAX_DOCUMENT_BYTES + 1
    while missing > 0 and (chunk := delivery.read(min(missing, _CHUNK))):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


def _entries(document: Mapping[str, Any], pointer: str) -> list[Entry]:
    kind = text(document.get("resourceType"))
    if kind == "Bundle":
        return _of_bundle(document, pointer)
    if kind in _ALONE:
        return [Entry(pointer, document)]
    parameters = document.get("parameter")
    if kind == "Parameters" and not pointer and type(parameters) is list:
        for index, parameter in enumerate(parameters):
            if type(parameter) is dict and parameter.get("name") == "resource":
                inner = parameter.get("resource")
                return _entries(inner if type(inner) is dict else {}, f"/parameter/{index}/resource")
    raise _refusal(
        f"{pointer}/resourceType",
        "source.fhir.resource_type",
        "must be a Bundle, a Claim or an ExplanationOfBenefit",
    )


def _of_bundle(bundle: Mapping[str, Any], pointer: str) -> list[Entry]:
    if text(bundle.get("type")) not in BUNDLE_TYPES:
        raise _refusal(
            f"{pointer}/type", "source.fhir.bundle_type", f"must be one of {', '.join(sorted(BUNDLE_TYPES))}"
        )
    rows = bundle.get("entry", [])
    if type(rows) is not list or len(rows) > MAX_ENTRIES:
        raise _refusal(
            f"{pointer}/entry", "source.fhir.bundle_entry", f"must be a list of at most {MAX_ENTRIES} entries"
        )
    entries = []
    for index, row in enumerate(rows):
        resource = row.get("resource", {}) if type(row) is dict else None
        if type(resource) is not dict:
            raise _refusal(
                f"{pointer}/entry/{index}", "source.fhir.bundle_entry", "must be an object with a resource"
            )
        full_url = row.get("fullUrl")
        entries.append(Entry(f"{pointer}/entry/{index}/resource", resource, text(full_url)))
    return entries


def _refusal(pointer: str, rule: str, message: str) -> SourceRefused:
    return SourceRefused([Violation(pointer, rule, message)])
