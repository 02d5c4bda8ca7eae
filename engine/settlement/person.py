"""The rules on the personal part of a native settlement; a minimised document has none."""

from collections.abc import Mapping
from typing import Any

from engine.settlement.findings import Findings
from engine.settlement.identity import (
    ID_CARD,
    CertificateInvalid,
    birth_date,
    is_newborn,
    normalise_certificate,
)


def check_person(setlinfo: Mapping[str, Any], found: Findings) -> None:
    """Name and certificate are required, except a newborn's certificate. No message repeats a value."""
    cert_type, cert_no = setlinfo.get("patn_cert_type"), setlinfo.get("certno")
    _check_mother(setlinfo, found)
    if "psn_name" not in setlinfo:
        _require("psn_name", found)
    if not is_newborn(setlinfo):
        for name in ("patn_cert_type", "certno"):
            if name not in setlinfo:
                _require(name, found)
    elif cert_no and not cert_type:
        _require("patn_cert_type", found)
    if not cert_type or not cert_no:
        return
    try:
        kind, number = normalise_certificate(cert_type, cert_no)
    except CertificateInvalid as error:
        found.add("/setlinfo/certno", "settlement.code.certificate", str(error))
        return
    if kind == ID_CARD and "brdy" in setlinfo and setlinfo["brdy"] != birth_date(number):
        found.add("/setlinfo/brdy", "settlement.person.birth_date", "is not the one the ID card states")


def _check_mother(setlinfo: Mapping[str, Any], found: Findings) -> None:
    kind, number = setlinfo.get("mother_cert_type"), setlinfo.get("mother_certno")
    if kind and not number:
        _require("mother_certno", found)
    elif number and not kind:
        _require("mother_cert_type", found)
    elif kind and number:
        try:
            normalise_certificate(kind, number)
        except CertificateInvalid as error:
            found.add("/setlinfo/mother_certno", "settlement.code.certificate", str(error))


def _require(name: str, found: Findings) -> None:
    pointer = f"/setlinfo/{name}"
    # A value that was sent but could not be read has been reported already.
    if all(violation.field != pointer for violation in found.errors):
        found.add(pointer, "settlement.field.required", "is required")
