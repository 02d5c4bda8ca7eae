"""The linter: native settlements, as JSON or NDJSON, held to every rule that intake holds them to."""

from collections.abc import Iterator
from typing import BinaryIO

from engine.settlement.body import MAX_BODY_BYTES, parse_body
from engine.settlement.errors import BodyRefused, Violation
from engine.settlement.sources.dry_run import Outcome, Summary
from engine.settlement.validation import check


def try_native(delivery: BinaryIO, hospital: str | None = None) -> tuple[Summary, Iterator[Outcome]]:
    """One settlement a line, or one over the whole file. Memory is bounded by one settlement."""
    summary = Summary()
    return summary, _outcomes(delivery, hospital, summary)


def _outcomes(delivery: BinaryIO, hospital: str | None, summary: Summary) -> Iterator[Outcome]:
    first = delivery.readline(MAX_BODY_BYTES + 1)
    if not _is_a_line_each(first):
        whole = first + delivery.read(MAX_BODY_BYTES + 1 - len(first))
        yield summary.add("file", "settlement", _violations(whole, hospital))
        return
    number, line = 1, first
    while line:
        if line.strip():
            yield summary.add(f"line {number}", "settlement", _violations(line, hospital))
        while len(line) > MAX_BODY_BYTES and not line.endswith(b"\n"):
            line = delivery.readline(MAX_BODY_BYTES + 1)  # the rest of a line that was refused for its length
        number, line = number + 1, delivery.readline(MAX_BODY_BYTES + 1)


def _is_a_line_each(first: bytes) -> bool:
    """One object in the first line; laid out over many, it would end on a later one."""
    text = first.strip()
    return text.startswith(b"{") and (text.endswith(b"}") or len(first) > MAX_BODY_BYTES)


def _violations(raw: bytes, hospital: str | None) -> list[Violation]:
    try:
        body = parse_body(raw.rstrip(b"\r\n"))
    except BodyRefused as error:
        return list(error.violations)
    checked = check(body)
    stated = checked.setlinfo.get("fixmedins_code")
    if hospital is not None and stated not in (None, hospital):
        message = f"is not {hospital}, whose delivery this is"
        other = Violation("/setlinfo/fixmedins_code", "source.hospital.other", message)
        return [other, *checked.errors]
    return checked.errors
