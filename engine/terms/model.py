"""What a product promises, typed: money in fen, ratios in basis points (1/10000), codes in sets.

A frozen mirror of the terms document (engine.terms.document); adjudication reads nothing else. A field
exists only where adjudication acts on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from engine.money import Fen

BASIS = 10_000
"""Basis points in one: a ratio has precision 5,4 in the national list."""

OrderKey = Literal["settled_at", "discharged_on", "admitted_on", "setl_id"]
LadderBasis = Literal["continuous_years", "claim_free_years"]
Column = Literal["own_pay", "over_limit", "pre_self_pay", "in_scope", "self_pay"]
Within = Literal["stay", "year"]
Apart = Literal["nothing", "item", "line", "day"]
ReducedBy = Literal["person", "cause", "stay"]
"""What a pre-existing condition reduces: all that the person has, stays because of it (by main diagnosis), or
stays at which it was treated too (by any diagnosis)."""


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
    first_day: date
    last_day: date
    """On the list for costs of these days, both included; date.min and date.max where open."""


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
    waiting_days: int
    """A stay that begins earlier than so many days after the policy's first is not covered (等待期); 0 is
    none. Whoever comes without a gap from a policy before has waited."""


@dataclass(frozen=True, slots=True)
class LadderStep:
    at_least: int
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class Deductible:
    """A deductible (免赔额), of the policy year or of each stay, with its no-claim or renewal ladder."""

    amount_fen: Fen
    ladder_by: LadderBasis | None
    steps: tuple[LadderStep, ...]
    """Ascending in years."""
    within: Within
    shared_id: str
    """Of the terms' shared deductible that this is; empty for a benefit's own."""
    family: bool
    """Borne once by all policies of the family together."""

    def for_years(self, years: int) -> Fen:
        """The year's deductible of someone with so many years on the ladder."""
        amount = self.amount_fen
        for step in self.steps:
            if years < step.at_least:
                break
            amount = step.amount_fen
        return amount


@dataclass(frozen=True, slots=True)
class Rate:
    """Basis points; the reduced one applies where the terms reduce for a pre-existing condition (既往症)."""

    standard_bp: int
    pre_existing_bp: int

    def bp(self, reduced: bool) -> int:
        return self.pre_existing_bp if reduced else self.standard_bp


@dataclass(frozen=True, slots=True)
class RatioRow:
    """A row of a ratio matrix: its rate applies where all that it names fits; what is empty always does."""

    hospital_grades: frozenset[int]
    hospitals: tuple[str, ...]
    """Prefixes of fixmedins_code."""
    insured_areas: tuple[str, ...]
    continuous_years_min: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Tier:
    """The rate of what lies above an amount (分段赔付), up to the next tier's."""

    above_fen: Fen
    rate: Rate


@dataclass(frozen=True, slots=True)
class Ratio:
    """What share of the costs beyond the deductible is paid."""

    rate: Rate
    """Where no row fits and there are no tiers."""
    rows: tuple[RatioRow, ...]
    """The first that fits applies."""
    tiers: tuple[Tier, ...]
    """Ascending, from 0; of the costs beyond the deductible."""
    tiers_within: Within
    public: bool = True
    """False: no public source says what is paid, and a person has to decide."""

    @property
    def reduces(self) -> bool:
        """Whether a pre-existing condition can make a difference."""
        rates = [self.rate, *[row.rate for row in self.rows], *[tier.rate for tier in self.tiers]]
        return any(rate.standard_bp != rate.pre_existing_bp for rate in rates)


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
    within: Literal["line", "stay", "year"]
    paid_max_fen: Fen | None
    occasions_max: int | None
    item_code_prefix: dict[str, int]
    """First letter of the code -> how many characters name the item; otherwise the whole code does."""

    apart: Apart = field(init=False, compare=False, repr=False)
    """What it counts for itself, each with the whole limit or as one occasion."""

    def __post_init__(self) -> None:
        apart: Apart = "item" if self.per_item else "nothing"
        if self.within == "line":
            apart = "line"
        object.__setattr__(self, "apart", "day" if self.occasions_max else apart)


