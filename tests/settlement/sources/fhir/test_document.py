"""What is no FHIR document is refused before anything is made of it, under a stable rule."""

import io
import json
from typing import Any

import pytest

from engine.settlement.fields import MAX_LINES
from engine.settlement.sources.fhir import read_fhir
from engine.settlement.sources.fhir.document import (
    MAX_CONTAINERS,
    MAX_DOCUMENT_BYTES,
    MAX_ENTRIES,
    read_document,
)
from engine.settlement.sources.record import SourceRefused
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import bundle_of, claim_alone, encoded
from tests.settlement.sources.fhir.conftest import read


def refusal(raw: bytes) -> str:
    with pytest.raises(SourceRefused) as refused:
        list(read_fhir(io.BytesIO(raw), {}))
    return refused.value.violations[0].rule


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "source.fhir.json"),
        (b"\x00" * 1000, "source.fhir.json"),
        (b'{"resourceType":"Bundle","type":"collection\x00"}', "source.fhir.json"),
        (b"<Bundle xmlns='http://hl7.org/fhir'/>", "source.fhir.json"),
        (b"PK\x03\x04" + b"\x00" * 100, "source.fhir.json"),
        ("{}".encode("utf-16"), "source.fhir.encoding"),
        (b'{"a":"\\ud800"}', "source.fhir.encoding"),
        (b"[" * 10_000 + b"]" * 10_000, "source.fhir.nesting"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "source.fhir.nesting"),
        (b'{"a":' * 41 + b"1" + b"}" * 41, "source.fhir.nesting"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "source.fhir.resource_type"),
        (b'{"a":1e999999999}', "source.fhir.number"),
        (b'{"a":NaN}', "source.fhir.number"),
        (b'{"a":1,"a":2}', "source.fhir.duplicate_key"),
        (b"[]", "source.fhir.object"),
        (b"{}", "source.fhir.resource_type"),
        (b'{"resourceType":"Observation"}', "source.fhir.resource_type"),
        (b'{"resourceType":"Parameters","parameter":[{"name":"resource"}]}', "source.fhir.resource_type"),
        (b'{"resourceType":"Bundle"}', "source.fhir.bundle_type"),
        (b'{"resourceType":"Bundle","type":"history"}', "source.fhir.bundle_type"),
        (b'{"resourceType":"Bundle","type":["collection"]}', "source.fhir.bundle_type"),
        (b'{"resourceType":"Bundle","type":"collection","entry":{}}', "source.fhir.bundle_entry"),
        (b'{"resourceType":"Bundle","type":"collection","entry":[1]}', "source.fhir.bundle_entry"),
        (
            b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":[]}]}',
            "source.fhir.bundle_entry",
        ),
    ],
)
def test_what_is_no_document_is_refused_under_a_stable_rule(raw: bytes, rule: str) -> None:
    assert refusal(raw) == rule


def test_a_bundle_of_more_entries_than_anyone_sends_is_refused() -> None:
    entries = ",".join(["{}"] * (MAX_ENTRIES + 1))
    raw = f'{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}'.encode()
    assert refusal(raw) == "source.fhir.bundle_entry"


def test_a_document_of_millions_of_empty_objects_is_refused_before_it_is_parsed() -> None:
    assert refusal(b'{"item":[' + b"{}," * MAX_CONTAINERS) == "source.fhir.too_large"


def test_a_settlement_of_as_many_lines_as_the_list_allows_is_within_the_bounds() -> None:
    lines = [line for line in PLAIN["feedetail"] for _ in range(MAX_LINES)][:MAX_LINES]
    raw = encoded(bundle_of({**PLAIN, "feedetail": lines}, "R5"))
    assert len(read_document(io.BytesIO(raw))) == 6


class Endless(io.RawIOBase):
    """A line that never ends; counts what was taken of it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "an unbounded read of a line of any length"
        self.taken += size
        return b"[" * size


def test_of_a_document_without_end_no_more_is_read_than_one_byte_too_many() -> None:
    delivery = Endless()
    with pytest.raises(SourceRefused) as refused:
        list(read_fhir(delivery, {}))  # type: ignore[arg-type]
    assert refused.value.violations[0].rule == "source.fhir.too_large"
    assert delivery.taken == MAX_DOCUMENT_BYTES + 1


class Dribbling(io.BytesIO):
    """Gives less than was asked for, as a socket does."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 7))


def test_a_delivery_that_comes_in_small_pieces_is_read_whole() -> None:
    raw = b'{"resourceType":"Bundle","type":"searchset","entry":[]}'
    assert list(read_fhir(Dribbling(raw), {})) == []


@pytest.mark.parametrize("kind", ["collection", "transaction", "batch", "searchset"])
def test_every_kind_of_bundle_that_holds_records_is_read(kind: str) -> None:
    (record,) = read(bundle_of(PLAIN, kind=kind))
    assert record.place == "/entry/0/resource"
    assert record.violations == ()


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_claim_alone_with_all_it_needs_inside_is_read(version: Any) -> None:
    (record,) = read(claim_alone(PLAIN, version), {"version": version})
    (bundled,) = read(bundle_of(PLAIN, version))
    assert record.violations == ()
    assert record.nodes == bundled.nodes


def test_parameters_around_a_claim_or_a_bundle_are_looked_through() -> None:
    for document in (claim_alone(PLAIN), bundle_of(PLAIN)):
        wrapped = {
            "resourceType": "Parameters",
            "parameter": [{"name": "mode", "valueCode": "x"}, {"name": "resource", "resource": document}],
        }
        (record,) = read(wrapped)
        assert record.violations == ()
        assert record.place.startswith("/parameter/1/resource")


def test_a_delete_of_a_transaction_is_no_record() -> None:
    document = bundle_of(PLAIN, kind="transaction")
    document["entry"].append({"request": {"method": "DELETE", "url": "Claim/7"}})
    assert len(read(document)) == 1


def test_a_refusal_never_repeats_what_was_sent() -> None:
    raw = json.dumps({"resourceType": "张三", "name": "310101197503180004"}).encode()
    with pytest.raises(SourceRefused) as refused:
        list(read_fhir(io.BytesIO(raw), {}))
    assert "310101197503180004" not in str(refused.value)
