"""What FHIR allows and the list does not is said, with its place, and only where it is true."""

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import HL7, concept, money
from tests.settlement.sources.fhir.conftest import (
    BENEFIT,
    CLAIM,
    COVERAGE,
    ENCOUNTER,
    HOSPITAL,
    PATIENT,
    Json,
    read,
    rules,
)

Of = Callable[[int], Json]


def test_a_bundle_of_the_profile_has_nothing_against_it(bundle: Json) -> None:
    assert rules(bundle) == {}


@pytest.mark.parametrize("surplus", [75, 125])
def test_a_total_that_is_not_the_sum_of_its_items_is_said(bundle: Json, of: Of, surplus: int) -> None:
    total = Decimal(PLAIN["setlinfo"]["medfee_sumamt"]) + surplus
    of(BENEFIT)["total"][0]["amount"]["value"] = total
    of(CLAIM)["total"]["value"] = total
    assert rules(bundle) == {"total_of_items": "/entry/1/resource/total"}


def test_a_claim_and_an_explanation_of_other_totals_are_said(bundle: Json, of: Of) -> None:
    of(CLAIM)["total"] = money("1.00")
    assert rules(bundle) == {"totals_disagree": "/entry/0/resource/total"}


def test_a_group_that_is_not_the_sum_of_its_lines_is_said(bundle: Json, of: Of) -> None:
    first, second = of(BENEFIT)["item"][:2]
    first["net"]["value"] += 1
    second["net"]["value"] -= 1
    (record,) = read(bundle)
    places = [violation.field for violation in record.violations]
    assert places == [f"/entry/1/resource/item/{index}/net" for index in (0, 1)]


def test_a_payment_finer_than_a_fen_is_said(bundle: Json, of: Of) -> None:
    of(BENEFIT)["payment"] = {"amount": {"value": Decimal("4931.088"), "currency": "CNY"}}
    assert rules(bundle) == {"amount_precision": "/entry/1/resource/payment/amount"}


def test_a_net_or_a_column_finer_than_a_fen_is_said_once_with_its_first_place(bundle: Json, of: Of) -> None:
    for detail in of(BENEFIT)["item"][0]["detail"][:1]:
        for column in detail["adjudication"]:
            column["amount"]["value"] += Decimal("0.001")
    assert rules(bundle) == {"amount_precision": "/entry/1/resource/item/0/detail/0/adjudication/0/amount"}


def test_trailing_zeros_and_a_fine_unit_price_are_fine(bundle: Json, of: Of) -> None:
    of(BENEFIT)["payment"] = {"amount": {"value": Decimal("4931.5000"), "currency": "CNY"}}
    of(BENEFIT)["item"][0]["detail"][0]["unitPrice"]["value"] = Decimal("1.234567")
    assert rules(bundle) == {}


@pytest.mark.parametrize(
    ("currency", "words"), [("USD", "1 amounts of the bill are in USD"), (None, "without a currency")]
)
def test_an_amount_that_is_not_in_yuan_is_said(
    bundle: Json, of: Of, currency: str | None, words: str
) -> None:
    of(CLAIM)["total"]["currency"] = currency
    if currency is None:
        del of(CLAIM)["total"]["currency"]
    (record,) = read(bundle)
    (violation,) = record.violations
    assert (violation.rule, violation.field) == ("source.fhir.currency", "/entry/0/resource/total/currency")
    assert words in violation.message


def test_a_claim_for_no_stay_is_said(bundle: Json, of: Of) -> None:
    del bundle["entry"][ENCOUNTER]
    assert rules(bundle) == {"no_stay": "/entry/0/resource"}


def test_a_stay_that_stands_twice_is_none(bundle: Json) -> None:
    bundle["entry"].append(copy.deepcopy(bundle["entry"][ENCOUNTER]))
    found = [violation.rule for record in read(bundle) for violation in record.violations]
    assert "source.fhir.no_stay" in found


def test_a_bill_for_two_stays_is_said(bundle: Json, of: Of) -> None:
    second = copy.deepcopy(of(ENCOUNTER))
    second["id"] = "second"
    bundle["entry"].append({"resource": second})
    of(BENEFIT)["item"][1]["encounter"] = [{"reference": "Encounter/second"}]
    assert rules(bundle) == {"several_stays": "/entry/0/resource"}


