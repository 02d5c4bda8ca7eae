"""Mutual TLS between two parties, each of which believes one key of the other.

A peer's certificate must be of the private CA that both name, in force, and of a key that was registered for
that peer: its pin is the SHA-256 of the SubjectPublicKeyInfo. The CA alone would let whoever it certifies
speak for anyone; a pin alone would never expire. TLS 1.3 and nothing else.

The pin is compared within the handshake: nothing of a request is sent to, or read from, a peer that is not
the one expected. No session is resumed, for a resumed one shows no certificate to look at again.
"""

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Identity(NamedTuple):
    """A party's files, PEM: its certificate (with what stands between it and the CA), its key, and the CA."""

    certificate: Path
    key: Path
    ca: Path


def pin_of(certificate: bytes) -> str:
    """SHA-256 of a DER certificate's SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), 64 hexadecimal digits.

    A certificate issued anew for the same key keeps it. Raises ValueError.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(f"a certificate with a key of no known kind: {error}") from error
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class PinnedContext(ssl.SSLContext):
    """Ends a handshake unless the peer's certificate holds and `expects` its pin.

    For uvicorn's and asyncio's transports, and for httpx: `httpx.HTTPTransport(verify=context)`.
    """

    expects: Callable[[str], bool]
    identity: Identity

    def renew(self) -> None:
        """Show the certificate that the files hold now, on connections from now on; the CA stays as it was.

        Raises ValueError, and then nothing has changed.
        """
        _load(PinnedContext(self.protocol), self.identity)
        _load(self, self.identity)


def server_context(identity: Identity, expects: Callable[[str], bool]) -> PinnedContext:
    """For the side that listens: a client without a certificate is refused. Raises ValueError."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, expects)
    context.num_tickets = 0
    return context


def client_context(identity: Identity, expects: Callable[[str], bool]) -> PinnedContext:
    """For the side that calls: the server's certificate must also name the host. Raises ValueError."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity, expects)


def _context(protocol: int, identity: Identity, expects: Callable[[str], bool]) -> PinnedContext:
    context = PinnedContext(protocol)
    context.identity, context.expects = identity, expects
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.sslsocket_class, context.sslobject_class = _PinnedSocket, _PinnedObject
    _load(context, identity)
    try:
        context.load_verify_locations(identity.ca)
    except OSError as error:
        raise ValueError(f"{identity.ca}: no CA certificate in PEM: {error}") from error
    return context


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    try:
        # A key under a pass phrase is refused, not asked for on a terminal.
        context.load_cert_chain(identity.certificate, identity.key, password="")
    except OSError as error:
        both = f"{identity.certificate} and {identity.key}"
        raise ValueError(f"{both}: not a certificate and its key in PEM: {error}") from error


class _PinnedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        _require_pin(self)


class _PinnedObject(ssl.SSLObject):
    def do_handshake(self) -> None:
        super().do_handshake()
        _require_pin(self)


def _require_pin(end: ssl.SSLSocket | ssl.SSLObject) -> None:
    context, certificate = end.context, end.getpeercert(binary_form=True)
    try:
        expected = isinstance(context, PinnedContext) and context.expects(pin_of(certificate or b""))
    except ValueError:
        expected = False
    if not expected:
        raise ssl.SSLCertVerificationError("the peer's key is none that was registered for it")
