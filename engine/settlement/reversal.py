"""A reversal (退费, interface 2305): the settlement it names is undone as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.money import Fen
from engine.settlement.checks import BadValue, formed, moment, money, text
from engine.settlement.errors import SettlementInvalid, Violation
from engine.settlement.fields import SETLINFO, Field
from engine.settlement.findings import Findings
from engine.settlement.model import Settlement
from engine.settlement.rules import RULES

_BY_NAME = {field.name: field.check for field in SETLINFO}
REVERSAL = (
    Field("setl_id", _BY_NAME["setl_id"], required=True),
    Field("fixmedins_code", _BY_NAME["fixmedins_code"], required=True),
    Field("reason", text(500), required=True),
    Field("reversed_at", moment, required=True),
    Field(
        "biz_sn",
        formed(
            r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,49}",
            "settlement.code.identifier",
            "must be 1 to 50 letters, digits and . _ : -",
        ),
        required=True,
    ),
    Field("medfee_sumamt", money),
)


@dataclass(frozen=True, slots=True)
class Reversal:
    """total_fen, where stated, is negative: the sum that takes the original back."""

    setl_id: str
    fixmedins_code: str
    reason: str
    reversed_at: datetime
    biz_sn: str
    total_fen: Fen | None

    @classmethod
    def parse(cls, body: object, original: Settlement | None = None) -> "Reversal":
        """Read a reversal. Raises SettlementInvalid with every violation."""
        read, violations = _check(body, original)
        if violations:
            raise SettlementInvalid(violations)
        total = read.pop("medfee_sumamt", None)
        return cls(**read, total_fen=total)


def validate_reversal(body: object, original: Settlement | None = None) -> list[Violation]:
    """Every violation of {"setl_id", "fixmedins_code", "reason", "reversed_at", "biz_sn"[, "medfee_sumamt"]}.

    With the original it is also held against it: same settlement and hospital, not before it was
    settled, and identity (8) original + reversal = 0 where the reversal states its sum.
    """
    return _check(body, original)[1]


def _check(body: object, original: Settlement | None) -> tuple[dict[str, Any], list[Violation]]:
    found = Findings(RULES)
    read: dict[str, Any] = {}
    if not isinstance(body, Mapping):
        found.add("", "settlement.body.object", "must be an object")
        return read, found.errors
    for name, value_of, required in REVERSAL:
        value = body.get(name)
        if value is None or value == "":
            if required:
                found.add(f"/{name}", "settlement.field.required", "is required")
            continue
        try:
            read[name] = value_of(value)
        except BadValue as bad:
            found.add(f"/{name}", bad.rule, bad.message)
    if original is not None:
        _check_against(read, original, found)
    return read, found.errors


def _check_against(read: Mapping[str, Any], original: Settlement, found: Findings) -> None:
    rule = "settlement.reversal.original"
    if read.get("setl_id", original.setl_id) != original.setl_id:
        found.add("/setl_id", rule, "must be the settlement that is reversed")
    if read.get("fixmedins_code", original.hospital_code) != original.hospital_code:
        found.add("/fixmedins_code", rule, "must be the hospital of the settlement")
    # By day: a settlement's time of day is often not stated.
    if "reversed_at" in read and read["reversed_at"].date() < original.settled_at.date():
        found.add("/reversed_at", rule, "must not precede the settlement")
    if "medfee_sumamt" in read:
        found.equal(
            "/medfee_sumamt",
            "settlement.identity.reversal",
            read["medfee_sumamt"],
            -original.total_fen,
            "minus the original",
        )
