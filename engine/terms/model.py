"""What a product promises, typed: money in fen, ratios in basis points (1/10000), codes in sets.

A frozen mirror of the terms document (engine.terms.document); adjudication reads nothing else. A field
exists only where adjudication acts on it.
"""

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from engine.money import Fen

BASIS = 10_000
"""Basis points in one: a ratio has precision 5,4 in the national list."""

OrderKey = Literal["settled_at", "discharged_on", "admitted_on", "setl_id"]
LadderBasis = Literal["continuous_years", "claim_free_years"]
Column = Literal["own_pay", "over_limit", "pre_self_pay"]


@dataclass(frozen=True, slots=True)
class Text:
    """One wording in the two languages a decision is explained in."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Period:
    """The edition's insured period, both days included."""

    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Tail:
    """How long after the policy's last day a stay that began before is still covered."""

    days: int
    unlimited_if_renewed: bool


@dataclass(frozen=True, slots=True)
class ListedItem:
    """A drug of a list: known by national code (prefixes) or by name; its diagnoses are ICD-10 prefixes."""

    name: str
    codes: tuple[str, ...]
    diagnoses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemList:
    """A drug list; `complete` is False while the public facts do not name every item."""

    complete: bool
    items: tuple[ListedItem, ...]


@dataclass(frozen=True, slots=True)
class LineSelector:
    """Which detail lines: fee categories, and where given a piece of the name (any of them)."""

    categories: frozenset[str]
    name_contains: tuple[str, ...]

    def names(self, name: str) -> bool:
        """Whether a line's name passes; its category is a matter of `categories`."""
        if not self.name_contains:
            return True
        for part in self.name_contains:  # noqa: SIM110 - on the hot path; a generator costs twice as much
            if part in name:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Concern:
    """Which settlements a benefit looks at; empty means any. Unclear ones a person must decide."""

    visit_types: frozenset[str]
    visit_types_unclear: frozenset[str]
    hospitals: tuple[str, ...]
    """Prefixes of fixmedins_code; a whole code is its own prefix."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """The gates of a benefit; an empty one is no gate, a fact that is unknown goes to review."""

    ward_types: frozenset[str]
    ward_types_unclear: frozenset[str]
    hospital_grade_min: int
    """1..3; 0 is no gate."""
    insured_areas: tuple[str, ...]
    """Prefixes of insuplc."""
    hospitals: tuple[str, ...]
    diagnoses: tuple[str, ...]
    """ICD-10 prefixes of the main diagnosis. Another one goes to review: coding practice varies."""


@dataclass(frozen=True, slots=True)
class LadderStep:
    at_least: int
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class Deductible:
    """An annual deductible (年度免赔额) with its no-claim or renewal ladder."""

    amount_fen: Fen
    ladder_by: LadderBasis | None
    steps: tuple[LadderStep, ...]
    """Ascending in years."""

    def for_years(self, years: int) -> Fen:
        """The year's deductible of someone with so many years on the ladder."""
        amount = self.amount_fen
        for step in self.steps:
            if years < step.at_least:
                break
            amount = step.amount_fen
        return amount


@dataclass(frozen=True, slots=True)
class Ratio:
    """Basis points; the reduced one applies to a person with a pre-existing condition (既往症)."""

    standard_bp: int
    pre_existing_bp: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A sub-limit on what is *paid*: an amount a year or a stay, or a count of occasions a year.

    An occasion is one calendar day. A line falls under the first limit that selects it.
    """

    id: str
    name: Text
    lines: LineSelector
    per_item: bool
    """True: each item has the limit to itself (one drug); False: all selected lines share it."""
    within: Literal["stay", "year"]
    paid_max_fen: Fen | None
    occasions_max: int | None
    item_code_prefix: dict[str, int]
    """First letter of the code -> how many characters name the item; otherwise the whole code does."""

    def item(self, code: str) -> str:
        if not self.per_item:
            return ""
        return code[: self.item_code_prefix.get(code[:1], len(code))]


@dataclass(frozen=True, slots=True)
class Benefit:
    code: str
    name: Text
    clause: Text
    concerns: Concern
    requires: Requirements
    lines: LineSelector | None
    """None: the settlement's own totals are the base and no detail line is needed."""
    items: ItemList | None
    base: tuple[Column, ...]
    deductible: Deductible | None
    ratio: Ratio
    cap_fen: Fen | None
    """On what is paid in the policy year."""
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """One edition of one product. Equal documents make equal Terms and the same digest."""

    product: str
    edition: str
    name: Text
    clause: Text
    """The rules common to all benefits: period, indemnity, order, rounding."""
    period: Period | None
    order_by: tuple[OrderKey, ...]
    stay_belongs_to: Literal["admission", "discharge"] | None
    tail: Tail | None
    aggregate_cap_fen: Fen | None
    rounding: Literal["half_up_fen_once"]
    benefits: tuple[Benefit, ...]
    """In the order in which they are evaluated: a line goes to the first that takes it."""
    canonical: str
    """The RFC 8785 text of the terms document."""
    digest_hex: str
    """sha256 of its UTF-8 bytes."""
    uncertain: tuple[str, ...] = field(default=(), compare=False)
    """What the public facts leave open, for whoever reads the file; no part of the document."""

    @property
    def document(self) -> dict[str, Any]:
        """The canonical JSON value: whole numbers and strings only. A fresh copy each time."""
        document: dict[str, Any] = json.loads(self.canonical)
        return document

    @property
    def full_name(self) -> str:
        """The edition's own name, e.g. "huhuibao-2021"; also the stem of its clause ids."""
        return f"{self.product}-{self.edition}"
