"""A record a claim: its days from the stay, its money from the explanation of benefit, nothing lost."""

import copy
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.settlement.sources.fhir import read_fhir
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import HL7, bundle_of, concept, encoded, money
from tests.settlement.sources.fhir.conftest import (
    BENEFIT,
    CLAIM,
    ENCOUNTER,
    HOSPITAL,
    PATIENT,
    Json,
    read,
    rules,
)

Of = Callable[[int], Json]


def setlinfo(document: Json, layout: Json | None = None) -> dict[str, str]:
    (record,) = read(document, layout)
    return dict(record.nodes["setlinfo"])  # type: ignore[arg-type]


def test_the_days_of_a_stay_are_the_encounters_though_the_bill_spans_a_year(bundle: Json, of: Of) -> None:
    of(BENEFIT)["billablePeriod"] = {"start": "2031-01-01", "end": "2032-01-01"}
    info = setlinfo(bundle)
    assert info["period.start"] == PLAIN["setlinfo"]["adm_time"]
    assert info["period.end"] == PLAIN["setlinfo"]["dscg_time"]


@pytest.mark.parametrize(
    ("sent", "day"),
    [
        ("2024-07-01T23:30:00+00:00", "2024-07-02 07:30:00"),
        ("2024-07-01T15:59:59Z", "2024-07-01 23:59:59"),
        ("2024-07-01T16:00:00.250Z", "2024-07-02 00:00:00"),
        ("2024-06-30T12:00:00-12:00", "2024-07-01 08:00:00"),
        ("2024-07-01", "2024-07-01"),
    ],
)
def test_a_time_with_an_offset_falls_on_its_shanghai_day(
    version: str, bundle: Json, of: Of, sent: str, day: str
) -> None:
    of(ENCOUNTER)["period" if version == "R4" else "actualPeriod"]["start"] = sent
    assert setlinfo(bundle)["period.start"] == day


@pytest.mark.parametrize("digits", ["1232.77", "98606.98", "0.10", "12", "100000000000.01"])
def test_an_amount_is_read_as_it_was_written_and_never_through_a_float(
    bundle: Json, of: Of, digits: str
) -> None:
    of(BENEFIT)["payment"] = {"amount": {"value": Decimal(digits), "currency": "CNY"}}
    assert setlinfo(bundle)["payment.amount"] == digits


def test_the_explanation_of_benefit_is_believed_where_the_claim_says_otherwise(bundle: Json, of: Of) -> None:
    of(CLAIM)["diagnosis"] = [
        {"sequence": 1, "diagnosisCodeableConcept": concept("http://hl7.org/fhir/sid/icd-10", "Z99")}
    ]
    (record,) = read(bundle)
    (row,) = record.nodes["diseinfo"]
    assert row["diagnosis.code"] == PLAIN["diseinfo"][0]["diag_code"]


def test_what_the_explanation_leaves_out_the_claim_says(bundle: Json, of: Of) -> None:
    of(CLAIM)["item"] = of(BENEFIT).pop("item")
    of(CLAIM)["diagnosis"] = of(BENEFIT).pop("diagnosis")
    (record,) = read(bundle)
    assert len(record.nodes["feedetail"]) == len(PLAIN["feedetail"])
    assert len(record.nodes["diseinfo"]) == 1


def test_an_explanation_that_came_without_its_claim_is_a_record(bundle: Json) -> None:
    del bundle["entry"][CLAIM]
    (record,) = read(bundle)
    assert record.place == "/entry/0/resource"
    assert record.violations == ()


def test_a_claim_without_an_explanation_is_a_record(bundle: Json, of: Of) -> None:
    items = of(BENEFIT)["item"]
    del bundle["entry"][BENEFIT]
    of(CLAIM)["item"] = [{k: v for k, v in item.items() if k != "adjudication"} for item in items]
    for item in of(CLAIM)["item"]:
        for detail in item["detail"]:
            del detail["adjudication"]
    (record,) = read(bundle)
    assert record.violations == ()
    assert record.nodes["setlinfo"]["total"] == PLAIN["setlinfo"]["medfee_sumamt"]  # type: ignore[call-overload]


