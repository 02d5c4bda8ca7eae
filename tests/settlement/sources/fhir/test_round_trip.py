"""A native settlement that a hospital sends as FHIR comes out as the settlement it was."""

import copy
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.sandbox.population import generate
from engine.settlement import HospitalRegister, content_digest, parse_body, read_submission, validate
from engine.settlement.sources.fhir import read_fhir
from engine.settlement.sources.mapping import SourceMapping
from engine.settlement.sources.mapping_file import load_mapping
from engine.settlement.sources.record import Record
from engine.settlement.sources.standardise import standardise
from engine.settlement.sources.verdict import errors_of
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import (
    HL7,
    TOTALS,
    Json,
    Version,
    bundle_of,
    claim_alone,
    concept,
    encoded,
)
from tests.support.process import REPOSITORY

SEEDS = REPOSITORY / "seeds" / "sources"
PROFILE = load_mapping(SEEDS / "example-fhir.yaml")
DAY = date(2026, 1, 5)
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""A whole settlement shrinks to nothing that says more, and takes minutes for it."""
NATIVES = [discharge.body for discharge in islice(generate(40, 60, seed=11).settlements(), 60)]


def mapping_for(native: Json) -> SourceMapping:
    """As the hospital of this settlement would have it."""
    return replace(PROFILE, hospital=native["setlinfo"]["fixmedins_code"])


def records(document: Json, mapping: SourceMapping, layout: Mapping[str, Any] | None = None) -> list[Record]:
    raws = read_fhir(io.BytesIO(encoded(document)), {**mapping.layout, **(layout or {})})
    return [standardise(raw, mapping, DAY) for raw in raws]


def listed(native: Json) -> Json:
    """What the purpose lists of it, lines by number: FHIR groups them by category."""
    body = copy.deepcopy(native)
    for name in ("curr_addr", "coner_tel"):
        body["setlinfo"].pop(name, None)
    body["feedetail"].sort(key=lambda line: line["feedetl_sn"])
    return {node: rows for node, rows in body.items() if rows}


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None, phases=UNSHRUNK)
@given(
    which=st.integers(0, len(NATIVES) - 1),
    version=st.sampled_from(["R4", "R5"]),
    kind=st.sampled_from(["collection", "transaction", "searchset"]),
    offset_hours=st.integers(-11, 13),
    grouped=st.booleans(),
    left_out=st.sets(st.sampled_from(TOTALS)),
)
def test_a_settlement_sent_as_fhir_is_the_settlement_it_was(
    which: int, version: Version, kind: str, offset_hours: int, grouped: bool, left_out: set[str]
) -> None:
    native = copy.deepcopy(NATIVES[which])
    for name in left_out:
        native["setlinfo"].pop(name, None)
    if not grouped:
        del native["iteminfo"]
    (record,) = records(bundle_of(native, version, kind, offset_hours), mapping_for(native))
    assert content_digest(listed(record.body)) == content_digest(listed(native))
    assert record.unmapped == ()
    assert bool(errors_of(record)) == bool(validate(native))
    assert set(record.dropped) <= {
        f"{node}/{name}" for node, names in PROFILE.ignore.items() for name in names
    }


@pytest.mark.parametrize("version", ["R4", "R5"])
@pytest.mark.parametrize("write", [bundle_of, claim_alone])
def test_a_bundle_of_the_profile_is_accepted_from_end_to_end(
    register: HospitalRegister, version: Any, write: Any
) -> None:
    (record,) = records(write(PLAIN, version), mapping_for(PLAIN), {"version": version})
    assert errors_of(record) == []
    sent = read_submission(json.dumps(record.body).encode(), register)
    straight = read_submission(json.dumps(listed(PLAIN)).encode(), register)
    assert sent.identity == straight.identity
    lines, expected = sent.document.pop("feedetail"), straight.document.pop("feedetail")
    assert sent.document == straight.document
    assert sorted(lines, key=lambda line: str(line["feedetl_sn"])) == expected


def test_a_code_that_nothing_maps_is_left_unmapped_with_its_system(version: Any) -> None:
    document = bundle_of(PLAIN, version)
    line = document["entry"][1]["resource"]["item"][0]["detail"][0]
    line["category"]["coding"][0]["system"] = "https://bluebutton.cms.gov/resources/variables/line_type"
    (record,) = records(document, mapping_for(PLAIN))
    (unmapped,) = record.unmapped
    assert unmapped.dictionary == "fee_category"
    assert unmapped.local == "https://bluebutton.cms.gov/resources/variables/line_type|01"
    assert [violation.rule for violation in errors_of(record)] == ["source.code.unmapped"]


def test_another_hospitals_claim_is_not_read_under_this_ones_mapping(version: Any) -> None:
    mapping = replace(PROFILE, hospital="H31010699999")
    (record,) = records(bundle_of(PLAIN, version), mapping)
    assert "source.hospital.other" in {violation.rule for violation in errors_of(record)}


def test_a_stay_of_the_united_states_is_quarantined_for_what_it_cannot_say() -> None:
    mapping = load_mapping(SEEDS / "synthea.yaml")
    (record,) = records(synthea_like(), mapping)
    assert parse_body(json.dumps(record.body).encode()) == record.body
    found = {(violation.rule, violation.field) for violation in errors_of(record)}
    bill, line = "/entry/2/resource", "/feedetail/1"
    assert found >= {
        ("source.fhir.currency", "/entry/1/resource/total/currency"),
        ("source.fhir.total_of_items", f"{bill}/total"),
        ("source.fhir.amount_precision", f"{bill}/payment/amount"),
        ("source.code.unmapped", f"{line}/med_list_codg"),
        ("settlement.field.required", f"{line}/fulamt_ownpay_amt"),
        ("settlement.field.required", "/setlinfo/insuplc"),
        ("settlement.field.required", "/setlinfo/dscg_way"),
    }
    info = record.body["setlinfo"]
    assert (info["adm_time"], info["dscg_time"]) == ("1992-03-09 03:32:30", "1992-03-10 03:32:30")
    assert (info["med_type"], info["gend"], info["patn_cert_type"]) == ("21", "1", "08")
    assert "insuplc" not in info, "nobody said where the patient is insured"


def dollars(amount: str) -> Json:
    return {"value": Decimal(amount), "currency": "USD"}


def synthea_like() -> Json:
    """One stay with the traps of that generator's output; invented here."""
    snomed, hl7 = "http://snomed.info/sct", HL7
    patient, stay, claim = ("urn:uuid:00000000-0000-4000-8000-00000000000" + n for n in "123")
    encounter = [{"reference": stay}]
    items = [
        {"sequence": 1, "productOrService": concept(snomed, "183452005"), "encounter": encounter},
        {"sequence": 2, "productOrService": concept(snomed, "274804006"), "net": dollars("6163.86")},
    ]
    shared = {
        "status": "active",
        "type": concept(f"{hl7}/claim-type", "institutional"),
        "use": "claim",
        "patient": {"reference": patient},
        "created": "1992-03-09T19:32:30+00:00",
        "provider": {"display": "somebody"},
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "private"}}],
    }
    resources = {
        patient: {
            "resourceType": "Patient",
            "identifier": [{"type": concept(f"{hl7}/v2-0203", "PPN"), "value": "X00000000X"}],
            "name": [{"family": "Nobody", "given": ["Some"]}],
            "gender": "male",
            "birthDate": "1968-08-24",
        },
        claim: {
            "resourceType": "Claim",
            "id": "3b9f0a52-0000-4000-8000-000000000003",
            **shared,
            "priority": concept(f"{hl7}/processpriority", "normal"),
            "item": items,
            "total": dollars("6238.86"),
        },
        "urn:uuid:00000000-0000-4000-8000-000000000004": {
            "resourceType": "ExplanationOfBenefit",
            **shared,
            "insurance": [{"focal": True, "coverage": {"display": "private"}}],
            "billablePeriod": {"start": "1992-03-09T19:32:30+00:00", "end": "1993-03-09T19:32:30+00:00"},
            "insurer": {"display": "private"},
            "claim": {"reference": claim},
            "outcome": "complete",
            "item": items,
            "total": [
                {"category": concept(f"{hl7}/adjudication", "submitted"), "amount": dollars("6238.86")}
            ],
            "payment": {"amount": dollars("4931.088")},
        },
        stay: {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": f"{hl7}/v3-ActCode", "code": "IMP"},
            "subject": {"reference": patient},
            "period": {"start": "1992-03-08T19:32:30+00:00", "end": "1992-03-09T19:32:30+00:00"},
        },
    }
    entries = [{"fullUrl": url, "resource": resource} for url, resource in resources.items()]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
