"""Every rule a settlement is held to, as data: id, severity, dimension, meaning; and tolerance in fen.

An "error" refuses the settlement; a "warning" is kept beside it for whoever looks. Ids are stable: the
API, the CLI and the quarantine show them. Numbers in brackets are the identities of the national list.
A city that differs passes its own table: `RULES | {rule.id: replace(rule, severity=...)}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

Severity = Literal["error", "warning"]
Dimension = Literal["complete", "valid", "consistent", "unique", "timely"]
"""The side of data quality that a broken rule counts against."""
DIMENSIONS: Final = get_args(Dimension)


@dataclass(frozen=True, slots=True)
class Rule:
    """tolerance_fen is how far the two sides of an identity may lie apart; 0 where it has no meaning."""

    id: str
    severity: Severity
    dimension: Dimension
    description: str
    tolerance_fen: int = 0


_TABLE: Final[tuple[tuple[str, Severity, Dimension, str], ...]] = (
    # the bytes
    ("settlement.body.too_large", "error", "valid", "The body is at most 2 MiB."),
    ("settlement.body.encoding", "error", "valid", "The body is UTF-8 with no NUL or lone surrogate."),
    ("settlement.body.json", "error", "valid", "The body is JSON (RFC 8259)."),
    ("settlement.body.duplicate_key", "error", "unique", "No object names a key twice."),
    ("settlement.body.number", "error", "valid", "Numbers are finite and of bounded length."),
    ("settlement.body.nesting", "error", "valid", "Objects and lists nest at most 16 deep."),
    ("settlement.body.object", "error", "valid", "The body is one JSON object."),
    # one field
    ("settlement.field.required", "error", "complete", "A required field is present and not empty."),
    ("settlement.field.type", "error", "valid", "A field has the JSON type the list gives it."),
    ("settlement.field.length", "error", "valid", "A text is not longer than the list allows."),
    ("settlement.field.characters", "error", "valid", "A text holds no control character."),
    ("settlement.field.alias", "error", "consistent",
     "A vendor's name for a field agrees with the national one."),
    ("settlement.field.range", "error", "valid", "A count lies in its range."),
    ("settlement.list.length", "error", "complete",
     "A list is not empty where rows are required, and is bounded."),
    ("settlement.money.precision", "error", "valid", "Money has precision 16,2, without exponent."),
    ("settlement.quantity.precision", "error", "valid", "A quantity has precision 16,4, without exponent."),
    ("settlement.price.precision", "error", "valid", "A unit price has precision 16,6 and is not negative."),
    ("settlement.date.format", "error", "valid",
     "A date is YYYY-MM-DD, a time YYYY-MM-DD HH:MM:SS, 1900 to 2100."),
    # codes
    ("settlement.code.identifier", "error", "valid", "An identifier is 1 to 40 letters, digits and . _ : -"),
    ("settlement.code.hospital", "error", "valid", "fixmedins_code is H (a pharmacy: P) and 11 digits."),
    ("settlement.code.purchase", "error", "consistent",
     "What a pharmacy settles is a purchase, med_type 41."),
    ("settlement.code.area", "error", "valid", "insuplc is six digits."),
    ("settlement.code.list_item", "error", "valid", "med_list_codg has the form its first letter announces."),
    ("settlement.code.list_category", "warning", "consistent",
     "A drug or material stands in its own fee category."),
    ("settlement.code.diagnosis", "error", "valid", "diag_code has the form of ICD-10, insurance edition."),
    ("settlement.code.operation", "error", "valid", "oprn_oprt_code has the form of ICD-9-CM-3."),
    ("settlement.code.dictionary", "error", "valid", "A coded value stands in its dictionary."),
    ("settlement.code.certificate", "error", "valid", "A certificate number has the form of its type."),
    # order and uniqueness
    ("settlement.dates.stay", "error", "consistent", "Admission is not after discharge."),
    ("settlement.dates.settlement", "error", "consistent",
     "Settlement ends neither before its begin nor admission."),
    ("settlement.dates.birth", "error", "consistent", "Nobody is admitted before being born."),
    ("settlement.dates.mid_stay", "warning", "timely",
     "Settlement before discharge is a mid-stay settlement."),
    ("settlement.dates.line", "warning", "consistent", "A line falls inside the stay."),
    ("settlement.line.duplicate", "error", "unique", "feedetl_sn is unique in a settlement."),
    ("settlement.diagnosis.main", "error", "unique", "At most one diagnosis is the main one."),
    ("settlement.person.birth_date", "warning", "consistent",
     "The birth date is the one the ID card states."),
    # signs
    ("settlement.sign.total", "error", "consistent",
     "No total is negative: a reversal has its own endpoint."),
    ("settlement.sign.line", "error", "consistent",
     "The amounts of a line all carry the sign of its quantity."),
    ("settlement.sign.refund", "error", "consistent", "Refund lines of a code do not exceed its charges."),
    # identities of the national list
    ("settlement.identity.cost_split", "error", "consistent",
     "(1) medfee_sumamt = fulamt_ownpay_amt + overlmt_selfpay + preselfpay_amt + inscp_scp_amt"),
    ("settlement.identity.payer_split", "error", "consistent",
     "(2) medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt"),
    ("settlement.identity.personal_split", "error", "consistent",
     "(3) psn_part_amt = acct_pay + acct_mulaid_pay (unless acct_pay includes it) + psn_cash_pay"),
    ("settlement.identity.fund_sum", "error", "consistent",
     "(4) fund_pay_sumamt = sum of payinfo over the funds"),
    ("settlement.identity.item_row", "error", "consistent",
     "(5) iteminfo: amt = claa_sumfee + clab_amt + fulamt_ownpay_amt + oth_amt"),
    ("settlement.identity.item_total", "error", "consistent", "(5) medfee_sumamt = sum of iteminfo.amt"),
    ("settlement.identity.line_amount", "error", "consistent",
     "(6) det_item_fee_sumamt = round(cnt x pric, 2)"),
    ("settlement.identity.line_split", "error", "consistent", "(1) holds for every line of feedetail"),
    ("settlement.identity.line_total", "error", "consistent",
     "medfee_sumamt = sum of feedetail.det_item_fee_sumamt"),
    ("settlement.identity.line_columns", "error", "consistent",
     "Each part of (1) = the sum of its column in feedetail"),
    ("settlement.identity.burden", "warning", "consistent",
     "(7) psn_selfpay + psn_ownpay = acct_pay + acct_mulaid_pay + psn_cash_pay; not held everywhere"),
    ("settlement.identity.reversal", "error", "consistent", "(8) original + reversal = 0"),
    # the time of receipt (timeliness.py)
    ("settlement.timely.discharge", "warning", "timely", "A stay is received within 15 days of discharge."),
    ("settlement.timely.settlement", "warning", "timely", "A settlement is received within 7 days."),
    ("settlement.timely.future", "warning", "timely", "A settlement is not received before it was made."),
    # reversals
    ("settlement.reversal.original", "error", "consistent",
     "A reversal names what it undoes and does not precede it."),
)  # fmt: skip

_TOLERANCE_FEN: Final = {"settlement.identity.line_amount": 1}

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {row[0]: Rule(*row, tolerance_fen=_TOLERANCE_FEN.get(row[0], 0)) for row in _TABLE}
)

if len(RULES) != len(_TABLE):
    raise AssertionError("two settlement rules share an id")
