"""Intake in one pass: bytes in, everything that is kept of a settlement out, each value read once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from engine.settlement.body import parse_body
from engine.settlement.digest import content_digest
from engine.settlement.errors import IdentityMissing, Violation
from engine.settlement.hospitals import HospitalRegister
from engine.settlement.identity import PersonIdentity, identity_of
from engine.settlement.minimise import document_of
from engine.settlement.model import Settlement
from engine.settlement.validation import check


@dataclass(frozen=True, slots=True)
class Submission:
    """A settlement that passed every rule: what is kept of it, and little enough to send between processes.

    identity is None when identity_missing says why.
    """

    hospital_code: str
    setl_id: str
    visit_type: str
    main_diagnosis: str | None
    categories: frozenset[str]
    """Fee categories of its lines."""
    admitted_on: date
    discharged_on: date
    settled_at: datetime
    document: dict[str, Any]
    """The minimised document."""
    digest: bytes
    identity: PersonIdentity | None
    identity_missing: str | None
    warnings: tuple[Violation, ...]

    @classmethod
    def of(
        cls,
        settlement: Settlement,
        document: dict[str, Any],
        digest: bytes,
        warnings: Iterable[Violation],
        identity: PersonIdentity | None = None,
        identity_missing: str | None = None,
    ) -> Self:
        return cls(
            hospital_code=settlement.hospital_code,
            setl_id=settlement.setl_id,
            visit_type=settlement.visit_type,
            main_diagnosis=settlement.main_diagnosis,
            categories=frozenset(line.category for line in settlement.lines),
            admitted_on=settlement.admitted_on,
            discharged_on=settlement.discharged_on,
            settled_at=settlement.settled_at,
            document=document,
            digest=digest,
            identity=identity,
            identity_missing=identity_missing,
            warnings=tuple(warnings),
        )


def read_submission(raw: bytes, register: HospitalRegister) -> Submission:
    """The same as parse_body, validate, Settlement.parse, minimise, content_digest and identity_of.

    Raises BodyRefused, SettlementInvalid.
    """
    native = parse_body(raw)
    checked = check(native)
    settlement = Settlement.of(checked, register)
    identity, missing = None, None
    try:
        identity = identity_of(native)
    except IdentityMissing as error:
        missing = error.reason
    document, digest = document_of(settlement), content_digest(native)
    return Submission.of(settlement, document, digest, checked.warnings, identity, missing)
