"""The steps about the papers: are they the ones that were committed to, and do they agree with each other."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from engine.evidence.anchors import ChainReader
from engine.evidence.bundle import Bundle
from engine.evidence.canonical import commitment, digest
from engine.evidence.chain_checks import EventFacts, Words
from engine.evidence.consent import ConsentPaper, recover_signer
from engine.evidence.endpoint import check_block
from engine.evidence.errors import DocumentInvalid, ProofInvalid
from engine.evidence.layout import (
    AuthorizationWords,
    result_commitment,
    uint_word,
)
from engine.evidence.manifest import Document, hex32, scope_of, withheld_under
from engine.evidence.report import Unsettled

T = TypeVar("T")
MANIFEST_DOCUMENTS = ("terms", "coverage", "settlement", "history", "decision", "consent")


def need(document: Document, name: str, field: str, kind: type[T]) -> T:
    """A field of a document that a step leans on. Raises DocumentInvalid when absent or of another type."""
    value: Any = document.get(field)
    if type(value) is not kind:
        raise DocumentInvalid(f"{name}: {field} is {value!r}, not {kind.__name__}")
    return value


def check_document(bundle: Bundle, name: str) -> tuple[str, None]:
    """One document against its line in the manifest."""
    document: Document = getattr(bundle.documents, name)
    listed: bytes = getattr(bundle.manifest, name)
    withheld = withheld_under(document) if name == "settlement" else None
    if withheld is not None:
        if withheld != hex32(listed):
            raise ProofInvalid(f"withheld under {withheld}, the manifest says {hex32(listed)}")
        raise Unsettled(f"withheld by its provider: only its commitment {withheld} is here", needed=False)
    found = digest(document) if name == "terms" else commitment(getattr(bundle.salts, name), document)
    if found != listed:
        raise ProofInvalid(f"its digest is {hex32(found)}, the manifest says {hex32(listed)}")
    return hex32(listed), None


def check_result(bundle: Bundle, words: Words, consent: ConsentPaper) -> tuple[str, bytes]:
    """The manifest against the commitment that MatchResultStore keeps under the claim key."""
    result = commitment(bundle.salts.manifest, bundle.manifest.model_dump(mode="json"))
    stored = words["MatchResultStore"]["commitment"]
    expected = result_commitment(result, consent.grant.id, bundle.task_id, bundle.version)
    if stored != expected:
        raise ProofInvalid(
            f"the chain keeps {hex32(stored)} for this claim, the bundle amounts to {hex32(expected)}"
        )
    return f"result digest {hex32(result)} is recorded for claim {hex32(bundle.claim_key)}", result


def check_terms(bundle: Bundle, words: Words) -> tuple[str, None]:
    """The terms against the register that the task was opened under."""
    terms = bundle.documents.terms
    if digest(terms) not in bundle.terms_register:
        raise ProofInvalid(f"terms {hex32(digest(terms))} are not in the register of the task")
    root = digest([hex32(entry) for entry in bundle.terms_register])
    if root != words["TaskScheduler"]["terms"]:
        raise ProofInvalid(
            f"the register's digest is {hex32(root)}, the task has {hex32(words['TaskScheduler']['terms'])}"
        )
    return f"{_edition(terms)}, {hex32(digest(terms))}, published with the task", None


def check_consent_text(bundle: Bundle, words: Words, consent: ConsentPaper) -> tuple[str, None]:
    """The words and the scope that were signed, and that the task ran for that same scope."""
    grant = consent.grant
    if commitment(bundle.salts.consent_text, consent.text) != grant.consent_digest:
        raise ProofInvalid("the text is not the one whose digest was signed")
    scope = scope_of(consent.scope.purpose, consent.scope.recipient, consent.scope.product)
    if scope != grant.scope:
        raise ProofInvalid("the scope in words is not the one that was signed")
    if scope != words["TaskScheduler"]["purpose"]:
        raise ProofInvalid("the task ran for another purpose than was consented to")
    if consent.scope.product not in (bundle.documents.terms.get("product"), _edition(bundle.documents.terms)):
        raise ProofInvalid("the consent is for another product than the terms")
    return f"{consent.scope.purpose}, to {consent.scope.recipient}, for {consent.scope.product}", None


def check_signature(bundle: Bundle, consent: ConsentPaper) -> tuple[str, None]:
    signer = recover_signer(consent, bundle.chain.chain_id, bundle.chain.contracts.AuthorizationRegistry)
    who = "guardian" if any(consent.grant.guardian) else "insured"
    if signer != consent.grant.signer:
        raise ProofInvalid(f"signed by 0x{signer.hex()}, not by the {who} 0x{consent.grant.signer.hex()}")
    return f"signed by the {who}, 0x{signer.hex()}", None


def check_authorization(
    bundle: Bundle, words: Words, consent: ConsentPaper, recorded: EventFacts
) -> tuple[str, None]:
    """The registry's record against what was signed, and live when the result was recorded.

    A revocation after the recording takes nothing back (PIPL 15): the record keeps no time of it, and the
    store records under a live authorization only.
    """
    grant = consent.grant
    kept = words["AuthorizationRegistry"]
    state = AuthorizationWords.read(kept["record"], kept["scope"])
    if not state.granted:
        raise ProofInvalid(f"the registry does not know authorization {hex32(grant.id)}")
    if state.expires < grant.expires:
        raise ProofInvalid("the registry keeps an earlier expiry than was signed")
    if not state.binds(grant.subject):
        raise ProofInvalid("the registry keeps another scope or subject than was signed")
    if need(bundle.documents.coverage, "coverage", "subject", str) != hex32(grant.subject):
        raise ProofInvalid("the coverage is of another person than the authorization")
    if recorded.linked:
        at = recorded.header.timestamp
        if not state.granted <= at < state.expires:
            raise ProofInvalid(
                f"granted {utc(state.granted)}, expires {utc(state.expires)}: "
                f"not live when the result was recorded at {utc(at)}"
            )
    renewed = "" if state.expires == grant.expires else f", renewed from {utc(grant.expires)}"
    since = "; revoked after the result was recorded" if state.revoked else ""
    return f"granted {utc(state.granted)}, expires {utc(state.expires)}{renewed}{since}", None


def check_recorded(
    bundle: Bundle, fact: EventFacts, consent: ConsentPaper, result: bytes, chain: ChainReader | None
) -> tuple[str, None]:
    """The event of the recording: when the chain took the result, before any payment."""
    said = {
        "claimKey": bundle.claim_key,
        "authorizationId": consent.grant.id,
        "taskId": bundle.task_id,
        "resultDigest": result,
    }
    if "version" in fact.words:
        said["version"] = uint_word(bundle.version)
    same(fact, **said)
    where = f"block {fact.header.number}, {utc(fact.header.timestamp)}"
    if not fact.linked:
        if chain is None:
            raise Unsettled(f"{where}, not linked to the anchor; the record stands without it", needed=False)
        check_block(chain, bundle.chain.chain_id, fact.header)
    return f"recorded in {where}", None


def _edition(terms: Document) -> str:
    return f"{terms.get('product')}-{terms.get('edition')}"


def same(fact: EventFacts, **expected: bytes) -> None:
    for name, word in expected.items():
        if fact.words[name] != word:
            raise ProofInvalid(f"the event has {name} {hex32(fact.words[name])}, the bundle {hex32(word)}")


def utc(seconds: int) -> str:
    """Seconds since 1970 -> RFC 3339; a time beyond the calendar stays a number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