def test_a_pharmacy_bill_needs_no_stay_and_is_a_record_of_its_own(version: str, bundle: Json, of: Of) -> None:
    bought = copy.deepcopy(of(CLAIM))
    drug = {"coding": [{"system": "urn:autoclaim:dictionary:med_list", "code": "XL01XCB000A001010100001"}]}
    bought |= {
        "id": "bought",
        "type": concept(f"{HL7}/claim-type", "pharmacy"),
        "billablePeriod": {"start": "2024-09-01", "end": "2024-09-01"},
        "item": [{"sequence": 1, "productOrService": drug, "net": money("70.00")}],
        "total": money("70.00"),
    }
    bundle["entry"].append({"fullUrl": "https://his.example/fhir/Claim/bought", "resource": bought})
    stay, purchase = read(bundle)
    assert stay.violations == purchase.violations == ()
    info: Any = purchase.nodes["setlinfo"]
    assert info["visit"] == f"{HL7}/claim-type|pharmacy"
    assert info["period.start"] == info["period.end"] == "2024-09-01"


def test_two_settlements_in_one_bundle_are_two_records(version: str) -> None:
    other = copy.deepcopy(PLAIN)
    other["setlinfo"]["setl_id"] = "310000S9999999999"
    both = bundle_of(PLAIN, version)  # type: ignore[arg-type]
    both["entry"] += bundle_of(other, version)["entry"]  # type: ignore[arg-type]
    first, second = read(both)
    assert first.violations == second.violations == ()
    assert second.place == "/entry/6/resource"
    name = "Claim.identifier[urn:autoclaim:identifier:setl_id]"
    assert second.nodes["setlinfo"][name] == "310000S9999999999"  # type: ignore[call-overload]


def test_a_reference_by_urn_by_version_or_by_address_finds_its_resource(bundle: Json, of: Of) -> None:
    patient = f"Patient/{of(PATIENT)['id']}"
    for reference in (patient, f"{patient}/_history/3", f"https://his.example/fhir/{patient}", "urn:uuid:7"):
        bundle["entry"][PATIENT]["fullUrl"] = "urn:uuid:7"
        for index in (CLAIM, BENEFIT):
            of(index)["patient"] = {"reference": reference}
        of(ENCOUNTER)["subject"] = {"reference": reference}
        assert "no_patient" not in rules(bundle), reference


def test_a_diagnosis_by_reference_is_its_conditions(version: str, bundle: Json, of: Of) -> None:
    condition: Json = {
        "resourceType": "Condition",
        "id": "c1",
        "clinicalStatus": concept(f"{HL7}/condition-clinical", "active"),
        "code": {**concept("urn:autoclaim:dictionary:icd10", "C34.900"), "text": "肺癌"},
        "subject": of(CLAIM)["patient"],
    }
    bundle["entry"].append({"fullUrl": "https://his.example/fhir/Condition/c1", "resource": condition})
    of(BENEFIT)["diagnosis"] = [{"sequence": 1, "diagnosisReference": {"reference": "Condition/c1"}}]
    (record,) = read(bundle)
    assert record.nodes["diseinfo"] == [{"diagnosis.code": "C34.900", "diagnosis.display": "肺癌"}]


def test_a_standard_code_is_said_as_itself_and_any_other_with_its_system(bundle: Json, of: Of) -> None:
    snomed = {"system": "http://snomed.info/sct", "code": "254637007", "display": "NSCLC"}
    national = {"system": "urn:autoclaim:dictionary:icd10", "code": "C34.900"}
    own = {"system": "urn:renji:dx", "code": "C34.901"}
    diagnosis = of(BENEFIT)["diagnosis"][0]
    said = []
    for codings, layout in (
        ([snomed], {}),
        ([snomed, national], {}),
        ([snomed, own], {"systems": {"icd10": "urn:renji:dx"}}),
    ):
        diagnosis["diagnosisCodeableConcept"] = {"coding": codings}
        (record,) = read(bundle, layout)
        said.append(record.nodes["diseinfo"][0]["diagnosis.code"])  # type: ignore[index]
    assert said == ["http://snomed.info/sct|254637007", "C34.900", "C34.901"]


