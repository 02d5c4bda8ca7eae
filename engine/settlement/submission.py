"""Intake in one pass: bytes in, everything that is kept of a settlement out, each value read once."""

from dataclasses import dataclass
from typing import Any

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
    """A settlement that passed every rule. identity is None when identity_missing says why."""

    settlement: Settlement
    document: dict[str, Any]
    """The minimised document."""
    digest: bytes
    identity: PersonIdentity | None
    identity_missing: str | None
    warnings: tuple[Violation, ...]


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
    return Submission(
        settlement=settlement,
        document=document_of(settlement),
        digest=content_digest(native),
        identity=identity,
        identity_missing=missing,
        warnings=tuple(checked.warnings),
    )