@dataclass(frozen=True, slots=True)
class BasePart:
    """Columns that count (自费, 超限价, ...), of the lines of some fee categories; empty: of all lines."""

    categories: frozenset[str]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Fixed:
    """An amount that does not depend on the cost (定额给付): for each day in hospital or for each stay."""

    amount_fen: Fen
    per: Literal["day", "stay"]
    days_after: int
    """Days of each stay that are not paid for."""
    days_max_stay: int | None
    days_max_year: int | None


@dataclass(frozen=True, slots=True)
class SharedCap:
    """On what some benefits pay together, in the policy year or for one stay."""

    id: str
    name: Text
    benefits: frozenset[str]
    paid_max_fen: Fen
    within: Within


@dataclass(frozen=True, slots=True)
class Condition:
    """A class of pre-existing conditions (既往症分类): ICD-10 prefixes."""

    code: str
    name: Text
    diagnoses: tuple[str, ...]
    reduced_by: ReducedBy


@dataclass(frozen=True, slots=True)
class CoInsurer:
    """One of the pool (共保体); the last one takes what the others' shares, rounded down, leave."""

    name: str
    share_bp: int


@dataclass(frozen=True, slots=True)
class Version:
    """Which wording of an edition this is: it holds for stays from one day, and is known from another.

    A version that holds from before it was known is retroactive: what was decided is decided again.
    """

    number: int
    holds_from: date
    known_from: date


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
    base: tuple[BasePart, ...]
    """Empty where `fixed` says what is paid."""
    fixed: Fixed | None
    deductible: Deductible | None
    ratio: Ratio
    cap_fen: Fen | None
    """On what is paid in the policy year."""
    stay_cap_fen: Fen | None
    limits: tuple[Limit, ...]
    limits_of: Mapping[str, tuple[tuple[int, Limit, bool], ...]] = field(
        init=False, compare=False, repr=False
    )
    """Fee category that the benefit takes -> the limits that may select its lines, with their index, and
    whether it depends on the line's name."""
    columns: frozenset[Column] = field(init=False, compare=False, repr=False)
    """Every column that counts for some line."""
    counted: tuple[tuple[int, Limit], ...] = field(init=False, compare=False, repr=False)
    """The limits that count occasions, with their index."""
    least_limit_fen: Fen | None = field(init=False, compare=False, repr=False)
    """The lowest of what limits pay at most; None where none says an amount."""

    def __post_init__(self) -> None:
        categories = sorted(self.lines.categories) if self.lines else []
        limits = {
            category: tuple(
                (i, one, bool(one.lines.name_contains))
                for i, one in enumerate(self.limits)
                if category in one.lines.categories
            )
            for category in categories
        }
        object.__setattr__(self, "limits_of", limits)
        columns = frozenset(column for part in self.base for column in part.columns)
        object.__setattr__(self, "columns", columns)
        counted = tuple((i, one) for i, one in enumerate(self.limits) if one.occasions_max is not None)
        object.__setattr__(self, "counted", counted)
        amounts = [one.paid_max_fen for one in self.limits if one.paid_max_fen is not None]
        object.__setattr__(self, "least_limit_fen", min(amounts, default=None))


@dataclass(frozen=True, slots=True)
class Terms:
    """One edition of one product. Equal documents make equal Terms and the same digest."""

    product: str
    edition: str
    name: Text
    clause: Text
    """The rules common to all benefits: period, indemnity, order, rounding."""
    version: Version | None
    period: Period | None
    order_by: tuple[OrderKey, ...]
    stay_belongs_to: Literal["admission", "discharge", "each_day"] | None
    tail: Tail | None
    conditions: tuple[Condition, ...]
    reduced_by: ReducedBy
    """What a class reduces that is not among `conditions`; these say it each."""
    caps: tuple[SharedCap, ...]
    aggregate_cap_fen: Fen | None
    co_insurers: tuple[CoInsurer, ...]
    rounding: Literal["half_up_fen_once", "half_up_fen_year"]
    """Once for each benefit of a settlement, or of the policy year: then a settlement gets the difference."""
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