def test_a_claim_of_nobody_is_said(bundle: Json) -> None:
    del bundle["entry"][PATIENT]
    assert rules(bundle) == {"no_patient": "/entry/0/resource"}


def test_a_stay_of_another_patient_is_said(bundle: Json, of: Of) -> None:
    other = copy.deepcopy(of(PATIENT))
    other["id"] = "other"
    bundle["entry"].append({"resource": other})
    of(ENCOUNTER)["subject"] = {"reference": "Patient/other"}
    assert rules(bundle) == {"several_patients": "/entry/0/resource"}


def test_two_explanations_of_one_claim_are_said(bundle: Json, of: Of) -> None:
    second = copy.deepcopy(of(BENEFIT))
    second["id"] = "second"
    bundle["entry"].append({"resource": second})
    assert rules(bundle) == {"several_benefits": "/entry/6/resource"}


@pytest.mark.parametrize(
    ("index", "name", "value", "rule"),
    [
        (CLAIM, "status", "cancelled", "not_final"),
        (BENEFIT, "status", "draft", "not_final"),
        (ENCOUNTER, "status", "in-progress", "not_final"),
        (BENEFIT, "outcome", "partial", "not_final"),
        (CLAIM, "use", "preauthorization", "use"),
        (BENEFIT, "use", "predetermination", "use"),
    ],
)
def test_what_is_not_final_or_no_claim_is_said(
    bundle: Json, of: Of, index: int, name: str, value: str, rule: str
) -> None:
    of(index)[name] = value
    assert rules(bundle) == {rule: f"/entry/{index}/resource/{name}"}


@pytest.mark.parametrize("stated", ["2024", "2024-07", None])
def test_a_stay_whose_day_nobody_said_is_said(version: str, bundle: Json, of: Of, stated: str | None) -> None:
    name = "period" if version == "R4" else "actualPeriod"
    of(ENCOUNTER)[name] = {"start": "2024-07-01"} | ({"end": stated} if stated else {})
    assert rules(bundle) == {"day": f"/entry/2/resource/{name}/end"}


def test_a_certificate_of_no_known_kind_is_said(bundle: Json, of: Of) -> None:
    of(PATIENT)["identifier"] = [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-97-9710"}]
    assert rules(bundle) == {"certificate": "/entry/3/resource/identifier"}


def test_a_patient_with_a_record_number_alone_is_left_to_the_list(bundle: Json, of: Of) -> None:
    number = {"type": concept(f"{HL7}/v2-0203", "MR"), "system": "urn:h", "value": "1"}
    for identifiers in ([number], []):
        of(PATIENT)["identifier"] = identifiers
        if not identifiers:
            del of(PATIENT)["identifier"]
        assert rules(bundle) == {}


SPOILED: list[tuple[int, Callable[[Json], Any], str]] = [
    (CLAIM, lambda one: one.pop("created"), "/created"),
    (CLAIM, lambda one: one.update(total="12.50"), "/total"),
    (BENEFIT, lambda one: one.update(sum="12.50"), "/sum"),
    (ENCOUNTER, lambda one: one.pop("status"), "/status"),
    (PATIENT, lambda one: one.update(birthDate="18.03.1975"), "/birthDate"),
    (COVERAGE, lambda one: one.pop("beneficiary"), "/beneficiary"),
    (HOSPITAL, lambda one: one.update(name={"text": "医院"}), "/name"),
]


@pytest.mark.parametrize(("index", "spoil", "place"), SPOILED)
def test_a_resource_that_is_not_valid_fhir_is_said_with_its_place(
    bundle: Json, of: Of, index: int, spoil: Callable[[Json], Any], place: str
) -> None:
    spoil(of(index))
    assert rules(bundle)["resource"] == f"/entry/{index}/resource{place}"


def test_a_resource_that_nothing_needs_is_not_held_to_anything(bundle: Json) -> None:
    bundle["entry"].append({"resource": {"resourceType": "Observation", "nonsense": True}})
    bundle["entry"].append({"resource": {"resourceType": ["Claim"]}})
    assert rules(bundle) == {}


def test_no_violation_repeats_what_names_a_person(bundle: Json, of: Of) -> None:
    info = PLAIN["setlinfo"]
    of(PATIENT)["birthDate"] = info["certno"]
    of(PATIENT)["gender"] = {"text": info["psn_name"]}
    (record,) = read(bundle)
    said = repr(record.violations)
    assert record.violations
    assert info["certno"] not in said
    assert info["psn_name"] not in said