def test_a_passport_is_a_certificate_where_the_mapping_knows_its_kind(bundle: Json, of: Of) -> None:
    of(PATIENT)["identifier"] = [
        {"type": concept(f"{HL7}/v2-0203", "SS"), "value": "999-97-9710"},
        {"type": concept(f"{HL7}/v2-0203", "PPN"), "system": "urn:x", "value": "X22194379X"},
    ]
    info = setlinfo(bundle, {"certificates": {"PPN": "08"}})
    assert (info["certificate.type"], info["certificate.number"]) == ("08", "X22194379X")


def test_a_hospital_named_by_identifier_alone_is_known(bundle: Json, of: Of) -> None:
    code = of(HOSPITAL)["identifier"]
    del bundle["entry"][HOSPITAL]
    of(ENCOUNTER)["serviceProvider"] = {"identifier": code[0]}
    name = "Organization.identifier[urn:autoclaim:identifier:fixmedins_code]"
    assert setlinfo(bundle)[name] == PLAIN["setlinfo"]["fixmedins_code"]


def test_a_western_name_is_read_in_its_order(bundle: Json, of: Of) -> None:
    of(PATIENT)["name"] = [
        {"use": "nickname", "text": "Jo"},
        {"use": "official", "family": "Schroeder", "given": ["Blaine", "A."]},
    ]
    assert setlinfo(bundle)["Patient.name"] == "Blaine A. Schroeder"


def test_a_stay_for_which_nobody_claimed_is_a_record_with_its_reason(bundle: Json, of: Of) -> None:
    del bundle["entry"][BENEFIT]
    del bundle["entry"][CLAIM]
    (record,) = read(bundle)
    assert [violation.rule for violation in record.violations] == ["source.fhir.no_claim"]
    assert record.nodes["setlinfo"]["period.start"] == PLAIN["setlinfo"]["adm_time"]  # type: ignore[call-overload]


@pytest.mark.parametrize("changed", [{"status": "in-progress"}, {"status": "planned"}, {"partOf": {}}])
def test_a_stay_that_goes_on_or_is_part_of_another_awaits_no_claim(
    bundle: Json, of: Of, changed: Json
) -> None:
    part = {**copy.deepcopy(of(ENCOUNTER)), "id": "icu", **changed}
    if "partOf" in changed:
        part["partOf"] = {"reference": f"Encounter/{of(ENCOUNTER)['id']}"}
    bundle["entry"].append({"resource": part})
    assert len(read(bundle)) == 1


def test_an_address_on_another_server_is_not_this_one(bundle: Json, of: Of) -> None:
    for index in (CLAIM, BENEFIT):
        of(index)["patient"] = {"reference": f"https://other.example/fhir/Patient/{of(PATIENT)['id']}"}
    del of(ENCOUNTER)["subject"]
    assert "no_patient" in rules(bundle)


def test_a_visit_that_is_no_stay_needs_no_claim(version: str, bundle: Json, of: Of) -> None:
    del bundle["entry"][BENEFIT]
    del bundle["entry"][CLAIM]
    kind = {"system": f"{HL7}/v3-ActCode", "code": "AMB"}
    bundle["entry"][0]["resource"]["class"] = kind if version == "R4" else [{"coding": [kind]}]
    assert read(bundle) == []


def test_the_version_stated_is_believed_before_what_the_resources_look_like(
    version: str, bundle: Json
) -> None:
    other = "R5" if version == "R4" else "R4"
    assert "resource" in rules(bundle, {"version": other})
    assert rules(bundle, {"version": version}) == {}


def test_records_come_as_they_are_asked_for(bundle: Json) -> None:
    second = copy.deepcopy(bundle)
    records = read_fhir(io.BytesIO(encoded(second)), {})
    assert next(records).place == "/entry/0/resource"
