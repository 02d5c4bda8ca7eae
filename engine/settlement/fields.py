"""The native settlement, node by node: which fields, how each is read, which are required.

Names are the national settlement list's (interfaces 4101, 2301, 2304). Fields that are not listed may be
sent and are kept with the submission, but nothing reads them and `minimise` drops them.
Six fields are extensions, documented here: setlinfo.ward_type, setlinfo.oth_comp_amt (compensation
already received for the stay from elsewhere), setlinfo.setl_time (from interface 2304),
setlinfo.bill_chk_code (校验码: the six letters and digits that prove the electronic invoice of bill_code
and bill_no), and setlinfo.mother_cert_type and .mother_certno (of a newborn's mother, as patn_cert_type and
certno of the patient).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.settlement.checks import (
    BadValue,
    Check,
    coded,
    day,
    formed,
    moment,
    money,
    price,
    quantity,
    text,
    whole,
)
from engine.settlement.dictionaries import dictionary

MAX_LINES: Final = 5000
MAX_ROWS: Final = 500


class Field(NamedTuple):
    """One field of a node."""

    name: str
    check: Check
    required: bool = False


DICTIONARY_OF: Final[dict[Check, str]] = {}
"""Check of a coded field -> the dictionary its codes stand in."""
OPEN_DICTIONARIES: Final[dict[str, Check]] = {}
"""Dictionaries that are not ours to ship, or differ from place to place -> the form of their codes."""


def _in(name: str) -> Check:
    check = coded(dictionary(name).codes, name)
    DICTIONARY_OF[check] = name
    return check


def _open(name: str, form: Check) -> Check:
    DICTIONARY_OF[form] = name
    OPEN_DICTIONARIES[name] = form
    return form


_identifier = formed(
    r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}",
    "settlement.code.identifier",
    "must be 1 to 40 letters, digits and . _ : -",
)

_FORMS: Final[Mapping[str, Check]] = {
    "X": formed(
        r"X[A-Z][0-9]{2}[A-Z]{2}[A-Z0-9]{17}",
        "settlement.code.list_item",
        "a western drug code is X, an ATC group and 17 characters: 23 in all",
    ),
    "Z": formed(
        r"Z[A-Z0-9]{19}", "settlement.code.list_item", "a Chinese patent medicine code is Z and 19 characters"
    ),
    "C": formed(
        r"C[0-9]{19}(?:[0-9A-Z]{7})?",
        "settlement.code.list_item",
        "a material code is C and 19 digits, with or without a suffix of seven",
    ),
    "T": formed(r"T[0-9]{9}", "settlement.code.list_item", "a herbal piece code is T and nine digits"),
}
_other_item = formed(
    r"[A-Z0-9][A-Z0-9.\-]{3,49}",
    "settlement.code.list_item",
    "a service code is 4 to 50 capitals, digits, dots and hyphens",
)


def list_item(value: object) -> str:
    """med_list_codg: the first letter announces drug, patent medicine, material or herb; else a service."""
    if type(value) is not str or not value:
        raise BadValue("settlement.field.type", "must be a string")
    code: str = _FORMS.get(value[0], _other_item)(value)
    return code


_six_digits = formed(r"[0-9]{6}", "settlement.code.dictionary", "must be a fund type, or six digits")
_known_funds: Final = dictionary("fund_type").codes


def _fund_type(value: object) -> str:
    # The six-digit list differs between its versions: an unknown one of that form counts as a fund.
    code: str = value if type(value) is str and value in _known_funds else _six_digits(value)
    return code


_diagnosis = formed(
    r"[A-Z][0-9]{2}(?:\.[0-9xX][0-9A-Za-z+*/.]{0,12})?|[A-Z][A-Z0-9.]{1,19}|M[0-9]{4,5}/[0-9]",
    "settlement.code.diagnosis",
    "must be an ICD-10 code of the insurance edition, such as C34.900",
)
_operation = formed(
    r"[0-9]{2}(?:\.[0-9]{1,4}(?:x[0-9]{1,4})?)?",
    "settlement.code.operation",
    "must be an ICD-9-CM-3 code of the insurance edition, such as 39.9500x007",
)
_open("icd10", _diagnosis)
_open("icd9cm3", _operation)
_open("med_list", list_item)
_open("fund_type", _fund_type)
_flag = _in("flag")

SETLINFO: Final = (
    Field("setl_id", _identifier, required=True),
    Field("mdtrt_id", _identifier),
    Field(
        "fixmedins_code",
        formed(r"[HP][0-9]{11}", "settlement.code.hospital", "must be H (a pharmacy: P) and 11 digits"),
        required=True,
    ),
    Field("fixmedins_name", text(200)),
    Field("hosp_lv", _in("hospital_level")),
    Field("hi_setl_lv", _in("hospital_level")),
    Field("ward_type", _in("ward_type")),
    Field("hi_no", text(30)),
    Field("medcasno", text(40)),
    Field("psn_name", text(100)),
    Field("gend", _in("sex")),
    Field("brdy", day),
    Field("age", whole(0, 150)),
    Field("nwb_age", whole(0, 365)),
    Field("ntly", text(10)),
    Field("patn_cert_type", _in("certificate_type")),
    Field("certno", text(50)),
    Field("mother_cert_type", _in("certificate_type")),
    Field("mother_certno", text(50)),
    Field("hi_type", text(10)),
    Field(
        "insuplc",
        _open(
            "insured_area",
            formed(r"[0-9]{6}", "settlement.code.area", "must be six digits, such as 310000"),
        ),
        required=True,
    ),
    Field("med_type", _in("visit_type")),
    Field("ipt_med_type", _in("inpatient_type")),
    Field("adm_time", moment, required=True),
    Field("dscg_time", moment, required=True),
    Field("act_ipt_days", whole(0, 20000)),
    Field("dscg_way", _in("discharge_way"), required=True),
    Field("bill_code", text(50)),
    Field("bill_no", text(50)),
    Field("bill_chk_code", text(50)),
    Field("biz_sn", text(50)),
    Field("setl_begn_date", moment),
    Field("setl_end_date", moment, required=True),
    Field("setl_time", moment),
    Field("hi_paymtd", text(10)),
    Field("medfee_sumamt", money),
    Field("fulamt_ownpay_amt", money),
    Field("overlmt_selfpay", money),
    Field("preselfpay_amt", money),
    Field("inscp_scp_amt", money),
    Field("fund_pay_sumamt", money),
    Field("hosp_part_amt", money),
    Field("psn_part_amt", money),
    Field("acct_pay", money),
    Field("acct_mulaid_pay", money),
    Field("psn_cash_pay", money),
    Field("psn_selfpay", money),
    Field("psn_ownpay", money),
    Field("oth_comp_amt", money),
)
OF_A_STAY: Final[frozenset[str]] = frozenset({"adm_time", "dscg_time", "dscg_way", "setl_end_date"})
"""Required of a stay only: an outpatient visit or a purchase begins and ends on the day it is settled."""
SETLINFO_OF_A_VISIT: Final = tuple(
    field._replace(required=False) if field.name in OF_A_STAY else field for field in SETLINFO
)
DISEINFO: Final = (
    Field("diag_type", _in("diagnosis_type")),
    Field("diag_code", _diagnosis, required=True),
    Field("diag_name", text(200)),
    Field("adm_cond_type", text(10)),
    Field("maindiag_flag", _flag),
)
ITEMINFO: Final = (
    Field("med_chrgitm", _in("fee_category"), required=True),
    Field("amt", money, required=True),
    Field("claa_sumfee", money),
    Field("clab_amt", money),
    Field("fulamt_ownpay_amt", money),
    Field("oth_amt", money),
)
OPRNINFO: Final = (
    Field("oprn_oprt_type", text(10)),
    Field("oprn_oprt_code", _operation, required=True),
    Field("oprn_oprt_name", text(200)),
    Field("oprn_oprt_date", moment),
)
PAYINFO: Final = (
    Field("fund_pay_type", _fund_type, required=True),
    Field("fund_payamt", money, required=True),
)
FEEDETAIL: Final = (
    Field("feedetl_sn", _identifier, required=True),
    Field("med_list_codg", list_item, required=True),
    Field("hilist_name", text(200)),
    Field("medins_list_name", text(200)),
    Field("med_chrgitm_type", _in("fee_category"), required=True),
    Field("chrgitm_lv", _in("catalogue_class")),
    Field("cnt", quantity, required=True),
    Field("pric", price, required=True),
    Field("det_item_fee_sumamt", money, required=True),
    Field("fulamt_ownpay_amt", money, required=True),
    Field("overlmt_amt", money, required=True),
    Field("preselfpay_amt", money, required=True),
    Field("inscp_scp_amt", money, required=True),
    Field("fee_ocur_time", moment),
)


class Node(NamedTuple):
    """A list of rows under one name of the native body."""

    fields: tuple[Field, ...]
    max_rows: int
    required: bool = False


LISTS: Final[Mapping[str, Node]] = {
    "diseinfo": Node(DISEINFO, MAX_ROWS),
    "iteminfo": Node(ITEMINFO, MAX_ROWS),
    "oprninfo": Node(OPRNINFO, MAX_ROWS),
    "payinfo": Node(PAYINFO, MAX_ROWS),
    "feedetail": Node(FEEDETAIL, MAX_LINES, required=True),
}

_FIELDS_OF: Final[Mapping[str, tuple[Field, ...]]] = {
    "setlinfo": SETLINFO,
    **{name: node.fields for name, node in LISTS.items()},
}


def _aliases() -> dict[str, dict[str, str]]:
    aliases: dict[str, dict[str, str]] = {}
    for code, entry in dictionary("vendor_names").entries.items():
        node, _, alias = code.partition(".")
        if entry["field"] not in {field.name for field in _FIELDS_OF.get(node, ())}:
            raise ValueError(f"vendor_names: {code} stands for {entry['field']}, which {node} does not have")
        aliases.setdefault(node, {})[alias] = entry["field"]
    return aliases


ALIASES: Final[Mapping[str, Mapping[str, str]]] = _aliases()
"""Node -> vendors' names for its fields -> the national name. Both may be sent if they agree."""

