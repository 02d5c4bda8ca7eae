"""The documents of a claim in their evidence form: what an auditor needs, and nothing that names a person.

A policy number, a person, an account or a settlement number is replaced by a salted commitment. Whoever must
open one (a court, the insured) gets the value and its salt from the insurer and recomputes it; a bundle
gives neither. The engine adjudicates on these same forms, so that a verifier's re-run sees what it saw.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.adjudication.ruling import payable_of, ruling_of
from engine.evidence.canonical import commitment
from engine.evidence.errors import DocumentInvalid
from engine.evidence.manifest import Document, hex32, scope_document
from engine.evidence.salts import ClaimSalts, PolicySalts
from engine.settlement.model import MINIMISED_SCHEMA

COVERAGE_SECRETS = ("policy_no", "person", "payee")
COVERAGE_COMMITMENTS = ("policy_commitment", "person_commitment", "payee_commitment", "subject")
_REFERENCE_DIGITS = 32
"""Hexadecimal digits of a settlement's reference: 128 bits, within the 40 characters of an identifier."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an authorization allows: one purpose, one recipient, one product (PIPL 23, 29)."""

    purpose: str
    recipient: str
    product: str


@dataclass(frozen=True, slots=True)
class SignedGrant:
    """What was signed to consent (EIP-712 Grant of AuthorizationRegistry), bytes as 0x hexadecimal.

    insured and guardian are addresses, the latter zero where the insured signed; the times are seconds since
    1970, signature is 65 bytes r, s, v.
    """

    authorization_id: str
    subject: str
    scope: str
    consent_digest: str
    insured: str
    guardian: str
    expires_s: int
    nonce: int
    deadline_s: int
    signature: str


def coverage_document(coverage: Mapping[str, Any], salts: PolicySalts, subject: bytes) -> Document:
    """A coverage as loaded -> its evidence form; subject is the authorization's, 32 bytes.

    Everything but the policy number, the person and the payee is kept, and whose family it is: what counts
    of that stands in the history. The payee may be missing.
    Raises DocumentInvalid when the policy number or the person is missing, or a commitment is there already.
    """
    for name in ("policy_no", "person"):
        if name not in coverage:
            raise DocumentInvalid(f"coverage: {name} is missing")
    for name in COVERAGE_COMMITMENTS:
        if name in coverage:
            raise DocumentInvalid(f"coverage: {name} is set by the evidence, not by the coverage")
    return {
        **coverage_alone(coverage),
        "policy_commitment": hex32(commitment(salts.policy, coverage["policy_no"])),
        "person_commitment": hex32(commitment(salts.person, coverage["person"])),
        "payee_commitment": hex32(commitment(salts.payee, coverage.get("payee"))),
        "subject": hex32(subject),
    }


def coverage_alone(coverage: Mapping[str, Any]) -> Document:
    """A coverage as loaded -> what Coverage.parse takes of it, and nothing of who is insured."""
    return {name: value for name, value in coverage.items() if name not in (*COVERAGE_SECRETS, "family")}


def coverage_for_adjudication(document: Mapping[str, Any]) -> Document:
    """A coverage document without what only evidence needs: what Coverage.parse takes."""
    return {name: value for name, value in document.items() if name not in COVERAGE_COMMITMENTS}


def settlement_document(minimised: Mapping[str, Any], salts: ClaimSalts) -> Document:
    """A minimised settlement (engine.settlement.minimise) -> its evidence form: a reference for its number.

    Adjudicate on this form, so that decisions and histories carry the reference too. Raises DocumentInvalid
    for a native settlement, which would carry the person into the evidence.
    """
    setlinfo = minimised.get("setlinfo")
    if minimised.get("schema") != MINIMISED_SCHEMA or not isinstance(setlinfo, Mapping):
        raise DocumentInvalid(f"settlement: schema is not {MINIMISED_SCHEMA!r}; minimise it first")
    reference = settlement_reference(str(setlinfo["setl_id"]), salts)
    return {**minimised, "setlinfo": {**setlinfo, "setl_id": reference}}


def settlement_reference(setl_id: str, salts: ClaimSalts) -> str:
    """What stands for a settlement number in evidence; stable over all versions of a claim."""
    return reference_of(setl_id, salts.settlement_reference)


