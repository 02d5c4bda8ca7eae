"""Reasons of decisions as bits of one number: the codes of engine.adjudication.messages, in a fixed order."""

from typing import Final

from engine.adjudication import messages

_GATES: Final = (
    *("gate.waiting", "gate.insured_area", "gate.hospital", "gate.hospital_grade", "gate.ward_type"),
    *("gate.insured_area_unknown", "gate.hospital_grade_unknown", "gate.ward_type_unclear"),
    "gate.diagnosis_unclear",
)
"""A benefit's gates come first: their answers are kept in sixteen bits."""
GATE_NO: Final = 0b11111
"""Of the gates' bits, those that say no; the others say that it is not known."""
CODES: Final = (*_GATES, *(code for code in messages.REASONS if code not in _GATES))
BIT: Final = {code: 1 << place for place, code in enumerate(CODES)}


def codes_of(bits: int) -> tuple[str, ...]:
    return tuple(code for code, bit in BIT.items() if bits & bit)