PERSONAL_FIELDS: Final[frozenset[str]] = frozenset(
    {"psn_no", "psn_name", "hi_no", "medcasno", "ipt_no", "mdtrt_id", "certno", "patn_cert_type"}
    | {"mother_cert_type", "mother_certno"}
    | {"brdy", "gend", "ntly", "naty", "nwb_age", "nwb_bir_wt", "nwb_adm_wt", "prfs"}
    | {"curr_addr", "emp_name", "emp_addr", "emp_tel", "poscode", "tel", "mob"}
    | {"coner_name", "patn_rlts", "coner_addr", "coner_tel"}
    | {"chfpdr_name", "chfpdr_code", "resp_nurs_name", "hsorg_opter", "medins_fill_psn"}
    | {"bill_code", "bill_no", "bill_chk_code", "biz_sn"}
)
"""Fields of the list that name, locate or single out a person: none may leave a minimised document."""

_NUMERIC: Final = frozenset(
    field.name
    for fields in _FIELDS_OF.values()
    for field in fields
    if field.check in (money, quantity, price)
)
NUMERIC_FIELDS: Final[frozenset[str]] = _NUMERIC | frozenset(
    alias for aliases in ALIASES.values() for alias, name in aliases.items() if name in _NUMERIC
)
"""Amounts, quantities and prices: 12.5, "12.5" and "12.50" state the same."""