def reference_of(setl_id: str, salt: bytes) -> str:
    return "E-" + commitment(salt, {"setl_id": setl_id}).hex()[:_REFERENCE_DIGITS]


def consent_document(text: str, scope: Scope, signed: SignedGrant) -> Document:
    """The words agreed to, what they allow, and the signature of the insured or the guardian over both."""
    return {
        "text": text,
        "scope": scope_document(scope.purpose, scope.recipient, scope.product),
        "grant": {
            "id": signed.authorization_id.lower(),
            "subject": signed.subject.lower(),
            "scope": signed.scope.lower(),
            "consent_digest": signed.consent_digest.lower(),
            "insured": signed.insured.lower(),
            "guardian": signed.guardian.lower(),
            "expires": signed.expires_s,
        },
        "nonce": signed.nonce,
        "deadline": signed.deadline_s,
        "signature": signed.signature.lower(),
    }


def decision_elsewhere(decision: Mapping[str, Any], fixed: Collection[str] = ()) -> Document:
    """Another policy's decision on the same settlement, for a history: what of the cost it pays, and nothing
    of how. fixed: benefits that pay a fixed amount, whatever the cost; those leave no less of it.
    """
    paid = payable_of(decision)
    if ruling_of(decision) is None:
        paid -= sum(one["payable_fen"] for one in decision["benefits"] if one["code"] in fixed)
    return {
        "terms": decision["terms"],
        "decision": "pay" if paid else "nothing",
        "settlement": decision["settlement"],
        "used": {"all": _used(0, paid)} if paid else {},
    }


def decision_of_family(decision: Mapping[str, Any]) -> Document:
    """A decision of a family's other policy, for a history: what it bore of each deductible, and when.

    Where the other person was treated is nobody's business here.
    """
    return {
        "terms": decision["terms"],
        "decision": decision["decision"],
        "settlement": {**decision["settlement"], "fixmedins_code": "withheld"},
        "used": {
            code: _used(used["deductible_fen"], 0)
            for code, used in decision["used"].items()
            if used["deductible_fen"]
        },
    }


def _used(deductible_fen: int, paid_fen: int) -> Document:
    return {"deductible_fen": deductible_fen, "paid_fen": paid_fen, "limits": {}}


@dataclass(frozen=True, slots=True)
class Payment:
    """A settled transfer. previously_paid_fen: paid by earlier versions of the claim; 0 for version 1.

    set_off_fen: what overpayments of the policy's other claims have settled of it; below 0, what its own
    has settled of others.
    """

    payout_id: str
    version: int
    amount_fen: int
    previously_paid_fen: int
    bank_ref: str
    settled_at: datetime
    set_off_fen: int = 0


def covered_document(
    version: int, payable_fen: int, paid_fen: int, payee_commitment: str, set_off_fen: int = 0
) -> Document:
    """In a payment's place, for a version that pays nothing more: earlier ones have paid at least as much.

    paid_fen: by all of them. set_off_fen: as of a Payment. What exceeds payable_fen is to be recovered.
    """
    settled = paid_fen + set_off_fen
    if (version < 2 and not set_off_fen) or not 0 <= payable_fen <= settled:
        raise DocumentInvalid("covered: the version pays more than was paid, or is the first")
    return {
        "version": version,
        "amount_fen": 0,
        "previously_paid_fen": paid_fen,
        "to_recover_fen": settled - payable_fen,
        **({"set_off_fen": set_off_fen} if set_off_fen else {}),
        "status": "covered",
        "payee_commitment": payee_commitment,
    }


def payment_document(payment: Payment, payee_commitment: str) -> Document:
    """The payment whose digest is confirmed on chain. payee_commitment is the coverage document's."""
    if payment.settled_at.tzinfo is None:
        raise DocumentInvalid("payment: settled_at has no time zone")
    if payment.amount_fen <= 0 or payment.previously_paid_fen < 0 or payment.version < 1:
        raise DocumentInvalid("payment: amount, earlier payments or version out of range")
    return {
        "payout_id": payment.payout_id,
        "version": payment.version,
        "amount_fen": payment.amount_fen,
        "previously_paid_fen": payment.previously_paid_fen,
        **({"set_off_fen": payment.set_off_fen} if payment.set_off_fen else {}),
        "status": "settled",
        "bank_ref": payment.bank_ref,
        "settled_at": payment.settled_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "payee_commitment": payee_commitment,
    }
