"""What a hospital calls things: one mapping file, which a clerk can write, for each of its systems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Format = Literal["table", "national", "fhir", "hl7v2", "x12"]


@dataclass(frozen=True, slots=True)
class CodeRule:
    """A local code stands for a standard one, on the days from first to last (both included)."""

    local: str
    standard: str
    first_day: date = date.min
    last_day: date = date.max


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """One version of one source's mapping. Equal documents have the same digest."""

    source: str
    """Name of the hospital's system, e.g. "renji-his"."""
    hospital: str
    """fixmedins_code."""
    format: Format
    number: int
    holds_from: date
    """The first day of receipt to which this version applies."""
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """node -> local name -> national name. A national name needs no entry."""
    ignore: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """node -> local names that are known and not listed by the purpose: dropped, and the drop counted."""
    constants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """node -> national name -> value where the source has none."""
    codes: Mapping[str, tuple[CodeRule, ...]] = field(default_factory=dict)
    """Standard dictionary -> its local codes."""
    layout: Mapping[str, Any] = field(default_factory=dict)
    """What the reader of the format needs to know: header rows, sheets, which system a code is of, ..."""
    digest_hex: str = ""
    """sha256 of the canonical document (RFC 8785)."""
