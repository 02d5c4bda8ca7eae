"""The files of a book and their columns. Names are those of `Settlement`, `DetailLine` and `Coverage`.

book.json                  format and number of parts
kinds.parquet              what lines are of: code, name, category; a row's number is the kind
part-0000/policies.parquet
part-0000/settlements.parquet   `policy`: row in policies.parquet of the same part
part-0000/lines.parquet         `settlement`: row in settlements.parquet, ascending; `kind`: row in kinds
"""

from typing import Any, Final

import pyarrow as pa

FORMAT: Final = "autoclaim.book/1"
MANIFEST: Final = "book.json"
KINDS_FILE: Final = "kinds.parquet"
POLICIES_FILE: Final = "policies.parquet"
SETTLEMENTS_FILE: Final = "settlements.parquet"
LINES_FILE: Final = "lines.parquet"

_WORD = pa.dictionary(pa.int32(), pa.string())
_FEN, _DAY, _ROW = pa.int64(), pa.date32(), pa.int32()


def _schema(columns: dict[str, pa.DataType], nullable: tuple[str, ...] = ()) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=name in nullable) for name, kind in columns.items()])


KINDS: Final = _schema({"code": pa.string(), "name": pa.string(), "category": _WORD})
POLICIES: Final = _schema(
    {
        "policy_no": pa.string(),
        "product": _WORD,
        "edition": _WORD,
        "effective": _DAY,
        "expires": _DAY,
        "pre_existing": pa.list_(pa.string()),
        "continuous_years": pa.int32(),
        "claim_free_years": pa.int32(),
        "renewed": pa.bool_(),
    }
)
AMOUNTS: Final = (
    *("total_fen", "own_pay_fen", "over_limit_fen", "pre_self_pay_fen", "in_scope_fen"),
    *("fund_fen", "account_fen", "cash_fen", "other_compensation_fen"),
)
SETTLEMENTS: Final = _schema(
    {
        "policy": _ROW,
        "setl_id": pa.string(),
        "hospital_code": _WORD,
        "hospital_grade": pa.int32(),
        "insured_area": _WORD,
        "visit_type": _WORD,
        "ward_type": _WORD,
        "admitted_on": _DAY,
        "discharged_on": _DAY,
        "settled_at": pa.timestamp("us", tz="UTC"),
        "discharge_way": _WORD,
        "main_diagnosis": _WORD,
        "other_diagnoses": pa.list_(pa.string()),
        **dict.fromkeys(AMOUNTS, _FEN),
    },
    nullable=("main_diagnosis",),
)
LINE_AMOUNTS: Final = ("amount_fen", "own_pay_fen", "over_limit_fen", "pre_self_pay_fen", "in_scope_fen")
LINES: Final = _schema(
    {"settlement": _ROW, "kind": _ROW, "occurred_on": _DAY, **dict.fromkeys(LINE_AMOUNTS, _FEN)}
)


def written(wanted: pa.Schema) -> dict[str, Any]:
    """How Parquet holds a table: quick to read above all; whole numbers by their differences."""
    words = [one.name for one in wanted if not pa.types.is_primitive(one.type)]
    numbers = [one.name for one in wanted if one.name not in words and not pa.types.is_boolean(one.type)]
    encodings = dict.fromkeys(numbers, "DELTA_BINARY_PACKED")
    return {"compression": "lz4", "use_dictionary": words, "column_encoding": encodings}


def part_name(number: int) -> str:
    return f"part-{number:04d}"
