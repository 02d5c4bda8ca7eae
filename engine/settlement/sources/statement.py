"""The detail file of 3202: every settlement of a hospital's days, one tab-separated line each.

A settlement that was taken back stands in it twice, as it was and with every amount negative; both lines
stay, since the sums of 3201 count both.
"""

from typing import Any, BinaryIO, Final

from engine.settlement.errors import Violation
from engine.settlement.sources.json_stream import CHUNK, refusal
from engine.settlement.sources.record import Raw

COLUMNS: Final = (
    *("setl_id", "mdtrt_id", "psn_no", "medfee_sumamt", "fund_pay_sumamt", "acct_pay"),
    "refd_setl_flag",
)
MAX_STATEMENT_BYTES: Final = 32 * 1024 * 1024


def read_statement(first: bytes, rest: BinaryIO) -> Raw:
    """One record for the file. Raises SourceRefused when it is too large or no UTF-8 text."""
    data = bytearray(first)
    while read := rest.read(CHUNK):
        data += read
        if len(data) > MAX_STATEMENT_BYTES:
            raise refusal("source.statement.too_large", f"has more than {MAX_STATEMENT_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refusal("source.encoding", f"is neither JSON nor UTF-8 text at byte {error.start}") from error
    if "\0" in text:
        raise refusal("source.encoding", "holds a NUL character")
    rows: list[dict[str, Any]] = []
    violations: list[Violation] = []
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.rstrip("\r").split("\t")
        if cells == [""]:
            continue
        if len(cells) != len(COLUMNS):
            message = f"line {number} has {len(cells)} columns instead of {len(COLUMNS)}"
            violations.append(Violation(f"/statement/{len(rows)}", "source.statement.columns", message))
        rows.append(dict(zip(COLUMNS, cells, strict=False)))
        if len(violations) > _MOST_VIOLATIONS:
            raise refusal("source.statement.columns", "is neither JSON nor the detail file of 3202")
    return Raw(
        "reconciliation",
        "statement",
        {"reconciliation": {"infno": "3202"}, "statement": rows},
        violations=tuple(violations),
    )


_MOST_VIOLATIONS: Final = 100
