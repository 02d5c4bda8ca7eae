"""One policy of a roll, field by field: JSON values in, the coverage document out.

Names are those of the coverage document. In CSV every column may be headed in English or in Chinese.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from engine.settlement import CertificateInvalid, normalise_certificate, normalise_name

CSV_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "policy_no": "保单号",
        "product": "产品",
        "edition": "版本",
        "cert_type": "证件类型",
        "cert_no": "证件号码",
        "name": "姓名",
        "effective": "生效日期",
        "expires": "终止日期",
        "pre_existing": "既往症类别",
        "continuous_years": "连续参保年数",
        "claim_free_years": "连续无理赔年数",
        "renewed": "已续保",
        "payee_name": "收款人",
        "payee_account": "收款账号",
        "payee_bank": "开户行",
        "family": "家庭编号",
        "cancelled_on": "退保日期",
    }
)
"""English column -> Chinese column. pre_existing holds classes joined by "|", renewed true or false."""


@dataclass(frozen=True, slots=True)
class Later:
    """What may be said of a policy that is held already. No part of its coverage: what was decided stands."""

    cancelled_on: date | None = None
    """The first day without cover (退保)."""
    other_certificates: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Of the insured besides the one of the roll, a renewed passport say: (type, number), normalised."""
    other_names: tuple[str, ...] = field(default=(), repr=False)
    """Under which bills may name the insured, normalised: before a marriage, without a rare character."""


Report = Callable[[str, str, str], None]
"""(field, rule, message): one thing wrong with the row."""

_FIELDS = frozenset(
    {"policy_no", "product", "edition", "person", "effective", "expires"}
    | {"pre_existing", "continuous_years", "claim_free_years", "renewed", "payee", "family"}
    | {"cancelled_on", "other_certificates", "other_names"}
)
_CERTIFICATE = frozenset({"cert_type", "cert_no"})
_PERSON = frozenset({"cert_type", "cert_no", "name"})
_PAYEE = frozenset({"name", "account", "bank"})

