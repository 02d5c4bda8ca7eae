"""What goes on chain about a claim: its key, the digest of its result, the digest of its payment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.evidence.canonical import commitment, digest
from engine.evidence.salts import AuthorizationSalts, ClaimSalts

Document = dict[str, Any]
"""A JSON object without floats."""


@dataclass(frozen=True, slots=True)
class Documents:
    """The six documents a result stands on, each in its evidence form (engine.evidence.documents).

    terms is the terms' own canonical document, history {"decisions": [...]} as it was given to the
    adjudication, decision what came out of it.
    """

    terms: Document
    coverage: Document
    settlement: Document
    history: Document
    decision: Document
    consent: Document


def manifest_of(documents: Documents, salts: ClaimSalts) -> dict[str, str]:
    """Name -> 0x digest. Terms are public, so theirs is plain; every other is a salted commitment."""
    return {
        "terms": hex32(digest(documents.terms)),
        "coverage": hex32(commitment(salts.coverage, documents.coverage)),
        "settlement": hex32(commitment(salts.settlement, documents.settlement)),
        "history": hex32(commitment(salts.history, documents.history)),
        "decision": hex32(commitment(salts.decision, documents.decision)),
        "consent": hex32(commitment(salts.consent, documents.consent)),
    }


def result_digest(manifest: Mapping[str, str], salts: ClaimSalts) -> bytes:
    """resultDigest of MatchResultStore: sha256(salt || sha256(canonical manifest))."""
    return commitment(salts.manifest, dict(manifest))


def payout_digest(payment: Document, salts: ClaimSalts) -> bytes:
    """payoutDigest of MatchResultStore.confirmPayout, over documents.payment_document."""
    return commitment(salts.payment, payment)


def claim_key(hospital_code: str, setl_id: str, policy_no: str, salts: ClaimSalts) -> bytes:
    """The claim's name on chain, opened only by whoever holds the identifiers and the salt."""
    opening = {"fixmedins_code": hospital_code, "setl_id": setl_id, "policy_no": policy_no}
    return commitment(salts.claim_key, opening)


def subject_of(cert_type: str, cert_no: str, salt: bytes) -> bytes:
    """The authorization's subject: a salted commitment to the person's certificate, in its one spelling.

    Whoever has the certificate in hand, and is given the salt, sees whose consent it is.
    """
    return commitment(salt, {"cert_type": cert_type, "cert_no": cert_no})


def consent_digest(text: str, salts: AuthorizationSalts) -> bytes:
    """consentDigest of a Grant: a salted commitment to the words that were agreed to."""
    return commitment(salts.consent_text, text)


def scope_of(purpose: str, recipient: str, product: str) -> bytes:
    """What an authorization is for; also a task's purpose. Public, so a plain digest."""
    return digest(scope_document(purpose, recipient, product))


def scope_document(purpose: str, recipient: str, product: str) -> Document:
    return {"purpose": purpose, "recipient": recipient, "product": product}


def provider_dataset(address: str) -> bytes:
    """Under which a provider's discharges stand in the catalogue; its account on chain names them."""
    return digest({"dataset": "discharges of a provider", "provider": address.lower()})


def roll_update(epoch: int, number: int) -> bytes:
    """The schema digest under which an update's own digest stands, as a version of the roll's dataset."""
    return digest({"epoch": epoch, "update": number})


def terms_register(terms_digests: Iterable[str]) -> list[str]:
    """All terms in force when a task is opened, as 0x digests, each once and sorted."""
    return sorted({hex32(bytes.fromhex(text.removeprefix("0x"))) for text in terms_digests})


def terms_root(register: list[str]) -> bytes:
    """termsDigest of TaskScheduler.open: the digest of the terms register."""
    return digest(register)


def hex32(value: bytes) -> str:
    """32 bytes as they are written everywhere: 0x and 64 lower-case digits."""
    return "0x" + value.hex()
