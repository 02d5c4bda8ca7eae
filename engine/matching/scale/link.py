"""How two sides reach each other: where each listens, and by which keys it knows the other."""

import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_THIS_MACHINE = ("127.0.0.1", "[::1]", "localhost")
_CERTIFICATE, _KEY = "link.crt", "link.key"
_EARLIER = timedelta(hours=1)
"""The other side's clock may be behind."""


class Tls(NamedTuple):
    """PEM files. The other side has to show a certificate that `trusted` vouches for; no name is compared.

    So `trusted` is best the other side's own certificate of this run (`run_certificate`), handed over on a
    connection whose pins were checked. With a CA in its place, whoever the CA certifies passes for the other.
    """

    certificate: Path
    key: Path
    trusted: Path


class Joining(NamedTuple):
    """What one side tells the other before a run, on a connection that is authenticated already."""

    place: str
    """host:port, where it listens."""
    certificate: str
    """PEM: what it is known by in this run, and nothing else is."""


class Link(NamedTuple):
    """Each side listens: `own` is where, `peer` where the other does, both host:port."""

    own: str
    peer: str
    tls: Tls | None = None
    """None only while both are on this machine, to try things."""

    def check(self) -> None:
        """Raises ValueError, naming what does not hold."""
        for name, place in (("own", self.own), ("peer", self.peer)):
            host, _, port = place.rpartition(":")
            if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise ValueError(f"{name}: host:port, not {place!r}")
            if self.tls is None and host not in _THIS_MACHINE:
                raise ValueError(
                    f"{name}: {host} is not this machine, and without TLS nothing else is spoken to"
                )
        for path in self.tls or ():
            if not path.is_file():
                raise ValueError(f"tls: {path} is missing")


def joining(folder: Path, place: str, now: datetime) -> Joining:
    """Ours, listening there; the certificate is made in the folder if there is none in force."""
    certificate, _ = run_certificate(folder, now)
    return Joining(place, certificate.read_text("ascii"))


def joined(folder: Path, ours: Joining, theirs: Joining) -> Link:
    """The link of this run, once both know of each other: their certificate is what is trusted. folder: what
    ours was made in. Raises ValueError for what theirs cannot be."""
    x509.load_pem_x509_certificate(theirs.certificate.encode())
    trusted = folder / "peer.crt"
    trusted.write_text(theirs.certificate, encoding="ascii")
    link = Link(ours.place, theirs.place, Tls(folder / _CERTIFICATE, folder / _KEY, trusted))
    link.check()
    return link


def free_place(host: str) -> str:
    """host:port where nobody listened a moment ago."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        return f"{host}:{listener.getsockname()[1]}"


def run_certificate(folder: Path, now: datetime, days: int = 2) -> tuple[Path, Path]:
    """A key and a certificate of this run, which signs itself: the other side trusts it and nothing else.

    Makes folder/link.crt and folder/link.key (PEM, P-256), or leaves what is there and in force. Give the
    other side the certificate on a connection that is authenticated already, and delete both after the run.
    """
    certificate, key = folder / _CERTIFICATE, folder / _KEY
    if certificate.exists():
        made = x509.load_pem_x509_certificate(certificate.read_bytes())
        if made.not_valid_after_utc > now:
            return certificate, key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "autoclaim scale")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.touch(mode=0o600)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    return certificate, key
