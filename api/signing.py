"""How a client signs: RFC 9421, Ed25519, over the method, the target URI and the content's digest."""

from collections.abc import Callable, Generator
from datetime import datetime

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

COVERED = ("@method", "@target-uri")
"""`content-digest` is added by the signer whenever there is a body to sign."""


class HospitalSigner(httpx.Auth):
    """`httpx.post(…, auth=HospitalSigner(key_id, key, clock))`.

    key_id: as registered with the public key; key: from `generate_key`; clock: aware datetimes.
    """

    requires_request_body = True

    def __init__(self, key_id: str, key: Ed25519PrivateKey, clock: Callable[[], datetime]) -> None:
        resolver = MappingKeyResolver(public_keys={}, private_keys={key_id: key})
        self._signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
        self._key_id = key_id
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.sign(request)
        yield request

    def sign(self, request: httpx.Request) -> None:
        """Add Content-Digest, Signature-Input and Signature; replaces those of an earlier attempt."""
        request.headers.pop("Content-Digest", None)
        self._signer.sign(
            request,
            key_id=self._key_id,
            created=self._clock(),
            covered_component_ids=COVERED,
            body=request.content,
        )


def generate_key(rng: Callable[[int], bytes]) -> tuple[Ed25519PrivateKey, bytes]:
    """(private key, its public key's 32 raw bytes, as the hospital register keeps them)."""
    key = Ed25519PrivateKey.from_private_bytes(rng(32))
    return key, key.public_key().public_bytes_raw()


def load_key(raw: bytes) -> Ed25519PrivateKey:
    """From the 32 raw bytes. Raises ValueError."""
    return Ed25519PrivateKey.from_private_bytes(raw)
