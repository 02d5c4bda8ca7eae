"""Certificates for trying out: a private CA and what it issues. And what a certificate says, for people.

A deployment has its certificates from its own CA; the engine takes any that mutual TLS takes (api/tls.py).
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from api.tls import Identity, pin_of
from engine.store.secret_file import read_or_make

CA_LASTS, LEAF_LASTS = timedelta(days=3650), timedelta(days=397)
CA = "ca"
_AHEAD_OF_OTHER_CLOCKS = timedelta(minutes=5)
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Described:
    """What a certificate says. `pin` and `fingerprint` are hexadecimal: of its key, and of all of it."""

    file: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    pin: str
    fingerprint: str
    begins: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and its key in a folder; `is_new`: issued by this call."""

    described: Described
    key: Path
    is_new: bool


def describe(path: Path) -> Described:
    """The first certificate of a PEM file. Raises OSError, ValueError."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: no certificate in PEM") from error
    return Described(
        file=str(path),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_names(certificate),
        pin=pin_of(certificate.public_bytes(Encoding.DER)),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        begins=certificate.not_valid_before_utc,
        expires=certificate.not_valid_after_utc,
    )


def make(folder: Path, parties: Sequence[Sequence[str]], now: datetime) -> list[Made]:
    """The CA of a folder, and a certificate for each party's names (hosts or addresses; the first also names
    its files: NAME.crt, NAME.key). What is there and fits stays; what has expired or is for other names is
    issued anew for the same key, so that its pin stays. Keys are of mode 0600.

    Raises ValueError for what is no name, before anything is made.
    """
    for name in (name for names in parties for name in names):
        _general_name(name)
    if CA in {names[0] for names in parties}:
        raise ValueError(f"{CA}: that is the CA's own file; give the party another name first")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _authority(folder, now)
    return [authority, *(_leaf(folder, names, now) for names in parties)]


def identity(folder: Path, name: str) -> Identity:
    """The files of a party for which `make` has made them."""
    return Identity(folder / f"{name}.crt", folder / f"{name}.key", folder / f"{CA}.crt")


def _authority(folder: Path, now: datetime) -> Made:
    key = _key(folder / f"{CA}.key")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
    name = _name(f"autoclaim CA {identifier[:8].hex()}")
    built = (
        _begun(name, name, key, key, now, now + CA_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return _issued(folder, (CA,), built, key, key, now)


def _leaf(folder: Path, names: Sequence[str], now: datetime) -> Made:
    authority = x509.load_pem_x509_certificate((folder / f"{CA}.crt").read_bytes())
    key, signer = _key(folder / f"{names[0]}.key"), _key(folder / f"{CA}.key")
    until = min(now + LEAF_LASTS, authority.not_valid_after_utc)
    both_sides = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    built = (
        _begun(_name(names[0]), authority.subject, key, signer, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_sides), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
    )
    return _issued(folder, names, built, key, signer, now)


def _issued(
    folder: Path, names: Sequence[str], built: x509.CertificateBuilder, key: _Key, signer: _Key, now: datetime
) -> Made:
    """What is there, if it fits; else the certificate built, whole in its file or not at all."""
    path = folder / f"{names[0]}.crt"
    is_new = not _fits(path, names, key, signer, now)
    if is_new:
        draft = folder / f"{names[0]}.{os.getpid()}.draft"
        draft.write_bytes(built.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM))
        draft.replace(path)
    return Made(describe(path), path.with_suffix(".key"), is_new)


def _fits(path: Path, names: Sequence[str], key: _Key, signer: _Key, now: datetime) -> bool:
    """Whether a file holds a certificate for this key and these names, of this CA, that is still in force."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        certificate.public_key() == key.public_key()
        and issuer == x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        and _names(certificate) in {tuple(names), ()}
        and now < certificate.not_valid_after_utc
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: _Key, signer: _Key, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _AHEAD_OF_OTHER_CLOCKS)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key(path: Path) -> _Key:
    """P-256, made if there is none. Raises ValueError for a file that holds something else."""
    key = load_pem_private_key(read_or_make(path, _new_key).encode(), password=None)
    if isinstance(key, _Key):
        return key
    raise ValueError(f"{path}: holds a key of another kind; move it away")


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in named)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name):
            raise ValueError(f"{name!r}: neither a host's name in lower case nor an address") from None
        return x509.DNSName(name)
