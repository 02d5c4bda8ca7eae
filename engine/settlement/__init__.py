"""One standard settlement: native body in, rules, minimised document and identity out."""

from engine.settlement.body import MAX_BODY_BYTES, parse_body
from engine.settlement.digest import content_digest
from engine.settlement.errors import (
    BodyRefused,
    IdentityMissing,
    SettlementError,
    SettlementInvalid,
    Violation,
)
from engine.settlement.hospitals import Hospital, HospitalRegister, load_register
from engine.settlement.identity import (
    CertificateInvalid,
    PersonIdentity,
    identity_of,
    mother_of,
    normalise_certificate,
    normalise_name,
)
from engine.settlement.minimise import minimise
from engine.settlement.model import DetailLine, Settlement
from engine.settlement.reversal import Reversal, validate_reversal
from engine.settlement.rules import RULES, Rule
from engine.settlement.submission import Submission, read_submission
from engine.settlement.validation import Checked, check, validate

__all__ = [
    "MAX_BODY_BYTES",
    "RULES",
    "BodyRefused",
    "CertificateInvalid",
    "Checked",
    "DetailLine",
    "Hospital",
    "HospitalRegister",
    "IdentityMissing",
    "PersonIdentity",
    "Reversal",
    "Rule",
    "Settlement",
    "SettlementError",
    "SettlementInvalid",
    "Submission",
    "Violation",
    "check",
    "content_digest",
    "identity_of",
    "load_register",
    "minimise",
    "mother_of",
    "normalise_certificate",
    "normalise_name",
    "parse_body",
    "read_submission",
    "validate",
    "validate_reversal",
]
