"""The evidence bundle of one settled claim version: one canonical JSON object. docs/evidence.md describes it.

Building is pure: everything that goes in is in BundleInput. Reading is strict: an unknown or missing field,
a second way to write the same bytes, or an unknown version is refused.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import from_json

from engine.evidence.canonical import canonical_bytes
from engine.evidence.errors import BundleMalformed, NotCanonical
from engine.evidence.fields import Address, Hex, Index, Nodes, Part, Word
from engine.evidence.manifest import Document, Documents, hex32, manifest_of
from engine.evidence.salts import AuthorizationSalts, ClaimSalts

FORMAT = "autoclaim-evidence/1"
MAX_BYTES = 32 * 1024 * 1024
"""A batch's receipt with a thousand events and 256 headers stay well below; more is no bundle."""


class Contracts(Part):
    AuthorizationRegistry: Address
    MatchResultStore: Address
    TaskScheduler: Address


class AccountProof(Part):
    """account: from the anchor's state root to the contract; slots: from its storage root, by slot name."""

    account: Nodes
    slots: dict[str, Nodes]


class EventProof(Part):
    """One log. header is given only when the event's block is not among the chain's headers.

    log_index counts within the transaction's receipt, not within the block.
    """

    block_number: Index
    transaction_index: Index
    log_index: Index
    receipt: Nodes
    header: Hex | None


class Chain(Part):
    """headers: RLP, each the parent of the next; the last is the anchor, where the state proofs stand.

    confirmed: None for a version that pays nothing more than earlier ones did.
    """

    chain_id: Index
    contracts: Contracts
    headers: Annotated[list[Hex], Field(min_length=1, max_length=257)]
    state: dict[str, AccountProof]
    recorded: EventProof
    confirmed: EventProof | None


class Papers(Part):
    terms: Document
    coverage: Document
    settlement: Document
    history: Document
    decision: Document
    consent: Document
    payment: Document


class Openings(Part):
    """The salts that open what is in the bundle. Those of the person, payee and numbers are never here."""

    coverage: Word
    settlement: Word
    history: Word
    decision: Word
    consent: Word
    consent_text: Word
    manifest: Word
    payment: Word


class Manifest(Part):
    terms: Word
    coverage: Word
    settlement: Word
    history: Word
    decision: Word
    consent: Word


class Bundle(Part):
    format: Literal["autoclaim-evidence/1"]
    claim_key: Word
    version: Annotated[int, Field(ge=1, lt=2**32)]
    task_id: Word
    terms_register: list[Word]
    documents: Papers
    salts: Openings
    manifest: Manifest
    chain: Chain
    seal: Word


@dataclass(frozen=True, slots=True)
class BundleInput:
    """All that a bundle is made of.

    terms_register: what terms_root was taken over when the task was opened. chain: see
    engine.evidence.collect, which reads it from a ChainClient.
    """

    claim_key: bytes
    version: int
    task_id: bytes
    terms_register: list[str]
    documents: Documents
    payment: Document
    claim_salts: ClaimSalts
    authorization_salts: AuthorizationSalts
    chain: Chain


def build_bundle(given: BundleInput) -> bytes:
    """The bundle's bytes. Raises NotCanonical when a document holds a float."""
    documents, salts = given.documents, given.claim_salts
    body: dict[str, Any] = {
        "format": FORMAT,
        "claim_key": hex32(given.claim_key),
        "version": given.version,
        "task_id": hex32(given.task_id),
        "terms_register": given.terms_register,
        "documents": {
            "terms": documents.terms,
            "coverage": documents.coverage,
            "settlement": documents.settlement,
            "history": documents.history,
            "decision": documents.decision,
            "consent": documents.consent,
            "payment": given.payment,
        },
        "salts": {
            "coverage": hex32(salts.coverage),
            "settlement": hex32(salts.settlement),
            "history": hex32(salts.history),
            "decision": hex32(salts.decision),
            "consent": hex32(salts.consent),
            "consent_text": hex32(given.authorization_salts.consent_text),
            "manifest": hex32(salts.manifest),
            "payment": hex32(salts.payment),
        },
        "manifest": manifest_of(documents, salts),
        "chain": given.chain.model_dump(mode="json"),
    }
    return canonical_bytes({**body, "seal": hex32(seal_of(body))})


def seal_of(body: Mapping[str, Any]) -> bytes:
    """sha256 of everything but the seal: it tells a damaged copy, and proves nothing against a forger."""
    return hashlib.sha256(canonical_bytes({k: v for k, v in body.items() if k != "seal"})).digest()


def parse_bundle(raw: bytes) -> tuple[Bundle, dict[str, Any]]:
    """Bytes -> the typed bundle and the JSON object it was read from. Raises BundleMalformed."""
    if len(raw) > MAX_BYTES:
        raise BundleMalformed(f"larger than {MAX_BYTES} bytes")
    body = _read_json(raw)
    try:
        if canonical_bytes(body) != raw:
            raise BundleMalformed("not in canonical form (RFC 8785): there is another way to write it")
    except NotCanonical as error:
        raise BundleMalformed(str(error)) from error
    if body.get("format") != FORMAT:
        raise BundleMalformed(f"/format: {body.get('format')!r}; this verifier reads {FORMAT!r}")
    try:
        return Bundle.model_validate(body), body
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleMalformed(f"/{'/'.join(map(str, first['loc']))}: {first['msg']}") from error


def _read_json(raw: bytes) -> dict[str, Any]:
    try:
        # Not the standard library's reader: it recurses as deep as the bytes say, and py-evm lifts Python's
        # limit so far that the process would die of it.
        body = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise BundleMalformed(f"not a JSON object in UTF-8: {error}") from error
    if not isinstance(body, dict):
        raise BundleMalformed("not a JSON object")
    return body
