"""One policy as adjudication sees it: dates, status frozen at enrolment, place on the ladder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.adjudication.documents import DocumentInvalid, Reader


@dataclass(frozen=True, slots=True)
class Coverage:
    """What decides; who is insured, who is paid and the policy number are not here."""

    product: str
    """The product's name, or its edition's full name ("huhuibao" or "huhuibao-2024")."""
    edition: str
    effective: date
    expires: date
    """Both days covered."""
    pre_existing: tuple[str, ...]
    """Classes of pre-existing conditions (既往症), frozen at enrolment."""
    continuous_years: int
    """Whole policy years of unbroken cover before this policy."""
    claim_free_years: int
    """Whole policy years without a paid claim before this policy, unbroken."""
    renewed: bool
    """A policy of the next period follows without a gap."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Coverage":
        """Read a coverage document; policy_no, person, payee and family may be left out (minimised evidence).

        Raises DocumentInvalid with every violation. `pre_existing` is required: leaving it out by
        mistake would pay the higher ratio.
        """
        reader = Reader(document, "coverage")
        reader.only(
            *("policy_no", "product", "edition", "person", "effective", "expires", "pre_existing"),
            *("continuous_years", "claim_free_years", "renewed", "payee", "family"),
        )
        coverage = cls(
            product=reader.text("product"),
            edition=reader.text("edition"),
            effective=reader.day("effective"),
            expires=reader.day("expires"),
            pre_existing=reader.texts("pre_existing"),
            continuous_years=reader.count("continuous_years", 0),
            claim_free_years=reader.count("claim_free_years", 0),
            renewed=reader.flag("renewed"),
        )
        if not reader.violations and coverage.expires < coverage.effective:
            reader.refuse("expires", "dates", "is before effective")
        if reader.violations:
            raise DocumentInvalid(reader.violations)
        return coverage
