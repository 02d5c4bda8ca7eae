"""A keyed pseudonym for a person: the seam where private set intersection takes over.

Both sides of a match hold the same key today. HMAC-SHA256 under a secret key, because a bare hash of
an identity number can be enumerated (10^9 candidates a birth year).
"""

import hashlib
import hmac


class Pseudonymiser:
    """Certificates in, pseudonyms out. The same person always gets the same one under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, cert_type: str, cert_no: str) -> str:
        """64 hexadecimal digits for a normalised certificate (engine.settlement.identity)."""
        return self._of(cert_type, cert_no)

    def of_name(self, name: str) -> str:
        """The same for a normalised name; never that of a certificate."""
        return self._of("name", name)

    def _of(self, kind: str, text: str) -> str:
        message = f"{kind}\x1f{text}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()
