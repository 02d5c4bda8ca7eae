"""The linter: native settlements, as JSON or NDJSON, held to every rule that intake holds them to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO

from engine.settlement.body import MAX_BODY_BYTES, parse_body
from engine.settlement.errors import BodyRefused, Violation
from engine.settlement.sources.codes import SHIPPED, Dictionaries
from engine.settlement.sources.dry_run import Outcome, Summary
from engine.settlement.sources.nodes import NODES, dictionary_of
from engine.settlement.validation import check


@dataclass(frozen=True, slots=True)
class Linter:
    """hospital: whose every record must be, where it is stated; on: the day of receipt."""

    on: date
    hospital: str | None = None
    dictionaries: Dictionaries = SHIPPED

    def violations(self, raw: bytes) -> list[Violation]:
        """Every rule that one body breaks."""
        try:
            body = parse_body(raw)
        except BodyRefused as error:
            return list(error.violations)
        checked = check(body)
        found = [*checked.errors, *self._unlisted("setlinfo", checked.setlinfo, "/setlinfo")]
        for node, rows in checked.rows.items():
            for at, row in enumerate(rows):
                found += self._unlisted(node, row, f"/{node}/{at}")
        if self.hospital is not None and checked.setlinfo.get("fixmedins_code") not in (None, self.hospital):
            message = f"is not {self.hospital}, whose delivery this is"
            found.append(Violation("/setlinfo/fixmedins_code", "source.hospital.other", message))
        return found

    def _unlisted(self, node: str, row: Mapping[str, Any], pointer: str) -> Iterator[Violation]:
        """Codes that a list of the operator's does not hold; the rules know their form only."""
        for name, field in NODES[node].items() if self.dictionaries.given else ():
            listed = self.dictionaries.given.get(dictionary_of(field) or "")
            if listed is not None and name in row and not listed.holds(row[name], self.on):
                message = f"is no code of the dictionary {listed.name} on {self.on}"
                yield Violation(f"{pointer}/{name}", "source.code.unmapped", message)


def try_native(delivery: BinaryIO, linter: Linter) -> tuple[Summary, Iterator[Outcome]]:
    """One settlement a line, or one over the whole file. Memory is bounded by one settlement."""
    summary = Summary()
    return summary, _outcomes(delivery, linter, summary)


def _outcomes(delivery: BinaryIO, linter: Linter, summary: Summary) -> Iterator[Outcome]:
    first = delivery.readline(MAX_BODY_BYTES + 1)
    if not _is_a_line_each(first):
        whole = first + delivery.read(MAX_BODY_BYTES + 1 - len(first))
        yield summary.add("file", "settlement", linter.violations(whole))
        return
    number, line = 1, first
    while line:
        if line.strip():
            yield summary.add(f"line {number}", "settlement", linter.violations(line.rstrip(b"\r\n")))
        while len(line) > MAX_BODY_BYTES and not line.endswith(b"\n"):
            line = delivery.readline(MAX_BODY_BYTES + 1)  # the rest of a line that was refused for its length
        number, line = number + 1, delivery.readline(MAX_BODY_BYTES + 1)


def _is_a_line_each(first: bytes) -> bool:
    """One object in the first line; laid out over many, it would end on a later one."""
    text = first.strip()
    return text.startswith(b"{") and (text.endswith(b"}") or len(first) > MAX_BODY_BYTES)
