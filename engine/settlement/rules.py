"""Every rule a settlement is held to, as data: id, severity, tolerance in fen, meaning.

An "error" refuses the settlement; a "warning" is kept beside it for whoever looks. Ids are stable: the
API, the CLI and the quarantine show them. Numbers in brackets are the identities of the national list.
A city that differs passes its own table: `RULES | {rule.id: replace(rule, severity=...)}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """tolerance_fen is how far the two sides of an identity may lie apart; 0 where it has no meaning."""

    id: str
    severity: Severity
    tolerance_fen: int
    description: str


_TABLE: Final[tuple[tuple[str, Severity, int, str], ...]] = (
    # the bytes
    ("settlement.body.too_large", "error", 0, "The body is at most 2 MiB."),
    ("settlement.body.encoding", "error", 0, "The body is UTF-8 and holds no lone surrogate."),
    ("settlement.body.json", "error", 0, "The body is JSON (RFC 8259)."),
    ("settlement.body.duplicate_key", "error", 0, "No object names a key twice."),
    ("settlement.body.number", "error", 0, "Numbers are finite and of bounded length."),
    ("settlement.body.nesting", "error", 0, "Objects and lists nest at most 16 deep."),
    ("settlement.body.object", "error", 0, "The body is one JSON object."),
    # one field
    ("settlement.field.required", "error", 0, "A required field is present and not empty."),
    ("settlement.field.type", "error", 0, "A field has the JSON type the list gives it."),
    ("settlement.field.length", "error", 0, "A text is not longer than the list allows."),
    ("settlement.field.characters", "error", 0, "A text holds no control character."),
    ("settlement.field.alias", "error", 0, "A vendor's name for a field agrees with the national one."),
    ("settlement.field.range", "error", 0, "A count lies in its range."),
    ("settlement.list.length", "error", 0, "A list is not empty where rows are required, and is bounded."),
    ("settlement.money.precision", "error", 0, "Money has precision 16,2, without exponent."),
    ("settlement.quantity.precision", "error", 0, "A quantity has precision 16,4, without exponent."),
    ("settlement.price.precision", "error", 0, "A unit price has precision 16,6 and is not negative."),
    ("settlement.date.format", "error", 0, "A date is YYYY-MM-DD, a time YYYY-MM-DD HH:MM:SS, 1900 to 2100."),
    # codes
    ("settlement.code.identifier", "error", 0, "An identifier is 1 to 40 letters, digits and . _ : -"),
    ("settlement.code.hospital", "error", 0, "fixmedins_code is H (a pharmacy: P) and 11 digits."),
    ("settlement.code.purchase", "error", 0, "What a pharmacy settles is a purchase, med_type 41."),
    ("settlement.code.area", "error", 0, "insuplc is six digits."),
    ("settlement.code.list_item", "error", 0, "med_list_codg has the form its first letter announces."),
    ("settlement.code.list_category", "warning", 0, "A drug or material stands in its own fee category."),
    ("settlement.code.diagnosis", "error", 0, "diag_code has the form of ICD-10, insurance edition."),
    ("settlement.code.operation", "error", 0, "oprn_oprt_code has the form of ICD-9-CM-3."),
    ("settlement.code.dictionary", "error", 0, "A coded value stands in its dictionary."),
    ("settlement.code.certificate", "error", 0, "A certificate number has the form of its type."),
    # order and uniqueness
    ("settlement.dates.stay", "error", 0, "Admission is not after discharge."),
    ("settlement.dates.settlement", "error", 0, "Settlement ends neither before its begin nor admission."),
    ("settlement.dates.birth", "error", 0, "Nobody is admitted before being born."),
    ("settlement.dates.mid_stay", "warning", 0, "Settlement before discharge is a mid-stay settlement."),
    ("settlement.dates.line", "warning", 0, "A line falls inside the stay."),
    ("settlement.line.duplicate", "error", 0, "feedetl_sn is unique in a settlement."),
    ("settlement.diagnosis.main", "error", 0, "At most one diagnosis is the main one."),
    ("settlement.person.birth_date", "warning", 0, "The birth date is the one the ID card states."),
    # signs
    ("settlement.sign.total", "error", 0, "No total is negative: a reversal has its own endpoint."),
    ("settlement.sign.line", "error", 0, "The amounts of a line all carry the sign of its quantity."),
    ("settlement.sign.refund", "error", 0, "Refund lines of a code do not exceed its charges."),
    # identities of the national list
    ("settlement.identity.cost_split", "error", 0,
     "(1) medfee_sumamt = fulamt_ownpay_amt + overlmt_selfpay + preselfpay_amt + inscp_scp_amt"),
    ("settlement.identity.payer_split", "error", 0,
     "(2) medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt"),
    ("settlement.identity.personal_split", "error", 0,
     "(3) psn_part_amt = acct_pay + acct_mulaid_pay (unless acct_pay includes it) + psn_cash_pay"),
    ("settlement.identity.fund_sum", "error", 0, "(4) fund_pay_sumamt = sum of payinfo over the funds"),
    ("settlement.identity.item_row", "error", 0,
     "(5) iteminfo: amt = claa_sumfee + clab_amt + fulamt_ownpay_amt + oth_amt"),
    ("settlement.identity.item_total", "error", 0, "(5) medfee_sumamt = sum of iteminfo.amt"),
    ("settlement.identity.line_amount", "error", 1, "(6) det_item_fee_sumamt = round(cnt x pric, 2)"),
    ("settlement.identity.line_split", "error", 0, "(1) holds for every line of feedetail"),
    ("settlement.identity.line_total", "error", 0, "medfee_sumamt = sum of feedetail.det_item_fee_sumamt"),
    ("settlement.identity.line_columns", "error", 0, "Each part of (1) = the sum of its column in feedetail"),
    ("settlement.identity.burden", "warning", 0,
     "(7) psn_selfpay + psn_ownpay = acct_pay + acct_mulaid_pay + psn_cash_pay; not held everywhere"),
    ("settlement.identity.reversal", "error", 0, "(8) original + reversal = 0"),
    # reversals
    ("settlement.reversal.original", "error", 0, "A reversal names what it undoes and does not precede it."),
)  # fmt: skip

RULES: Final[Mapping[str, Rule]] = MappingProxyType({row[0]: Rule(*row) for row in _TABLE})

if len(RULES) != len(_TABLE):
    raise AssertionError("two settlement rules share an id")
