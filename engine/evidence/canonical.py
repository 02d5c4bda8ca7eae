"""The one byte form of a document, and the two digests over it.

RFC 8785 (JSON Canonicalization Scheme), narrowed: no float ever, since money is integer fen and ratios
are whole numbers; integers stay within +-(2^53 - 1), beyond which JSON readers disagree.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

from engine.evidence.errors import NotCanonical

SALT_BYTES = 32


def canonical_bytes(doc: object) -> bytes:
    """JSON value -> its RFC 8785 bytes (UTF-8). Raises NotCanonical, naming the place as a JSON pointer."""
    _refuse_floats(doc, "")
    try:
        # The library's type for a JSON value is private; it raises on anything that is not one.
        value: Any = doc
        return rfc8785.dumps(value)
    except ValueError as error:  # the library's own, or Python's on a number too long to print
        raise NotCanonical(f"no canonical form: {error}") from error


def digest(doc: object) -> bytes:
    """sha256 of the canonical bytes; 32 bytes. For public documents: of a guessable one it hides nothing."""
    return hashlib.sha256(canonical_bytes(doc)).digest()


def commitment(salt: bytes, doc: object) -> bytes:
    """sha256(salt || digest(doc)); 32 bytes. Hides the document as long as the salt is secret.

    Raises NotCanonical when the salt is not 32 bytes: a short salt lets the document be guessed.
    """
    if len(salt) != SALT_BYTES:
        raise NotCanonical(f"a salt is {SALT_BYTES} bytes, not {len(salt)}")
    return hashlib.sha256(salt + digest(doc)).digest()


def _refuse_floats(value: object, pointer: str) -> None:
    if isinstance(value, float):
        raise NotCanonical(f"{pointer or '/'}: a float ({value!r}); state fen, a whole number or a string")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_floats(item, f"{pointer}/{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{pointer}/{index}")
