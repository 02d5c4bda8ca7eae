"""Who signed a Grant: EIP-712 over the registry's domain, recovered from the signature alone."""

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from pydantic import ValidationError as ShapeError

from engine.evidence.errors import DocumentInvalid, ProofInvalid
from engine.evidence.fields import Address, Hex, Index, Part, Word
from engine.evidence.layout import uint_word
from engine.evidence.manifest import Document

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_GRANT_TYPE = keccak(
    b"Grant(bytes32 subject,bytes32 scope,bytes32 consentDigest,"
    b"address insured,address guardian,uint40 expires,uint256 nonce,uint256 deadline)"
)
_NAME, _VERSION = keccak(b"AuthorizationRegistry"), keccak(b"1")
_SECP256K1_HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class ScopePaper(Part):
    purpose: str
    recipient: str
    product: str


class GrantPaper(Part):
    """The registry's Grant struct, and its id. expires: seconds; guardian: zero where the insured signs."""

    id: Word
    subject: Word
    scope: Word
    consent_digest: Word
    insured: Address
    guardian: Address
    expires: Index

    def encoded(self) -> bytes:
        """abi.encode of the struct."""
        return (
            self.subject
            + self.scope
            + self.consent_digest
            + self.insured.rjust(32, b"\0")
            + self.guardian.rjust(32, b"\0")
            + uint_word(self.expires)
        )

    @property
    def signer(self) -> bytes:
        """Whose signature grants: the guardian's, or the insured's where there is none."""
        return self.guardian if any(self.guardian) else self.insured


class ConsentPaper(Part):
    """What documents.consent_document writes, read back."""

    text: str
    scope: ScopePaper
    grant: GrantPaper
    nonce: Index
    deadline: Index
    signature: Hex


def read_consent(document: Document) -> ConsentPaper:
    """Raises DocumentInvalid, naming the first field that is missing, unknown or malformed."""
    try:
        return ConsentPaper.model_validate(document)
    except ShapeError as error:
        first = error.errors()[0]
        raise DocumentInvalid(f"consent: /{'/'.join(map(str, first['loc']))}: {first['msg']}") from error


def check_id(grant: GrantPaper) -> None:
    """An id is the hash of its grant, so nobody can show another grant for it. Raises ProofInvalid."""
    expected = keccak(keccak(grant.encoded()))
    if grant.id != expected:
        raise ProofInvalid(f"the grant has the id 0x{expected.hex()}, not 0x{grant.id.hex()}")


def recover_signer(signed: ConsentPaper, chain_id: int, registry: bytes) -> bytes:
    """The 20-byte address whose key made the signature. Raises ProofInvalid when it is no signature.

    A contract wallet (EIP-1271) signs in its own way, which only its chain can judge; it recovers to
    some other address here.
    """
    raw = signed.signature
    if len(raw) != 65 or raw[64] not in (27, 28):
        raise ProofInvalid("signature: not 65 bytes r, s, v with v 27 or 28")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    if s > _SECP256K1_HALF:
        raise ProofInvalid("signature: s in the upper half, a second form of the same signature")
    try:
        signature = Signature(vrs=(raw[64] - 27, r, s))
        key = signature.recover_public_key_from_msg_hash(grant_hash(signed, chain_id, registry))
    except (BadSignature, ValidationError) as error:
        raise ProofInvalid(f"signature: {error}") from error
    return key.to_canonical_address()


def grant_hash(signed: ConsentPaper, chain_id: int, registry: bytes) -> bytes:
    """The 32 bytes that the signer's key signs."""
    domain = keccak(_DOMAIN_TYPE + _NAME + _VERSION + uint_word(chain_id) + registry.rjust(32, b"\0"))
    struct = keccak(
        _GRANT_TYPE + signed.grant.encoded() + uint_word(signed.nonce) + uint_word(signed.deadline)
    )
    return keccak(b"\x19\x01" + domain + struct)
