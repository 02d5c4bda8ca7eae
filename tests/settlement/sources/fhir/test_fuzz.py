"""Whatever comes, the reader answers with records or with a refusal, under rules of the table."""

import copy
import io
import json
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.settlement.checks import SHANGHAI
from engine.settlement.sources.fhir import Outcome, answer, read_fhir
from engine.settlement.sources.record import Raw, SourceRefused
from engine.settlement.sources.rules import SOURCE_RULES
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import bundle_of, claim_alone, encoded

DOCUMENTS = [
    bundle_of(PLAIN, "R4"),
    bundle_of(PLAIN, "R5", "transaction"),
    claim_alone(PLAIN, "R4"),
    claim_alone(PLAIN, "R5"),
]
AT = datetime(2026, 1, 5, tzinfo=SHANGHAI)
BYTES = [encoded(document) for document in DOCUMENTS]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(found for key, child in children for found in _paths(child, (*path, key)))]


PATHS = [_paths(document) for document in DOCUMENTS]

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.decimals(allow_nan=False, allow_infinity=False).filter(lambda number: -30 < number.adjusted() < 30),
    st.text(max_size=12),
    st.sampled_from(["Claim", "Encounter", "#", "2024-02-30", "0001-01-01T00:00:00+14:00", "12.5", "CNY"]),
    st.lists(st.none() | st.text(max_size=3), max_size=3),
    st.dictionaries(
        st.sampled_from(["value", "code", "reference", "resourceType", "coding"]), st.none() | st.text()
    ),
)


def answered(raw: bytes) -> list[Raw]:
    """The records; a refusal is an answer too, anything else is not."""
    records: list[Raw] = []
    refusals: list[str] = []
    try:
        records += read_fhir(io.BytesIO(raw), {})
    except SourceRefused as refused:
        refusals += [violation.rule for violation in refused.violations] or ["no rule at all"]
    said = [violation.rule for record in records for violation in record.violations]
    assert SOURCE_RULES.keys() >= {*refusals, *said}
    assert not (records and refusals), "half a document was read"
    for record in records:
        assert record.kind in ("settlement", "report")
        for rows in record.nodes.values():
            for row in [rows] if isinstance(rows, dict) else rows:
                assert all(type(name) is str and type(value) is str for name, value in row.items())
    if records:
        outcomes = [Outcome(record.place, violations=record.violations) for record in records]
        assert "resourceType" in json.loads(answer(raw, {}, AT, outcomes))
    return records


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_value_in_any_place_ends_as_records_or_a_refusal(data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(DOCUMENTS) - 1))
    document = copy.deepcopy(DOCUMENTS[which])
    for path in data.draw(st.lists(st.sampled_from(PATHS[which]), min_size=1, max_size=3)):
        _put(document, path, data.draw(JUNK), remove=data.draw(st.booleans()))
    answered(encoded(document))


def _put(document: Any, path: tuple[Any, ...], value: Any, *, remove: bool) -> None:
    """Change what stands at a path, if an earlier change has left it there."""
    if not path:
        return
    holder = document
    for step in path[:-1]:
        if not _holds(holder, step):
            return
        holder = holder[step]
    last = path[-1]
    if isinstance(holder, dict) and remove:
        holder.pop(last, None)
    elif isinstance(holder, dict) or _holds(holder, last):
        holder[last] = value


def _holds(holder: Any, step: Any) -> bool:
    if isinstance(holder, list):
        return type(step) is int and step < len(holder)
    return isinstance(holder, dict) and step in holder


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_flipped_bytes_end_as_records_or_a_refusal(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(BYTES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    answered(bytes(raw))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf{}")
@example(b'{"resourceType":"Claim"}')
@example(b'{"resourceType":"Claim","contained":[{"resourceType":"Nonsense"}]}')
@example(
    b'{"resourceType":"ExplanationOfBenefit","claim":{"reference":"#"},"item":[[]],"total":{"value":[]}}'
)
def test_any_bytes_end_as_records_or_a_refusal(raw: bytes) -> None:
    answered(raw)


def test_a_claim_of_which_nothing_is_right_is_a_record_with_all_that_was_read() -> None:
    (record,) = answered(json.dumps({"resourceType": "Claim", "id": "7", "item": {"net": 1}}).encode())
    assert {violation.rule for violation in record.violations} >= {
        "source.fhir.resource",
        "source.fhir.no_stay",
    }
    assert record.nodes["setlinfo"]["Claim.id"] == "7"  # type: ignore[call-overload]
