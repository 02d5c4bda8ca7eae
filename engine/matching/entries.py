"""A person's entry in the published roll: one size for all, and it opens for who may ask about the person.

    entry   = tag (16) | sealed (1,008)
    sealed  = nonce (12) | AES-256-GCM of the padded payload (980) and its tag (16)
    payload = length (2, big-endian) | deflated JSON | zeros

The associated data is tag | epoch (4, big-endian): an entry moved to another tag or epoch does not open. JSON
is deflated before it is padded, so that hexadecimal digits take half the room; its length shows nowhere.
"""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.matching.errors import EntryInvalid, PayloadTooLarge
from engine.matching.voprf import TAG_BYTES, Output

ENTRY_BYTES = 1024

_NONCE_BYTES = 12
_SEAL_BYTES = 16
_PAYLOAD_BYTES = ENTRY_BYTES - TAG_BYTES - _NONCE_BYTES - _SEAL_BYTES
_LENGTH_BYTES = 2
_MOST_DEFLATED = _PAYLOAD_BYTES - _LENGTH_BYTES
_MOST_JSON = 8192
_HANDLE = re.compile(r"[0-9a-f]{32,64}")
_SALT = re.compile(r"[0-9a-f]{64}")
_BYTES32 = re.compile(r"0x[0-9a-f]{64}")
_TAG = re.compile(rf"[0-9a-f]{{{2 * TAG_BYTES}}}")

Rng = Callable[[int], bytes]
"""n -> n random bytes; os.urandom outside tests."""


@dataclass(frozen=True, slots=True)
class InsuredUnder:
    """One policy, as much of it as a provider needs. Raises ValueError for a field out of form."""

    handle: str
    """16 to 32 random bytes in lower hexadecimal: names the policy to the insurer, and to nobody else."""
    product: str
    effective: date
    expires: date
    cancelled_on: date | None
    authorization: str | None
    """0x and 64 lower hexadecimal digits, as are `subject` and `scope`: what to look up on chain."""
    subject: str | None
    scope: str
    subject_salt: str | None = None
    """64 lower hexadecimal digits: opens `subject` to the certificate that the entry is of. None where there
    is no consent, or where it was given under another certificate of the person's."""

    def __post_init__(self) -> None:
        if not isinstance(self.product, str):
            raise TypeError("product: must be a string")
        if _HANDLE.fullmatch(self.handle) is None:
            raise ValueError("handle: must be 32 to 64 lower hexadecimal digits")
        for name in ("authorization", "subject", "scope"):
            value = getattr(self, name)
            if (value is not None or name == "scope") and _BYTES32.fullmatch(value) is None:
                raise ValueError(f"{name}: must be 0x and 64 lower hexadecimal digits")
        if self.subject_salt is not None and _SALT.fullmatch(self.subject_salt) is None:
            raise ValueError("subject_salt: must be 64 lower hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Payload:
    """What an entry says of a person. `name_tags`: 16 bytes each, of the names the person is insured by."""

    name_tags: tuple[bytes, ...]
    policies: tuple[InsuredUnder, ...]


def seal_entry(output: Output, epoch: int, payload: Payload, rng: Rng) -> bytes:
    """ENTRY_BYTES. Raises PayloadTooLarge."""
    text = json.dumps(_document(payload), ensure_ascii=False, separators=(",", ":")).encode()
    deflated = zlib.compress(text, level=9)
    for needed, most in ((len(deflated), _MOST_DEFLATED), (len(text), _MOST_JSON)):
        if needed > most:
            raise PayloadTooLarge(needed, most)
    plain = (len(deflated).to_bytes(_LENGTH_BYTES) + deflated).ljust(_PAYLOAD_BYTES, b"\x00")
    nonce = rng(_NONCE_BYTES)
    return output.tag + nonce + AESGCM(output.key).encrypt(nonce, plain, _bound_to(output.tag, epoch))


def open_entry(output: Output, epoch: int, entry: bytes) -> Payload:
    """What seal_entry was given. Raises EntryInvalid, also for an entry that empty_entry made."""
    if len(entry) != ENTRY_BYTES:
        raise EntryInvalid(f"an entry is {ENTRY_BYTES} bytes, not {len(entry)}")
    tag, sealed = entry[:TAG_BYTES], entry[TAG_BYTES:]
    try:
        plain = AESGCM(output.key).decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(tag, epoch)
        )
    except InvalidTag as error:
        raise EntryInvalid("it does not open: withdrawn, or sealed for another tag or epoch") from error
    try:
        return _payload(json.loads(_inflated(plain)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise EntryInvalid(f"it opens, and holds no payload: {error}") from error


def empty_entry(tag: bytes | None, rng: Rng) -> bytes:
    """An entry that opens for nobody: padding, or in place of a person who has left. None: a random tag."""
    return (rng(TAG_BYTES) if tag is None else tag) + rng(ENTRY_BYTES - TAG_BYTES)


def _bound_to(tag: bytes, epoch: int) -> bytes:
    return tag + epoch.to_bytes(4)


def _inflated(plain: bytes) -> bytes:
    length = int.from_bytes(plain[:_LENGTH_BYTES])
    inflater = zlib.decompressobj()
    # Held to a bound: 980 bytes inflate to a megabyte if their writer wants them to.
    text = inflater.decompress(plain[_LENGTH_BYTES : _LENGTH_BYTES + length], _MOST_JSON)
    if not inflater.eof:
        raise ValueError(f"it is cut short, or longer than {_MOST_JSON} bytes")
    return text


def _document(payload: Payload) -> dict[str, Any]:
    return {
        "name_tags": [tag.hex() for tag in payload.name_tags],
        "policies": [_policy_document(policy) for policy in payload.policies],
    }


def _policy_document(policy: InsuredUnder) -> dict[str, str]:
    stated = {
        "handle": policy.handle,
        "product": policy.product,
        "effective": policy.effective.isoformat(),
        "expires": policy.expires.isoformat(),
        "cancelled_on": None if policy.cancelled_on is None else policy.cancelled_on.isoformat(),
        "authorization": policy.authorization,
        "subject": policy.subject,
        "scope": policy.scope,
        "subject_salt": policy.subject_salt,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _payload(document: Any) -> Payload:
    tags = document["name_tags"]
    if not all(_TAG.fullmatch(tag) for tag in tags):
        raise ValueError(f"name_tags: each must be {2 * TAG_BYTES} lower hexadecimal digits")
    return Payload(tuple(map(bytes.fromhex, tags)), tuple(map(_policy, document["policies"])))


def _policy(document: dict[str, str]) -> InsuredUnder:
    cancelled_on = document.get("cancelled_on")
    return InsuredUnder(
        handle=document["handle"],
        product=document["product"],
        effective=date.fromisoformat(document["effective"]),
        expires=date.fromisoformat(document["expires"]),
        cancelled_on=None if cancelled_on is None else date.fromisoformat(cancelled_on),
        authorization=document.get("authorization"),
        subject=document.get("subject"),
        scope=document["scope"],
        subject_salt=document.get("subject_salt"),
    )
