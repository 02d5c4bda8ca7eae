"""Who the patient is: one spelling of a certificate and of a name, whatever the sender typed.

The same normalisation runs over the policy roll, so that both sides of a match spell alike.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from engine.settlement.dictionaries import dictionary
from engine.settlement.errors import IdentityMissing

ID_CARD = "01"
BIRTH_CERTIFICATE = "990201"

_FORMS = {
    "04": re.compile(r"[A-Z][0-9]{8,10}"),
    "05": re.compile(r"[0-9]{17}[0-9X]"),
    "06": re.compile(r"[A-Z0-9]{7,12}"),
    "07": re.compile(r"[A-Z0-9]{15,18}"),
    "08": re.compile(r"[A-Z0-9]{5,17}"),
    "90": re.compile(r"[A-Z0-9]{8,30}"),
    "99": re.compile(r".{1,50}"),
    BIRTH_CERTIFICATE: re.compile(r"[A-Z][0-9]{9}"),
}
_ID_15 = re.compile(r"[0-9]{15}")
_ID_18 = re.compile(r"[0-9]{17}[0-9X]")
_FILLING = re.compile(r"[\s\-‐-―]+")
_DOTS = re.compile("[·•‧∙⋅・･●.]")
_HAN = re.compile("[㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff]")
_ONE_FORM = str.maketrans(
    {form: str(entry["zh"]) for form, entry in dictionary("name_variants").entries.items()}
)


@dataclass(frozen=True, slots=True)
class PersonIdentity:
    """A person as certificates name one; kept out of repr, so out of logs."""

    cert_type: str
    cert_no: str = field(repr=False)
    name: str = field(repr=False)


class CertificateInvalid(ValueError):
    """A certificate number does not have the form of its type. The message does not repeat it."""


def normalise_certificate(cert_type: str, cert_no: str) -> tuple[str, str]:
    """(type, number) in the one spelling: NFKC, no spaces or hyphens, capitals, an ID card of 18 digits.

    A 15-digit ID card (born before 2000) gets its century and check digit. Raises CertificateInvalid.
    """
    cert_type = unicodedata.normalize("NFKC", cert_type).strip()
    number = _FILLING.sub("", unicodedata.normalize("NFKC", cert_no)).upper()
    if cert_type == ID_CARD:
        return cert_type, _id_card(number)
    form = _FORMS.get(cert_type)
    if form is None:
        raise CertificateInvalid("is not a known certificate type")
    if form.fullmatch(number) is None:
        raise CertificateInvalid(f"does not have the form of certificate type {cert_type}")
    return cert_type, number


def _id_card(number: str) -> str:
    if _ID_15.fullmatch(number):
        number = number[:6] + "19" + number[6:]
        number += ric.calc_check_digit(number + "?")  # it drops the last place itself
    elif _ID_18.fullmatch(number) is None:
        raise CertificateInvalid("must be 18 characters (or 15 digits) of an ID card")
    elif ric.calc_check_digit(number) != number[-1]:
        raise CertificateInvalid("does not have the check digit of GB 11643")
    try:
        born = birth_date(number)
    except ValidationError as error:
        raise CertificateInvalid("does not hold a birth date") from error
    if not 1850 <= born.year <= 2100:
        raise CertificateInvalid("does not hold a birth date")
    return number


def birth_date(id_card: str) -> date:
    """The birth date an 18-digit ID card states. The county is not looked up: abolished ones live on."""
    born: date = ric.get_birth_date(id_card)
    return born


def normalise_name(name: str) -> str:
    """NFKC, one form of a character, one kind of dot, no spaces in a Chinese name; single spaces and capitals
    in another."""
    text = unicodedata.normalize("NFKC", name).strip().translate(_ONE_FORM)
    if _HAN.search(text):
        return _DOTS.sub("·", "".join(text.split()))
    return " ".join(text.split()).upper()


def identity_of(native: Mapping[str, Any]) -> PersonIdentity:
    """The patient of a valid native settlement. Raises IdentityMissing when it names nobody by ID.

    A newborn has at most a birth certificate, which no policy roll knows: a person has to look.
    """
    info = native["setlinfo"]
    cert_type, cert_no = info.get("patn_cert_type"), info.get("certno")
    if cert_type == BIRTH_CERTIFICATE or (is_newborn(info) and not cert_no):
        raise IdentityMissing("newborn")
    if not cert_type or not cert_no:
        raise IdentityMissing("no_certificate")
    try:
        kind, number = normalise_certificate(cert_type, cert_no)
    except CertificateInvalid as error:
        raise IdentityMissing("no_certificate") from error
    return PersonIdentity(kind, number, normalise_name(info.get("psn_name") or ""))


def mother_of(native: Mapping[str, Any]) -> tuple[str, str] | None:
    """The normalised certificate of a newborn's mother, where a valid native settlement names it."""
    info = native["setlinfo"]
    kind, number = info.get("mother_cert_type"), info.get("mother_certno")
    return normalise_certificate(kind, number) if kind and number else None


def is_newborn(setlinfo: Mapping[str, Any]) -> bool:
    """nwb_age (days) is stated for patients under a year; 990201 is a birth certificate."""
    age = setlinfo.get("nwb_age")
    return (age is not None and age != "") or setlinfo.get("patn_cert_type") == BIRTH_CERTIFICATE