_FLAGS = {"true": True, "是": True, "false": False, "否": False}

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
_CLASS = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ACCOUNT = re.compile(r"[0-9]{8,32}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_TEXT = 100
_MAX_YEARS = 100
_MAX_CLASSES = 50
_MAX_OTHERS = 10


def coverage_document(row: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The coverage document of one row, the person spelled in the normalised way.

    Everything wrong goes to report; when anything did, the result is incomplete and not to be used.
    Absent years are 0, absent renewed is false, a policy need not name a payee, nor a family: whatever the
    insurer calls it, those of one edition that name the same are one. pre_existing is required: leaving it
    out by mistake would pay the higher ratio.
    """
    _refuse_unknown(row, _FIELDS, "", report)
    document: dict[str, Any] = {
        name: _identifier(row, name, report) for name in ("policy_no", "product", "edition")
    }
    document["person"] = _person(row.get("person"), report)
    effective, expires = (_day(row, name, report) for name in ("effective", "expires"))
    if effective and expires and effective > expires:
        report("/expires", "roll.period", "must not precede effective")
    document["effective"] = effective and effective.isoformat()
    document["expires"] = expires and expires.isoformat()
    document["pre_existing"] = _classes(row.get("pre_existing"), report)
    for name in ("continuous_years", "claim_free_years"):
        document[name] = _years(row, name, report)
    document["renewed"] = row.get("renewed", False)
    if type(document["renewed"]) is not bool:
        report("/renewed", "roll.field.type", "must be true or false")
    if row.get("payee") is not None:
        document["payee"] = _payee(row["payee"], report)
    if row.get("family") is not None:
        document["family"] = _identifier(row, "family", report)
    return document


def later_of(row: Mapping[str, Any], report: Report) -> Later:
    """What the row says besides the coverage. An insurer that leaves it out takes nothing back."""
    cancelled = _day(row, "cancelled_on", report) if row.get("cancelled_on") is not None else None
    if cancelled is not None:
        first, last = (_day(row, name, lambda *_: None) for name in ("effective", "expires"))
        if first and last and not first <= cancelled <= last:
            report("/cancelled_on", "roll.period", "must be a day from effective to expires")
    certificates = [
        _other_certificate(item, pointer, report)
        for pointer, item in _others(row, "other_certificates", report)
    ]
    names = [_other_name(item, pointer, report) for pointer, item in _others(row, "other_names", report)]
    return Later(cancelled, tuple(one for one in certificates if one), tuple(name for name in names if name))


def row_of_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """CSV cells by English column -> the same row as NDJSON states it; an empty cell is absent."""
    row: dict[str, Any] = {name: cells[name] for name in _FIELDS & cells.keys() if cells[name]}
    row["person"] = {name: cells[name] for name in sorted(_PERSON) if cells.get(name)}
    classes = cells.get("pre_existing")
    if classes is not None:
        row["pre_existing"] = classes.split("|") if classes else []
    if "renewed" in row:
        row["renewed"] = _FLAGS.get(row["renewed"].lower(), row["renewed"])
    for name in ("continuous_years", "claim_free_years"):
        if re.fullmatch(r"[0-9]{1,4}", cells.get(name, "")):
            row[name] = int(cells[name])
    payee = {name: cells[f"payee_{name}"] for name in sorted(_PAYEE) if cells.get(f"payee_{name}")}
    if payee:
        row["payee"] = payee
    return row


def _refuse_unknown(row: Mapping[str, Any], known: frozenset[str], pointer: str, report: Report) -> None:
    # A misspelt pre_existing that is dropped would pay the wrong ratio.
    for name in row:
        if name not in known:
            report(f"{pointer}/{str(name)[:40]}", "roll.field.unknown", "is not a field of a policy")


def _text(row: Mapping[str, Any], name: str, pointer: str, report: Report) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        report(f"{pointer}/{name}", "roll.field.required", "is required")
        return None
    if not isinstance(value, str):
        report(f"{pointer}/{name}", "roll.field.type", "must be a string")
        return None
    text = value.strip()
    if not text or len(text) > _MAX_TEXT or _UNPRINTABLE.search(text):
        report(f"{pointer}/{name}", "roll.field.text", f"must be 1 to {_MAX_TEXT} printable characters")
        return None
    return text


def _identifier(row: Mapping[str, Any], name: str, report: Report) -> str | None:
    text = _text(row, name, "", report)
    if text is not None and _IDENTIFIER.fullmatch(text) is None:
        report(f"/{name}", "roll.field.identifier", "must be 1 to 60 letters, digits and . _ : -")
        return None
    return text


def _day(row: Mapping[str, Any], name: str, report: Report) -> date | None:
    text = _text(row, name, "", report)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not 1900 <= day.year <= 2200:
        report(f"/{name}", "roll.field.date", "must be a date YYYY-MM-DD")
        return None
    return day


def _years(row: Mapping[str, Any], name: str, report: Report) -> int:
    value = row.get(name, 0)
    if type(value) is not int or not 0 <= value <= _MAX_YEARS:
        report(f"/{name}", "roll.field.range", f"must be a whole number from 0 to {_MAX_YEARS}")
        return 0
    return value


def _classes(value: object, report: Report) -> list[str]:
    if value is None:
        report("/pre_existing", "roll.field.required", "is required; [] where there is none")
        return []
    if not isinstance(value, list) or len(value) > _MAX_CLASSES:
        report("/pre_existing", "roll.field.type", f"must be a list of at most {_MAX_CLASSES} classes")
        return []
    for index, item in enumerate(value):
        if not isinstance(item, str) or _CLASS.fullmatch(item) is None:
            report(f"/pre_existing/{index}", "roll.field.class", "must be a class such as malignant_tumour")
            return []
    return sorted(set(value))


def _person(value: object, report: Report) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        report("/person", "roll.field.required", "must be an object of cert_type, cert_no and name")
        return None
    _refuse_unknown(value, _PERSON, "/person", report)
    name, certificate = _text(value, "name", "/person", report), _certificate(value, "/person", report)
    if name is None or certificate is None:
        return None
    kind, number = certificate
    return {"cert_type": kind, "cert_no": number, "name": normalise_name(name)}


def _others(row: Mapping[str, Any], name: str, report: Report) -> list[tuple[str, object]]:
    """Each item of a list with its pointer."""
    value = row.get(name, [])
    if not isinstance(value, list) or len(value) > _MAX_OTHERS:
        report(f"/{name}", "roll.field.type", f"must be a list of at most {_MAX_OTHERS}")
        return []
    return [(f"/{name}/{index}", item) for index, item in enumerate(value)]


def _other_certificate(value: object, pointer: str, report: Report) -> tuple[str, str] | None:
    if not isinstance(value, Mapping):
        report(pointer, "roll.field.type", "must be an object of cert_type and cert_no")
        return None
    _refuse_unknown(value, _CERTIFICATE, pointer, report)
    return _certificate(value, pointer, report)


def _other_name(value: object, pointer: str, report: Report) -> str | None:
    parent, _, place = pointer.rpartition("/")
    name = _text({place: value}, place, parent, report)
    return None if name is None else normalise_name(name)


def _certificate(value: Mapping[str, Any], pointer: str, report: Report) -> tuple[str, str] | None:
    cert_type, cert_no = (_text(value, part, pointer, report) for part in ("cert_type", "cert_no"))
    if cert_type is None or cert_no is None:
        return None
    try:
        return normalise_certificate(cert_type, cert_no)
    except CertificateInvalid as error:
        report(f"{pointer}/cert_no", "roll.certificate", str(error))
        return None


def _payee(value: object, report: Report) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        report("/payee", "roll.field.type", "must be an object of name, account and bank")
        return None
    _refuse_unknown(value, _PAYEE, "/payee", report)
    name, account, bank = (_text(value, part, "/payee", report) for part in ("name", "account", "bank"))
    if name is None or account is None or bank is None:
        return None
    account = account.replace(" ", "")
    if _ACCOUNT.fullmatch(account) is None:
        report("/payee/account", "roll.payee.account", "must be 8 to 32 digits")
        return None
    return {"name": name, "account": account, "bank": bank}
